package neighbours

import (
	"bufio"
	"fmt"
	"maps"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// sink is a store that the test itself is.
type sink struct {
	t       *testing.T
	address string
	running sync.WaitGroup

	mu    sync.Mutex // guards all below
	conns []net.Conn
	rows  store          // the last value of each name and timestamp
	times map[string]int // how often each came
}

func newSink(t *testing.T) *sink {
	t.Helper()
	return newSinkOn(t, "127.0.0.1")
}

// newSinkOn makes one on an address of this host.
func newSinkOn(t *testing.T, host string) *sink {
	t.Helper()
	s := &sink{t: t, address: fmt.Sprintf("%s:%d", host, port(t)), rows: make(store), times: make(map[string]int)}
	ln, err := net.Listen("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	s.running.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, conn)
			s.mu.Unlock()
			s.running.Go(func() { s.read(conn) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		s.mu.Lock()
		for _, conn := range s.conns {
			conn.Close()
		}
		s.mu.Unlock()
		s.running.Wait()
	})
	return s
}

func (s *sink) read(conn net.Conn) {
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		name, rest, _ := strings.Cut(lines.Text(), " ")
		text, at, _ := strings.Cut(rest, " ")
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			s.t.Errorf("the sink got %q", lines.Text())
			continue
		}
		s.mu.Lock()
		s.rows[name+" "+at] = value
		s.times[name+" "+at]++
		s.mu.Unlock()
	}
}

// got returns what came with names that begin so.
func (s *sink) got(begin string) store {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := maps.Clone(s.rows)
	maps.DeleteFunc(found, func(key string, _ float64) bool { return !strings.HasPrefix(key, begin) })
	return found
}

// repeated says which rows came more than once, "" for none.
func (s *sink) repeated() (found string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, n := range s.times {
		if n > 1 {
			found += fmt.Sprintf("%s came %d times\n", key, n)
		}
	}
	return found
}

// total adds up all values.
func (s store) total() (sum float64) {
	for _, value := range s {
		sum += value
	}
	return sum
}
