// Package views registers what is counted of series by their tags.
//
// A view names a measure, which is what series are called before their tags, the
// tags whose values make its rows, and how a row counts. Definitions come from
// the configuration, or are made while the daemon runs; these are on the disk
// before they are in force, and in force before they are acknowledged. The counts
// are the aggregator's: it is handed a rule for each view, and read.
package views

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/ledger"
	"github.com/coalesce-metrics/coalesce/rules"
)

// The types of a measure.
const (
	Int64  = "int64"
	Double = "double"
)

// Measure is what is measured: the name that series have before their tags, with
// the type and the unit of their values.
type Measure struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Unit        string `json:"unit"` // in UCUM's notation
	Type        string `json:"type"` // Int64 or Double
}

// The types of an aggregation.
const (
	Count        = "count"
	Sum          = "sum"
	LastValue    = "last_value"
	Distribution = "distribution"
)

// Aggregation is how a row counts.
type Aggregation struct {
	Type string `json:"type"`
	// Bounds divide the values of a distribution: below the first, from each to
	// below the next, from the last on. They ascend, are finite, and above 0.
	Bounds []float64 `json:"bounds"`
}

// MarshalJSON writes bounds where they mean something, and then always.
func (a Aggregation) MarshalJSON() ([]byte, error) {
	if a.Type != Distribution {
		return json.Marshal(map[string]string{"type": a.Type})
	}
	type plain Aggregation
	a.Bounds = append([]float64{}, a.Bounds...)
	return json.Marshal(plain(a))
}

// View is a registered view. The slices in it must not be changed.
type View struct {
	Name        string      `json:"name"`
	Description string      `json:"description"`
	Measure     string      `json:"measure"`
	Columns     []string    `json:"columns"` // tags, sorted; not nil
	Aggregation Aggregation `json:"aggregation"`
}

// Definition is what a view is registered by.
type Definition struct {
	Name        string  // empty is that of the measure
	Description *string // nil is that of the measure
	Measure     string  // one that is not known becomes a double of the unit 1
	Columns     []string
	Aggregation Aggregation
}

// Config is what Open needs.
type Config struct {
	// Path is the file that holds the definitions made while the daemon runs; empty
	// keeps them in memory only.
	Path string
	// Measures and Views are those of the configuration, which stay.
	Measures []Measure
	Views    []Definition
	// Max is how many views there may be, and how many measures; those of the
	// configuration count. MaxRows is how many rows a view may have: what is beyond
	// goes to one more.
	Max, MaxRows int
	// Apply puts the rules of the views in force, whenever they have changed, for
	// all that comes after it returns. It is not called by two goroutines at a
	// time, and must not call the registry.
	Apply func([]*rules.Rule)
	// Rows returns the rows of a view by the ID that its rule was made of, as they
	// are now. What it returns is the caller's.
	Rows func(id string) []aggregator.ViewRow
	// Export says how rows are sent upstream.
	Export Export
	Now    func() time.Time
	// Logger is told of damage, and of definitions that are not in force.
	Logger *slog.Logger
}

// Registry holds the views. Its methods may be called concurrently. Locks are
// taken in the order changing, reporting.
type Registry struct {
	cfg   Config
	state atomic.Pointer[state] // in force; never changed, but replaced under changing

	changing sync.Mutex // held by whoever changes something; guards what follows
	closed   bool
	file     *ledger.File // nil in memory
	made     made         // what file holds, or would

	reporting sync.Mutex // held by whoever sends rows; guards reports
	reports   map[*view]reported
	exported  atomic.Uint64 // rows
}

// Open takes the definitions of the configuration and reads those in the file. The
// views are not in force yet: see Rules. An error about a definition of the
// configuration is the first that Check returns.
func Open(cfg Config) (*Registry, error) {
	r := &Registry{cfg: cfg, reports: make(map[*view]reported)}
	if errs := Check(cfg); len(errs) > 0 {
		return nil, errs[0]
	}
	if cfg.Path != "" {
		if err := r.openFile(); err != nil {
			return nil, fmt.Errorf("views made over HTTP: %w", err)
		}
	}
	s := newState(&r.cfg)
	s.configureMeasures() // which come before all views
	for _, m := range r.made.measures {
		r.wake("measure", m.Name, func() error { _, err := s.addMeasures([]Measure{m}, false); return err })
	}
	s.configureViews()
	for _, v := range r.made.views {
		r.wake("view", v.Name, func() error { _, err := s.addViews([]Definition{v.definition()}, false); return err })
	}
	r.state.Store(s)
	return r, nil
}

// Check returns what is wrong with the definitions of the configuration.
func Check(cfg Config) []*Error {
	s := newState(&cfg)
	errs := append(s.configureMeasures(), s.configureViews()...)
	for _, x := range []struct {
		of string
		n  int
	}{{ofMeasure, len(cfg.Measures)}, {ofView, len(cfg.Views)}} {
		if x.n > cfg.Max {
			errs = append(errs, fault(Full, "", "there are %d; accepted: at most %d (views.max)", x.n, cfg.Max).at(x.of, cfg.Max))
		}
	}
	return errs
}

// wake takes in a definition of the file, or leaves it there.
func (r *Registry) wake(what, name string, add func() error) {
	if err := add(); err != nil {
		r.cfg.Logger.Error("a "+what+" made over HTTP is at odds with the configuration, or no longer understood, and not in force",
			what, name, "err", err)
	}
}

// Rules returns the rules of the views in force. The slice is the caller's.
func (r *Registry) Rules() []*rules.Rule { return r.state.Load().rules() }

// Views returns the views by name.
func (r *Registry) Views() []View {
	all := []View{}
	for _, v := range r.state.Load().sorted() {
		all = append(all, v.View)
	}
	return all
}

// View returns a view.
func (r *Registry) View(name string) (View, bool) {
	if v := r.state.Load().views[name]; v != nil {
		return v.View, true
	}
	return View{}, false
}

// Measures returns the measures by name, those included that are only there
// because views name them.
func (r *Registry) Measures() []Measure {
	s := r.state.Load()
	names := slices.Collect(maps.Keys(s.measures))
	for name := range s.users {
		if _, ok := s.measures[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	all := make([]Measure, 0, len(names))
	for _, name := range names {
		m, _ := s.measure(name)
		all = append(all, m)
	}
	return all
}

// Measure returns a measure.
func (r *Registry) Measure(name string) (Measure, bool) { return r.state.Load().measure(name) }

// Stats is what the registry has counted.
type Stats struct {
	Views, Measures int
	Exported        uint64 // rows given to Export.Send
}

// Stats returns the counts.
func (r *Registry) Stats() Stats {
	s := r.state.Load()
	return Stats{len(s.views), len(r.Measures()), r.exported.Load()}
}
