package main

import (
	"bufio"
	"bytes"
	"maps"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/coalesce-metrics/coalesce/internal/heldport"
)

// sink is a destination. It keeps every whole line that it gets.
type sink struct {
	t       *testing.T
	address string // for --upstream

	mu      sync.Mutex // guards all below
	ln      net.Listener
	conns   map[net.Conn]bool
	changed chan struct{} // closed when something comes
	seen    received
	running sync.WaitGroup
}

// received is what a sink got.
type received struct {
	lines  []string
	count  map[string]int      // by line
	values map[string][]string // of aggregates by "name timestamp", in the order of their coming
	newest int64               // of their timestamps
}

// last returns the value that a store has in the end, or "".
func (r *received) last(key string) string {
	if v := r.values[key]; len(v) > 0 {
		return v[len(v)-1]
	}
	return ""
}

// newSink listens on a TCP port, which nobody else takes while it does not.
func newSink(t *testing.T) *sink {
	t.Helper()
	s := &sink{
		t: t, address: heldport.New(t), conns: make(map[net.Conn]bool), changed: make(chan struct{}),
		seen: received{count: make(map[string]int), values: make(map[string][]string)},
	}
	s.up()
	t.Cleanup(func() { s.cut(); s.running.Wait() })
	return s
}

// up listens, again after down or cut.
func (s *sink) up() {
	s.t.Helper()
	s.serve(heldport.Listen(s.t, s.address))
}

func (s *sink) serve(ln net.Listener) {
	s.mu.Lock()
	s.ln = ln
	s.mu.Unlock()
	s.running.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns[conn] = true
			s.mu.Unlock()
			s.running.Go(func() { s.read(conn) })
		}
	})
}

// read keeps whole lines only, as carbon does.
func (s *sink) read(conn net.Conn) {
	defer func() {
		conn.Close()
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
	}()
	r := bufio.NewReaderSize(conn, 1<<16)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		s.mu.Lock()
		s.seen.take(strings.TrimSuffix(line, "\n"))
		if rest, _ := r.Peek(r.Buffered()); bytes.IndexByte(rest, '\n') < 0 {
			close(s.changed)
			s.changed = make(chan struct{})
		}
		s.mu.Unlock()
	}
}

func (r *received) take(line string) {
	r.lines = append(r.lines, line)
	r.count[line]++
	if f := strings.Fields(line); len(f) == 3 && strings.HasPrefix(line, "aggregates.") {
		at, _ := strconv.ParseInt(f[2], 10, 64)
		r.newest = max(r.newest, at)
		key := f[0] + " " + f[2]
		r.values[key] = append(r.values[key], f[1])
	}
}

// down ends in order: it reads what the other side has sent until that side has
// closed, too. Nothing is on the way then.
func (s *sink) down() {
	s.mu.Lock()
	s.ln.Close()
	for conn := range s.conns {
		conn.(interface{ CloseWrite() error }).CloseWrite()
	}
	s.mu.Unlock()
	s.running.Wait()
}

// cut ends at once, as a crash does; bytes on the way are lost.
func (s *sink) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ln.Close()
	for conn := range s.conns {
		if tcp, ok := conn.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
		conn.Close()
	}
}

func (s *sink) change() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// wait returns when what came is as wanted.
func (s *sink) wait(what string, holds func(r *received) bool) {
	s.t.Helper()
	await(s.t, "at the sink: "+what, s.change, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return holds(&s.seen)
	})
}

// waitLine returns when a line has come.
func (s *sink) waitLine(line string) {
	s.t.Helper()
	s.wait(line, func(r *received) bool { return r.count[line] > 0 })
}

// got returns a copy of what came.
func (s *sink) got() received {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := received{lines: append([]string(nil), s.seen.lines...), count: maps.Clone(s.seen.count), values: make(map[string][]string), newest: s.seen.newest}
	for k, v := range s.seen.values {
		r.values[k] = append([]string(nil), v...)
	}
	return r
}
