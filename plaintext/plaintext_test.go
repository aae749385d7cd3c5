package plaintext

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
)

func TestRefusedReasons(t *testing.T) {
	long := "a." + string(bytes.Repeat([]byte("x"), 100)) + " 1 1500000000"
	tests := map[string]struct {
		line string
		want Reason
	}{
		"empty":                   {"", Blank},
		"carriage return alone":   {"\r", Blank},
		"blanks":                  {" \t ", Blank},
		"one field":               {"a", BadFields},
		"two fields":              {"a 1", BadFields},
		"four fields":             {"a 1 1500000000 x", BadFields},
		"no name":                 {" 1 1500000000", BadFields},
		"invalid utf-8":           {"a\xff 1 1500000000", BadUTF8},
		"word for a value":        {"a b 1500000000", BadValue},
		"hexadecimal value":       {"a 0x1p3 1500000000", BadValue},
		"two dots":                {"a 1.2.3 1500000000", BadValue},
		"lone dot":                {"a . 1500000000", BadValue},
		"lone minus":              {"a - 1500000000", BadValue},
		"underscore at the end":   {"a 1_ 1500000000", BadValue},
		"two underscores":         {"a 1__0 1500000000", BadValue},
		"nan":                     {"a nan 1500000000", NaNValue},
		"word for a timestamp":    {"a 1 now", BadTimestamp},
		"infinite timestamp":      {"a 1 inf", BadTimestamp},
		"not a number of seconds": {"a 1 nan", BadTimestamp},
		"arrival without a clock": {"a 1 -1", BadTimestamp},
		"zero bytes for a time":   {"a 1 " + string(make([]byte, 11)) + "b 2 1500000000", BadFields},
		"too long":                {long, LineTooLong},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := NewScanner(64)
			var seen []string
			s.OnRefuse = func(r Reason, line []byte) { seen = append(seen, r.String()+" "+string(line)) }
			if got := scanAll(s, []byte(tt.line+"\n")); len(got) != 0 {
				t.Fatalf("accepted as %v", got)
			}
			if s.Refused[tt.want] != 1 {
				t.Errorf("counted %v, want one %v", s.Refused, tt.want)
			}
			if len(seen) != 1 || seen[0] != tt.want.String()+" "+tt.line {
				t.Errorf("reported %q", seen)
			}
		})
	}
}

func TestVerbatim(t *testing.T) {
	tests := map[string]bool{
		"a.b 1 1500000000\n":          true,
		"a.b -1.25 1500000000\n":      true,
		"a.b 1e-9 1500000000\n":       true,
		"a.b 123456789.5 150000000\n": true,
		"\u00e4.b 1 1500000000\n":     true,
		"a.b 1 1500000000.5\n":        true,
		"a.b 1 1500000000\r\n":        false,
		"a.b  1 1500000000\n":         false,
		"a.b\t1 1500000000\n":         false,
		" a.b 1 1500000000\n":         false,
		"a.b 1 1500000000 \n":         false,
		"a.b 1 -1\n":                  false,
		"a.b 1_0 1500000000\n":        false,
		"a.b 1 \u0661\n":              false,
	}
	for line, want := range tests {
		s := NewScanner(1000)
		s.Now = vectorNow
		b := Batch{Buf: padded([]byte(line))}
		if s.Scan(&b, 0, len(line)); b.N != 1 || b.Points[0].Verbatim != want {
			t.Errorf("%q: %d points, verbatim %v, want %v", line, b.N, b.Points[0].Verbatim, want)
		}
	}
}

func TestAppendValue(t *testing.T) {
	tests := []struct {
		v    float64
		want string
	}{
		{0, "0"}, {math.Copysign(0, -1), "-0"}, {1, "1"}, {-17, "-17"}, {0.1, "0.1"}, {1e-9, "1e-9"}, {1.5e-12, "1.5e-12"},
		{1e300, "1e+300"}, {123456789012, "123456789012"}, {1e20, "100000000000000000000"}, {0.000001, "0.000001"},
		{math.Inf(1), "inf"}, {math.Inf(-1), "-inf"}, {math.NaN(), "nan"}, {5e-324, "5e-324"},
	}
	for _, tt := range tests {
		if got := string(AppendValue(nil, tt.v)); got != tt.want {
			t.Errorf("%v: got %s, want %s", tt.v, got, tt.want)
		}
	}
}

// The fast path and the full parser must agree on every line.
func FuzzFastAgainstFull(f *testing.F) {
	for _, s := range []string{"a.b 1 1500000000", "a 1.25 1763811000", "a.b -0.5 1763811001", "x 12345678 1", "a\tb 1 1763811000", "a 1..2 1763811000", "a 1 1763811000\r", "a 12.333333333333334 1763811000", "a 1e400 1763811000", "a +1.e-3 1763811000"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		if bytes.IndexByte(line, '\n') >= 0 {
			return
		}
		line = append(line, '\n')
		s := NewScanner(1 << 16)
		var fast, full Point
		buf := padded(line)
		if s.fast(buf[:len(line)+Pad], 0, &fast) == 0 {
			return
		}
		if r := s.parse(line[:len(line)-1], &full); r != NumReasons {
			t.Fatalf("%q: fast accepts, full says %v", line, r)
		}
		full.End = uint32(len(line))
		if fast != full {
			t.Fatalf("%q: fast %+v, full %+v", line, fast, full)
		}
	})
}

// However a stream is cut into reads, the same datapoints come out.
func FuzzSplitAnywhere(f *testing.F) {
	f.Add([]byte("a.b 1 1500000000\nc 2 1500000000\r\nbad\nd 3 1500000001\n"), 5)
	f.Add([]byte("a.b 1 150\xff0000000\n\n\n  \nx\x0b1\x0c2\n"), 9)
	f.Fuzz(func(t *testing.T, stream []byte, cut int) {
		whole := NewScanner(40)
		want := scanAll(whole, stream[:Complete(stream)])
		parts := NewScanner(40)
		var got []wantPoint
		if cut < 0 || cut > len(stream) {
			return
		}
		n := Complete(stream[:cut])
		got = append(got, scanAll(parts, stream[:n])...)
		got = append(got, scanAll(parts, stream[n:Complete(stream)])...)
		if !samePoints(got, want) || parts.Refused != whole.Refused {
			t.Fatalf("%q cut at %d: got %v, want %v", stream, cut, got, want)
		}
	})
}

func FuzzDatagram(f *testing.F) {
	f.Add([]byte("a 1 1500000000\r\nb 2 1500000000\u2028c 3 1500000000"))
	f.Fuzz(func(t *testing.T, d []byte) {
		got := Datagram(append([]byte(nil), d...))
		if got[len(got)-1] != '\n' || cap(got)-len(got) < Pad || len(got) > len(d)+1 {
			t.Fatalf("%q becomes %q", d, got)
		}
		scanAll(NewScanner(100), got)
	})
}

func FuzzValueRoundTrip(f *testing.F) {
	f.Add(1.5, 1500000000.0)
	f.Fuzz(func(t *testing.T, v, ts float64) {
		if math.IsNaN(v) || math.IsNaN(ts) || math.IsInf(ts, 0) || math.Trunc(ts) == -1 {
			return
		}
		line := Append(nil, []byte("a.b"), v, ts)
		got := scanAll(NewScanner(2000), line)
		if len(got) != 1 || math.Float64bits(float64(got[0].Value)) != math.Float64bits(v) || float64(got[0].Timestamp) != ts {
			t.Fatalf("%q reads as %v", line, got)
		}
	})
}

func lines(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b []byte
	for i := range n {
		b = fmt.Appendf(b, "prod.applications.app%03d.server%05d.requests%03d.count ", i/10%10, i/100, i%10)
		b = strconv.AppendFloat(b, float64(r.IntN(4000)+1)/4, 'f', -1, 64)
		b = append(b, " 1763811000\n"...)
	}
	return b
}

func TestScanAllocatesNothing(t *testing.T) {
	l := lines(1000)
	b := &Batch{Buf: padded(l)}
	s := NewScanner(16384)
	if n := testing.AllocsPerRun(10, func() {
		for i := 0; i < len(l); {
			i = s.Scan(b, i, len(l))
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkScan(b *testing.B) {
	l := lines(10000)
	batch := &Batch{Buf: padded(l)}
	s := NewScanner(16384)
	b.SetBytes(int64(len(l) / 10000))
	b.ReportAllocs()
	done := 0
	for done < b.N {
		for i := 0; i < len(l); {
			i = s.Scan(batch, i, len(l))
			done += batch.N
		}
	}
	if s.Refused != [NumReasons]uint64{} || done < b.N {
		b.Fatal("not every line was read")
	}
}

func BenchmarkScanLongValues(b *testing.B) {
	line := padded([]byte("prod.applications.app001.server00042.requests003.upper 12.333333333333334 1763811000\n"))
	batch := &Batch{Buf: line}
	s := NewScanner(16384)
	b.ReportAllocs()
	for range b.N {
		if s.Scan(batch, 0, len(line)); batch.N != 1 {
			b.Fatal("refused")
		}
	}
}

func BenchmarkScanFull(b *testing.B) {
	line := padded([]byte("prod.applications.app001.server00042.requests003.count  123.25 1763811000.5\n"))
	batch := &Batch{Buf: line}
	s := NewScanner(16384)
	b.ReportAllocs()
	for range b.N {
		if s.Scan(batch, 0, len(line)); batch.N != 1 {
			b.Fatal("refused")
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	name, buf := []byte("aggregates.prod.app.app001.all.requests003.count"), make([]byte, 0, 100)
	for i := range b.N {
		buf = Append(buf[:0], name, float64(i)/4, 1763811000)
	}
}
