package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/config"
	"github.com/coalesce-metrics/coalesce/query"
	"github.com/coalesce-metrics/coalesce/rulebook"
	"github.com/coalesce-metrics/coalesce/rules"
)

// source is where rules come from, in the order in which they go before each other.
type source int

const (
	fromFile   source = iota // the rule file
	fromConfig               // those that keep series as they are received
	fromAPI                  // made while the daemon runs
	fromViews                // those of the views
	numSources
)

// inForce is the one owner of the set of rules in force: each source hands its
// rules in whenever they change.
type inForce struct {
	mu      sync.Mutex // held until a change is in force, so that none is undone by an older one
	sources [numSources][]*rules.Rule
	apply   func(*rules.Set) // nil before the start
	set     atomic.Pointer[rules.Set]
}

// put replaces the rules of one source. They are in force when it returns.
func (f *inForce) put(from source, list []*rules.Rule) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sources[from] = list
	if f.apply == nil {
		f.set.Store(nil) // made when it is asked for
		return
	}
	f.renew()
}

// start hands every set on from now on; the one that there is has been taken
// with Set.
func (f *inForce) start(apply func(*rules.Set)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.apply = apply
}

// Set returns the rules in force.
func (f *inForce) Set() *rules.Set {
	if set := f.set.Load(); set != nil {
		return set
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.renew()
}

func (f *inForce) renew() *rules.Set {
	set := rules.NewSet(slices.Concat(f.sources[:]...))
	f.set.Store(set)
	if f.apply != nil {
		f.apply(set)
	}
	return set
}

// bookFile holds, in the data directory, the rules made over HTTP.
const bookFile = "api-rules"

// openBook reads the rules that earlier runs were asked for.
func (d *daemon) openBook() (err error) {
	c := d.cfg.APIRules
	bc := rulebook.Config{
		Period: int64(seconds(c.Period)), MaxPerOwner: c.MaxPerKey, MaxOutputs: c.MaxOutputs,
		Names:  func() []string { return d.agg.RecentNames() },
		Apply:  func(list []*rules.Rule) { d.force.put(fromAPI, list) },
		Now:    time.Now,
		Logger: d.log,
	}
	if d.cfg.Data != "" {
		bc.Path = filepath.Join(d.cfg.Data, bookFile)
	}
	if d.book, err = rulebook.Open(bc); err != nil {
		return err
	}
	d.force.put(fromAPI, d.book.Rules())
	d.tellStrays()
	return nil
}

// tellStrays tells of rules whose owners cannot ask for them: nobody sees them or
// can delete them, but they are in force.
func (d *daemon) tellStrays() {
	known := map[string]bool{}
	for _, k := range d.cfg.Keys {
		known[k.Name] = true
	}
	known[""] = len(known) == 0
	owners := d.book.Owners()
	for _, owner := range slices.Sorted(maps.Keys(owners)) {
		switch {
		case known[owner]:
		case owner == "":
			d.log.Warn("rules made over HTTP without a key are in force, and no key sees or deletes them; a start without keys does", "rules", owners[owner])
		default:
			d.log.Warn("rules made over HTTP with a key that is gone are in force, and nobody sees or deletes them; a key of that name does", "key", owner, "rules", owners[owner])
		}
	}
}

func (d *daemon) closeBook() error {
	if d.book == nil {
		return nil
	}
	if err := d.book.Close(); err != nil {
		return fmt.Errorf("rules made over HTTP: %w", err)
	}
	return nil
}

// forwardViews returns the rows beside the average for rules made over HTTP.
func forwardViews(cfg *config.Config) (views []aggregator.View, problems config.Problems) {
	for i, text := range cfg.APIRules.ForwardViews {
		v, ok := query.ParseView(text)
		if !ok || slices.Index(cfg.APIRules.ForwardViews, text) < i {
			problems = append(problems, cfg.Problem(fmt.Sprintf("api_rules.forward_views[%d]", i),
				fmt.Sprintf("%q is no view, or there twice; accepted: sum, sumrate, sum60, min, max, obvs, obvsrate, 95pct, last, stddev and the like", text)))
			continue
		}
		views = append(views, aggregator.View{Suffix: ":" + text, Value: func(c *cell.Cell, values *cell.Values, period int64) float64 {
			return v.Value(c, values, cell.Avg, period)
		}})
	}
	return views, problems
}
