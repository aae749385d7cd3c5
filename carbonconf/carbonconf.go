// Package carbonconf translates carbon-aggregator's settings into coalesce's.
package carbonconf

import (
	"cmp"
	"slices"

	"github.com/coalesce-metrics/coalesce/config"
)

// FileMax is the longest carbon.conf that [Convert] takes, in bytes: many times
// what a full one needs.
const FileMax = 1 << 20

// Options say what the text of a carbon.conf leaves open.
type Options struct {
	// Instance is the instance whose section is read over [aggregator], as
	// carbon's --instance. Default "a", as in carbon.
	Instance string
	// Dir is the absolute path of the directory that the file is in. Rule and
	// list files are looked for there, as carbon does.
	Dir string
	// Exists reports whether there is a file with an absolute path. Default
	// nil: every file is taken to be there.
	Exists func(path string) bool
}

// Convert returns a commented coalesce.toml that behaves as carbon-aggregator
// does with the text of a carbon.conf. The name stands for the file in comments
// and problems.
//
// Problems come in the order of the file. Warnings are of settings that behave
// otherwise here; they stand in the comments, too. Errors are of what carbon
// does not start with or coalesce does not accept; then the result is nil.
// [config.Load] takes any other result without error.
func Convert(name string, text []byte, o Options) ([]byte, config.Problems) {
	if o.Instance == "" {
		o.Instance = firstInstance
	}
	f := parse(name, text)
	s := f.settings("aggregator", o.Instance)
	if err := f.problems.Err(); err != nil {
		return nil, f.problems
	}
	c := &conversion{options: o, file: f, settings: s, used: map[string]bool{}, said: map[string]bool{}}
	c.convert()
	if f.problems.Err() == nil {
		// What single settings do not show, such as two listeners on one port.
		_, problems := config.Parse("coalesce.toml", c.out.bytes())
		for _, p := range problems {
			f.problem(p.Severity, 0, "the settings made of it: %s", p.Message)
		}
	}
	slices.SortStableFunc(f.problems, func(a, b config.Problem) int { return cmp.Compare(a.Line, b.Line) })
	if f.problems.Err() != nil {
		return nil, f.problems
	}
	return c.out.bytes(), f.problems
}
