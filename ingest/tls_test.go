package ingest

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestTLS(t *testing.T) {
	a := datapoint{"a", 1500000000, 1}
	tests := map[string]struct {
		change func(l *Listener)
		stream func() string
	}{
		"plaintext": {func(l *Listener) {}, func() string { return "a 1 1500000000\n" }},
		"pickle":    {func(l *Listener) { l.Protocol = Pickle }, func() string { return pickled(a) }},
		"protobuf":  {func(l *Listener) { l.Protocol = Protobuf }, func() string { return protobuffed(a) }},
		"gzip": {func(l *Listener) { l.Compression = Gzip }, func() string {
			return string(compressed(t, Gzip, []byte("a 1 1500000000\n")))
		}},
	}
	for name, tt := range tests {
		for version, number := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
			t.Run(name+"/"+version, func(t *testing.T) {
				l, authority := encrypted(t)
				tt.change(&l)
				in, r := start(t, Config{Listeners: []Listener{l}})
				config := authority.client()
				config.MinVersion, config.MaxVersion = number, number
				c := dialTLS(t, in, 0, config)
				for _, b := range []byte(tt.stream()) { // a record each
					send(t, c, string([]byte{b}))
				}
				until(t, "it is read", func() bool { return len(r.all()) == 1 })
				c.Close()
				until(t, "the connection is counted out", func() bool { return in.Stats()[0].Connections == 0 })
				if got := r.all(); !slices.Equal(got, []datapoint{a}) {
					t.Errorf("got %v", got)
				}
				s := in.Stats()[0]
				refused{}.check(t, s, 1, 0)
				if !s.TLS || s.HandshakeErrors != 0 || s.ReadErrors != 0 {
					t.Errorf("%+v", s)
				}
			})
		}
	}
}

// Many clients; every line counts once, whatever the size of the records.
func TestTLSManyConnections(t *testing.T) {
	const clients, each = 20, 2000
	l, a := encrypted(t)
	in, r := start(t, Config{ReadBuffer: smallestBuffer, Listeners: []Listener{l}})
	var wg sync.WaitGroup
	for i := range clients {
		c := dialTLS(t, in, 0, a.client())
		wg.Go(func() {
			var text []byte
			for j := range each {
				text = fmt.Appendf(text, "client%d.line%d 1 1500000000\n", i, j)
			}
			for piece := range slices.Chunk(text, 100+999*i) {
				if _, err := c.Write(piece); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	stop(t, in) // at once: what the sockets hold counts
	seen := make(map[string]bool)
	for _, p := range r.all() {
		seen[p.Metric] = true
	}
	if n := len(r.all()); n != clients*each || len(seen) != n {
		t.Errorf("%d datapoints, %d names, want %d; %+v", n, len(seen), clients*each, in.Stats()[0])
	}
}

// A stream that ends without TLS's own end may have been cut by anybody, so half
// a line is no line.
func TestTLSTruncated(t *testing.T) {
	tests := map[string]struct {
		end                  func(session *tls.Conn, conn net.Conn)
		accepted, unfinished uint64
	}{
		"ended":     {func(session *tls.Conn, _ net.Conn) { session.Close() }, 2, 0},
		"truncated": {func(_ *tls.Conn, conn net.Conn) { conn.Close() }, 1, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			l, a := encrypted(t)
			in, _ := start(t, Config{Listeners: []Listener{l}})
			conn := dial(t, in, 0)
			session := tls.Client(conn, a.client())
			send(t, session, "a 1 1500000000\nb 2 1500000000")
			until(t, "it is read", func() bool { return in.Stats()[0].Accepted == 1 })
			tt.end(session, conn)
			until(t, "the connection is counted out", func() bool { return in.Stats()[0].Connections == 0 })
			refused{}.check(t, in.Stats()[0], tt.accepted, tt.unfinished)
		})
	}
}

// A record that was tampered with breaks the connection.
func TestTLSBrokenRecord(t *testing.T) {
	l, a := encrypted(t)
	in, _ := start(t, Config{Listeners: []Listener{l}})
	conn := dial(t, in, 0)
	session := tls.Client(conn, a.client())
	send(t, session, "a 1 1500000000\n")
	until(t, "it is read", func() bool { return in.Stats()[0].Accepted == 1 })
	send(t, conn, "\x17\x03\x03\x00\x20"+strings.Repeat("x", 32))
	until(t, "the connection is counted out", func() bool { return in.Stats()[0].Connections == 0 })
	if s := in.Stats()[0]; s.ReadErrors != 1 || s.HandshakeErrors != 0 {
		t.Errorf("%+v", s)
	}
}

func TestClientCertificates(t *testing.T) {
	l, a := encrypted(t)
	clients := newAuthority(t)
	l.TLS.ClientCAFile = filepath.Join(t.TempDir(), "ca.pem")
	write(t, l.TLS.ClientCAFile, clients.pem)
	var log logged
	in, r := start(t, Config{Listeners: []Listener{l}, Logger: log.logger()})

	for name, config := range map[string]*tls.Config{"none": a.client(), "of another authority": a.presenting(t, a)} {
		failed := in.Stats()[0].HandshakeErrors
		c := tls.Client(dial(t, in, 0), config)
		// In TLS 1.3 the client only hears of it when it reads.
		io.WriteString(c, "b 1 1500000000\n")
		if _, err := c.Read(make([]byte, 1)); err == nil || err == io.EOF {
			t.Errorf("certificate %s: %v, want an alert", name, err)
		}
		until(t, "it is counted", func() bool { return in.Stats()[0].HandshakeErrors == failed+1 })
	}
	send(t, dialTLS(t, in, 0, a.presenting(t, clients)), "a 1 1500000000\n")
	stop(t, in)
	if got := r.all(); len(got) != 1 || got[0].Metric != "a" {
		t.Errorf("got %v", got)
	}
	s := in.Stats()[0]
	refused{}.check(t, s, 1, 0)
	if s.HandshakeErrors != 2 || s.ReadErrors != 0 {
		t.Errorf("%+v", s)
	}
	if got := log.String(); strings.Count(got, "a TLS handshake failed") != 1 || !strings.Contains(got, "sender=127.0.0.1:") {
		t.Errorf("logged:\n%s", got)
	}
}

func TestHandshakeErrors(t *testing.T) {
	tests := map[string]func(t *testing.T, c net.Conn, in *Ingest){
		"plain text":     func(t *testing.T, c net.Conn, _ *Ingest) { send(t, c, "a 1 1500000000\n") },
		"gone":           func(t *testing.T, c net.Conn, _ *Ingest) { c.Close() },
		"too slow":       func(t *testing.T, c net.Conn, in *Ingest) { send(t, c, "\x16\x03\x01") },
		"an old version": func(t *testing.T, c net.Conn, _ *Ingest) { old(c) },
	}
	for name, act := range tests {
		t.Run(name, func(t *testing.T) {
			l, _ := encrypted(t)
			r := &recorder{t: t}
			in := listen(t, Config{Listeners: []Listener{l}, Acquire: r.acquire, Now: vectorClock})
			if name == "too slow" {
				in.listeners[0].handshake = 20 * time.Millisecond
			}
			in.Start()
			act(t, dial(t, in, 0), in)
			until(t, "it is counted", func() bool { return in.Stats()[0].HandshakeErrors == 1 })
			until(t, "the connection is counted out", func() bool { return in.Stats()[0].Connections == 0 })
			refused{}.check(t, in.Stats()[0], 0, 0)
		})
	}
}

// old speaks a version that has been retired.
func old(c net.Conn) {
	tls.Client(c, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}).Handshake()
}

// Stop ends handshakes that have not come to their end, without counting them.
func TestStopDuringHandshake(t *testing.T) {
	l, _ := encrypted(t)
	in, _ := start(t, Config{Listeners: []Listener{l}})
	send(t, dial(t, in, 0), "\x16\x03\x01")
	until(t, "it is read", func() bool { return in.Stats()[0].Bytes == 3 })
	stop(t, in)
	if s := in.Stats()[0]; s.HandshakeErrors != 0 || s.ReadErrors != 0 || s.Connections != 0 {
		t.Errorf("%+v", s)
	}
}

func TestIdleTimeoutTLS(t *testing.T) {
	t.Parallel()
	l, a := encrypted(t)
	unhurried(500*time.Millisecond, func(timeout time.Duration) bool {
		l.IdleTimeout = timeout
		in, _ := start(t, Config{Listeners: []Listener{l}})
		defer stop(t, in)
		begin := time.Now()
		c := tls.Client(dial(t, in, 0), a.client())
		if _, err := io.WriteString(c, "a 1 1500000000\nb 2 15"); err != nil || time.Since(begin) >= timeout {
			return false
		}
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("reading from an idle connection: %v, want its end, announced", err)
		}
		until(t, "the connection is counted out", func() bool { return in.Stats()[0].Connections == 0 })
		if s := in.Stats()[0]; s.IdleCloses != 1 || s.Accepted != 1 || s.Unfinished != 1 || s.ReadErrors != 0 {
			t.Errorf("%+v", s)
		}
		return true
	})
}

// A client that makes the server answer without ever reading the answers cannot
// keep Stop from ending.
func TestWritesEnd(t *testing.T) {
	l, _ := encrypted(t)
	in, _ := start(t, Config{Listeners: []Listener{l}})
	near, far := net.Pipe() // at whose other end nobody reads
	defer far.Close()
	p := &puller{Conn: near, stream: &stream{listener: in.listeners[0], source: source{in: in}}}
	in.listeners[0].handshake = 10 * time.Millisecond
	if _, err := p.Write([]byte("x")); !os.IsTimeout(err) {
		t.Errorf("before Stop: %v, want a timeout", err)
	}
	in.listeners[0].handshake = time.Hour
	stop(t, in)
	if _, err := p.Write([]byte("x")); !os.IsTimeout(err) {
		t.Errorf("after Stop: %v, want a timeout", err)
	}
}

func TestCertificatesAreReloaded(t *testing.T) {
	l, a := encrypted(t)
	var log logged
	in, r := start(t, Config{Listeners: []Listener{l}, Logger: log.logger()})
	first := dialTLS(t, in, 0, a.client())
	if got := serial(first); got != 2 {
		t.Fatalf("certificate %d", got)
	}

	// A certificate whose key has not come yet changes nothing.
	cert, key := a.sign(t, 7)
	write(t, l.TLS.CertFile, cert)
	for range 3 {
		if got := serial(dialTLS(t, in, 0, a.client())); got != 2 {
			t.Errorf("certificate %d without its key", got)
		}
	}
	if n := strings.Count(log.String(), "the TLS files cannot be used"); n != 1 {
		t.Errorf("the mismatch was logged %d times:\n%s", n, log.String())
	}
	write(t, l.TLS.KeyFile, key)
	for range 3 {
		if got := serial(dialTLS(t, in, 0, a.client())); got != 7 {
			t.Errorf("certificate %d after the change", got)
		}
	}
	if n := strings.Count(log.String(), "loaded the changed TLS files"); n != 1 {
		t.Errorf("loading was logged %d times:\n%s", n, log.String())
	}

	// Nor does a file that is gone for a while. Connections live on.
	os.Remove(l.TLS.KeyFile)
	if got := serial(dialTLS(t, in, 0, a.client())); got != 7 {
		t.Errorf("certificate %d with the key gone", got)
	}
	send(t, first, "a 1 1500000000\n")
	until(t, "the first connection is read", func() bool { return len(r.all()) == 1 })
}

// Clients that were let in are not let in again once their authority is gone.
func TestClientAuthorityIsReloaded(t *testing.T) {
	l, a := encrypted(t)
	before, after := newAuthority(t), newAuthority(t)
	l.TLS.ClientCAFile = filepath.Join(t.TempDir(), "ca.pem")
	write(t, l.TLS.ClientCAFile, before.pem)
	in, r := start(t, Config{Listeners: []Listener{l}})
	config := a.presenting(t, before)
	config.ClientSessionCache = tls.NewLRUClientSessionCache(10)
	send(t, dialTLS(t, in, 0, config), "a 1 1500000000\n")
	until(t, "the client is let in", func() bool { return len(r.all()) == 1 })
	write(t, l.TLS.ClientCAFile, after.pem)
	c := tls.Client(dial(t, in, 0), config)
	io.WriteString(c, "b 1 1500000000\n")
	until(t, "the client is refused", func() bool { return in.Stats()[0].HandshakeErrors == 1 })
	send(t, dialTLS(t, in, 0, a.presenting(t, after)), "c 1 1500000000\n")
	until(t, "the other client is let in", func() bool { return len(r.all()) == 2 })
}

func TestTLSFilesAreChecked(t *testing.T) {
	a := newAuthority(t)
	good, other := a.files(t), a.files(t)
	empty := filepath.Join(t.TempDir(), "empty.pem")
	write(t, empty, nil)
	tests := map[string]struct {
		files TLS
		want  string
	}{
		"no such certificate":    {TLS{CertFile: empty + "x", KeyFile: good.KeyFile}, "no such file"},
		"empty certificate":      {TLS{CertFile: empty, KeyFile: good.KeyFile}, `TLS certificate "` + empty + `"`},
		"another's key":          {TLS{CertFile: good.CertFile, KeyFile: other.KeyFile}, "private key does not match"},
		"no such authority":      {TLS{CertFile: good.CertFile, KeyFile: good.KeyFile, ClientCAFile: empty + "x"}, "no such file"},
		"no authority in a file": {TLS{CertFile: good.CertFile, KeyFile: good.KeyFile, ClientCAFile: empty}, "holds no certificate"},
		"no key":                 {TLS{CertFile: good.CertFile}, `key file "": both must be given`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			l := anywhere(t, "tcp")
			l.TLS = &tt.files
			_, err := New(Config{Listeners: []Listener{l}, Acquire: (&recorder{}).acquire, Now: vectorClock})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

// Stop does not wait for a client of TLS that never pauses.
func TestStopUnderLoadTLS(t *testing.T) {
	l, a := encrypted(t)
	in, _ := start(t, Config{Listeners: []Listener{l}})
	c := dialTLS(t, in, 0, a.client())
	text := repeat("a 1 1500000000\n", 4000)
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
	in.Stop(ctx)
	<-sent
}

// The memory of a session that waits, its client's end included.
func TestIdleTLSConnections(t *testing.T) {
	const clients, most = 50, 96 << 10
	l, a := encrypted(t)
	in := listen(t, Config{Listeners: []Listener{l}, Now: vectorClock, Acquire: func() Lane { return discard{} }})
	in.Start()
	text := string(repeat("some.metric.with.a.name 1 1500000000\n", 1000))
	before := memory()
	for range clients {
		send(t, dialTLS(t, in, 0, a.client()), text)
	}
	until(t, "all is read", func() bool { return in.Stats()[0].Accepted == clients*1000 })
	until(t, fmt.Sprintf("an idle session costs no more than %d bytes", most), func() bool { return int64(memory()-before)/clients <= most })
}
