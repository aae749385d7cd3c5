package carbonpb

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/plaintext"
)

// Parts of payloads.

func message(tag byte, fields ...string) string {
	body := strings.Join(fields, "")
	if len(body) > 0x7f {
		return string([]byte{tag, byte(len(body)) | 0x80, byte(len(body) >> 7)}) + body
	}
	return string([]byte{tag, byte(len(body))}) + body
}

func metric(fields ...string) string { return message(0x0a, fields...) }
func name(s string) string           { return message(0x0a, s) }
func point(fields ...string) string  { return message(0x12, fields...) }

const (
	at5  = "\x08\x05"
	one  = "\x11\x00\x00\x00\x00\x00\x00\xf0\x3f"
	nan  = "\x11\x00\x00\x00\x00\x00\x00\xf8\x7f"
	next = "\x08\x06"
)

var good = metric(name("good"), point(at5, one))

func TestDecode(t *testing.T) {
	both := []datapoint{{"good", 5, 1}, {"good", 5, 1}}
	tests := map[string]struct {
		payload string // between two good metrics
		want    []datapoint
		refused [NumReasons]uint64
		shown   string
	}{
		"points before the name":   {metric(point(at5, one), point(next, one), name("a")), []datapoint{{"a", 5, 1}, {"a", 6, 1}}, [3]uint64{}, ""},
		"several names":            {metric(name("a"), point(at5, one), name("b")), []datapoint{{"b", 5, 1}}, [3]uint64{}, ""},
		"no points":                {metric(name("a")), nil, [3]uint64{}, ""},
		"neither":                  {metric(), nil, [3]uint64{}, ""},
		"empty point":              {metric(name("a"), point()), []datapoint{{"a", 0, 0}}, [3]uint64{}, ""},
		"value first":              {metric(name("a"), point(one, at5)), []datapoint{{"a", 5, 1}}, [3]uint64{}, ""},
		"unknown fields":           {"\x18\x01" + metric("\x1d1234", name("a"), point(at5, "\x21abcdefgh", one, "\x1a\x03xyz")), []datapoint{{"a", 5, 1}}, [3]uint64{}, ""},
		"groups":                   {"\x0b\x0c" + metric(name("a"), "\x1b\x1b\x08\x01\x1c\x1c", point(at5, one)), []datapoint{{"a", 5, 1}}, [3]uint64{}, ""},
		"known, of other types":    {"\x08\x01" + metric("\x10\x07", name("a"), point(at5, "\x10\x09", "\x0a\x00", one)), []datapoint{{"a", 5, 1}}, [3]uint64{}, ""},
		"no name":                  {metric(point(at5, one), point(at5, one)), nil, [3]uint64{BadName: 2}, `bad_name ""`},
		"blank in the name":        {metric(name("a b"), point(at5, one)), nil, [3]uint64{BadName: 1}, `bad_name "a b"`},
		"invalid utf-8":            {metric(name("a\xff"), point(at5, one)), nil, [3]uint64{BadName: 1}, `bad_name "a\xff"`},
		"name too long":            {metric(name(strings.Repeat("x", 101)), point(at5, one)), nil, [3]uint64{BadName: 1}, `bad_name "` + strings.Repeat("x", 101) + `"`},
		"nan between":              {metric(name("a"), point(at5, one), point(at5, nan), point(next, one)), []datapoint{{"a", 5, 1}, {"a", 6, 1}}, [3]uint64{NaNValue: 1}, `nan_value "a"`},
		"broken point":             {metric(name("a"), point(at5, one), point("\x11abc")), nil, [3]uint64{Corrupt: 1}, `corrupt "\n\x01a`},
		"broken metric":            {metric(name("a"), point(at5, one), "\x12\x05"), nil, [3]uint64{Corrupt: 1}, `corrupt "\n\x01a`},
		"unending varint":          {metric("\x08" + strings.Repeat("\xff", 10)), nil, [3]uint64{Corrupt: 1}, `corrupt "\b`},
		"field zero":               {metric("\x00\x01"), nil, [3]uint64{Corrupt: 1}, `corrupt "\x00`},
		"wire type seven":          {metric("\x0f\x01"), nil, [3]uint64{Corrupt: 1}, `corrupt "\x0f`},
		"tag above 32 bits":        {metric("\x88\x80\x80\x80\x10\x01"), nil, [3]uint64{Corrupt: 1}, `corrupt "\x88`},
		"longest length claimed":   {metric("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), nil, [3]uint64{Corrupt: 1}, `corrupt "\n\xff`},
		"group without end":        {metric("\x1b\x08\x01"), nil, [3]uint64{Corrupt: 1}, `corrupt "\x1b`},
		"end of another group":     {metric("\x1b\x24"), nil, [3]uint64{Corrupt: 1}, `corrupt "\x1b`},
		"end without group":        {metric("\x1c"), nil, [3]uint64{Corrupt: 1}, `corrupt "\x1c`},
		"groups as deep as may be": {metric(strings.Repeat("\x1b", 100) + strings.Repeat("\x1c", 100)), nil, [3]uint64{}, ""},
		"groups too deep":          {metric(strings.Repeat("\x1b", 101) + strings.Repeat("\x1c", 101)), nil, [3]uint64{Corrupt: 1}, `corrupt "\x1b`},
	}
	for title, tt := range tests {
		t.Run(title, func(t *testing.T) {
			d := NewDecoder(100)
			var shown string
			d.OnRefuse = func(r Reason) { shown = r.String() + " " + string(d.AppendRefused(nil)) }
			got, _, err := decode(d, []byte(good+tt.payload+good))
			want := append(append(both[:1:1], tt.want...), both[1])
			if err != nil || !same(got, want) || d.Refused != tt.refused {
				t.Errorf("got %v, refused %v, %v; want %v, refused %v", got, d.Refused, err, want, tt.refused)
			}
			if (tt.shown == "") != (shown == "") || !strings.HasPrefix(shown, tt.shown) {
				t.Errorf("shown as %s, want %s", shown, tt.shown)
			}
		})
	}
}

// What is before the damage of a payload counts.
func TestBrokenPayload(t *testing.T) {
	tests := map[string]struct {
		payload string
		want    int
		error   string
	}{
		"text":            {"hello", 0, `byte 2, "llo"`},
		"cut in a metric": {good + good[:len(good)-1], 1, "byte 21"},
		"cut in a length": {good + good + "\x0a", 2, "byte 42"},
		"group":           {good + "\x1b", 1, "byte 21"},
	}
	for title, tt := range tests {
		d := NewDecoder(100)
		got, _, err := decode(d, []byte(tt.payload))
		if len(got) != tt.want || err == nil || !strings.Contains(err.Error(), tt.error) || d.Refused[Corrupt] != 1 {
			t.Errorf("%s: got %v, %v, refused %v; want %d and %q", title, got, err, d.Refused, tt.want, tt.error)
		}
	}
}

// One metric may fill many batches.
func TestManyPoints(t *testing.T) {
	const n = 3*plaintext.BatchSize + 1
	var body string
	for i := range n {
		body += fmt.Sprintf("\x12\x02\x08%c", i%100)
	}
	body += name("a")
	payload := string([]byte{0x0a, byte(len(body)) | 0x80, byte(len(body) >> 7)}) + body
	got, refused, err := decode(NewDecoder(100), []byte(payload))
	if len(got) != n || refused != 0 || err != nil || got[n-1].time != float64((n-1)%100) {
		t.Errorf("got %d, %d refused, %v", len(got), refused, err)
	}
}

// The file is what Python's protobuf writes for the same datapoints.
func TestEncodeAsPythonDoes(t *testing.T) {
	want, err := os.ReadFile("testdata/encoded.frame")
	if err != nil {
		t.Fatal(err)
	}
	got := BeginFrame([]byte("before"))
	for _, p := range []datapoint{{"a.b", 1763811000.75, 1.5}, {"\u00fc.b", -0.5, 0}, {strings.Repeat("x", 200), 1<<32 - 1, math.Inf(1)}, {"c", 127, -1.25}, {"d", 1, 1e300}} {
		before, ok := len(got), false
		if got, ok = AppendPoint(got, []byte(p.name), p.value, p.time); !ok {
			t.Errorf("%v is refused", p)
		}
		if n := len(got) - before; n > len(p.name)+PointSize {
			t.Errorf("%v takes %d bytes", p, n)
		}
	}
	got = EndFrame(got, len("before"))[len("before"):]
	if !bytes.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for _, time := range []float64{-1, 1 << 32, math.Inf(1), math.NaN()} {
		if b, ok := AppendPoint(nil, []byte("a"), 1, time); ok || len(b) > 0 {
			t.Errorf("time %v is accepted", time)
		}
	}
}

// The fast path and the other must agree, and what comes out can be written
// as a line, encoded and decoded again.
func FuzzDecode(f *testing.F) {
	for _, v := range load[struct {
		Payload []byte `json:"payload_b64"`
	}](f, "python.json") {
		f.Add(v.Payload)
	}
	f.Add([]byte(good + metric(strings.Repeat("\x1b", 100)+strings.Repeat("\x1c", 100)) + good))
	f.Fuzz(func(t *testing.T, payload []byte) {
		d := NewDecoder(1000)
		d.OnRefuse = func(r Reason) {
			if n := len(d.AppendRefused(nil)); n > 2000 {
				t.Fatalf("shown in %d bytes", n)
			}
		}
		got, _, err := decode(d, payload)
		slow := NewDecoder(1000)
		slow.slowly = true
		if want, _, errSlow := decode(slow, payload); !same(got, want) || d.Refused != slow.Refused || (err == nil) != (errSlow == nil) {
			t.Fatalf("%q:\nfast %v, refused %v\nslow %v, refused %v", payload, got, d.Refused, want, slow.Refused)
		}
		if d.payload != nil || d.name != nil || d.points != nil {
			t.Fatalf("%q: something is held after the end", payload)
		}
		again := BeginFrame(nil)
		for _, p := range got {
			if !plaintext.ValidName([]byte(p.name)) || math.IsNaN(p.value) {
				t.Fatalf("%q gives %v", payload, p)
			}
			again, _ = AppendPoint(again, []byte(p.name), p.value, p.time)
		}
		if back, refused, err := decode(d, EndFrame(again, 0)[HeaderSize:]); !same(back, got) || refused != d.Refused[BadName]+d.Refused[NaNValue] || err != nil {
			t.Fatalf("%v comes back as %v, %v", got, back, err)
		}
	})
}

// fiveHundred is a frame of 500 datapoints.
func fiveHundred() []byte {
	f := BeginFrame(nil)
	for i := range 500 {
		f, _ = AppendPoint(f, fmt.Appendf(nil, "prod.applications.app%03d.server%05d.requests%03d.count", i/10%10, i/100, i%10), float64(i)/4, 1763811000)
	}
	return EndFrame(f, 0)
}

func TestDecodeAllocatesNothing(t *testing.T) {
	payload := fiveHundred()[HeaderSize:]
	d := NewDecoder(1000)
	var batch plaintext.Batch
	if n := testing.AllocsPerRun(10, func() {
		if err := d.Decode(payload); err != nil {
			t.Fatal(err)
		}
		for d.Fill(&batch) {
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDecode(b *testing.B) {
	payload := fiveHundred()[HeaderSize:]
	d := NewDecoder(1000)
	var batch plaintext.Batch
	b.ReportAllocs()
	b.SetBytes(int64(len(payload) / 500))
	for done := 0; done < b.N; {
		if err := d.Decode(payload); err != nil {
			b.Fatal(err)
		}
		n := 0
		for d.Fill(&batch) {
			n += batch.N
		}
		if n != 500 {
			b.Fatalf("%d datapoints, want 500", n)
		}
		done += n
	}
}

func BenchmarkAppendPoint(b *testing.B) {
	name := []byte("prod.applications.app001.server00042.requests003.count")
	buf := make([]byte, 0, 1000)
	b.ReportAllocs()
	for i := range b.N {
		buf, _ = AppendPoint(buf[:0], name, float64(i+1)/4, 1763811000)
	}
	if len(buf) != len(name)+21 {
		b.Fatalf("%d bytes", len(buf))
	}
}
