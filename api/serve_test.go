package api

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener of connections in memory, for tests in virtual time.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	select {
	case <-p.closed:
	default:
		close(p.closed)
	}
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// dial returns the client's end of a new connection.
func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

// serve runs a server of routes until the test ends.
func serve(t *testing.T, routes ...Route) (*Server, *pipes) {
	t.Helper()
	s := newServer(t, quiet, routes...)
	ln := newPipes()
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		s.Shutdown(context.Background())
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return s, ln
}

func request(t *testing.T, c net.Conn, path string) *http.Response {
	t.Helper()
	if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// closesAfter waits until the server closes c, and checks when.
func closesAfter(t *testing.T, c net.Conn, want time.Duration) {
	t.Helper()
	start := time.Now()
	io.Copy(io.Discard, c)
	if took := time.Since(start); took != want {
		t.Errorf("closed after %v, want %v", took, want)
	}
}

func TestTimeouts(t *testing.T) {
	for name, c := range map[string]struct {
		send string
		want time.Duration
	}{
		"nothing":        {"", headerTimeout},
		"half a header":  {"GET /render HTTP/1.1\r\nHost:", headerTimeout},
		"half a body":    {"POST /render HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf", readTimeout},
		"no further one": {"GET /render HTTP/1.1\r\nHost: localhost\r\n\r\n", idleTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, ln := serve(t, testRoutes...)
				conn := ln.dial()
				defer conn.Close()
				go io.WriteString(conn, c.send)
				closesAfter(t, conn, c.want)
			})
		})
	}
}

// What a request has begun ends with its time, even if its client waits on.
func TestRequestsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan time.Duration, 2)
		wait := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			start := time.Now()
			select {
			case <-r.Context().Done():
			case <-time.After(5 * writeTimeout):
			}
			ended <- time.Since(start)
		})
		_, ln := serve(t,
			Route{Path: "/work", Methods: []string{"GET"}, Handler: wait},
			Route{Path: "/profile", Methods: []string{"GET"}, Handler: wait, Lasting: true})
		for path, want := range map[string]time.Duration{"/work": writeTimeout, "/profile": 5 * writeTimeout} {
			conn := ln.dial()
			if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			if took := <-ended; took != want {
				t.Errorf("%s ends after %v, want %v", path, took, want)
			}
			conn.Close()
		}
	})
}

func TestHeaderLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, ln := serve(t, testRoutes...)
		conn := ln.dial()
		defer conn.Close()
		go io.WriteString(conn, "GET /render?"+strings.Repeat("x", maxHeaderBytes+8192)+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Error(resp.Status)
		}
	})
}

// slow is a route that answers when it is told to, or breaks off.
func slow(begun, finish chan struct{}) Route {
	return Route{Path: "/slow", Methods: []string{"GET"}, Handler: http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			close(begun)
			select {
			case <-finish:
				io.WriteString(w, "done")
			case <-r.Context().Done():
			}
		})}
}

func TestShutdownWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun, finish := make(chan struct{}), make(chan struct{})
		s, ln := serve(t, slow(begun, finish))
		conn := ln.dial()
		defer conn.Close()
		answers := make(chan *http.Response)
		go func() { answers <- request(t, conn, "/slow") }()
		<-begun
		stopped := make(chan error)
		go func() { stopped <- s.Shutdown(context.Background()) }()
		synctest.Wait()
		select {
		case <-stopped:
			t.Fatal("stopped with a request under way")
		case <-ln.closed: // and takes no more
		}
		close(finish)
		resp := <-answers
		if body, _ := io.ReadAll(resp.Body); string(body) != "done" {
			t.Errorf("answer %q", body)
		}
		if err := <-stopped; err != nil {
			t.Error(err)
		}
		if err := s.Serve(newPipes()); err != nil {
			t.Errorf("Serve after Shutdown: %v", err)
		}
	})
}

func TestShutdownBreaksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := make(chan struct{})
		s, ln := serve(t, slow(begun, nil))
		conn := ln.dial()
		defer conn.Close()
		go io.WriteString(conn, "GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
		<-begun
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v", err)
		}
		synctest.Wait()
		if n := s.Stats().InFlight; n != 0 {
			t.Errorf("%d requests under way", n)
		}
	})
}

func TestServeError(t *testing.T) {
	s := newServer(t, quiet, testRoutes...)
	ln := newPipes()
	ln.Close()
	if err := s.Serve(ln); err == nil || !strings.Contains(err.Error(), "HTTP on pipe") {
		t.Errorf("Serve: %v", err)
	}
}

func TestLimitListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := newPipes()
		ln := newLimitListener(inner, 2)
		accepted := make(chan net.Conn)
		ended := make(chan error)
		go func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					ended <- err
					return
				}
				accepted <- c
			}
		}()
		inner.dial()
		first := <-accepted
		inner.dial()
		<-accepted
		waiting := make(chan struct{})
		go func() { inner.dial(); close(waiting) }()
		synctest.Wait()
		select {
		case <-waiting:
			t.Fatal("a third connection was accepted")
		default:
		}
		first.Close()
		first.Close() // gives one slot back, not two
		<-accepted
		go func() {
			select {
			case inner.conns <- nil:
				t.Error("a fourth connection was accepted")
			case <-inner.closed:
			}
		}()
		synctest.Wait()
		ln.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept: %v", err)
		}
	})
}

// A client of TLS is answered, by HTTP/1.1; one without is told.
func TestTLS(t *testing.T) {
	pair := httptest.NewUnstartedServer(nil) // has a certificate for tests
	pair.StartTLS()
	defer pair.Close()
	var log lockedBuffer
	s, err := New(Config{
		Routes: testRoutes, TLS: &tls.Config{Certificates: pair.TLS.Certificates},
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	transport := pair.Client().Transport.(*http.Transport).Clone()
	transport.ForceAttemptHTTP2 = true
	client := &http.Client{Transport: transport}
	for address, want := range map[string]string{
		"https://" + ln.Addr().String() + "/render": "HTTP/1.1 200 /render ",
		"http://" + ln.Addr().String() + "/render":  "HTTP/1.0 400 Client sent an HTTP request to an HTTPS server.\n",
	} {
		resp, err := client.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if got := fmt.Sprintf("%s %d %s", resp.Proto, resp.StatusCode, body); got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
	// One who does not trust the certificate ends the handshake.
	if _, err := new(http.Client).Get("https://" + ln.Addr().String()); err == nil {
		t.Error("a certificate of nobody's is trusted")
	}
	transport.CloseIdleConnections()
	s.Shutdown(context.Background())
	if err := <-served; err != nil {
		t.Error(err)
	}
	if text := log.String(); text != "" {
		t.Errorf("anybody can make it log: %s", text)
	}
}

// What package http complains of is logged, at the level that it deserves.
func TestComplaints(t *testing.T) {
	var log bytes.Buffer
	w := complaints{slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	for line, want := range map[string]string{
		"http: Accept error: too many files; retrying in 5ms\n":      "level=WARN msg=\"http: Accept error: too many files; retrying in 5ms\"\n",
		"http: TLS handshake error from 192.0.2.1:5: EOF of sorts\n": "level=DEBUG msg=\"http: TLS handshake error from 192.0.2.1:5: EOF of sorts\"\n",
	} {
		log.Reset()
		if n, err := w.Write([]byte(line)); n != len(line) || err != nil || !strings.HasSuffix(log.String(), want) {
			t.Errorf("%d, %v, %s", n, err, &log)
		}
	}
}

// lockedBuffer is written to by several goroutines.
type lockedBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
