package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pieces is a ResponseWriter that takes notes of what is written to it.
type pieces struct {
	*httptest.ResponseRecorder
	largest, writes int
	limit           int // of writes, after which all fail; 0 is none
}

func (p *pieces) Write(b []byte) (int, error) {
	if p.writes++; p.limit > 0 && p.writes > p.limit {
		return 0, errDisk
	}
	p.largest = max(p.largest, len(b))
	return p.ResponseRecorder.Write(b)
}

func serveHTTP(n *Node, body string, limit int) *pieces {
	w := &pieces{ResponseRecorder: httptest.NewRecorder(), limit: limit}
	n.ServeHTTP(w, httptest.NewRequest("POST", "/v1/query", strings.NewReader(body)))
	return w
}

// The replies to small messages, many times as long as these, are not gathered.
func TestManyMessages(t *testing.T) {
	const messages = 100_000
	for name, message := range map[string]string{"objects": "{}", "junk": "x\n"} {
		t.Run(name, func(t *testing.T) {
			w := serveHTTP(newNode(newMemory(10)), strings.Repeat(message, messages), 0)
			if n := bytes.Count(w.Body.Bytes(), []byte("\n")); w.Code != http.StatusOK || n != messages {
				t.Errorf("status %d, %d replies", w.Code, n)
			}
			if w.largest > 1<<10 {
				t.Errorf("%d bytes were written at once", w.largest)
			}
		})
	}
}

// Whoever does not read the replies has no more of them made.
func TestNobodyReads(t *testing.T) {
	m := newMemory(10)
	asked := 0
	m.wait = func(context.Context) error { asked++; return nil }
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("it ends with %v, want the connection broken off", p)
		}
		if asked != 6 {
			t.Errorf("%d messages were answered, want 6", asked)
		}
	}()
	serveHTTP(newNode(m), strings.Repeat(`{"type":"aggregate_metric","metric":"m","aggregator":"sum"}`, 1000), 5)
}

// However many slow messages a request has, it ends.
func TestRequestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(10)
		m.wait = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		begin := time.Now()
		w := serveHTTP(newNode(m), strings.Repeat(`{"type":"aggregate_metric","metric":"m","aggregator":"sum"}`, 1000), 0)
		if took := time.Since(begin); took != 30*time.Second {
			t.Errorf("took %v", took)
		}
		lines := strings.Split(strings.TrimSuffix(w.Body.String(), "\n"), "\n")
		if len(lines) != 9 { // one for every 4 s, and one for all the others
			t.Errorf("%d replies", len(lines))
		}
		if last := lines[len(lines)-1]; !strings.Contains(last, `"code":11,`) || !strings.Contains(last, "fewer at a time") {
			t.Errorf("the last is %s", last)
		}
	})
}

func TestBodyTooLong(t *testing.T) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", "/v1/query", strings.NewReader(good))
	r.Body = http.MaxBytesReader(w, r.Body, 10)
	newNode(newMemory(10)).ServeHTTP(w, r)
	if kind := w.Header().Get("Content-Type"); w.Code != http.StatusRequestEntityTooLarge || kind != "application/json" {
		t.Errorf("status %d, %s", w.Code, kind)
	}
	wantJSON(t, w.Body.String(), `{"type":"error","code":12,"text":"the body is longer than 10 bytes"}`)
}

func TestBodyBreaksOff(t *testing.T) {
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Error(fmt.Sprint(p))
		}
	}()
	r := httptest.NewRequest("POST", "/v1/query", failing{})
	newNode(newMemory(10)).ServeHTTP(httptest.NewRecorder(), r)
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("reset by peer") }
