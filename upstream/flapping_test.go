package upstream

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// A destination that takes connections and closes them at once, as a balancer
// without backends does, is no reason for two log lines on each attempt.
func TestFlappingDestinationIsLoggedSeldom(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	attempts := make(chan struct{})
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				close(attempts)
				return
			}
			conn.Close()
			attempts <- struct{}{}
		}
	})
	dest, err := ParseDestination(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var log bytes.Buffer
	u, err := New(Config{
		Destinations: []Destination{dest}, ReconnectMin: time.Millisecond, ReconnectMax: 2 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(lockedWriter{&mu, &log}, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	u.Start()
	for range 200 {
		<-attempts
	}
	ln.Close()
	go func() {
		for range attempts {
		}
	}()
	u.Stop(t.Context())
	accepting.Wait()
	mu.Lock()
	defer mu.Unlock()
	most := 10 * (1 + int(time.Since(begun)/logInterval))
	if n := strings.Count(log.String(), "\n"); n > most {
		t.Errorf("%d log lines for 200 attempts, want at most %d", n, most)
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	b  *bytes.Buffer
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}
