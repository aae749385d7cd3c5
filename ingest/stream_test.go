package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/plaintext"
)

// Many clients write lines in pieces of any size; every line counts once, with
// its own name, value and time.
func TestManyConnections(t *testing.T) {
	const clients, each = 200, 300
	in, r := start(t, Config{ReadBuffer: smallestBuffer, Listeners: []Listener{anywhere(t, "tcp"), anywhere(t, "unix")}})
	var wg sync.WaitGroup
	for i := range clients {
		c := dial(t, in, i%2)
		wg.Go(func() {
			defer c.Close()
			rng := rand.New(rand.NewPCG(uint64(i), 1))
			var text []byte
			for j := range each {
				text = fmt.Appendf(text, "client%d.line%d %d %d\n", i, j, i*each+j, 1500000000+j)
				if j%10 == 0 {
					text = append(text, "bad line\n\n"...)
				}
			}
			for len(text) > 0 {
				n, err := c.Write(text[:min(len(text), 1+rng.IntN(700))])
				if err != nil {
					t.Error(err)
					return
				}
				text = text[n:]
			}
		})
	}
	wg.Wait()
	stop(t, in)

	seen := make(map[datapoint]bool)
	for _, p := range r.all() {
		var i, j int
		if _, err := fmt.Sscanf(p.Metric, "client%d.line%d", &i, &j); err != nil {
			t.Fatalf("unknown name %q", p.Metric)
		}
		if p.Value != number(i*each+j) || p.Timestamp != number(1500000000+j) || seen[p] {
			t.Fatalf("%v is wrong or came twice", p)
		}
		seen[p] = true
	}
	if len(seen) != clients*each {
		t.Errorf("%d datapoints, want %d", len(seen), clients*each)
	}
	for _, s := range in.Stats() {
		if s.Connected != clients/2 || s.Connections != 0 || s.Accepted != clients/2*each ||
			s.Refused[plaintext.BadFields] != clients/2*each/10 || s.Refused[plaintext.Blank] != clients/2*each/10 ||
			s.Received() != clients/2*each/10*11 {
			t.Errorf("%+v", s)
		}
	}
}

func TestMaxConnections(t *testing.T) {
	var log logged
	l := anywhere(t, "tcp")
	l.MaxConnections = 2
	in, r := start(t, Config{Listeners: []Listener{l}, Logger: log.logger()})
	first, second, third := dial(t, in, 0), dial(t, in, 0), dial(t, in, 0)
	send(t, third, "third 3 1500000000\n")
	until(t, "the limit is reached", func() bool { return in.Stats()[0].LimitReached == 1 })
	send(t, first, "first 1 1500000000\n")
	send(t, second, "second 2 1500000000\n")
	until(t, "two clients are read", func() bool { return in.Stats()[0].Accepted == 2 })
	if s := in.Stats()[0]; s.Connections != 2 || s.Connected != 2 || !s.AtLimit {
		t.Errorf("at the limit: %+v", s)
	}
	first.Close()
	until(t, "the third client is read", func() bool { return in.Stats()[0].Accepted == 3 })
	if got := r.all()[2].Metric; got != "third" {
		t.Errorf("the last one is %q", got)
	}
	until(t, "the limit is reached again", func() bool { return in.Stats()[0].LimitReached == 2 })
	stop(t, in)
	if s := in.Stats()[0]; s.Connected != 3 || s.AtLimit {
		t.Errorf("at the end: %+v", s)
	}
	if n := strings.Count(log.String(), "as many connections as allowed"); n != 1 {
		t.Errorf("the limit was logged %d times:\n%s", n, log.String())
	}
}

func TestIdleTimeout(t *testing.T) {
	unhurried(30*time.Millisecond, func(timeout time.Duration) bool {
		l := anywhere(t, "tcp")
		l.IdleTimeout = timeout
		in, r := start(t, Config{Listeners: []Listener{l, anywhere(t, "tcp")}})
		defer stop(t, in)
		patient := dial(t, in, 1)
		dialled := time.Now()
		c := dial(t, in, 0)
		begin := time.Now()
		if _, err := io.WriteString(c, "a 1 1500000000\nb 2 15"); err != nil || time.Since(dialled) >= timeout {
			return false
		}
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("reading from an idle connection: %v, want EOF", err)
		}
		if took := time.Since(begin); took < timeout {
			t.Errorf("closed after %v", took)
		}
		until(t, "the connection is counted out", func() bool { return in.Stats()[0].Connections == 0 })
		if s := in.Stats()[0]; s.IdleCloses != 1 || s.Accepted != 1 || s.Unfinished != 1 || s.ReadErrors != 0 {
			t.Errorf("%+v", s)
		}
		send(t, patient, "c 3 1500000000\n")
		until(t, "the patient listener's client is read", func() bool { return len(r.all()) == 2 })
		return true
	})
}

// A client that sends more often than the timeout stays, though it stays longer.
func TestIdleTimeoutCountsFromLastBytes(t *testing.T) {
	t.Parallel()
	unhurried(500*time.Millisecond, func(timeout time.Duration) bool {
		l := anywhere(t, "tcp")
		l.IdleTimeout = timeout
		in, _ := start(t, Config{Listeners: []Listener{l}})
		defer stop(t, in)
		begin := time.Now()
		last := begin
		c := dial(t, in, 0)
		lines := uint64(0)
		for ; time.Since(begin) < 2*timeout; lines++ {
			sent := time.Now()
			if _, err := io.WriteString(c, "a 1 1500000000\n"); err != nil || time.Since(last) >= timeout {
				return false
			}
			until(t, "the line is read", func() bool { return in.Stats()[0].Accepted > lines || in.Stats()[0].IdleCloses > 0 })
			last = sent
		}
		s := in.Stats()[0]
		if time.Since(last) >= timeout {
			return false
		}
		if s.IdleCloses != 0 || s.Connections != 1 || s.Accepted != lines {
			t.Errorf("%+v", s)
		}
		return true
	})
}

// Stop at once after the clients' writes loses nothing: neither what is in
// socket buffers, nor connections that nobody has accepted yet.
func TestStopDrains(t *testing.T) {
	const clients = 20
	tests := map[string]struct{ limit, lines int }{
		"few lines":                {0, 3},
		"many lines":               {0, 20000},
		"most wait in the backlog": {1, 1000}, // no more than a socket holds unread
	}
	for name, tt := range tests {
		for _, transport := range []string{"tcp", "unix"} {
			t.Run(name+"/"+transport, func(t *testing.T) {
				l := anywhere(t, transport)
				l.MaxConnections = tt.limit
				in, r := start(t, Config{Listeners: []Listener{l}, ReadBuffer: smallestBuffer})
				var wg sync.WaitGroup
				for i := range clients {
					c := dial(t, in, 0)
					wg.Go(func() {
						var text []byte
						for j := range tt.lines {
							text = fmt.Appendf(text, "client%d %d 1500000000\n", i, j)
						}
						if _, err := c.Write(text); err != nil {
							t.Error(err)
						}
					})
				}
				wg.Wait()
				stop(t, in)
				want := clients * tt.lines
				if got := len(r.all()); got != want || in.Stats()[0].Accepted != uint64(want) {
					t.Errorf("%d datapoints, %d accepted, want %d", got, in.Stats()[0].Accepted, want)
				}
			})
		}
	}
}

// A client that never pauses cannot keep Stop from ending.
func TestStopUnderLoad(t *testing.T) {
	in, _ := start(t, Config{Listeners: []Listener{anywhere(t, "tcp")}})
	c := dial(t, in, 0)
	text := []byte(strings.Repeat("a 1 1500000000\n", 4000))
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for {
			if _, err := c.Write(text); err != nil {
				return
			}
		}
	}()
	until(t, "lines flow", func() bool { return in.Stats()[0].Accepted > 10000 })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := in.Stop(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Stop with a canceled context: %v", err)
	}
	<-sent
	s := in.Stats()[0]
	if lines := s.Bytes / 15; s.Received() < lines || s.Received() > lines+1 {
		t.Errorf("%d items of %d bytes", s.Received(), s.Bytes)
	}
	if err := in.Stop(context.Background()); !errors.Is(err, context.Canceled) {
		t.Errorf("the second Stop: %v, want the first one's error", err)
	}
}

func TestStopAnyTime(t *testing.T) {
	cfg := Config{Acquire: (&recorder{t: t}).acquire, Now: vectorClock,
		Listeners: []Listener{anywhere(t, "tcp"), anywhere(t, "udp"), anywhere(t, "unix")}}
	tests := map[string]func(*Ingest){
		"before Listen": func(in *Ingest) {},
		"before Start":  func(in *Ingest) { in.Listen() },
		"at once":       func(in *Ingest) { in.Listen(); in.Start() },
		"twice":         func(in *Ingest) { in.Listen(); in.Start(); in.Stop(context.Background()) },
		"then Start":    func(in *Ingest) { in.Listen(); in.Stop(context.Background()); in.Start() },
	}
	for name, prepare := range tests {
		t.Run(name, func(t *testing.T) {
			in, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			prepare(in)
			stop(t, in)
		})
	}
}

// A connection that breaks loses its unfinished line, visibly.
func TestBrokenConnection(t *testing.T) {
	in, r := start(t, Config{Listeners: []Listener{anywhere(t, "tcp")}})
	c := dial(t, in, 0).(*net.TCPConn)
	send(t, c, "a 1 1500000000\nb 2 15000")
	until(t, "the line is read", func() bool { return len(r.all()) == 1 })
	c.SetLinger(0) // closes with a reset
	c.Close()
	until(t, "the connection is counted out", func() bool { return in.Stats()[0].Connections == 0 })
	if s := in.Stats()[0]; s.ReadErrors != 1 || s.Unfinished != 1 || s.Received() != 2 {
		t.Errorf("%+v", s)
	}
}

// failing is a listener that fails a few times before it works.
type failing struct {
	streamListener
	left int
}

func (f *failing) Accept() (net.Conn, error) {
	if f.left > 0 {
		f.left--
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return f.streamListener.Accept()
}

func TestAcceptErrors(t *testing.T) {
	var log logged
	r := &recorder{t: t}
	in := listen(t, Config{Listeners: []Listener{anywhere(t, "tcp")}, Acquire: r.acquire, Now: vectorClock, Logger: log.logger()})
	in.listeners[0].streams = &failing{in.listeners[0].streams, 3}
	in.Start()
	send(t, dial(t, in, 0), "a 1 1500000000\n")
	until(t, "the line is read", func() bool { return len(r.all()) == 1 })
	stop(t, in)
	if n := in.Stats()[0].AcceptErrors; n != 3 {
		t.Errorf("%d accept errors, want 3", n)
	}
	if got := log.String(); strings.Count(got, "cannot accept") != 1 || !strings.Contains(got, "accepting connections again") || !strings.Contains(got, "errors=3") {
		t.Errorf("logged:\n%s", got)
	}
}

func TestBackoff(t *testing.T) {
	in, err := New(Config{Acquire: (&recorder{t: t}).acquire, Now: vectorClock, Listeners: []Listener{anywhere(t, "tcp")}})
	if err != nil {
		t.Fatal(err)
	}
	var b backoff
	last := firstDelay / 2
	for range 50 {
		b.next(in.listeners[0], syscall.EMFILE)
		low, high := min(2*last, longestDelay)*3/4, min(2*last, longestDelay)*5/4
		if b.delay < low || b.delay > high {
			t.Fatalf("%v after %v, want %v to %v", b.delay, last, low, high)
		}
		last = b.delay
	}
}

// memory is what is in use.
func memory() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // pools give up what they hold on the second
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// A connection that waits holds no buffer, even one with half a line.
func TestIdleConnectionsAreCheap(t *testing.T) {
	const clients = 300
	in := listen(t, Config{Listeners: []Listener{anywhere(t, "tcp")}, Now: vectorClock, Acquire: func() Lane { return discard{} }})
	in.Start()
	before := memory()
	for range clients {
		send(t, dial(t, in, 0), strings.Repeat("a 1 1500000000\n", 1000)+"half a line")
	}
	until(t, "all is read", func() bool { return in.Stats()[0].Bytes == clients*15011 })
	until(t, "an idle connection costs no more than 32 KiB", func() bool { return int64(memory()-before)/clients <= 32<<10 })
}

// However many clients send at once, only so many buffers are in use.
func TestWorkersAreBounded(t *testing.T) {
	const clients = 50
	limit := 2 * runtime.GOMAXPROCS(0)
	r := &recorder{t: t}
	entered, leave := make(chan struct{}, clients), make(chan struct{})
	in := listen(t, Config{Listeners: []Listener{anywhere(t, "tcp")}, Now: vectorClock, Acquire: func() Lane {
		entered <- struct{}{}
		<-leave
		return r.acquire()
	}})
	in.Start()
	for range clients {
		send(t, dial(t, in, 0), "a 1 1500000000\n")
	}
	for range limit {
		<-entered
	}
	until(t, "all are connected", func() bool { return in.Stats()[0].Connections == clients })
	if n := in.Stats()[0].Bytes; n > uint64(limit*15) {
		t.Errorf("%d bytes read by %d workers, want at most %d", n, limit, limit*15)
	}
	close(leave)
	stop(t, in)
	if got := len(r.all()); got != clients {
		t.Errorf("%d datapoints, want %d", got, clients)
	}
}
