package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/internal/stubborn"
	"github.com/coalesce-metrics/coalesce/store"
	"github.com/coalesce-metrics/coalesce/store/sqlite"
)

// quickStore is a store that is written to all the while.
const quickStore = "[store]\ncycle = \"100ms\"\n"

// post sends a body to the daemon over HTTP.
func post(t *testing.T, d *process, path, body string) (status int, answer string) {
	t.Helper()
	resp, err := stubborn.Client(patience).Post("http://"+d.address("http", "tcp")+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, string(text)
}

// answer gets JSON from the daemon.
func answer[T any](t *testing.T, d *process, path string) (v T) {
	t.Helper()
	status, body := get(t, d, path)
	if status != http.StatusOK {
		t.Fatalf("GET %s: %d %s", path, status, body)
	}
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("GET %s: %v in %.500s", path, err, body)
	}
	return v
}

// windowRow is a row of /v1/windows/….
type windowRow struct {
	Timestamp int64             `json:"timestamp"`
	Min       float64           `json:"min_value"`
	Max       float64           `json:"max_value"`
	Avg       float64           `json:"avg_value"`
	Sum       float64           `json:"sum_value"`
	Count     int64             `json:"count"`
	Tags      map[string]string `json:"tags"`
}

// window reads the rows of a window with from <= timestamp < until.
func window(t *testing.T, d *process, name, metric string, from, until int64, more ...string) []windowRow {
	t.Helper()
	path := fmt.Sprintf("/v1/windows/%s?metric=%s&start=%d&end=%d", name, url.QueryEscape(metric), from, until)
	return answer[[]windowRow](t, d, path+strings.Join(more, ""))
}

// render reads the points of targets that start in from <= t < until, without empty
// ones, by the name of the series.
func render(t *testing.T, d *process, from, until int64, targets ...string) map[string]map[int64]float64 {
	t.Helper()
	form := url.Values{"target": targets, "from": {fmt.Sprint(from - 1)}, "until": {fmt.Sprint(until - 1)}, "format": {"json"}, "noNullPoints": {"true"}}
	type series struct {
		Target     string       `json:"target"`
		Datapoints [][2]float64 `json:"datapoints"`
	}
	all := make(map[string]map[int64]float64)
	for _, s := range answer[[]series](t, d, "/render?"+form.Encode()) {
		points := make(map[int64]float64)
		for _, p := range s.Datapoints {
			if at := int64(p[1]); at >= from && at < until {
				points[at] = p[0]
			}
		}
		if all[s.Target] != nil {
			t.Errorf("%q is in the answer twice", s.Target)
		}
		all[s.Target] = points
	}
	return all
}

// point reads one point of a series; NaN is none.
func point(t *testing.T, d *process, target string, at int64) float64 {
	t.Helper()
	if v, ok := render(t, d, at, at+1, target)[target][at]; ok {
		return v
	}
	return math.NaN()
}

// found returns the series that a pattern finds.
func found(t *testing.T, d *process, pattern string) map[string]bool {
	t.Helper()
	type results struct{ Results []string }
	names := make(map[string]bool)
	for _, name := range answer[results](t, d, "/metrics/expand?leavesOnly=1&query="+url.QueryEscape(pattern)).Results {
		names[name] = true
	}
	return names
}

// storedKey is where a store keeps a cell.
type storedKey struct {
	name        string // with the byte 0 for the method
	step, start int64
}

// storedCell is what a store has there.
type storedCell struct {
	cell   cell.Cell
	values *cell.Values
}

// stored reads all cells from the file of a daemon that has ended.
func stored(t *testing.T, data string) (map[storedKey]storedCell, map[string]store.Series) {
	t.Helper()
	s, err := sqlite.Open(filepath.Join(data, "cells.sqlite"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	return storedIn(t, s)
}

// storedIn reads all cells of a store, at the steps of the windows and of the series.
func storedIn(t *testing.T, s store.Store) (map[storedKey]storedCell, map[string]store.Series) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	series := make(map[string]store.Series)
	steps := map[int64]bool{10: true, 60: true, 900: true}
	if err := s.Load(ctx, func(x store.Series) error {
		if _, twice := series[x.Name]; twice {
			t.Errorf("series %q is in the store twice", x.Name)
		}
		series[x.Name] = x
		steps[x.Period] = true
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	cells := make(map[storedKey]storedCell)
	for step := range maps.Keys(steps) {
		if err := s.Scan(ctx, step, -store.MaxTime, store.MaxTime+1, func(x *store.Series, c store.Cell) error {
			k := storedKey{x.Name, c.Step, c.Start}
			got, values, rest, err := cell.Decode(c.Data)
			if _, twice := cells[k]; twice || err != nil || len(rest) > 0 {
				t.Errorf("%v: in the store twice: %v, error %v, %d bytes too many", k, twice, err, len(rest))
			}
			cells[k] = storedCell{got, values}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return cells, series
}

// balanced is checkBalance with what there is for cells.
func balanced(t *testing.T, d *process) samples {
	t.Helper()
	s := checkBalance(t, d)
	found, kept := s.sum("cells_found_total"), s.sum("cells_kept_total")
	pending, written, replaced, dropped := s.sum("cells_pending"), s.sum("cells_written_total"), s.sum("cells_replaced_total"), s.sum("cells_dropped_total")
	if found+kept != pending+written+replaced+dropped {
		t.Errorf("cells: %v found and %v kept are not the sum of %v pending, %v written, %v replaced and %v dropped", found, kept, pending, written, replaced, dropped)
	}
	return s
}

// forgotten waits until the aggregator holds no bucket, so that what is known of
// them is in the archive alone.
func (p *process) forgotten() {
	p.t.Helper()
	await(p.t, "buckets to be forgotten", nil, func() bool { return scrape(p.t, p).sum("buckets") == 0 })
}

// loaded waits until the names of earlier runs are known, before which the query node
// does not say that there is none.
func (p *process) loaded() {
	p.t.Helper()
	await(p.t, "the names to be loaded", nil, func() bool {
		_, reply := post(p.t, p, "/v1/query", `{"type":"aggregate_metric","metric":"there.is.none","aggregator":"sum"}`)
		return strings.Contains(reply, `"code":20`)
	})
}

// written waits until the store has all that was closed.
func (p *process) written() {
	p.t.Helper()
	await(p.t, "cells to be written", nil, func() bool {
		s := scrape(p.t, p)
		return s.sum("cells_pending") == 0 && s.sum("cells_written_total") > 0
	})
}

// drained waits until all that was sent before is read, to its end.
func (s *sink) drained() {
	s.t.Helper()
	await(s.t, "the connections to the sink to end", nil, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.conns) == 0
	})
}

// soon is a time whose bucket, of a second, has not begun.
func soon() int64 { return time.Now().Unix() + 2 }
