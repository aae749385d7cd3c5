package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/archive"
	"github.com/coalesce-metrics/coalesce/catalog"
	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/config"
	"github.com/coalesce-metrics/coalesce/rules"
	"github.com/coalesce-metrics/coalesce/store"
	"github.com/coalesce-metrics/coalesce/store/memory"
	"github.com/coalesce-metrics/coalesce/store/postgres"
	"github.com/coalesce-metrics/coalesce/store/sqlite"
)

// journalDir holds, in the data directory, the cells that are not in the store yet.
const journalDir = "journal"

// cells is what is kept beyond the buckets that are held: the archive with its
// store, and the names that are known. The archive is nil where the store is off.
type cells struct {
	names *catalog.Catalog
	arch  *archive.Archive
	store store.Store
	log   *slog.Logger

	loaded  atomic.Bool // the names of earlier runs are known
	context context.Context
	cancel  context.CancelFunc // ends recalls
	running sync.WaitGroup

	forgets *forgetting

	mu      sync.Mutex
	methods map[string][]cell.Method // of outputs with several rows
}

// newCells opens the store and what waits for it. first says that no earlier run
// has emitted anything.
func newCells(cfg *config.Config, first bool, log *slog.Logger) (*cells, error) {
	c := &cells{names: catalog.New(cfg.Store.Names), log: log, forgets: newForgetting(), methods: map[string][]cell.Method{}}
	c.context, c.cancel = context.WithCancel(context.Background())
	if err := disown(cfg); err != nil {
		return nil, err
	}
	if cfg.Store.At == "off" {
		c.loaded.Store(true)
		c.forgets.loaded()
		return c, nil
	}
	var err error
	durable := cfg.Data != ""
	switch {
	case cfg.StoreFile() != "":
		c.store, err = sqlite.Open(cfg.StoreFile(), sqlite.Options{MaxBytes: int64(cfg.Store.Bytes)})
	case cfg.Store.At == "sqlite", cfg.Store.At == "memory":
		c.store, durable = memory.New(memory.Options{MaxBytes: int64(cfg.Store.Bytes) / 4}), false
	default:
		c.store, err = postgres.Open(c.context, cfg.Store.At, postgres.Options{})
	}
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	ac := archive.Config{
		Store: c.store, Retention: int64(seconds(cfg.Store.Retention)), Cycle: time.Duration(cfg.Store.Cycle),
		MaxPending: int64(cfg.Store.Pending), MaxJournal: int64(cfg.Store.Journal), Sync: cfg.Store.Sync, First: first,
		Now: unixNow, Forgotten: c.forgotten, Logger: log,
	}
	if durable {
		ac.Dir = filepath.Join(cfg.Data, journalDir)
	}
	for _, w := range cfg.AllWindows() {
		ac.Windows = append(ac.Windows, archive.Window{
			Name: w.Name, Span: int64(seconds(w.Span)), Step: int64(seconds(w.Step)), Retention: int64(seconds(w.Retention)),
		})
	}
	if c.arch, err = archive.Open(ac); err != nil {
		return nil, errors.Join(err, c.store.Close())
	}
	return c, nil
}

// disown has the journal of earlier runs vouch for nothing any more, before a run
// emits buckets of which it does not learn.
func disown(cfg *config.Config) error {
	if cfg.Data == "" || cfg.Store.At != "off" && cfg.Store.At != "memory" {
		return nil
	}
	// Without its state an archive begins anew.
	err := os.Remove(filepath.Join(cfg.Data, journalDir, "state"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// aggregatorArchive returns the archive as the aggregator takes it.
func (c *cells) aggregatorArchive() aggregator.Archive {
	if c.arch == nil {
		return nil
	}
	return c
}

// Covers implements aggregator.Archive.
func (c *cells) Covers(period, start int64) aggregator.Cover {
	switch c.arch.Covers(period, start) {
	case archive.Whole:
		return aggregator.Whole
	case archive.Coarse:
		return aggregator.Merges
	}
	return aggregator.NotCovered
}

// Keep implements aggregator.Archive.
func (c *cells) Keep(b *aggregator.Closed) {
	kept := c.arch.Keep(&archive.Record{
		Series: store.Series{Name: b.Output, Methods: b.Methods, Period: b.Period, Input: b.Input, Seen: b.Start},
		Start:  b.Start, Cell: b.Cell, Values: b.Values, CoarseOnly: b.Part,
	})
	if !kept {
		return // the archive would never say that it is forgotten
	}
	// Known for as long as the next bucket may take to come.
	seen := b.Start + 3*b.Period
	c.each(b.Output, b.Methods, b.Period, b.Input, seen > 0, func(row string, e catalog.Entry) {
		c.names.AddCell(row, e, b.Start, seen)
	})
}

// Commit implements aggregator.Archive.
func (c *cells) Commit() { c.arch.Commit() }

// recallTimeout is how long the store may take to answer for late datapoints.
const recallTimeout = 30 * time.Second

// Recall implements aggregator.Archive.
func (c *cells) Recall(keys []aggregator.Key, answer func([]aggregator.Recalled, error)) {
	c.running.Go(func() {
		ctx, cancel := context.WithTimeout(c.context, recallTimeout)
		defer cancel()
		asks := make([]archive.Key, len(keys))
		forgotten := make([]bool, len(keys))
		for i, k := range keys {
			asks[i] = archive.Key{Name: k.Output, Period: k.Period, Start: k.Start}
			forgotten[i] = c.forgets.has(k.Output)
		}
		found, err := c.arch.Recall(ctx, asks)
		if err != nil {
			c.log.Warn("late datapoints wait: what was emitted of their buckets cannot be read from the store", "buckets", len(keys), "err", err)
			answer(nil, err)
			return
		}
		all := make([]aggregator.Recalled, len(found))
		for i, b := range found {
			if forgotten[i] {
				continue
			}
			all[i] = aggregator.Recalled{Cell: b.Cell, Values: b.Values, Lost: b.Lost, Other: b.Other}
		}
		answer(all, nil)
	})
}

// announce makes the rows of an output known.
func (c *cells) announce(o aggregator.Output) {
	c.each(o.Name, o.Methods, o.Period, o.Input, false, func(row string, e catalog.Entry) { c.names.AddRange(row, e, 0, 0) })
}

// departed forgets the rows of an output of which nothing is kept. Those that Keep
// has been given are forgotten by the archive.
func (c *cells) departed(o aggregator.Output) {
	for _, row := range rowNames(o.Name, o.Methods) {
		if _, last := c.names.Interval(row); last == 0 || c.forgets.has(o.Name) {
			c.names.Remove(row)
		}
	}
}

// each calls add with the rows of an output; seen says that cells of it are kept.
func (c *cells) each(name string, methods []cell.Method, period int64, input, seen bool, add func(row string, e catalog.Entry)) {
	if strings.IndexByte(name, 0) < 0 {
		add(name, catalog.Entry{Series: name, Method: methods[0], Period: period, Input: input})
		return
	}
	if seen { // it will be forgotten
		c.learnMethods(name, methods)
	}
	for _, m := range methods {
		row := string(rules.AppendRow(nil, []byte(name), m))
		add(row, catalog.Entry{Series: name, Method: m, Period: period, Input: input})
	}
}

// learnMethods notes the rows of an output, and goes on to know those that it had
// before the rules have changed.
func (c *cells) learnMethods(name string, methods []cell.Method) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.methods[name]
	for _, m := range methods {
		if !slices.Contains(known, m) {
			known = append(slices.Clip(known), m)
		}
	}
	c.methods[name] = known
}

// forgotten is called by the archive when nothing is kept of a series any more.
func (c *cells) forgotten(name string) {
	c.mu.Lock()
	methods := c.methods[name]
	delete(c.methods, name)
	c.mu.Unlock()
	c.remove(name, methods)
}

func (c *cells) remove(name string, methods []cell.Method) {
	if strings.IndexByte(name, 0) < 0 {
		c.names.Remove(name)
		return
	}
	for _, row := range rowNames(name, methods) {
		c.names.Remove(row)
	}
}

// loadRetry is how long a store that is away is left alone.
const loadRetry = 5 * time.Second

// load learns the names of earlier runs. It ends when it has, or with ctx.
func (c *cells) load(ctx context.Context) {
	if c.arch == nil {
		return
	}
	for failed := false; ; {
		n := 0
		err := c.arch.Load(ctx, func(s store.Series) error {
			n++
			if len(s.Methods) > 0 {
				c.forgets.load(s.Name, func() { c.addStored(&s) })
			}
			return nil
		})
		if err == nil {
			c.forgets.loaded()
			c.loaded.Store(true)
			c.log.Debug("names loaded from the store", "series", n)
			return
		}
		if ctx.Err() != nil {
			return
		}
		if !failed {
			failed = true
			c.log.Warn("the names in the store cannot be read yet; queries know those of this run only", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(loadRetry):
		}
	}
}

// addStored makes the rows of a series known that the archive has of earlier runs.
func (c *cells) addStored(s *store.Series) {
	seen := s.Seen + 3*s.Period
	c.each(s.Name, s.Methods, s.Period, s.Input, seen > 0, func(row string, e catalog.Entry) {
		c.names.AddEarlier(row, e, s.Periods, 0, seen)
	})
}

// again yields the rows of the last periods before an unclean end, for receivers
// that may not have got them. keep is in periods.
func (c *cells) again(ctx context.Context, ended float64, keep int, yield func(aggregator.Row)) error {
	if c.arch == nil {
		return nil
	}
	from := func(s store.Series) int64 {
		if s.Input || len(s.Methods) == 0 {
			return archive.Never
		}
		return int64(ended) - int64(keep+1)*s.Period
	}
	return c.arch.Newest(ctx, from, func(s store.Series, b archive.Bucket) error {
		if b.Values.Len() != b.Cell.Count {
			b.Values = nil
		}
		for _, m := range s.Methods {
			if m.NeedsValues() && b.Values == nil {
				continue
			}
			row := string(rules.AppendRow(nil, []byte(s.Name), m))
			yield(aggregator.Row{Name: row, Value: m.Value(&b.Cell, b.Values), Time: b.Start})
		}
		return nil
	})
}

// close writes what is pending, as far as ctx allows; the rest stays in the
// journal.
func (c *cells) close(ctx context.Context) error {
	if c == nil {
		return nil
	}
	c.cancel()
	c.running.Wait()
	if c.arch == nil {
		return nil
	}
	err := c.arch.Close(ctx)
	if c.arch.Stats().JournalOK {
		err = nil // what is left is there for the next run
	}
	return errors.Join(err, c.store.Close())
}

// inputRules are the rules that keep series as they are received: those of the
// configuration, and one for what is collected.
func inputRules(cfg *config.Config) ([]*rules.Rule, config.Problems) {
	if cfg.Store.At == "off" {
		return nil, nil
	}
	var all []*rules.Rule
	var problems config.Problems
	for i, k := range cfg.Keeps {
		r, err := rules.NewInput(fmt.Sprintf("keep[%d]", i), 0, k.Pattern, int64(seconds(k.Period)), k.Percentiles)
		if err != nil {
			problems = append(problems, cfg.Problem(fmt.Sprintf("keep[%d].pattern", i), err.Error()))
			continue
		}
		all = append(all, r)
	}
	finest := cfg.AllWindows()[0]
	collected, err := rules.NewInput("collected", 0, "", int64(seconds(finest.Step)), true)
	if err != nil {
		panic("BUG: " + err.Error()) // config has checked the step
	}
	return append(all, collected), problems
}
