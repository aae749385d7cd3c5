package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/bench/internal/workload"
	"github.com/coalesce-metrics/coalesce/pickle"
	"github.com/coalesce-metrics/coalesce/plaintext"
)

// receiver counts every line it is sent, by its text without the timestamp and
// by the bucket of the timestamp.
type receiver struct {
	addr string
	got  chan map[received]int64
}

type received struct {
	bucket int64
	text   string
}

func receive(t *testing.T, conns int, period int64, pickled bool) receiver {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	r := receiver{l.Addr().String(), make(chan map[received]int64, conns)}
	for range conns {
		go func() {
			got := map[received]int64{}
			defer func() { r.got <- got }()
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			take := func(text string) {
				cut := strings.LastIndexByte(text, ' ')
				second, err := strconv.ParseInt(text[cut+1:], 10, 64)
				if err != nil {
					t.Errorf("line %q: %v", text, err)
				}
				got[received{second - second%period, text[:cut]}]++
			}
			if pickled {
				readFrames(t, c, take)
				return
			}
			for in := bufio.NewScanner(c); in.Scan(); {
				take(in.Text())
			}
		}()
	}
	return r
}

// readFrames calls f with each datapoint of the frames of pickle in r, as a line.
func readFrames(t *testing.T, r io.Reader, f func(line string)) {
	d := pickle.NewDecoder(longest)
	var size [4]byte
	var b plaintext.Batch
	for {
		if _, err := io.ReadFull(r, size[:]); err != nil {
			return
		}
		payload := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(r, payload); err != nil {
			t.Errorf("a frame that is cut: %v", err)
			return
		}
		if err := d.Decode(payload); err != nil {
			t.Errorf("frame %.100q: %v", payload, err)
			return
		}
		for points := 0; d.Fill(&b); {
			if points += b.N; points > framePoints {
				t.Errorf("%d datapoints in a frame, want at most %d", points, framePoints)
			}
			for i := range b.N {
				f(fmt.Sprintf("%s %v %.0f", b.Name(i), b.Points[i].Value, b.Points[i].Time))
			}
		}
	}
}

func TestSentIsWhatArrives(t *testing.T) {
	small := &workload.Workload{Tails: 3, Apps: 4, Servers: 5, Variants: 2, Method: "sum"}
	pickled := &workload.Workload{Tails: 3, Apps: 4, Servers: 101, Variants: 1, Method: "sum", Pickle: true}
	once := &workload.Workload{Tails: 3, Apps: 4, Servers: 50, Variants: 1, Method: "sum", Once: true}
	tests := map[string]struct {
		w                 *workload.Workload
		lines, conns      int
		chunk             int
		o                 Options
		atLeast, atMost   int64
		lineSent, lineGap int64 // how often a line may be sent at least and at most
	}{
		"several rounds":          {small, 120, 4, 256, Options{Points: 5000}, 5000, 5000 + 4*4, 40, 43},
		"one connection":          {small, 120, 1, 1 << 16, Options{Points: 1200}, 1200, 1200, 10, 10},
		"fewer points than lines": {small, 120, 2, 1 << 10, Options{Points: 50}, 50, 80, 0, 1},
		"each once":               {once, 600, 4, 300, Options{Points: 600}, 600, 600, 1, 1},
		"each once, more wanted":  {once, 600, 4, 300, Options{Points: 6000}, 600, 600, 1, 1},
		"pickle":                  {pickled, 1212, 2, 256, Options{Points: 6000}, 6000, 6000 + 2*framePoints, 4, 6},
		"pickle in one frame":     {pickled, 100, 1, 256, Options{Points: 100}, 100, 100, 1, 1},
		"paced":                   {small, 120, 2, 256, Options{Points: 240, Rate: 1e6}, 240, 250, 2, 3},
		"no time":                 {small, 120, 2, 256, Options{Points: 1e6, Limit: -1}, 0, 0, 0, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.o.Period = 5
			if tt.o.Limit == 0 {
				tt.o.Limit = time.Minute
			}
			r := receive(t, tt.conns, tt.o.Period, tt.w.Pickle)
			sent, err := Render(tt.w, tt.lines, tt.conns, tt.chunk).Send(context.Background(), r.addr, tt.o)
			if err != nil {
				t.Fatal(err)
			}
			if sent.Points < tt.atLeast || sent.Points > tt.atMost {
				t.Errorf("%d points sent, want %d to %d", sent.Points, tt.atLeast, tt.atMost)
			}
			got := map[received]int64{}
			var arrived int64
			for range tt.conns {
				for k, n := range <-r.got {
					got[k] += n
					arrived += n
				}
			}
			if arrived != sent.Points {
				t.Errorf("%d points arrived, %d sent", arrived, sent.Points)
			}
			perLine := make([]int64, tt.lines)
			sent.EachLine(func(bucket int64, i int, times int64) {
				text := string(tt.w.AppendMetric(nil, tt.w.Metric(i))) + " " + strconv.FormatFloat(tt.w.Value(i), 'f', -1, 64)
				got[received{bucket, text}] -= times
				perLine[i] += times
			})
			for k, n := range got {
				if n != 0 {
					t.Errorf("bucket %d, %q: %d more arrived than accounted for", k.bucket, k.text, n)
				}
			}
			for i, n := range perLine {
				if n < tt.lineSent || n > tt.lineGap {
					t.Errorf("line %d was sent %d times, want %d to %d", i, n, tt.lineSent, tt.lineGap)
				}
			}
		})
	}
}

// A frame must be what Python writes of the list that carbon's relay has: this is
//
//	struct.pack("!I", len(p)) + p, for p = pickle.dumps(points, protocol=2)
//
// where points are [(name, (float(timestamp), float(value))), …] from the lines of the
// second of two connections.
func TestFrame(t *testing.T) {
	want, err := os.ReadFile("testdata/carbon-100.frame")
	if err != nil {
		t.Fatal(err)
	}
	w := &workload.Workload{Tails: 10, Apps: 2, Servers: 10, Variants: 1, Method: "sum", Pickle: true}
	s := Render(w, w.Lines(), 2, 64)
	if len(s.conns) != 2 || len(s.conns[1]) != 1 {
		t.Fatalf("%d connections, %d frames on the second; want 2 and 1", len(s.conns), len(s.conns[1]))
	}
	c := s.conns[1][0]
	c.stamp(1_600_000_000)
	c.stamp(1_700_000_000)
	if !bytes.Equal(c.buf, want) {
		t.Errorf("frame\n%q\nwant\n%q", c.buf, want)
	}
}

// Before is called with the bytes of each write, before it.
func TestBefore(t *testing.T) {
	w := &workload.Workload{Tails: 3, Apps: 4, Servers: 5, Variants: 1, Method: "sum"}
	r := receive(t, 2, 5, false)
	s := Render(w, w.Lines(), 2, 256)
	var announced atomic.Int64
	if _, err := s.Send(context.Background(), r.addr, Options{Points: 60, Period: 5, Limit: time.Minute,
		Before: func(n int) { announced.Add(int64(n)) }}); err != nil {
		t.Fatal(err)
	}
	var sent int64
	for _, conn := range s.conns {
		for _, c := range conn {
			sent += int64(len(c.buf))
		}
	}
	if announced.Load() != sent {
		t.Errorf("%d bytes announced, %d sent", announced.Load(), sent)
	}
}

func TestStamp(t *testing.T) {
	w := &workload.Workload{Tails: 1, Apps: 1, Servers: 2, Variants: 1, Method: "sum"}
	c := Render(w, 2, 1, 1<<10).conns[0][0]
	for _, second := range []int64{1_700_000_000, 1_700_000_001, 9_999_999_999} {
		c.stamp(second)
		lines := strings.Split(strings.TrimSuffix(string(c.buf), "\n"), "\n")
		for _, l := range lines {
			if !strings.HasSuffix(l, " "+strconv.FormatInt(second, 10)) {
				t.Errorf("line %q does not end in %d", l, second)
			}
		}
		if len(lines) != 2 {
			t.Errorf("%d lines, want 2", len(lines))
		}
	}
}

func TestSendRefuses(t *testing.T) {
	w := &workload.Workload{Tails: 1, Apps: 1, Servers: 2, Variants: 1, Method: "sum"}
	s := Render(w, 2, 1, 1<<10)
	o := Options{Points: 1, Period: 5, Limit: time.Second}
	if _, err := s.Send(context.Background(), "192.0.2.1:2003", o); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("address off this machine: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r := receive(t, 1, 5, false)
	if _, err := s.Send(ctx, r.addr, o); err == nil {
		t.Error("cancelled context: no error")
	}
}

// What a datapoint costs the generator and the kernel, with a reader that only reads.
func BenchmarkSend(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 256<<10)
				for {
					if _, err := c.Read(buf); err != nil {
						return
					}
				}
			}()
		}
	}()
	all := workload.All()
	pickled := *all[0]
	pickled.Name, pickled.Pickle = "W1+pickle", true
	for _, w := range append(all, &pickled) {
		if w.Once {
			continue // it ends by itself
		}
		b.Run(w.Name, func(b *testing.B) {
			s := Render(w, w.Lines(), 4, 64<<10)
			b.ResetTimer()
			sent, err := s.Send(context.Background(), l.Addr().String(), Options{Points: b.N, Period: 5, Limit: time.Minute})
			if err != nil || sent.Points < int64(b.N) {
				b.Fatalf("%+v, %v", sent, err)
			}
			b.ReportMetric(float64(b.Elapsed())/float64(sent.Points), "ns/point")
		})
	}
}
