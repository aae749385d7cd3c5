// Package ask asks a daemon for names and series over HTTP, and measures the answers.
package ask

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/coalesce-metrics/coalesce/bench/internal/report"
)

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 256 << 20

// timeout bounds the time until an answer has been read.
const timeout = 30 * time.Second

// A Question is asked again and again.
type Question struct {
	What   string // what is asked for, and how
	Path   string // of the URL, with its query
	Answer string // how much the answer is, such as "100 names"
	// Check returns what is wrong with an answer.
	Check func(body []byte) error
}

// Ask asks once to warm up, and then times times, one after the other over one
// connection. The first answer is checked, and all others must be the same. cpu is the
// CPU time of who answers.
func (q *Question) Ask(ctx context.Context, address string, times int, cpu func() (time.Duration, error)) (*report.Latency, error) {
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}, Timeout: timeout}
	defer client.CloseIdleConnections()
	l := &report.Latency{What: q.What, Answer: q.Answer}
	began := time.Now()
	first, err := get(ctx, client, "http://"+address+q.Path)
	l.First = time.Since(began)
	if err == nil {
		err = q.Check(first)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", q.What, err)
	}
	l.Bytes = int64(len(first))
	before, err := cpu()
	if err != nil {
		return nil, err
	}
	for range times {
		began := time.Now()
		body, err := get(ctx, client, "http://"+address+q.Path)
		l.Each = append(l.Each, time.Since(began))
		if err == nil && !bytes.Equal(body, first) {
			err = fmt.Errorf("an answer of %d bytes is not the first one of %d", len(body), len(first))
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", q.What, err)
		}
	}
	after, err := cpu()
	l.CPU = after - before
	return l, err
}

func get(ctx context.Context, c *http.Client, url string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept-Encoding", "identity") // what it takes to compress is the client's choice
	response, err := c.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, err
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("status %s: %.200s", response.Status, body)
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("more than %d bytes", maxAnswer)
	}
	return body, nil
}
