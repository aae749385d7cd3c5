package ingest

import (
	"context"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/coalesce-metrics/coalesce/plaintext"
)

// discard is a lane that costs nothing.
type discard struct{}

func (discard) Add(*plaintext.Batch) {}
func (discard) Release()             {}

// chunk renders whole lines of usual length, at most size bytes.
func chunk(size int) (text []byte, count int) {
	for i := 0; ; i++ {
		before := len(text)
		text = fmt.Appendf(text, "servers.web%04d.cpu.core%02d.user_percent %d.%02d %d\n", i%1000, i%64, i%100, i%89, 1763811000+i/500)
		if len(text) > size {
			return text[:before], i
		}
	}
}

func BenchmarkStream(b *testing.B) {
	text, count := chunk(64 << 10)
	for _, transport := range []string{"tcp", "unix"} {
		for _, clients := range []int{1, 4} {
			for _, buffer := range []int{64 << 10, 128 << 10, 256 << 10, 1 << 20} {
				b.Run(fmt.Sprintf("%s/clients=%d/buffer=%dK", transport, clients, buffer>>10), func(b *testing.B) {
					benchStream(b, sending{listener: anywhere(b, transport), clients: clients, buffer: buffer, chunk: text, count: count})
				})
			}
		}
	}
}

// Datapoints in frames of 500, as carbon's clients send them.
func BenchmarkFrames(b *testing.B) {
	const count = 500
	var points []datapoint
	for i := range count {
		points = append(points, datapoint{fmt.Sprintf("servers.web%04d.cpu.core%02d.user_percent", i, i%64), 1763811000, number(i) + 0.25})
	}
	for protocol, encode := range map[string]func(...datapoint) string{Pickle: pickled, Protobuf: protobuffed} {
		for _, transport := range []string{"tcp", "unix"} {
			b.Run(protocol+"/"+transport, func(b *testing.B) {
				benchStream(b, sending{listener: speaking(b, protocol, transport), clients: 1, chunk: []byte(encode(points...)), count: count})
			})
		}
	}
}

func BenchmarkTLS(b *testing.B) {
	text, count := chunk(64 << 10)
	l, a := encrypted(b)
	benchStream(b, sending{listener: l, clients: 1, chunk: text, count: count, dial: func(in *Ingest) net.Conn {
		return dialTLS(b, in, 0, a.client())
	}})
}

func BenchmarkCompressed(b *testing.B) {
	text, count := chunk(64 << 10)
	for _, compression := range compressions {
		b.Run(compression, func(b *testing.B) {
			l := anywhere(b, "unix")
			l.Compression = compression
			benchStream(b, sending{listener: l, clients: 1, chunk: compressed(b, compression, text), count: count})
		})
	}
}

// A sending is what the clients of a benchmark send.
type sending struct {
	listener Listener
	clients  int
	buffer   int // Config.ReadBuffer
	chunk    []byte
	count    int                       // datapoints in chunk
	dial     func(in *Ingest) net.Conn // nil means without TLS
}

func benchStream(b *testing.B, s sending) {
	in := listen(b, Config{
		Listeners:  []Listener{s.listener},
		ReadBuffer: s.buffer,
		Acquire:    func() Lane { return discard{} },
		Now:        func() float64 { return vectorNow },
	})
	in.Start()
	conns := make([]net.Conn, s.clients)
	for i := range conns {
		if s.dial != nil {
			conns[i] = s.dial(in)
		} else {
			conns[i] = dial(b, in, 0)
		}
	}
	b.ReportAllocs()
	sent := make(chan error)
	b.ResetTimer()
	chunks := b.N/s.count + s.clients
	for i, c := range conns {
		go func() {
			defer c.Close()
			for n := i; n < chunks; n += s.clients {
				if _, err := c.Write(s.chunk); err != nil {
					sent <- err
					return
				}
			}
			sent <- nil
		}()
	}
	for range conns {
		if err := <-sent; err != nil {
			b.Fatal(err)
		}
	}
	in.Stop(context.Background())
	b.StopTimer()
	got := in.Stats()[0].Accepted
	if got != uint64(chunks*s.count) {
		b.Fatalf("%d datapoints counted, %d sent", got, chunks*s.count)
	}
	report(b, got, in.Stats()[0].Bytes)
}

func report(b *testing.B, datapoints, bytes uint64) {
	took := b.Elapsed()
	b.ReportMetric(float64(took.Nanoseconds())/float64(datapoints), "ns/datapoint")
	b.ReportMetric(float64(bytes)/1e6/took.Seconds(), "MB/s")
	b.ReportMetric(0, "ns/op")
}

// The floor: the same bytes read and thrown away.
func BenchmarkCopyOnly(b *testing.B) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	text, count := chunk(64 << 10)
	read := make(chan int64)
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		buf := make([]byte, 256<<10)
		var total int64
		for {
			n, err := c.Read(buf)
			total += int64(n)
			if err == io.EOF {
				read <- total
				return
			}
		}
	}()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	chunks := b.N/count + 1
	for range chunks {
		c.Write(text)
	}
	c.Close()
	report(b, uint64(chunks*count), uint64(<-read))
}

// Many clients that write a few lines at a time: the price of waking up.
func BenchmarkSmallWrites(b *testing.B) {
	const clients = 100
	in := listen(b, Config{
		Listeners: []Listener{{Transport: "tcp", Address: "127.0.0.1:0"}},
		Acquire:   func() Lane { return discard{} },
		Now:       func() float64 { return vectorNow },
	})
	in.Start()
	conns := make([]net.Conn, clients)
	for i := range conns {
		conns[i] = dial(b, in, 0)
	}
	text, count := chunk(600)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += count {
		if _, err := conns[i/count%clients].Write(text); err != nil {
			b.Fatal(err)
		}
	}
	in.Stop(context.Background())
	b.StopTimer()
	s := in.Stats()[0]
	if want := (b.N + count - 1) / count * count; s.Accepted != uint64(want) {
		b.Fatalf("%d lines counted, %d sent", s.Accepted, want)
	}
	report(b, s.Accepted, s.Bytes)
}

func BenchmarkDatagrams(b *testing.B) {
	for _, size := range []int{60, 1400} {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			in := listen(b, Config{
				Listeners: []Listener{{Transport: "udp", Address: "127.0.0.1:0"}},
				UDPBuffer: 4 << 20,
				Acquire:   func() Lane { return discard{} },
				Now:       func() float64 { return vectorNow },
			})
			in.Start()
			c := dial(b, in, 0)
			text, count := chunk(size)
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i += count {
				if _, err := c.Write(text); err != nil {
					b.Fatal(err)
				}
			}
			in.Stop(context.Background())
			b.StopTimer()
			s := in.Stats()[0]
			sent := uint64((b.N + count - 1) / count)
			if s.Datagrams+s.KernelDrops != sent || s.Accepted != s.Datagrams*uint64(count) {
				b.Fatalf("%d sent: %+v", sent, s)
			}
			report(b, s.Accepted, s.Bytes)
			b.ReportMetric(100*float64(s.KernelDrops)/float64(sent), "%dropped")
		})
	}
}
