package workload

import (
	"fmt"
	"slices"
	"strings"
)

// A Variant is another way to send a workload's datapoints, or to set up the system
// that gets them. A workload and its variants are run in turns and compared.
type Variant struct {
	Name    string // stands behind the workload's and a plus sign, as in W1+names
	About   string
	Of      []string // the workloads that it is measured with unless another is asked for
	Forward bool     // it can only be had of workloads that are forwarded
	Change  func(*Workload)
}

// Variants lists the variants in the order in which they are measured.
func Variants() []Variant {
	return []Variant{
		{Name: "names", Of: []string{"W1"}, About: "ten rewrite rules and lists of ten patterns to allow and to deny, which change nothing",
			Change: addNames},
		{Name: "pickle", Of: []string{"W1"}, About: "sent in pickle as carbon's relay does, 500 datapoints in a frame",
			Change: func(w *Workload) { w.Pickle = true }},
		{Name: "store", Of: []string{"W1"}, About: "cells kept in SQLite, durable before their rows leave, windows as by default",
			Change: addStore},
		{Name: "keep", Of: []string{"W1"}, About: "the same, and each metric kept as it is received, in cells of 10 s",
			Change: func(w *Workload) { addStore(w); w.Keep, w.MostRuns = 10, 2 }},
		{Name: "api", Of: []string{"W1", "W4"}, About: "beside 10 000 rules made over HTTP, which match no metric",
			Change: func(w *Workload) { w.APIRules = 10_000 }},
		{Name: "hash", Of: []string{"W5"}, Forward: true, About: "hashed over four destinations by carbon_ch",
			Change: func(w *Workload) { w.Destinations = 4 }},
		{Name: "spool", Of: []string{"W5"}, Forward: true, About: "all on the disk before the destination comes up",
			Change: func(w *Workload) { w.Spool, w.MostPoints = true, 4_000_000 }},
	}
}

// addStore keeps cells. They go to the store more often than by default, so that a run
// has its share of that, and need not be waited for.
func addStore(w *Workload) {
	w.Store = true
	w.Settings = map[string]string{"store.cycle": `"2s"`}
}

// addNames has every new name meet ten rewrite rules and twenty patterns, of which
// only the last one of the allow list is found in it.
func addNames(w *Workload) {
	var rewrite, allow, deny strings.Builder
	rewrite.WriteString("[pre]\n")
	for i := range 10 {
		fmt.Fprintf(&rewrite, "^prod\\.old%d\\.([^.]+) = prod.new%d.\\1\n", i, i)
		fmt.Fprintf(&deny, "\\.secret%d\\.\n", i)
		if i > 0 {
			fmt.Fprintf(&allow, "^test%d\\.\n", i)
		}
	}
	allow.WriteString("^prod\\.\n")
	w.Settings = map[string]string{
		"names.rewrite_rules": `"rewrite-rules.conf"`,
		"names.allow_list":    `"allow.conf"`,
		"names.deny_list":     `"deny.conf"`,
	}
	w.Files = map[string]string{
		"rewrite-rules.conf": rewrite.String(),
		"allow.conf":         allow.String(),
		"deny.conf":          deny.String(),
	}
}

// of returns the variant of a workload.
func (v *Variant) of(base *Workload) *Workload {
	w := *base
	w.Name, w.Base, w.About = base.Name+"+"+v.Name, base.Name, base.Name+", "+v.About
	v.Change(&w)
	return &w
}

// Default names every workload, and every variant with the workload that it is of.
func Default() string {
	var names []string
	for _, w := range All() {
		names = append(names, w.Name)
		for _, v := range Variants() {
			if slices.Contains(v.Of, w.Name) {
				names = append(names, w.Name+"+"+v.Name)
			}
		}
	}
	return strings.Join(names, ",")
}

// Select returns the workloads of the comma-separated names in groups: a workload of
// All, then those of its variants that are named. A variant brings the workload that
// it is compared with along. It fails on a name that is none.
func Select(names string) (groups [][]*Workload, err error) {
	wanted := strings.Split(names, ",")
	var known []string
	for _, w := range All() {
		known = append(known, w.Name)
		group, named := []*Workload{w}, slices.Contains(wanted, w.Name)
		for _, v := range Variants() {
			if v.Forward && !w.Forward {
				continue
			}
			x := v.of(w)
			known = append(known, x.Name)
			if slices.Contains(wanted, x.Name) {
				group, named = append(group, x), true
			}
		}
		if named {
			groups = append(groups, group)
		}
	}
	for _, n := range wanted {
		if !slices.Contains(known, n) {
			return nil, fmt.Errorf("workload %q is unknown: want some of %s", n, strings.Join(known, ","))
		}
	}
	return groups, nil
}
