package config

import (
	"cmp"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
)

// Store says where closed cells are kept, and for how long at their own period.
// In the file it may be written as its At alone: store = "memory".
type Store struct {
	// At is "sqlite" (a file in the data directory; in memory where there is
	// none), "memory", a URL that begins with postgres:// or postgresql://, or
	// "off". Default "sqlite". Off keeps no cells beyond the buckets that are
	// held, so that late datapoints beyond those are refused.
	At string `toml:"at"`
	// Retention is how long a cell is kept at its output's own period. Default
	// one day. Zero is an error.
	Retention Duration `toml:"retention" accept:"1m..3650d"`
	// Bytes bounds the file of sqlite, or the cells in memory. Default 16 GiB
	// for the file; "memory" takes at most a quarter of it. Zero is an error.
	Bytes Size `toml:"bytes" accept:"1MiB..1024TiB"`
	// Cycle is how often closed cells are written to the store. Default 10 s.
	// Zero is an error.
	Cycle Duration `toml:"cycle" accept:"100ms..1h"`
	// Pending is how many bytes of cells wait in memory for a store that is
	// slow or away; beyond it the oldest are dropped. Default 256 MiB. Zero is
	// an error.
	Pending Size `toml:"pending" accept:"1MiB..1TiB"`
	// Journal is how many bytes of cells wait on disk, in the data directory,
	// for the store. Default 1 GiB. Zero is an error.
	Journal Size `toml:"journal" accept:"1MiB..1024TiB"`
	// Sync forces cells to the disk before their rows leave. Default true; false
	// survives the death of the process, but not of the machine.
	Sync bool `toml:"sync"`
	// Names is how many names can be found by patterns and tags. Default
	// 2000000. Zero is an error.
	Names int `toml:"names" accept:"1..100000000"`
}

// short returns what stands for the whole table where the file gives a text.
func (s *Store) short() *string { return &s.At }

// Window is a step at which cells are kept for longer than at their own period,
// written [[window]].
type Window struct {
	// Name identifies it. One that a built-in window has replaces that. Empty is
	// an error.
	Name string `toml:"name"`
	// Span is the range that is shown by default, a multiple of Step.
	Span Duration `toml:"span" accept:"1s..3650d"`
	// Step is the length of its cells, whole seconds, a multiple of the next
	// finer window's.
	Step Duration `toml:"step" accept:"1s..366d"`
	// Retention is how long its cells are kept, at least Span.
	Retention Duration `toml:"retention" accept:"1s..3650d"`
}

// builtinWindows are there without being asked for.
var builtinWindows = []Window{
	{"5m", 5 * Minute, 10 * Second, Hour},
	{"1h", Hour, Minute, Day},
	{"24h", Day, 15 * Minute, 7 * Day},
}

// AllWindows returns the built-in windows and those of the file, the finest
// first.
func (c *Config) AllWindows() []Window {
	var all []Window
	for _, b := range builtinWindows {
		if !slices.ContainsFunc(c.Windows, func(w Window) bool { return w.Name == b.Name }) {
			all = append(all, b)
		}
	}
	all = append(all, c.Windows...)
	slices.SortStableFunc(all, func(x, y Window) int { return cmp.Compare(x.Step, y.Step) })
	return all
}

// Keep says which series are kept as they are received, written [[keep]].
type Keep struct {
	// Pattern matches their names as the pattern of a rule does. Empty is an
	// error.
	Pattern string `toml:"pattern"`
	// Period is the length of their cells, whole seconds. Default 10 s.
	Period Duration `toml:"period" accept:"1s..366d"`
	// Percentiles keeps values, so that percentiles can be read from them.
	// Default false.
	Percentiles bool `toml:"percentiles"`
}

func newKeep() Keep { return Keep{Period: 10 * Second} }

// APIRules says how the rules that are made over HTTP act.
type APIRules struct {
	// Period is that of their outputs, whole seconds. Default 30 s. Zero is an
	// error.
	Period Duration `toml:"period" accept:"1s..366d"`
	// MaxPerKey is how many rules the owner of a key may have. Default 200. Zero
	// is an error.
	MaxPerKey int `toml:"max_per_key" accept:"1..100000"`
	// MaxOutputs is how many outputs one rule may make of the names that were new
	// last, at most 10000, when it is made. Default 5000. Zero is an error.
	MaxOutputs int `toml:"max_outputs" accept:"1..16777215"`
	// ForwardViews are the views whose values are sent upstream beside the average,
	// such as "sum" and "95pct". Default none.
	ForwardViews []string `toml:"forward_views"`
}

// Query bounds one query.
type Query struct {
	// Targets, Series and Points are how many a query may have: targets, series
	// that they come to, and points of these together. Defaults 1000, 20000 and
	// 10000000. Zero is an error.
	Targets int `toml:"targets" accept:"1..1000000"`
	Series  int `toml:"series" accept:"1..10000000"`
	Points  int `toml:"points" accept:"1..1000000000"`
	// Names is how many names one answer to find and the like may have. Default
	// 100000. Zero is an error.
	Names int `toml:"names" accept:"1..10000000"`
	// Timeout is when a query is given up. Default 10 s. Zero is an error.
	Timeout Duration `toml:"timeout" accept:"100ms..1h"`
}

// Node is the query node.
type Node struct {
	// Listen is the address of the query node's messages, TCP, which must be a
	// loopback address. Default empty: none.
	Listen string `toml:"listen"`
}

// checkStore checks the store, the windows and what is kept.
func (k *checker) checkStore(c *Config) {
	const accepted = `accepted: "sqlite", "memory", "off", or a URL such as "postgres://user@host:5432/database"`
	switch at := c.Store.At; {
	case at == "sqlite", at == "memory", at == "off":
	case strings.HasPrefix(at, "postgres://"), strings.HasPrefix(at, "postgresql://"):
		if _, err := url.Parse(at); err != nil {
			k.report(Error, []string{"store.at", "store"}, nil, "not a URL; %s", accepted)
		}
	default:
		k.report(Error, []string{"store.at", "store"}, at, "no such store; %s", accepted)
	}
	k.checkWholeSeconds([]string{"api_rules.period"}, c.APIRules.Period, `"30s"`)
	names := map[string]int{}
	for i := range c.Windows {
		w, path := &c.Windows[i], element("window", i)
		if !validNodes(w.Name) || strings.ContainsAny(w.Name, "./") || len(w.Name) > 64 {
			k.report(Error, []string{join(path, "name"), path}, w.Name, "not a name; accepted: 1 to 64 bytes without dots, slashes and blanks")
		}
		if j, ok := names[w.Name]; ok {
			k.report(Error, []string{join(path, "name"), path}, w.Name, "the name of %s; accepted: each name once", element("window", j))
		}
		names[w.Name] = i
		k.checkWindow(path, w)
	}
	k.checkSteps(c)
	for i := range c.Keeps {
		kept, path := &c.Keeps[i], element("keep", i)
		if kept.Pattern == "" {
			k.report(Error, []string{join(path, "pattern"), path}, kept.Pattern, "empty; accepted: a pattern as in a rule, such as \"app.*.requests\"")
		}
		k.checkWholeSeconds([]string{join(path, "period")}, kept.Period, `"10s"`)
	}
}

func (k *checker) checkWindow(path string, w *Window) {
	for _, d := range []struct {
		key   string
		value Duration
	}{{"span", w.Span}, {"step", w.Step}, {"retention", w.Retention}} {
		k.checkWholeSeconds([]string{join(path, d.key), path}, d.value, `"30s"`)
	}
	if w.Step > 0 && w.Span%w.Step != 0 {
		k.report(Error, []string{join(path, "span"), path}, w.Span, "not a multiple of step = %q; accepted: a multiple of it", w.Step)
	}
	if w.Retention < w.Span {
		k.report(Error, []string{join(path, "retention"), path}, w.Retention, "below span = %q; accepted: at least that", w.Span)
	}
}

// checkSteps checks that each window's cells can be made of the next finer ones.
func (k *checker) checkSteps(c *Config) {
	all := c.AllWindows()
	for i := 1; i < len(all); i++ {
		fine, coarse := all[i-1], all[i]
		if fine.Step >= Second && coarse.Step > fine.Step && coarse.Step%fine.Step == 0 {
			continue
		}
		at := slices.IndexFunc(c.Windows, func(w Window) bool { return w.Name == coarse.Name })
		if at < 0 {
			at = slices.IndexFunc(c.Windows, func(w Window) bool { return w.Name == fine.Name })
		}
		path := element("window", at)
		k.report(Error, []string{join(path, "step"), path}, c.Windows[at].Step,
			"the steps of the windows %s (%s) and %s (%s) do not fit; accepted: a multiple of the next finer window's", fine.Name, fine.Step, coarse.Name, coarse.Step)
	}
}

// StoreFile returns the path of the store's file, or "" where there is none.
func (c *Config) StoreFile() string {
	if c.Store.At != "sqlite" || c.Data == "" {
		return ""
	}
	return filepath.Join(c.Data, "cells.sqlite")
}
