package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coalesce-metrics/coalesce/bench/internal/report"
	"github.com/coalesce-metrics/coalesce/bench/internal/workload"
)

// What is sent over HTTP: requests of batchSize measurements, each of another series.
const (
	batchSize    = 1000
	batchClients = 2
	leastBatches = 200 // of a run, however slow the daemon is
)

// A post is a way to send measurements.
type post struct {
	name      string
	aggregate bool // the daemon adds them up by period
	packed    bool // as the AppOptics Go client always does
}

var posts = []post{{name: "plain"}, {name: "aggregated", aggregate: true}, {name: "aggregated, gzip", aggregate: true, packed: true}}

// metric is what the measurements are of.
const metric = "bench.requests"

// body returns a request.
func (p *post) body() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(`{"time":0,"measurements":[`)
	for i := range batchSize {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"name":%q,"value":%g,"attributes":{"aggregate":%t},"tags":{"host":"server%03d.example.com","region":"us-east-%d","service":"checkout"}}`,
			metric, float64(i%97)/4, p.aggregate, i, i%3)
	}
	b.WriteString("]}")
	if !p.packed {
		return b.Bytes(), nil
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(b.Bytes()); err != nil {
		return nil, err
	}
	err := w.Close()
	return packed.Bytes(), err
}

// measureMeasurements measures what a measurement costs that comes over HTTP.
func (b *bench) measureMeasurements(ctx context.Context) {
	w := workload.Measured()
	for _, s := range b.own {
		for i := range posts {
			row := &report.PostRow{System: s.Name, What: posts[i].name, Batch: batchSize}
			b.posted = append(b.posted, row)
			for range b.runs {
				if ctx.Err() != nil {
					return
				}
				j := job{system: s, w: w, method: w.Method, period: b.period, log: b.logOf(s)}
				b.query(ctx, &j, func(t *trial) error {
					r, err := posts[i].measure(ctx, t, b.cpu)
					if err != nil {
						return err
					}
					row.Runs = append(row.Runs, r)
					fmt.Fprintf(b.progress, "%-9s %-18s %9d measurements, %s  %8.0f ns CPU  %5.2f s\n", w.Name, s.Name, r.Points, posts[i].name, r.NsPerPoint(), r.Time.Seconds())
					return nil
				})
			}
		}
	}
}

// measure sends until the daemon has used so much of CPU time, and checks that all
// was taken.
func (p *post) measure(ctx context.Context, t *trial, cpu time.Duration) (r report.Post, err error) {
	ctx, cancel := context.WithTimeout(ctx, inputLimit)
	defer cancel()
	body, err := p.body()
	if err != nil {
		return r, err
	}
	c := &poster{post: p, base: fmt.Sprintf("http://127.0.0.1:%d", t.web), body: body, client: &http.Client{}}
	defer c.client.CloseIdleConnections()
	if err := c.send(ctx); err != nil { // makes the metric, and its series
		return r, err
	}
	before, err := t.p.CPU()
	if err != nil {
		return r, err
	}
	start := time.Now()
	var batches atomic.Int64
	var failed error
	var once sync.Once
	var running sync.WaitGroup
	for range batchClients {
		running.Go(func() {
			for ctx.Err() == nil {
				err := c.send(ctx)
				used := before
				if err == nil {
					used, err = t.p.CPU()
				}
				if err != nil {
					once.Do(func() { failed = err })
					cancel()
					return
				}
				if batches.Add(1) >= leastBatches && used-before >= cpu {
					return
				}
			}
		})
	}
	running.Wait()
	r.Time = time.Since(start)
	after, err := t.p.CPU()
	if failed != nil {
		return r, failed
	}
	r.CPU, r.Points, r.Bytes = after-before, batches.Load()*batchSize, int64(len(body))
	if err != nil || !p.aggregate {
		return r, err
	}
	return r, c.check(ctx, r.Points+batchSize)
}

// poster is a client of the measurements API.
type poster struct {
	*post
	base   string
	body   []byte
	client *http.Client
}

func (c *poster) send(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/v1/measurements", bytes.NewReader(c.body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if c.packed {
		req.Header.Set("Content-Encoding", "gzip")
	}
	_, err = c.do(req, http.StatusAccepted)
	return err
}

func (c *poster) do(req *http.Request, status int) ([]byte, error) {
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != status {
		err = fmt.Errorf("%s %s: %s: %.200s", req.Method, req.URL.Path, resp.Status, text)
	}
	return text, err
}

// check asks for how many measurements there are, open buckets included.
func (c *poster) check(ctx context.Context, want int64) error {
	ask := url.Values{"resolution": {"10"}, "duration": {"600"}, "summary_function": {"count"}, "group_by": {"*"}, "group_by_function": {"sum"},
		"end_time": {strconv.FormatInt(time.Now().Unix()+60, 10)}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/v1/measurements/"+metric+"?"+ask.Encode(), nil)
	if err != nil {
		return err
	}
	text, err := c.do(req, http.StatusOK)
	if err != nil {
		return err
	}
	var answer struct {
		Series []struct {
			Measurements []struct{ Value float64 }
		}
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return err
	}
	got := 0.0
	for _, s := range answer.Series {
		for _, m := range s.Measurements {
			got += m.Value
		}
	}
	if got != float64(want) {
		return fmt.Errorf("%v measurements are in the answer, %d were taken", got, want)
	}
	return nil
}
