package rulebook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/rules"
)

// Prefix is what every output begins with.
const Prefix = "aggregates."

// File stands for the file of a rule in rules.Rule.File.
const File = "api"

// maxWide is how many <<field>> a pattern may have.
const maxWide = 2

// Kind says what is wrong.
type Kind int

// The kinds of errors.
const (
	Invalid   Kind = iota // pattern or output are wrong
	Expensive             // or would cost too much
	Duplicate             // the owner has the rule
	Full                  // the owner has as many rules as it may have
	Unknown               // the owner has no such rule
	Unsaved               // the disk does not take it; it may be tried again
)

// Error is why a change was not made.
type Error struct {
	Kind Kind
	Msg  string // one sentence; it names what is wrong
}

func (e *Error) Error() string { return e.Msg }

// Stored returns an output as it is kept.
func Stored(output string) string {
	if strings.HasPrefix(output, Prefix) {
		return output
	}
	return Prefix + output
}

// compile makes a rule of pattern and output. An error is a *rules.Error.
func (b *Book) compile(pattern, output string) (*rules.Rule, error) {
	return rules.Compile(rules.Rule{
		File: File, Output: output, Pattern: pattern, Period: b.cfg.Period, Methods: []cell.Method{cell.Avg},
		Forward: true, Percentiles: true, ForwardViews: true,
	}, rules.Options{Prefix: Prefix, Strict: true})
}

// read compiles what a client sent. dear is why it is too expensive, which is
// said last.
func (b *Book) read(pattern, output string) (r *rules.Rule, dear, err error) {
	for field, text := range map[string]string{"pattern": pattern, "output": output} {
		if !utf8.ValidString(text) {
			return nil, nil, &Error{Invalid, field + " is not UTF-8"}
		}
	}
	r, err = b.compile(pattern, output)
	var fault *rules.Error
	switch {
	case errors.As(err, &fault) && fault.TooExpensive():
		return nil, &Error{Expensive, err.Error()}, nil
	case err != nil:
		return nil, nil, &Error{Invalid, err.Error()}
	}
	if n := wideFields(pattern); n > maxWide {
		return r, &Error{Expensive, fmt.Sprintf("pattern: too expensive: it has %d fields <<…>>, at most %d are accepted", n, maxWide)}, nil
	}
	return r, nil, nil
}

// wideFields counts the fields that take dots.
func wideFields(pattern string) (n int) {
	name, tags, _ := strings.Cut(pattern, ";")
	for _, node := range append(strings.Split(name, "."), strings.Split(tags, ";")...) {
		if strings.Contains(node, "<<") && strings.Contains(node, ">>") {
			n++
		}
	}
	return n
}

// maxShown is how many names and outputs a Trial lists.
const maxShown = 100

// Trial is what a rule would do with the names that are known.
type Trial struct {
	Looked  int      // names that it was tried on
	Matches int      // of these
	Names   []string // of those, some
	Outputs []Output // some, those of the most names first
	Made    int      // outputs in all; if they are too many, those up to where that was seen
	Program int      // instructions of the pattern
	// Refusal is why Create would refuse it; nil if it would not.
	Refusal *Error

	counts map[string]int // by output
}

// Output is an output with the number of names that reach it.
type Output struct {
	Name  string
	Names int
}

// Try says what Create would do, and does nothing. An error is that of ctx.
func (b *Book) Try(ctx context.Context, owner, pattern, output string) (*Trial, error) {
	select {
	case b.trying <- struct{}{}: // one at a time, whatever it costs
		defer func() { <-b.trying }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	t := new(Trial)
	compiled, dear, err := b.read(pattern, output)
	if err == nil {
		err = b.admit(&Rule{Owner: owner, Pattern: pattern, Output: Stored(output)})
	}
	if err == nil {
		err = dear
	}
	errors.As(err, &t.Refusal)
	if compiled == nil {
		return t, nil
	}
	if err := b.run(ctx, compiled, t); ctx.Err() != nil {
		return nil, err
	} else if t.Refusal == nil {
		errors.As(err, &t.Refusal)
	}
	for name, n := range t.counts {
		t.Outputs = append(t.Outputs, Output{name, n})
	}
	slices.SortFunc(t.Outputs, func(x, y Output) int { return cmp.Or(y.Names-x.Names, cmp.Compare(x.Name, y.Name)) })
	t.Outputs = t.Outputs[:min(len(t.Outputs), maxShown)]
	return t, nil
}

// run runs a rule over the names that are known. An error is an *Error that says
// that it makes too many outputs, or that of ctx.
func (b *Book) run(ctx context.Context, r *rules.Rule, t *Trial) error {
	t.Program, t.counts = r.Program, make(map[string]int)
	set := rules.NewSet([]*rules.Rule{r})
	var m rules.Matcher
	var buf []byte
	for _, name := range b.cfg.Names() {
		if ctx.Err() != nil { // a long name may take a tenth of a second
			return ctx.Err()
		}
		t.Looked++
		buf = append(buf[:0], name...)
		matches := set.Match(&m, buf)
		if len(matches) == 0 {
			continue
		}
		t.Matches++
		if len(t.Names) < maxShown {
			t.Names = append(t.Names, name)
		}
		t.counts[string(matches[0].Output)]++
		if t.Made = len(t.counts); t.Made > b.cfg.MaxOutputs {
			return &Error{Expensive, fmt.Sprintf("output: too expensive: the names that are known make more than %d outputs of it", b.cfg.MaxOutputs)}
		}
	}
	return nil
}
