package api

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
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
	if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
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
		"half a body":    {"POST /render HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf", readTimeout},
		"no further one": {"GET /render HTTP/1.1\r\nHost: x\r\n\r\n", idleTimeout},
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

func TestHeaderLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, ln := serve(t, testRoutes...)
		conn := ln.dial()
		defer conn.Close()
		go io.WriteString(conn, "GET /render?"+strings.Repeat("x", maxHeaderBytes+8192)+" HTTP/1.1\r\nHost: x\r\n\r\n")
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
		go io.WriteString(conn, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
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
