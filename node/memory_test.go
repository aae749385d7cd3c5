package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coalesce-metrics/coalesce/api/openapi/openapitest"
	"github.com/coalesce-metrics/coalesce/cell"
)

// memory is a Source that aggregates what it is given.
type memory struct {
	step      int64
	retention int64
	noValues  bool
	metrics   map[string]map[string]*Series // by name and tags
	units     map[string]string
	err       error
	// wait, where set, is called before Cells and Record.
	wait func(ctx context.Context) error
	// asked are the ranges that Cells was called with.
	asked [][2]int64
}

func newMemory(step int64) *memory {
	return &memory{step: step, retention: 7 * 86400, metrics: make(map[string]map[string]*Series)}
}

func (m *memory) ready(ctx context.Context) error {
	if m.wait != nil {
		if err := m.wait(ctx); err != nil {
			return err
		}
	}
	return m.err
}

func (m *memory) Record(ctx context.Context, metric string, value float64, tags map[string]string, at float64) error {
	if err := m.ready(ctx); err != nil {
		return err
	}
	if m.metrics[metric] == nil {
		m.metrics[metric] = make(map[string]*Series)
	}
	key := fmt.Sprint(tags) // sorted by key
	s := m.metrics[metric][key]
	if s == nil {
		s = &Series{Tags: maps.Clone(tags)}
		m.metrics[metric][key] = s
	}
	start := int64(math.Floor(at/float64(m.step))) * m.step
	i := slices.IndexFunc(s.Cells, func(c Cell) bool { return c.Start == start })
	if i < 0 {
		i = len(s.Cells)
		s.Cells = append(s.Cells, Cell{Start: start, Step: m.step, Values: new(cell.Values)})
		if m.noValues {
			s.Cells[i].Values = nil
		}
	}
	s.Cells[i].Cell.Add(value, at)
	if !m.noValues {
		s.Cells[i].Values.Add(value)
	}
	return nil
}

func (m *memory) Cells(ctx context.Context, metric string, from, until int64) (list []Series, known bool, err error) {
	m.asked = append(m.asked, [2]int64{from, until})
	if err := m.ready(ctx); err != nil {
		return nil, false, err
	}
	all, known := m.metrics[metric]
	for _, key := range slices.Sorted(maps.Keys(all)) {
		s := Series{Tags: all[key].Tags}
		for _, c := range all[key].Cells {
			if c.Start < until && c.Start+c.Step > from {
				s.Cells = append(s.Cells, c)
			}
		}
		list = append(list, s)
	}
	return list, known, nil
}

func (m *memory) Retention() int64 { return m.retention }

func (m *memory) Unit(metric string) (string, bool) {
	unit, ok := m.units[metric]
	return unit, ok
}

// now is when the tests run: in the middle of a bucket.
var now = time.Unix(1700003605, 400e6)

func newNode(m *memory) *Node { return New(Config{Source: m, Now: func() time.Time { return now }}) }

// put records the datapoints of Graphite lines; a time is counted from now's
// second.
func (m *memory) put(t testing.TB, lines ...string) {
	t.Helper()
	for _, line := range lines {
		var name string
		var value float64
		var at int64
		if _, err := fmt.Sscan(line, &name, &value, &at); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		metric, rest, _ := strings.Cut(name, ";")
		var tags map[string]string
		for _, tag := range strings.FieldsFunc(rest, func(r rune) bool { return r == ';' }) {
			if tags == nil {
				tags = make(map[string]string)
			}
			k, v, _ := strings.Cut(tag, "=")
			tags[k] = v
		}
		if err := m.Record(t.Context(), metric, value, tags, float64(now.Unix()+at)); err != nil {
			t.Fatal(err)
		}
	}
}

// ask sends a bare message and returns the reply.
func ask(t testing.TB, n *Node, message string) string {
	t.Helper()
	var out bytes.Buffer
	if err := n.Serve(t.Context(), strings.NewReader(message), &out); err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(out.Bytes()) {
		openapitest.Check(t, "POST", "/v1/query", 200, "application/json", line)
	}
	return out.String()
}

// query sends an aggregate_metric message with the given members.
func query(t testing.TB, n *Node, members string) string {
	t.Helper()
	return ask(t, n, `{"type":"aggregate_metric","msg_id":1,`+members+`}`)
}

// wantJSON compares a reply line with a JSON value, numbers by their text.
func wantJSON(t testing.TB, got, want string) {
	t.Helper()
	if !strings.HasSuffix(got, "\n") || strings.Count(got, "\n") != 1 {
		t.Errorf("not one line: %q", got)
	}
	if diff := cmp.Diff(value(t, want), value(t, got)); diff != "" {
		t.Errorf("want %s\ngot  %s%s", want, got, diff)
	}
}

func value(t testing.TB, s string) (v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return v
}

// wantError checks the code of an error reply, that its text holds a part, and
// that msg_id 1 is answered.
func wantError(t testing.TB, got string, code int, part string) {
	t.Helper()
	var e struct {
		Type      string
		InReplyTo int `json:"in_reply_to"`
		Code      int
		Text      string
	}
	if err := json.Unmarshal([]byte(got), &e); err != nil {
		t.Fatalf("%q: %v", got, err)
	}
	if e.Type != "error" || e.Code != code || e.InReplyTo != 1 || !strings.Contains(e.Text, part) {
		t.Errorf("want error %d with %q\ngot  %s", code, part, got)
	}
}

var errDisk = errors.New("the disk is on fire")
