package views

import (
	"bytes"
	"errors"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/rules"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// board is a registry with what it is told and tells.
type board struct {
	*Registry
	t       testing.TB
	cfg     Config
	clock   time.Time
	rows    map[string][]aggregator.ViewRow // by ID
	applied [][]string                      // measures of the rules in force, at each change
	lines   []string                        // that came, those that came again behind "again "
	log     bytes.Buffer
}

const began = 1700000000

func newBoard(t testing.TB, change func(*Config)) *board {
	b := &board{t: t, clock: time.Unix(began, 0), rows: make(map[string][]aggregator.ViewRow)}
	b.cfg = Config{
		Max: 5, MaxRows: 3,
		Apply:  func(list []*rules.Rule) { b.applied = append(b.applied, measures(list)) },
		Rows:   func(id string) []aggregator.ViewRow { return slices.Clone(b.rows[id]) },
		Now:    func() time.Time { return b.clock },
		Logger: slog.New(slog.NewTextHandler(&b.log, nil)),
		Export: Export{Prefix: "p", Period: 10 * time.Second, Send: b.send},
	}
	if change != nil {
		change(&b.cfg)
	}
	b.open()
	return b
}

func (b *board) open() {
	b.t.Helper()
	var err error
	if b.Registry, err = Open(b.cfg); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		if b.file != nil {
			b.file.Close()
		}
	})
}

// reopen ends the registry as a crash would, and reads it again.
func (b *board) reopen() {
	b.t.Helper()
	b.file.Close()
	b.open()
}

func (b *board) send(lines []byte, n int, again bool) {
	list := strings.Split(strings.TrimSuffix(string(lines), "\n"), "\n")
	if len(list) != n {
		b.t.Errorf("%d lines are said to be %d", len(list), n)
	}
	for _, line := range list {
		if again {
			line = "again " + line
		}
		b.lines = append(b.lines, line)
	}
}

// sent returns the lines since it was last asked, sorted.
func (b *board) sent() string {
	lines := b.lines
	b.lines = nil
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// put replaces the rows of a view.
func (b *board) put(name string, rows ...aggregator.ViewRow) {
	b.rows[b.state.Load().views[name].id] = rows
}

// row is a row with values counted between bounds.
func row(tags string, bounds []float64, values ...float64) aggregator.ViewRow {
	r := aggregator.ViewRow{Tags: strings.Split(tags, ","), Began: began + 1.5}
	if tags == "-" {
		r.Tags = nil
	}
	if len(bounds) > 0 {
		r.Counts = make([]int64, len(bounds)+1)
	}
	for i, v := range values {
		r.Cell.Add(v, began+float64(i))
		k := 0
		for k < len(bounds) && v >= bounds[k] {
			k++
		}
		if r.Counts != nil {
			r.Counts[k]++
		}
	}
	return r
}

func measures(list []*rules.Rule) []string {
	all := []string{}
	for _, r := range list {
		all = append(all, r.Pattern)
	}
	return all
}

// view returns a definition: the measure, the columns, and the aggregation.
func viewOf(name, measure, columns, aggregation string, bounds ...float64) Definition {
	d := Definition{Name: name, Measure: measure, Aggregation: Aggregation{aggregation, bounds}}
	if columns != "" {
		d.Columns = strings.Split(columns, ",")
	}
	return d
}

// register registers views and says what came of it.
func (b *board) register(list ...Definition) string {
	b.t.Helper()
	_, created, err := b.RegisterViews(list)
	return outcome(created, err)
}

func (b *board) registerMeasures(list ...Measure) string {
	b.t.Helper()
	_, created, err := b.RegisterMeasures(list)
	return outcome(created, err)
}

func outcome(created bool, err error) string {
	switch {
	case err != nil:
		return "refused: " + err.Error()
	case created:
		return "created"
	}
	return "known"
}

func kindOf(err error) Kind {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Kind
	}
	return -1
}

func (b *board) names() string {
	var all []string
	for _, v := range b.Views() {
		all = append(all, v.Name)
	}
	return strings.Join(all, " ")
}

func text(s string) *string { return &s }

var unknownDeviation = cell.Cell{Count: 2, Sum: 6, Min: 1, Max: 5, M2: math.NaN(), Last: 5, LastTime: 1}
