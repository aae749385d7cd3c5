package spool

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// slowSum is CRC-32C, a bit at a time, of b behind bytes whose sum is before.
func slowSum(before uint32, b []byte) uint32 {
	sum := ^before
	for _, c := range b {
		sum ^= uint32(c)
		for range 8 {
			sum = sum>>1 ^ 0x82f63b78*(sum&1)
		}
	}
	return ^sum
}

// number is v in n bytes, the least first.
func number(n int, v uint64) (b []byte) {
	for range n {
		b = append(b, byte(v))
		v >>= 8
	}
	return b
}

// slowRecord is a record after the package comment.
func slowRecord(payload string, lines int, kind byte, time float64, salt uint32, off int64) []byte {
	b := []byte("CSP1")
	b = append(b, number(4, uint64(len(payload)))...)
	b = append(b, number(4, uint64(lines))...)
	b = append(b, kind, 0, 0, 0)
	b = append(b, number(8, math.Float64bits(time))...)
	b = append(b, number(4, uint64(slowSum(0, []byte(payload))))...)
	b = append(b, number(4, uint64(slowSum(salt^uint32(off), b)))...)
	return append(b, payload...)
}

func slowSeal(lines int, oldest, newest float64, salt uint32, off int64) []byte {
	p := number(8, uint64(lines))
	p = append(p, number(8, math.Float64bits(oldest))...)
	p = append(p, number(8, math.Float64bits(newest))...)
	return slowRecord(string(p), 0, 255, newest, salt, off)
}

func TestSlowSum(t *testing.T) {
	// The check value of CRC-32C in the catalogue of parametrised CRC algorithms.
	if got := slowSum(slowSum(0, []byte("1234")), []byte("56789")); got != 0xe3069283 {
		t.Fatalf("%#x", got)
	}
}

// What is written is what the package comment says, and what it says is read.
func TestFormat(t *testing.T) {
	c := &clock{now: 1763811000.5}
	dir := t.TempDir()
	s := mustOpen(t, dir, small(c))
	mustAppend(t, s, "a 1 1\nb 2 2\n", 0)
	c.now = 1763810000
	mustAppend(t, s, "c 3 3\n", 7)
	if b, _, err := s.Peek(6); err != nil || s.Ack(len(b.Lines)) != 1 {
		t.Fatal(err)
	}
	mustClose(t, s)

	paths, _ := segments(t, dir)
	if len(paths) != 1 {
		t.Fatalf("%q", paths)
	}
	var seq uint64
	var salt uint32
	if _, err := fmt.Sscanf(filepath.Base(paths[0]), "%016x-%08x.spool1", &seq, &salt); err != nil {
		t.Fatalf("%s: %v", paths[0], err)
	}
	want := slowRecord("a 1 1\nb 2 2\n", 2, 0, 1763811000.5, salt, 0)
	want = append(want, slowRecord("c 3 3\n", 1, 7, 1763810000, salt, 44)...)
	want = append(want, slowSeal(3, 1763810000, 1763811000.5, salt, 82)...)
	got, err := os.ReadFile(paths[0])
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%v\n%swant\n%s", err, hex.Dump(got), hex.Dump(want))
	}

	want = append([]byte("CSQ1"), number(4, uint64(salt))...)
	want = append(want, number(8, seq)...)
	want = append(want, number(8, 0)...)
	want = append(want, number(4, 6)...)
	want = append(want, number(4, 1)...)
	want = append(want, number(8, 1)...)
	want = append(want, number(4, uint64(slowSum(0, want)))...)
	got, err = os.ReadFile(filepath.Join(dir, "position"))
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%v\n%swant\n%s", err, hex.Dump(got), hex.Dump(want))
	}

	dir = t.TempDir()
	want = slowRecord("a 1 1\n", 1, 3, 5, 0xfedcba98, 0)
	want = append(want, slowSeal(1, 5, 5, 0xfedcba98, 38)...)
	if err := os.WriteFile(filepath.Join(dir, "00000000000000ff-fedcba98.spool1"), want, 0o640); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, dir, small(c))
	defer mustClose(t, s)
	if b, _, err := s.Peek(100); err != nil || string(b.Lines) != "a 1 1\n" || b.N != 1 || b.Kind != 3 || b.Time != 5 {
		t.Fatalf("%+v, %v", b, err)
	}
}

// memory is a file to be read.
type memory struct {
	*bytes.Reader
	file // panics on what is not used
}

func (m memory) ReadAt(b []byte, off int64) (int, error) { return m.Reader.ReadAt(b, off) }
func (memory) Close() error                              { return nil }

// items reads data as a segment through a window.
func items(t *testing.T, data []byte, salt uint32) (all []item) {
	t.Helper()
	w := window{files: &layer{open: func(string, int) (file, error) {
		return memory{Reader: bytes.NewReader(data)}, nil
	}}}
	seg := &segment{salt: salt}
	for off := int64(0); off < int64(len(data)); {
		it, err := w.next(seg, off, int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		if it.end <= off || it.end > int64(len(data)) {
			t.Fatalf("item from %d to %d of %d bytes", off, it.end, len(data))
		}
		if (it.state == intact) != (it.payload != nil) && it.length > 0 {
			t.Fatalf("state %d with payload %q", it.state, it.payload)
		}
		it.payload = bytes.Clone(it.payload)
		all = append(all, it)
		off = it.end
	}
	return all
}

func TestFit(t *testing.T) {
	for _, test := range []struct {
		lines string
		room  int
		want  int
	}{
		{"", 0, 0}, {"a\nbc\n", 9, 5}, {"a\nbc\n", 5, 5}, {"a\nbc\n", 4, 2}, {"a\nbc\n", 2, 2},
		{"a\nbc\n", 1, 2}, {"a\nbc\n", -1, 2}, {"abc", 1, 3},
	} {
		if got := fit([]byte(test.lines), test.room); got != test.want {
			t.Errorf("%q in %d: %d, want %d", test.lines, test.room, got, test.want)
		}
	}
}

// A gap that is longer than the window, with false starts across its edges, ends at
// the next record.
func TestResync(t *testing.T) {
	const salt = 99
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{1, 31, 32, 33, 1000, windowBytes - 40, windowBytes - 17, windowBytes - 2, windowBytes, 2*windowBytes + 5} {
		data := make([]byte, size)
		for i := range data {
			data[i] = "CSP1x"[rnd.IntN(5)]
		}
		copy(data[max(size-20, 0):], magic)
		record := slowRecord("a 1 1\n", 1, 0, 5, salt, int64(size))
		all := items(t, append(data, record...), salt)
		if len(all) != 2 || all[0].state != gap || all[0].end != int64(size) || string(all[1].payload) != "a 1 1\n" {
			t.Errorf("gap of %d bytes: %+v", size, all)
		}
	}
}

// A record within the payload of a damaged one is not taken for one.
func TestForgedRecord(t *testing.T) {
	const salt, guess = 1, 2
	forged := "\n" + string(slowRecord("evil 1 1\n", 1, 0, 5, guess, 33)) + "\n"
	data := slowRecord(forged, 3, 0, 5, salt, 0)
	// Nor is one at another place than its own.
	data = append(data, slowRecord("moved 1 1\n", 1, 0, 5, salt, 7)...)
	data = append(data, slowRecord("b 1 1\n", 1, 0, 5, salt, int64(len(data)))...)
	data[5] ^= 1
	all := items(t, data, salt)
	if len(all) != 2 || all[0].state != gap || string(all[1].payload) != "b 1 1\n" {
		t.Fatalf("%+v", all)
	}
}

// Any bytes are read without panic, as stretches that add up. Records are found
// whatever is between them, and all of them but the one that is damaged.
func FuzzSegment(f *testing.F) {
	const salt = 0x1234
	f.Add([]byte("a 1 1\nb 1 1\n"), uint32(3), byte(1), uint32(salt))
	f.Add([]byte("CSP1CSP1CSP1\n\nCSP1"), uint32(40), byte(0), uint32(0))
	f.Add(slowRecord("a 1 1\n", 1, 0, 5, 0, 0), uint32(90), byte(255), uint32(0))
	f.Add(append(slowRecord("a 1 1\n", 1, 0, 5, 0, 0), slowSeal(1, 5, 5, 0, 38)...), uint32(90), byte(255), uint32(0))
	f.Fuzz(func(t *testing.T, data []byte, at uint32, flip byte, other uint32) {
		items(t, data, other)

		var seg []byte
		var ends []int
		lines := strings.SplitAfter(string(data), "\n")
		lines = lines[:min(len(lines), 50)]
		for i, line := range lines {
			seg = appendRecord(seg, []byte(line), 0, byte(i), 5, salt, int64(len(seg)))
			ends = append(ends, len(seg))
		}
		at %= uint32(len(seg))
		seg[at] ^= flip
		hit := 0
		for ends[hit] <= int(at) {
			hit++
		}
		var got []string
		for _, it := range items(t, seg, salt) {
			if it.state == intact {
				got = append(got, fmt.Sprintf("%d %s", it.kind, it.payload))
			}
		}
		var want []string
		for i, line := range lines {
			if i != hit || flip == 0 {
				want = append(want, fmt.Sprintf("%d %s", i, line))
			}
		}
		if strings.Join(got, "|") != strings.Join(want, "|") {
			t.Fatalf("got %q, want %q, with byte %d of record %d damaged", got, want, at, hit)
		}
	})
}

func FuzzPosition(f *testing.F) {
	f.Add(appendPosition(nil, position{7, 8, cursor{9, 10, 1}, 12}))
	f.Add([]byte("CSQ1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := parsePosition(b)
		if ok && !bytes.Equal(appendPosition(nil, p), b) {
			t.Fatalf("%x is %+v, which is %x", b, p, appendPosition(nil, p))
		}
	})
}
