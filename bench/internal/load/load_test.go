package load

import (
	"bufio"
	"context"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/bench/internal/workload"
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

func receive(t *testing.T, conns int, period int64) receiver {
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
			for in := bufio.NewScanner(c); in.Scan(); {
				cut := strings.LastIndexByte(in.Text(), ' ')
				second, err := strconv.ParseInt(in.Text()[cut+1:], 10, 64)
				if err != nil {
					t.Errorf("line %q: %v", in.Text(), err)
					return
				}
				got[received{second - second%period, in.Text()[:cut]}]++
			}
		}()
	}
	return r
}

func TestSentIsWhatArrives(t *testing.T) {
	small := &workload.Workload{Tails: 3, Apps: 4, Servers: 5, Variants: 2, Method: "sum"}
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
		"paced":                   {small, 120, 2, 256, Options{Points: 240, Rate: 1e6}, 240, 250, 2, 3},
		"no time":                 {small, 120, 2, 256, Options{Points: 1e6, Limit: -1}, 0, 0, 0, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.o.Period = 5
			if tt.o.Limit == 0 {
				tt.o.Limit = time.Minute
			}
			r := receive(t, tt.conns, tt.o.Period)
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
	r := receive(t, 1, 5)
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
	for _, w := range workload.All() {
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
