package upstream

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/route"
)

// discardConn takes everything at once.
type discardConn struct{ *fakeConn }

func (discardConn) Write(b []byte) (int, error) { return len(b), nil }

func dialDiscard(context.Context, string, string) (net.Conn, error) {
	return discardConn{newFakeConn()}, nil
}

const benchLine = "servers.web-017.cpu.user.percentage.total 42.5 1700000000\n"

// BenchmarkSend measures the senders' side; ns/line is the figure to look at.
func BenchmarkSend(b *testing.B) {
	dests := map[string]string{
		"one":  "a:1",
		"four": "a:1,b:1,c:1,d:1",
	}
	for _, lines := range []int{1, 50, 1100, 4400} { // 64 and 256 KiB
		batch := []byte(strings.Repeat(benchLine, lines))
		for _, to := range []string{"one", "four"} {
			for _, state := range []string{"up", "dead"} {
				b.Run(fmt.Sprintf("lines=%d/%s/%s", lines, to, state), func(b *testing.B) {
					u := newUpstream(b, dests[to], func(c *Config) { c.Dial = dialDiscard })
					if state == "up" {
						u.Start()
					}
					b.SetBytes(int64(len(batch)))
					b.ReportAllocs()
					b.RunParallel(func(pb *testing.PB) {
						for pb.Next() {
							u.Send(batch, lines, Raw)
						}
					})
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*lines), "ns/line")
					if got := u.Stats()[0].MadeTotal(); got < int64(b.N*lines) {
						b.Fatalf("made %d, want %d", got, b.N*lines)
					}
				})
			}
		}
	}
}

// BenchmarkLoopback measures the way to a TCP receiver that only counts, whose
// reading is part of the time. Senders wait when they are far ahead.
func BenchmarkLoopback(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	counts := make(chan int, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n, buf := 0, make([]byte, 256<<10)
			for {
				k, err := c.Read(buf)
				n += bytes.Count(buf[:k], newline)
				if err != nil {
					break
				}
			}
			c.Close()
			counts <- n
		}
	}()
	for _, lines := range []int{1, 1100} {
		b.Run(fmt.Sprintf("lines=%d", lines), func(b *testing.B) {
			batch := []byte(strings.Repeat(benchLine, lines))
			u := newUpstream(b, l.Addr().String(), func(c *Config) { c.QueueDatapoints = 1 << 40; c.QueueBytes = 1 << 40 })
			u.Start()
			b.SetBytes(int64(len(batch)))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				u.Send(batch, lines, Raw)
				for i%64 == 0 && u.Stats()[0].Queued > 1<<20 {
				}
			}
			u.Stop(b.Context())
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*lines), "ns/line")
			if got := <-counts; got != b.N*lines {
				b.Fatalf("received %d, want %d", got, b.N*lines)
			}
		})
	}
}

// BenchmarkRoutes measures the senders' side with routes, by names known.
func BenchmarkRoutes(b *testing.B) {
	four := []int{0, 1, 2, 3}
	modes := map[string][]route.Route{
		"all":             {{Kinds: route.Both, Mode: route.All, Destinations: four}},
		"hash":            {{Kinds: route.Both, Mode: route.Hash, Destinations: four}},
		"aggregated-hash": {{Kinds: route.Both, Mode: route.AggregatedHash, Destinations: four}},
		"failover":        {{Kinds: route.Both, Mode: route.Failover, Destinations: four}},
		"round-robin":     {{Kinds: route.Both, Mode: route.RoundRobin, Destinations: four}},
	}
	const lines = 1100
	for mode, routes := range modes {
		for _, names := range []int{1100, 110_000, 1_100_000} {
			b.Run(fmt.Sprintf("%s/names=%d", mode, names), func(b *testing.B) {
				var batches [][]byte
				for i := 0; i < names; i += lines {
					var batch []byte
					for j := range lines {
						batch = fmt.Appendf(batch, "servers.web-%07d.cpu.user.percentage 42.5 1700000000\n", i+j)
					}
					batches = append(batches, batch)
				}
				u := newUpstream(b, "a:1,b:1,c:1,d:1", func(c *Config) {
					c.Dial, c.Routes = dialDiscard, routes
					c.Outputs = func(dst [][]byte, name []byte) [][]byte { return append(dst, name[:14]) }
				})
				u.Start()
				for range 6 { // names become known, and the table of them large enough
					for _, batch := range batches {
						u.Send(batch, lines, Raw)
					}
				}
				b.SetBytes(int64(len(batches[0])))
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					u.Send(batches[i%len(batches)], lines, Raw)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*lines), "ns/line")
				made := int64(0)
				for _, s := range u.Stats() {
					made += s.MadeTotal()
				}
				if made < int64(b.N*lines) {
					b.Fatalf("made %d, want %d", made, b.N*lines)
				}
			})
		}
	}
}

// BenchmarkPickle measures encoding alone.
func BenchmarkPickle(b *testing.B) {
	const lines = 4400
	batch := []byte(strings.Repeat(benchLine, lines))
	s := &pickleSink{stream: &stream{conn: discardConn{newFakeConn()}, eof: make(chan struct{})}, pickler: newPickler(defaultMaxDatapoints)}
	b.SetBytes(int64(len(batch)))
	b.ReportAllocs()
	for b.Loop() {
		p, err := s.write(net.Buffers{batch})
		if err != nil || p.taken != int64(len(batch)) || p.lost != 0 {
			b.Fatal(p, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*lines), "ns/line")
}

// BenchmarkSpool measures moving rows to the disk, and sending them from there.
func BenchmarkSpool(b *testing.B) {
	const lines = 1100
	batch := []byte(strings.Repeat(benchLine, lines))
	b.Run("write", func(b *testing.B) {
		u := newUpstream(b, "a:1", func(c *Config) {
			c.Dial, c.Spool.Dir, c.QueueDatapoints, c.Spool.Bytes = dialNever, b.TempDir(), 10*lines, 64<<20
			c.Destinations[0].WhenFull = ToSpool
		})
		u.Start()
		d := u.dests[0]
		b.SetBytes(int64(len(batch)))
		for b.Loop() {
			u.Send(batch, lines, Raw)
			for d.read().Queued > 20*lines {
				runtime.Gosched()
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*lines), "ns/line")
	})
	b.Run("drain", func(b *testing.B) {
		u := newUpstream(b, "a:1", func(c *Config) {
			c.Dial, c.Spool.Dir, c.QueueDatapoints, c.Spool.Rate = dialDiscard, b.TempDir(), 1, 1<<40
			c.Destinations[0].WhenFull = ToSpool
		})
		d := u.dests[0]
		const batches = 1000
		b.SetBytes(int64(len(batch)))
		left := 0
		s := &stream{conn: discardConn{newFakeConn()}, eof: make(chan struct{})}
		for b.Loop() {
			if left == 0 {
				b.StopTimer()
				for ; left < batches; left++ {
					u.Send(batch, lines, Raw)
					for d.spoolSome(true) {
					}
				}
				b.StartTimer()
			}
			left--
			for n := 0; n < lines; {
				before := d.read().Written
				if _, _, err := d.drainSpool(s); err != nil {
					b.Fatal(err)
				}
				if n += int(d.read().Written - before); d.read().Spooled == 0 {
					break
				}
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*lines), "ns/line")
	})
}
