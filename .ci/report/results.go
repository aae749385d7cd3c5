package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// event is a line of go test -json; see go doc test2json and go help buildjson.
type event struct {
	Action     string
	ImportPath string // of a package that is built
	Package    string
	Test       string
	Elapsed    float64 // in seconds
	Output     string
}

// id names a test of a package, or with no test the package.
type id struct{ pkg, test string }

func (i id) String() string { return strings.TrimSpace(i.pkg + " " + i.test) }

// result is what has become of a test or of a package.
type result struct {
	id
	action  string  // pass, fail, skip, or "" when it did not end
	elapsed float64 // in seconds
	output  strings.Builder
}

// results are in the order in which they began.
type results struct {
	all []*result
	of  map[id]*result
}

func (r *results) add(e event) {
	at := id{cmp.Or(e.Package, e.ImportPath), e.Test}
	to := r.of[at]
	if to == nil {
		to = &result{id: at}
		r.of[at] = to
		r.all = append(r.all, to)
	}
	switch e.Action {
	case "output", "build-output":
		to.output.WriteString(e.Output)
	case "pass", "fail", "skip":
		to.action, to.elapsed = e.Action, e.Elapsed
	case "build-fail":
		to.action = "fail"
	}
}

// failed says whether what a test or package has said is to be seen. What the race
// detector says comes between the lines of any test that runs.
func (x *result) failed() bool {
	return x.action == "fail" || x.action == "" || strings.Contains(x.output.String(), "WARNING: DATA RACE")
}

const slowest = 10 // tests to list

// print returns whether all tests have passed.
func (r *results) print(to io.Writer) (ok bool) {
	fmt.Fprintln(to, "seconds of packages:")
	r.printTimes(to, len(r.all), func(x *result) bool { return x.test == "" && x.elapsed >= 1 })
	fmt.Fprintln(to, "seconds of the slowest tests:")
	r.printTimes(to, slowest, func(x *result) bool { return x.test != "" })
	passed := 0
	ok = true
	for _, x := range r.all {
		switch {
		case x.failed():
			ok = false
			fmt.Fprintf(to, "\n--- %s: %s\n%s", cmp.Or(x.action, "unfinished"), x.id, x.output.String())
		case x.action == "skip" && x.test != "":
			ok = false
			fmt.Fprintf(to, "\n--- skipped: %s\n%s", x.id, x.output.String())
		case x.action == "pass" && x.test != "":
			passed++
		}
	}
	fmt.Fprintf(to, "%d tests and subtests passed\n", passed)
	return ok && passed > 0
}

// printTimes lists the most that take longest, of those that are wanted.
func (r *results) printTimes(to io.Writer, most int, wanted func(*result) bool) {
	var chosen []*result
	for _, x := range r.all {
		if wanted(x) {
			chosen = append(chosen, x)
		}
	}
	slices.SortStableFunc(chosen, func(a, b *result) int { return cmp.Compare(b.elapsed, a.elapsed) })
	for _, x := range chosen[:min(most, len(chosen))] {
		fmt.Fprintf(to, "%8.2f  %s\n", x.elapsed, x.id)
	}
}
