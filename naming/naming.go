// Package naming decides what a metric name becomes before rules are matched with it.
//
// A name goes the way it goes in carbon: deny list, allow list, [pre] rewriting, normalising of tags; what is forwarded
// goes through [post] rewriting too. All of it is meant to be done once for each name and remembered. Normalising comes
// before matching, where carbon does it only before routing, so that rules see one spelling of a series.
package naming

import (
	"bytes"
	"unicode/utf8"

	"github.com/coalesce-metrics/coalesce/plaintext"
	"github.com/coalesce-metrics/coalesce/pyre"
)

// Limits on what comes from outside.
const (
	MaxName        = 16384  // bytes in a name, as received or rewritten; a longer one is dropped
	MaxLine        = 4096   // bytes in one line of a file
	MaxRewrites    = 1000   // rules in one section of a rewrite file
	MaxPatterns    = 10_000 // patterns in one list
	MaxDiagnostics = 1000   // errors and warnings reported for one file
)

// Reason says why a name was dropped.
type Reason uint8

// The reasons.
const (
	Kept        Reason = iota // it was not
	BadName                   // empty, not UTF-8, or with blanks, as received or after rewriting
	NameTooLong               // more than MaxName bytes
	Denied                    // the deny list has it
	NotAllowed                // the allow list does not have it
	NumReasons
)

var reasonNames = [NumReasons]string{"kept", "bad_name", "name_too_long", "denied", "not_allowed"}

// String returns the reason as it is written in metrics.
func (r Reason) String() string {
	if r < NumReasons {
		return reasonNames[r]
	}
	return "unknown"
}

// Policy is what becomes of names. It is not changed once it is in use, and is then safe for concurrent use. A nil
// Policy keeps every name as it was received.
type Policy struct {
	Deny      *List // nil or empty: nothing is denied
	Allow     *List // nil or empty: everything is allowed
	Rewrites  *Rewrites
	Normalise bool // tags are brought into canonical form
}

// Decision is what becomes of a name.
type Decision struct {
	// Name is what the name becomes, nil if it is dropped. It is the very slice that was given where nothing changed,
	// otherwise memory of the Scratch.
	Name    []byte
	Dropped Reason
	// BadTags is a *TagError where the tags could not be normalised, which leaves them as they were.
	BadTags error
}

// Scratch is working memory. The zero value is ready; one goroutine at a time may use it.
type Scratch struct {
	vm        pyre.Machine
	pre, post buffers
	tags      []tag
	tagText   []byte
}

// buffers are written in turn, so that a name is read from one while it is changed into the other.
type buffers struct {
	buf  [2][]byte
	last int
}

// next returns the empty buffer to write to; done makes it the last one written.
func (b *buffers) next() []byte { return b.buf[1-b.last][:0] }

func (b *buffers) done(out []byte) []byte {
	b.last = 1 - b.last
	b.buf[b.last] = out
	return out
}

// Decide says under which name datapoints received as name are matched. The result is valid until the next Decide
// with s.
func (p *Policy) Decide(name []byte, s *Scratch) Decision {
	return p.decide(name, s, nil)
}

// Post says under which name a datapoint leaves whose name Decide has made. It is also what [post] rewriting makes of
// an aggregate. The result is valid until the next Post with s.
func (p *Policy) Post(name []byte, s *Scratch) Decision {
	return p.leave(name, s, nil)
}

func (p *Policy) decide(name []byte, s *Scratch, trace func(Step)) Decision {
	if p == nil {
		return Decision{Name: name}
	}
	s.vm.Shrink()
	if len(name) > MaxName {
		return drop(stageName, NameTooLong, trace)
	}
	if len(name) == 0 || bytes.IndexByte(name, '\n') >= 0 || !utf8.Valid(name) {
		return drop(stageName, BadName, trace)
	}
	if hit := p.Deny.find(&s.vm, name); hit != nil {
		report(trace, Step{Stage: stageDeny, File: p.Deny.file, Line: hit.line, Text: hit.text, Dropped: Denied})
		return Decision{Dropped: Denied}
	}
	if p.Allow.Len() > 0 {
		hit := p.Allow.find(&s.vm, name)
		if hit == nil {
			return drop(stageAllow, NotAllowed, trace)
		}
		report(trace, Step{Stage: stageAllow, File: p.Allow.file, Line: hit.line, Text: hit.text, Name: name})
	}
	return p.change(name, sectionPre, &s.pre, s, trace)
}

func (p *Policy) leave(name []byte, s *Scratch, trace func(Step)) Decision {
	if p == nil {
		return Decision{Name: name}
	}
	return p.change(name, sectionPost, &s.post, s, trace)
}

// change rewrites and normalises.
func (p *Policy) change(name []byte, in section, b *buffers, s *Scratch, trace func(Step)) Decision {
	name, ok := p.Rewrites.apply(name, in, b, s, trace)
	if !ok {
		return Decision{Dropped: NameTooLong}
	}
	if !plaintext.ValidName(name) {
		return drop(stageName, BadName, trace)
	}
	if !p.Normalise {
		return Decision{Name: name}
	}
	out, err := Canonical(b.next(), name, s)
	switch {
	case err != nil:
		if trace != nil {
			report(trace, Step{Stage: stageTags, Text: err.Error(), Name: name})
		}
		return Decision{Name: name, BadTags: err}
	case bytes.Equal(out, name):
		b.buf[1-b.last] = out // keep what it grew to
		return Decision{Name: name}
	}
	name = b.done(out)
	report(trace, Step{Stage: stageTags, Name: name})
	return Decision{Name: name}
}
