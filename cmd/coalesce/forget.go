package main

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/coalesce-metrics/coalesce/catalog"
	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/periods"
	"github.com/coalesce-metrics/coalesce/rules"
)

// forgetting is what the parts of cells must know while series are forgotten.
type forgetting struct {
	turn    chan struct{} // is full while somebody forgets, and for good after stopForgetting
	stopped chan struct{} // closed when nothing is forgotten any more

	loading sync.Mutex      // held while a name is taken from the store
	earlier map[string]bool // those forgotten before all names were loaded; then nil

	mu  sync.RWMutex    // comes after loading
	now map[string]bool // those being forgotten
}

func newForgetting() *forgetting {
	return &forgetting{turn: make(chan struct{}, 1), stopped: make(chan struct{}), earlier: map[string]bool{}}
}

// has says whether a series is being forgotten.
func (f *forgetting) has(name string) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.now[name]
}

func (f *forgetting) begin(names []string) {
	f.loading.Lock() // what is being loaded is loaded before, and so removed
	defer f.loading.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = make(map[string]bool, len(names))
	for _, name := range names {
		f.now[name] = true
		if f.earlier != nil {
			f.earlier[name] = true
		}
	}
}

func (f *forgetting) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = nil
}

// load calls add for a name that the store had, unless it has been forgotten since.
func (f *forgetting) load(name string, add func()) {
	f.loading.Lock()
	defer f.loading.Unlock()
	if !f.earlier[name] {
		add()
	}
}

// loaded says that load is not called any more.
func (f *forgetting) loaded() {
	f.loading.Lock()
	defer f.loading.Unlock()
	f.earlier = nil
}

var errStopping = errors.New("the daemon is stopping")

// forgetSeries deletes series, by the names that their cells are kept under, with all
// that is held, kept and known of them. When it returns nil they are gone, also after a
// crash, and what comes for them begins anew; what comes meanwhile may go with them.
// With an error some of it may be gone: it is to be called again.
func (d *daemon) forgetSeries(ctx context.Context, names []string) error {
	return d.cells.forgetSeries(ctx, d.agg.ForgetSeries, names)
}

// forgetSeries does so, with the aggregator's part as a function. The order:
//
//  1. Recall finds nothing of them from here on. Else a late datapoint that comes after
//     3 could bring back, and keep after 4, what the archive has until then.
//  2. The catalog, so that they are found no more. It comes before 3: an output that is
//     made anew is announced once, and that must not be undone. What is announced or
//     kept between 2 and 3 leaves by Departed, which 3 calls.
//  3. The aggregator. It comes before 4, as it would keep what it holds once more.
//  4. The archive, and with it the journal and the store.
func (c *cells) forgetSeries(ctx context.Context, forget func(names []string), names []string) error {
	select {
	case c.forgets.turn <- struct{}{}:
		defer func() { <-c.forgets.turn }()
	case <-c.forgets.stopped:
		return errStopping
	case <-ctx.Done():
		return ctx.Err()
	}
	c.forgets.begin(names)
	defer c.forgets.end()
	removed := c.removeNames(names)
	forget(names)
	if c.arch == nil {
		return nil
	}
	err := c.arch.Drop(ctx, names)
	if err != nil { // what is left of them is to be found
		for _, r := range removed {
			c.names.AddEarlier(r.row, r.entry, r.had, r.first, r.last)
		}
	}
	return err
}

// knownRow is a name of the catalog with what is known of it.
type knownRow struct {
	row         string
	entry       catalog.Entry
	had         periods.History
	first, last int64
}

// removeNames removes the rows of series from the catalog, and returns them.
func (c *cells) removeNames(names []string) (removed []knownRow) {
	for _, name := range names {
		for _, row := range c.rowsOf(name) {
			entry, known := c.names.Get(row)
			if !known || entry.Series != name {
				continue // another series makes it
			}
			r := knownRow{row: row, entry: entry, had: c.names.Periods(row)}
			r.first, r.last = c.names.Interval(row)
			removed = append(removed, r)
			c.names.Remove(row)
		}
	}
	return removed
}

// rowsOf returns the rows that are read from a series.
func (c *cells) rowsOf(name string) []string {
	if strings.IndexByte(name, 0) < 0 {
		return []string{name}
	}
	c.mu.Lock()
	methods := c.methods[name]
	c.mu.Unlock()
	return rowNames(name, methods)
}

func rowNames(name string, methods []cell.Method) (rows []string) {
	for _, m := range methods {
		rows = append(rows, string(rules.AppendRow(nil, []byte(name), m)))
	}
	return rows
}

// stopForgetting returns when nothing is being forgotten, or ctx is done. From then on
// nothing is: the checkpoint would not know of it.
func (c *cells) stopForgetting(ctx context.Context) {
	close(c.forgets.stopped)
	select {
	case c.forgets.turn <- struct{}{}:
	case <-ctx.Done():
	}
}
