package upstream

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
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
