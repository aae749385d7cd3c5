package naming

import (
	"bytes"
	"encoding/binary"

	"github.com/coalesce-metrics/coalesce/pyre"
	"github.com/coalesce-metrics/coalesce/rules"
)

// Syntax is how the patterns of a list are written.
type Syntax int

// The syntaxes.
const (
	Regexps Syntax = iota // Python's regular expressions, searched anywhere in the name, as in carbon
	Globs                 // shell patterns over the whole name, in which * stops at a dot and ** does not
)

// List is a list of patterns. It is immutable and safe for concurrent use; a nil *List is empty.
//
// A pattern with a plain text of at least four bytes in it is filed under four of them, and tried only where a name has
// them, so that long lists of names or parts of names cost about the length of the name.
type List struct {
	file  string
	n     int
	rest  []*pattern // those without such a text
	grams map[uint32][]filed
	bits  [gramWords]uint64 // which grams, reduced to a few bits, there are: most places in a name have none
}

// pattern is one line of a list.
type pattern struct {
	line int
	text string
	re   *pyre.Pattern
}

// filed is a pattern under the gram at offset at in its needed text.
type filed struct {
	p  *pattern
	at int
}

const (
	gramSize  = 4
	gramWords = 16
	gramShift = 32 - 10 // leaves a bit number below 64*gramWords
)

func gram(text []byte, i int) uint32 { return binary.LittleEndian.Uint32(text[i:]) }

// gramBit spreads a gram over the bits of List.bits.
func gramBit(gram uint32) uint32 { return gram * 0x9e3779b1 >> gramShift }

// ParseList reads a list with one pattern a line, as carbon's whitelist.conf and blacklist.conf are. Blanks around a
// pattern are cut off; a line with # in its first column is a comment. It returns the patterns of the good lines and every
// error and warning. file is only used in messages. src is not kept.
func ParseList(file string, src []byte, syntax Syntax) (*List, []rules.Diagnostic) {
	r := reader{file: file}
	var all []*pattern
	r.each(src, func(line string) {
		text, col := strip(line, 1)
		if text == "" || line[0] == '#' {
			return
		}
		if text[0] == '#' {
			r.warnf(col, "a pattern that begins with #; a comment has it in the first column")
		}
		var re *pyre.Pattern
		if syntax == Globs {
			re = r.glob(text, col)
		} else {
			re = r.compile(pyre.NewSource(text, col), pyre.Options{})
		}
		switch {
		case re == nil:
		case len(all) == MaxPatterns:
			r.stop(MaxPatterns, "patterns")
		default:
			all = append(all, &pattern{r.line, text, re})
		}
	})
	return newList(file, all), r.diags
}

// newList files each pattern under the gram of its needed text that the fewest others have.
func newList(file string, all []*pattern) *List {
	l := &List{file: file, n: len(all), grams: map[uint32][]filed{}}
	count := map[uint32]int{}
	for _, p := range all {
		for i := range len(p.re.Need()) - gramSize + 1 {
			count[gram(p.re.Need(), i)]++
		}
	}
	for _, p := range all {
		need, at := p.re.Need(), 0
		if len(need) < gramSize {
			l.rest = append(l.rest, p)
			continue
		}
		for i := range len(need) - gramSize + 1 {
			if count[gram(need, i)] < count[gram(need, at)] {
				at = i
			}
		}
		g := gram(need, at)
		l.grams[g] = append(l.grams[g], filed{p, at})
		l.bits[gramBit(g)/64] |= 1 << (gramBit(g) % 64)
	}
	return l
}

// Len returns how many patterns the list has.
func (l *List) Len() int {
	if l == nil {
		return 0
	}
	return l.n
}

// Match reports whether a pattern of the list matches name.
func (l *List) Match(name []byte, s *Scratch) bool { return l.find(&s.vm, name) != nil }

// find returns a pattern that matches name, or nil.
func (l *List) find(m *pyre.Machine, name []byte) *pattern {
	if l == nil {
		return nil
	}
	for _, p := range l.rest {
		if p.re.Search(m, name, 0) {
			return p
		}
	}
	if len(l.grams) == 0 {
		return nil
	}
	for i := range len(name) - gramSize + 1 {
		g := gram(name, i)
		if bit := gramBit(g); l.bits[bit/64]&(1<<(bit%64)) == 0 {
			continue
		}
		for _, f := range l.grams[g] {
			if f.p.isFirst(name, i-f.at) && f.p.re.Search(m, name, 0) {
				return f.p
			}
		}
	}
	return nil
}

// isFirst reports whether the needed text of p stands in name at at and nowhere before, so that a pattern is tried once.
func (p *pattern) isFirst(name []byte, at int) bool {
	need := p.re.Need()
	return at >= 0 && bytes.HasPrefix(name[at:], need) && bytes.Index(name, need) == at
}
