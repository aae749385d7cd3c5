package upstream

import (
	"bytes"
	"fmt"
	"math"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coalesce-metrics/coalesce/pickle"
	"github.com/coalesce-metrics/coalesce/plaintext"
)

// unpickle returns the datapoints of whole frames as lines, and how many each had.
func unpickle(t testing.TB, stream string) (lines string, frames []int) {
	t.Helper()
	s := pickle.Splitter{MaxFrame: 1 << 20}
	d := pickle.NewDecoder(1 << 20)
	var b plaintext.Batch
	var out []byte
	for data := []byte(stream); ; {
		payload, rest, ok, err := s.Next(data)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return string(out), frames
		}
		data = rest
		if err := d.Decode(payload); err != nil {
			t.Fatal(err)
		}
		n := 0
		for d.Fill(&b) {
			for i := range b.N {
				out = plaintext.Append(out, b.Name(i), b.Points[i].Value, b.Points[i].Time)
			}
			n += b.N
		}
		frames = append(frames, n)
		if d.Refused != [pickle.NumReasons]uint64{} {
			t.Errorf("refused %v", d.Refused)
		}
	}
}

func TestPickle(t *testing.T) {
	odd := fmt.Sprintf("a 1 60.5\nb %v -60\nc.é;x=y 1e-300 1700000000\nd inf 99999999999\ne -0 0\n", math.Nextafter(1, 2))
	tests := map[string]struct {
		lines  string
		want   string // if it differs
		frames []int
		lost   int64
	}{
		"one":               {numbered(0, 1), "", []int{1}, 0},
		"a frame, just":     {numbered(0, 500), "", []int{500}, 0},
		"one more":          {numbered(0, 501), "", []int{500, 1}, 0},
		"odd values":        {odd, "", []int{5}, 0},
		"no number":         {"a nan 60\nb 1 60\nc nan 60\n", "b 1 60\n", []int{1}, 2},
		"nothing at all":    {"a nan 60\n", "", nil, 1},
		"long names":        {strings.Repeat(strings.Repeat("x", 100_000)+" 1 60\n", 50), "", nil, 0},
		"more than a write": {numbered(0, 40_000), "", nil, 0},
	}
	for name, tt := range tests {
		bubble(t, name, func(t *testing.T) {
			var f fakeNet
			u := newUpstream(t, "pickle://a:1", func(c *Config) { c.Dial = f.dial })
			u.Start()
			synctest.Wait()
			n := strings.Count(tt.lines, "\n")
			u.Send([]byte(tt.lines), n, Aggregate)
			pass(time.Second)
			wire := f.conn("a:1", 0).text()
			got, frames := unpickle(t, wire)
			if tt.want == "" && tt.lost == 0 {
				tt.want = tt.lines
			}
			if got != tt.want {
				t.Errorf("received %.200q, want %.200q", got, tt.want)
			}
			if tt.frames != nil && fmt.Sprint(frames) != fmt.Sprint(tt.frames) {
				t.Errorf("frames of %v, want %v", frames, tt.frames)
			}
			s := u.Stats()[0]
			checkBalance(t, s)
			if s.Written != int64(n)-tt.lost || s.Dropped[Unencodable] != tt.lost || s.BytesWritten != int64(len(wire)) {
				t.Errorf("%+v, want %d written in %d bytes", s, n, len(wire))
			}
		})
	}
}

// However many bytes the first connection takes, the second begins with the frame
// that was cut.
func TestCutFrameGoesAgain(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		lines := "a 1 60\nb nan 60\nc 2 60\nd nan 60\ne 3 60\nf 4 60\n" + "g 5 60\nh nan 60\n"
		for k := 0; ; k++ {
			f := fakeNet{prepare: func(_ string, n int, c *fakeConn) error {
				if n == 0 {
					c.budget, c.fault = k, syscall.ECONNRESET
				}
				return nil
			}}
			u := newUpstream(t, "pickle://a:1", func(c *Config) {
				c.Dial = f.dial
				c.Destinations[0].MaxDatapoints = 2
			})
			u.Send([]byte(lines), 8, Raw)
			u.Start()
			synctest.Wait()
			s := u.Stats()[0]
			checkBalance(t, s)
			first, _ := unpickle(t, f.conn("a:1", 0).text())
			if s.Written != int64(strings.Count(first, "\n")) || s.BytesWritten != int64(len(f.conn("a:1", 0).text())) {
				t.Errorf("cut at %d: %+v, want %q written", k, s, first)
			}
			if s.WriteErrors == 0 {
				break // nothing was cut
			}
			pass(time.Second)
			second, _ := unpickle(t, f.conn("a:1", 1).text())
			if got := first + second; got != "a 1 60\nc 2 60\ne 3 60\nf 4 60\ng 5 60\n" {
				t.Errorf("cut at %d: received %q", k, got)
			}
			if s = u.Stats()[0]; s.Written != 5 || s.Dropped[Unencodable] != 3 {
				t.Errorf("cut at %d: %+v, want 5 written", k, s)
			}
			stopWithin(u, time.Second)
		}
	})
}

// FuzzPickler gives any lines, as plaintext reads them, and frames that hold the same.
func FuzzPickler(f *testing.F) {
	f.Add([]byte("a 1 60\nb nan 60\n\nc\n"), uint8(2), uint8(5))
	f.Fuzz(func(t *testing.T, text []byte, most, cut uint8) {
		text = append(text, '\n')
		var want []byte
		sc := plaintext.NewScanner(math.MaxInt32)
		var b plaintext.Batch
		b.Buf = append(bytes.Clone(text), make([]byte, plaintext.Pad)...)[:len(text)]
		for at := 0; at < len(text); {
			at = sc.Scan(&b, at, len(text))
			for i := range b.N {
				want = plaintext.Append(want, b.Name(i), b.Points[i].Value, b.Points[i].Time)
			}
		}
		refused := int64(0)
		for _, n := range sc.Refused {
			refused += int64(n)
		}
		at := bytes.IndexByte(text[min(int(cut), len(text)-1):], '\n') + min(int(cut), len(text)-1) + 1
		conn := newFakeConn()
		s := &pickleSink{stream: &stream{conn: conn, eof: make(chan struct{})}, pickler: newPickler(1 + int(most))}
		p, err := s.write(net.Buffers{text[:at], text[at:]})
		if err != nil || p.taken != int64(len(text)) || p.lost != refused {
			t.Fatalf("write = %+v, %v, want %d bytes with %d lines lost", p, err, len(text), refused)
		}
		if got, _ := unpickle(t, conn.text()); got != string(want) {
			t.Errorf("frames of %q, want %q", got, want)
		}
	})
}
