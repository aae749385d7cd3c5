package collector_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/collector"
)

type measurement struct {
	Metric    string            `json:"metric"`
	Value     float64           `json:"value"`
	Tags      map[string]string `json:"tags"`
	Timestamp float64           `json:"timestamp"`
}

// server stands for coalesce. It is used as an http.RoundTripper, so that time
// can be virtual.
type server struct {
	mu      sync.Mutex
	batches [][]measurement // that were accepted
	tries   []time.Time
	last    *http.Request
	// answer decides on the n-th request, from 1; nil accepts.
	answer func(n int, r *http.Request) (*http.Response, error)
}

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	body := r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			return nil, err
		}
		body = z
	}
	var batch []measurement
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if err := d.Decode(&batch); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.tries = append(s.tries, time.Now())
	s.last = r
	n, answer := len(s.tries), s.answer
	s.mu.Unlock()
	resp, err := status(http.StatusAccepted, "")
	if answer != nil {
		resp, err = answer(n, r)
	}
	if err == nil && resp.StatusCode == http.StatusAccepted {
		s.mu.Lock()
		s.batches = append(s.batches, batch)
		s.mu.Unlock()
	}
	return resp, err
}

func (s *server) got() (all []measurement) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Concat(s.batches...)
}

func status(code int, body string) (*http.Response, error) {
	return &http.Response{
		StatusCode: code, Status: fmt.Sprint(code, " ", http.StatusText(code)),
		Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)),
	}, nil
}

// connect returns a client of s.
func connect(t *testing.T, s *server, cfg collector.Config) *collector.Client {
	t.Helper()
	cfg.URL = "http://coalesce.invalid"
	cfg.Client = &http.Client{Transport: s}
	c, err := collector.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func closed(t *testing.T, c *collector.Client) {
	t.Helper()
	if err := c.Close(t.Context()); err != nil {
		t.Errorf("Close: %v", err)
	}
}
