// Package rules turns aggregation rule files into an index that tells which outputs a metric name feeds.
//
// The language is that of carbon's aggregation-rules.conf with the additions described in docs/rules.md. A pattern
// is first rewritten to the regular expression that carbon would build and parsed by package pyre. The resulting tree
// is cut at the dots that every match must have (see plan.go), and the pieces go into a trie by node (see index.go),
// so that matching a name costs about its length instead of the number of rules. Pieces that are plain text, "*" or a
// field are compared directly; only what is left runs as a compiled expression, in time linear in the name.
//
// The rejected alternative was one expression for each rule behind a literal prefix filter: patterns mostly begin
// with a field, so the filter lets nearly every rule through.
package rules

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/pyre"
)

// Limits on what comes from outside. A rule or name beyond one of them is refused with a message that states it.
const (
	MaxLine        = 4096                // bytes in one line of a rule file
	MaxRules       = 100_000             // rules in one file
	MaxDiagnostics = 1000                // errors and warnings reported for one file
	MaxPattern     = 1024                // bytes in a pattern
	MaxOutput      = 512                 // bytes in an output template, prefix included
	MaxNodes       = 64                  // nodes in a pattern
	MaxProgram     = pyre.MaxProgram     // instructions that a pattern compiles to
	MaxName        = 65536               // bytes in a metric name; a longer one matches nothing
	MaxTags        = 256                 // tags in a metric name; one with more matches no pattern with tags
	MaxPeriod      = 366 * 86400         // seconds
	MaxGrace       = 31 * 24 * time.Hour // option grace
	MaxKeep        = 100_000             // option keep, in periods
	MaxColumns     = 64                  // columns of a view
	MaxRows        = 1_000_000           // rows of a view
	maxScratch     = 1 << 20             // bytes of scratch that a Matcher keeps between calls
)

// Rule is one aggregation rule. It is immutable once Parse or Compile has returned it.
type Rule struct {
	File string // where the rule was read, as given to Parse
	Line int    // line in File, from 1; 0 for a rule that came from no file
	Text string // the source line without surrounding blanks

	// ID is the rule in canonical spelling (output, period, methods, pattern, options). Rules with equal IDs are
	// the same rule across reloads.
	ID string

	Output  string // output template with the prefix applied
	Pattern string
	Period  int64 // seconds, > 0
	Methods []cell.Method

	Grace       time.Duration // how long after its end a bucket closes; meaningful if HasGrace
	HasGrace    bool
	Keep        int // periods for which a closed bucket stays amendable; meaningful if HasKeep
	HasKeep     bool
	Forward     bool  // false: raw datapoints that match are not forwarded
	Percentiles bool  // the cells of the output hold values
	Input       bool  // made by NewInput: the output is the name itself
	View        *View // made by NewView: the outputs are rows of a view; else nil
	// ForwardViews asks for rows of the output's views too. It is no part of ID.
	ForwardViews bool

	Fields  []string // names of the captured fields in the order of the pattern
	Program int      // instructions that the pattern compiles to at most

	template []part
	plan     *plan
	tags     []tagPattern
	captures []capture // one for each of Fields
	row      []byte    // of View: what its outputs begin with
	columns  []string  // of View, spelled ";key="
	strict   bool      // compiled with Options.Strict
}

// Options says how rules are read.
type Options struct {
	// Prefix is put before every output that does not begin with it; a dot is added to one that does not end in
	// one. Empty leaves outputs as written.
	Prefix string
	// Strict makes Compile refuse what a rule file may say as carbon's may, and what is hardly ever meant: nodes
	// without text, a choice outside a group, fields named in other letters than ASCII's, and <method>.
	Strict bool
}

// prefix returns the prefix with its dot, or an error when it cannot stand in a name.
func (o Options) prefix() (string, error) {
	p := o.Prefix
	if p == "" {
		return "", nil
	}
	if strings.ContainsAny(p, "<>%;=\x00") || strings.ContainsFunc(p, pyre.IsSpace) {
		return "", fmt.Errorf("prefix %q: expected plain text without blanks and without any of < > %% ; =", p)
	}
	if !strings.HasSuffix(p, ".") {
		p += "."
	}
	return p, nil
}

// Diagnostic is an error or a warning about a place in a rule file.
type Diagnostic struct {
	File    string
	Line    int // from 1; 0: the file as a whole
	Col     int // in characters, from 1; 0: the line as a whole
	Warning bool
	Msg     string
}

// String writes the diagnostic as FILE:LINE:COL: error: MSG.
func (d Diagnostic) String() string {
	b := []byte(d.File)
	for _, n := range []int{d.Line, d.Col} {
		if n > 0 {
			b = append(b, ':')
			b = strconv.AppendInt(b, int64(n), 10)
		}
	}
	kind := ": error: "
	if d.Warning {
		kind = ": warning: "
	}
	return string(b) + kind + d.Msg
}

// The parts of a rule that an Error may name.
const (
	PartOutput  = "output"
	PartPeriod  = "period"
	PartMethods = "methods"
	PartPattern = "pattern"
	PartOptions = "options"
)

// Error is what is wrong with one part of a rule.
type Error struct {
	Part string // PartOutput and so on
	Col  int    // in characters from the start of the part, from 1
	Msg  string
}

// Error writes the part, the column and the message.
func (e *Error) Error() string {
	return fmt.Sprintf("%s, column %d: %s", e.Part, e.Col, e.Msg)
}

// TooExpensive reports whether the pattern is right but would cost too much.
func (e *Error) TooExpensive() bool { return strings.HasPrefix(e.Msg, expensive) }
