package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Options says how a script is sent.
type Options struct {
	Points     int           // datapoints to send, rounded up to whole chunks
	Rate       float64       // datapoints per second over all connections; 0: as fast as possible
	Limit      time.Duration // no further chunk is sent after this time
	SendBuffer int           // bytes of socket buffer for each connection; 0: the system's default
	Period     int64         // seconds of the buckets that Sent is kept by
	Begin      func()        // called once connected, just before the first byte
	Before     func(n int)   // if set, called before each write of n bytes, on any goroutine; it may wait
}

// Sent is the account of what a script has sent.
type Sent struct {
	Points     int64
	Start, End time.Time // just before the first write, and after the last

	ledger []ledger
}

// A ledger holds, for one connection, how often each chunk went into each bucket.
type ledger struct {
	chunks  []*chunk
	buckets map[int64][]int64
}

// EachLine calls f for each bucket (its start in Unix seconds) and line of the
// workload that went into it, with the number of times it did. A pair of bucket
// and line is passed once.
func (s *Sent) EachLine(f func(bucket int64, line int, times int64)) {
	for _, l := range s.ledger {
		for bucket, sends := range l.buckets {
			for k, times := range sends {
				if times == 0 {
					continue
				}
				c := l.chunks[k]
				for j := range c.stamps {
					f(bucket, c.first+j*c.stride, times)
				}
			}
		}
	}
}

// Send sends the script to a TCP address on loopback. On an error, too, all its
// connections are closed when it returns.
func (s *Script) Send(ctx context.Context, addr string, o Options) (*Sent, error) {
	if host, _, err := net.SplitHostPort(addr); err != nil || !net.ParseIP(host).IsLoopback() {
		return nil, fmt.Errorf("address %q: want a loopback address and port", addr)
	}
	conns, err := dial(ctx, addr, len(s.conns), o.SendBuffer)
	if err != nil {
		return nil, err
	}
	// Closing is also how a cancelled context ends a blocked write.
	closeAll := func() {
		for _, c := range conns {
			c.Close()
		}
	}
	defer closeAll()
	defer context.AfterFunc(ctx, closeAll)()

	sent := &Sent{ledger: make([]ledger, len(conns))}
	errs := make([]error, len(conns))
	points := make([]int64, len(conns))
	if o.Begin != nil {
		o.Begin()
	}
	sent.Start = time.Now()
	var wg sync.WaitGroup
	for i, c := range conns {
		sent.ledger[i] = ledger{chunks: s.conns[i], buckets: map[int64][]int64{}}
		wg.Go(func() {
			share := o
			share.Points = (o.Points + len(conns) - 1 - i) / len(conns)
			share.Rate = o.Rate / float64(len(conns))
			points[i], errs[i] = sent.ledger[i].send(c, share, sent.Start, s.once)
			c.Close()
		})
	}
	wg.Wait()
	sent.End = time.Now()
	for _, n := range points {
		sent.Points += n
	}
	return sent, errors.Join(append(errs, ctx.Err())...)
}

func dial(ctx context.Context, addr string, n, sendBuffer int) ([]*net.TCPConn, error) {
	var conns []*net.TCPConn
	var d net.Dialer
	for range n {
		c, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			for _, c := range conns {
				c.Close()
			}
			return nil, err
		}
		t := c.(*net.TCPConn)
		if sendBuffer > 0 {
			t.SetWriteBuffer(sendBuffer) // best effort: a larger buffer is no error
		}
		conns = append(conns, t)
	}
	return conns, nil
}

// send writes whole chunks, from the first to the last and again from the first,
// until the points or the time are used up.
func (l *ledger) send(c net.Conn, o Options, start time.Time, once bool) (points int64, err error) {
	if len(l.chunks) == 0 {
		return 0, nil
	}
	const stuck = 30 * time.Second // for one write beyond the limit
	if err := c.SetWriteDeadline(start.Add(o.Limit + stuck)); err != nil {
		return 0, err
	}
	for k := 0; points < int64(o.Points); k++ {
		if once && k == len(l.chunks) {
			break
		}
		if o.Rate > 0 {
			time.Sleep(time.Until(start.Add(time.Duration(float64(points) / o.Rate * float64(time.Second)))))
		}
		k := k % len(l.chunks)
		ch := l.chunks[k]
		if o.Before != nil {
			o.Before(len(ch.buf))
		}
		now := time.Now()
		if now.Sub(start) > o.Limit {
			break
		}
		second := now.Unix()
		ch.stamp(second)
		if _, err := c.Write(ch.buf); err != nil {
			return points, fmt.Errorf("sending: %w", err)
		}
		bucket := second - second%o.Period
		if l.buckets[bucket] == nil {
			l.buckets[bucket] = make([]int64, len(l.chunks))
		}
		l.buckets[bucket][k]++
		points += int64(len(ch.stamps))
	}
	return points, nil
}
