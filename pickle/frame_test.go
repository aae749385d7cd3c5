package pickle

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestParseHeader(t *testing.T) {
	tests := map[string]struct {
		header string
		length int
		reason Reason // NumReasons means accepted
		text   string
	}{
		"empty frame":       {"\x00\x00\x00\x00", 0, NumReasons, ""},
		"small":             {"\x00\x00\x01\x02", 258, NumReasons, ""},
		"at the limit":      {"\x00\x10\x00\x00", 1 << 20, NumReasons, ""},
		"above the limit":   {"\x00\x10\x00\x01", 0, FrameTooLong, "1048577 bytes (header \"\\x00\\x10\\x00\\x01\") is too long, accepted are 1048576"},
		"the most":          {"\xff\xff\xff\xff", 0, FrameTooLong, "4294967295"},
		"plaintext":         {"a.b ", 0, NotAFrame, `"a.b " is the beginning of plain text`},
		"short plaintext":   {"a 1\n", 0, NotAFrame, "plain text"},
		"request":           {"GET ", 0, NotAFrame, "plain text"},
		"tls":               {"\x16\x03\x01\x02", 0, NotAFrame, "TLS"},
		"gzip":              {"\x1f\x8b\x08\x00", 0, FrameTooLong, "529205248"},
		"pickle not framed": {"\x80\x02]q", 0, FrameTooLong, "2147638641"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			n, err := ParseHeader([]byte(tt.header), 1<<20)
			if tt.reason == NumReasons {
				if n != tt.length || err != nil {
					t.Errorf("got %d, %v; want %d", n, err, tt.length)
				}
				return
			}
			var e *Error
			if !errors.As(err, &e) || e.Reason != tt.reason || !strings.Contains(e.Error(), tt.text) {
				t.Errorf("got %d, %v; want %v, %q", n, err, tt.reason, tt.text)
			}
		})
	}
}

// split returns the payloads of a stream that comes in the given parts,
// and the beginning of one that is kept.
func split(maxFrame int, parts ...[]byte) (payloads []string, kept string, err error) {
	s := Splitter{MaxFrame: maxFrame}
	for _, p := range parts {
		for {
			payload, rest, ok, err := s.Next(p)
			if err != nil {
				return payloads, "", err
			}
			if !ok {
				break
			}
			payloads = append(payloads, string(payload))
			p = rest
		}
	}
	return payloads, string(s.tail[len(s.tail)-s.Pending():]), nil
}

func TestSplitter(t *testing.T) {
	stream := []byte("\x00\x00\x00\x03abc\x00\x00\x00\x00\x00\x00\x00\x01d\x00\x00\x00\x09unfin")
	var bytewise [][]byte
	for i := range stream {
		bytewise = append(bytewise, stream[i:i+1])
	}
	for name, parts := range map[string][][]byte{"at once": {stream}, "byte by byte": bytewise, "with empty reads": {nil, stream[:9], nil, stream[9:]}} {
		payloads, kept, err := split(10, parts...)
		if strings.Join(payloads, "|") != "abc||d" || kept != "\x00\x00\x00\x09unfin" || err != nil {
			t.Errorf("%s: got %q, kept %q, %v", name, payloads, kept, err)
		}
	}
	payloads, _, err := split(10, []byte("\x00\x00\x00\x01a\x00\x00\x00\x0b"), []byte("0123456789a"))
	if len(payloads) != 1 || err == nil {
		t.Errorf("frame above the limit: got %q, %v", payloads, err)
	}
}

// A claimed length takes no memory until the bytes have come.
func TestSplitterMemory(t *testing.T) {
	s := Splitter{MaxFrame: 1 << 30}
	s.Next([]byte("\x3f\xff\xff\xffabc"))
	if cap(s.tail) > 64 {
		t.Errorf("%d bytes held for 7", cap(s.tail))
	}
	s.Reset()
	chunk := make([]byte, 5000)
	s.Next(append([]byte("\x00\x00\x27\x10"), chunk...))
	if _, _, ok, _ := s.Next(chunk); !ok || s.Pending() != 0 {
		t.Fatalf("frame not complete, %d pending", s.Pending())
	}
	if s.Next(nil); cap(s.tail) > spareTail {
		t.Errorf("%d bytes kept between frames", cap(s.tail))
	}
}

func FuzzSplitter(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x03abc\x00\x00\x00\x00\x00\x00\x00\x01d\x00\x00\x00\x09unfin"), 5, 9)
	f.Add([]byte("a.b 1 1500000000\n"), 2, 3)
	f.Fuzz(func(t *testing.T, stream []byte, x, y int) {
		if x < 0 || y < x || y > len(stream) {
			return
		}
		all, kept, err := split(100, stream)
		parts, keptParts, errParts := split(100, stream[:x], stream[x:y], stream[y:])
		if fmt.Sprintf("%q", all) != fmt.Sprintf("%q", parts) || kept != keptParts || (err == nil) != (errParts == nil) {
			t.Fatalf("%q cut at %d, %d: got %q, %q, %v; uncut %q, %q, %v", stream, x, y, parts, keptParts, errParts, all, kept, err)
		}
		if !bytes.HasSuffix(stream, []byte(kept)) {
			t.Fatalf("%q: kept %q", stream, kept)
		}
	})
}
