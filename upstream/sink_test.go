package upstream

import (
	"bytes"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fakeStdout takes budget bytes, then fails until the budget is raised.
type fakeStdout struct {
	mu     sync.Mutex
	got    bytes.Buffer
	pieces []string
	budget int
	block  chan struct{} // a Write waits for it, unless nil
}

func (f *fakeStdout) Write(b []byte) (int, error) {
	if f.block != nil {
		<-f.block
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n := min(len(b), f.budget)
	f.budget -= n
	f.got.Write(b[:n])
	f.pieces = append(f.pieces, string(b[:n]))
	if n < len(b) {
		return n, syscall.EPIPE
	}
	return n, nil
}

func (f *fakeStdout) raise(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.budget += n
}

func TestStdout(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		out := &fakeStdout{budget: 1 << 30}
		u := newUpstream(t, "stdout:", func(c *Config) { c.Stdout = out })
		u.Start()
		for i := range 300 {
			send(u, 100*i, 100*(i+1))
		}
		if got := u.Stop(t.Context()); got != nil {
			t.Errorf("Stop = %v, want nothing unsent", got)
		}
		if out.got.String() != numbered(0, 30_000) {
			t.Error("lines are missing")
		}
		for _, p := range out.pieces {
			if !strings.HasSuffix(p, "\n") {
				t.Errorf("a write ends in %q", p[max(0, len(p)-20):])
			}
		}
	})
}

// However many bytes go out before the failure, the stream is whole when standard
// output works again.
func TestStdoutFailsForAWhile(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		all := numbered(0, 6)
		for k := range len(all) {
			out := &fakeStdout{budget: k}
			u := newUpstream(t, "stdout:", func(c *Config) { c.Stdout = out })
			send(u, 0, 6)
			u.Start()
			pass(20 * time.Second)
			s := u.Stats()[0]
			checkBalance(t, s)
			if s.WriteErrors == 0 || s.LastError != syscall.EPIPE.Error() || s.Written > int64(strings.Count(all[:k], "\n")+1) {
				t.Errorf("cut at %d: %+v, want write errors", k, s)
			}
			out.raise(2) // a part of the cut line
			pass(20 * time.Second)
			out.raise(1 << 30)
			pass(20 * time.Second)
			if got := out.got.String(); got != all {
				t.Errorf("cut at %d: %q, want %q", k, got, all)
			}
			if s = u.Stats()[0]; s.Written != 6 || s.BytesWritten != int64(len(all)) {
				t.Errorf("cut at %d: %+v, want 6 written", k, s)
			}
			stopWithin(u, time.Second)
		}
	})
}

func TestStdoutShortWriteIsAnError(t *testing.T) {
	s := &writerSink{w: shortWriter{}}
	p, err := s.write([][]byte{[]byte("m 1 60\nm 2 60\n")})
	if p.taken != 7 || err == nil {
		t.Errorf("write = %+v, %v, want the first line and an error", p, err)
	}
}

type shortWriter struct{}

func (shortWriter) Write(b []byte) (int, error) { return 7, nil }

// Stop abandons a write that nothing can end.
func TestStopWithBlockedStdout(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		out := &fakeStdout{budget: 1 << 30, block: make(chan struct{})}
		u := newUpstream(t, "stdout:", func(c *Config) { c.Stdout = out })
		u.Start()
		send(u, 0, 5)
		synctest.Wait()
		send(u, 5, 8)
		began := time.Now()
		want := []Unsent{{Destination: "stdout:", Datapoints: 8}}
		if diff := cmp.Diff(want, stopWithin(u, time.Second)); diff != "" {
			t.Error("Stop (-want +got):", diff)
		}
		if got := time.Since(began); got != time.Second+abandonAfter {
			t.Errorf("Stop took %v", got)
		}
		before := u.Stats()[0]
		close(out.block)
		synctest.Wait()
		after := u.Stats()[0]
		before.Connected = false
		if diff := cmp.Diff(before, after); diff != "" {
			t.Error("the books changed after Stop:", diff)
		}
	})
}
