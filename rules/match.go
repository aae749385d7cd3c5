package rules

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"github.com/coalesce-metrics/coalesce/pyre"
)

// Match is a rule that a name matches.
type Match struct {
	Rule *Rule
	Pos  int // index in Set.Rules
	// Output is the name of the output. If the rule has several methods it holds a NUL byte for each <method>, and
	// AppendRow makes the name of each row.
	Output []byte
}

// Matcher is the scratch memory of matching. The zero value is ready. One goroutine at a time may use it, with any
// number of sets.
type Matcher struct {
	name []byte
	text []byte  // what the tries are matched with: name, or its part before the tags
	off  []int32 // where each node of text begins; off[n] is one behind the dot that would end the last
	n    int
	tags []tagSpan

	anyOnly bool // stop at the first match
	found   bool

	vm    pyre.Machine
	buf   []byte // outputs one after the other
	spans []span
	out   []Match
}

// span is a match whose output is buf[from:to].
type span struct {
	e        *entry
	from, to int
}

// Match returns every rule that name matches, in the order of the set. A name that is not UTF-8, holds NUL or a line
// feed, or is longer than MaxName matches nothing; a rule whose output would be longer than that is left out. The
// result and its outputs are valid until the next call with m.
func (s *Set) Match(m *Matcher, name []byte) []Match {
	m.anyOnly = false
	s.match(m, name)
	if len(m.spans) > 1 {
		slices.SortFunc(m.spans, func(a, b span) int { return a.e.pos - b.e.pos })
	}
	m.out = m.out[:0]
	for _, sp := range m.spans {
		m.out = append(m.out, Match{sp.e.rule, sp.e.pos, m.buf[sp.from:sp.to:sp.to]})
	}
	return m.out
}

// Any reports whether name matches the pattern of any rule, at less cost than Match.
func (s *Set) Any(m *Matcher, name []byte) bool {
	m.anyOnly = true
	s.match(m, name)
	return m.found
}

// Fields returns what r captures from name, as it is written into outputs, or false if name does not match r.
func Fields(r *Rule, name []byte) (map[string]string, bool) {
	var m Matcher
	if len(NewSet([]*Rule{r}).Match(&m, name)) == 0 {
		return nil, false
	}
	fields := make(map[string]string, len(r.Fields))
	for i, f := range r.Fields {
		fields[f] = string(m.appendField(nil, r, i))
	}
	return fields, true
}

func (s *Set) match(m *Matcher, name []byte) {
	m.found, m.spans, m.buf = false, m.spans[:0], m.buf[:0]
	if cap(m.buf) > maxScratch {
		m.buf = nil
	}
	m.vm.Shrink()
	if len(s.rules) == 0 || !m.split(name) {
		return
	}
	if m.walk(s.plain, 0) || s.tagged == nil && s.views == nil {
		return
	}
	m.tags = m.tags[:0]
	i := bytes.IndexByte(name, ';')
	if i >= 0 {
		if m.splitTags(i); len(m.tags) > MaxTags || s.tagged != nil && m.walk(s.tagged, 0) {
			return
		}
	}
	if s.views != nil {
		m.matchViews(s)
	}
}

// split finds the nodes of name, and reports whether it is a name that can match.
func (m *Matcher) split(name []byte) bool {
	if len(name) > MaxName {
		return false
	}
	m.name, m.text = name, name
	m.off = append(m.off[:0], 0)
	high := byte(0)
	for i, c := range name {
		if c > '.' {
			high |= c
			continue
		}
		switch c {
		case '.':
			m.off = append(m.off, int32(i+1))
		case '\n', 0:
			return false
		}
	}
	m.n = len(m.off)
	m.off = append(m.off, int32(len(name)+1))
	return high < utf8.RuneSelf || utf8.Valid(name)
}

// nodes returns the nodes from i to j as one text.
func (m *Matcher) nodes(i, j int) []byte {
	return m.text[m.off[i] : m.off[j+1]-1]
}

// walk tries all paths from t for the nodes from i on, and reports whether to stop.
func (m *Matcher) walk(t *trie, i int) bool {
	for {
		if t.gapTail != nil && i < m.n && m.walkBack(t.gapTail, i, m.n-1) {
			return true
		}
		if i == m.n {
			return t.end != nil && m.fire(t.end)
		}
		node := m.nodes(i, i)
		i++
		if t.partial != nil && m.tryPartial(t.partial, node, i, -1) {
			return true
		}
		next := t.literal(node)
		if t.any != nil && len(node) > 0 {
			if next != nil && m.walk(next, i) {
				return true
			}
			next = t.any
		}
		if next == nil {
			return false
		}
		t = next
	}
}

// walkBack does the same in a tail, for the nodes from hi backwards; the gap takes those from lo to where it ends.
func (m *Matcher) walkBack(t *trie, lo, hi int) bool {
	for {
		if t.gaps != nil && m.tryGaps(t.gaps, lo, hi) {
			return true
		}
		if hi == lo {
			return false
		}
		node := m.nodes(hi, hi)
		hi--
		if t.partial != nil && m.tryPartial(t.partial, node, lo, hi) {
			return true
		}
		next := t.literal(node)
		if t.any != nil && len(node) > 0 {
			if next != nil && m.walkBack(next, lo, hi) {
				return true
			}
			next = t.any
		}
		if next == nil {
			return false
		}
		t = next
	}
}

// literal returns the child for exactly node, or nil.
func (t *trie) literal(node []byte) *trie {
	if t.oneKid != nil {
		if string(node) == t.one {
			return t.oneKid
		}
		return nil
	}
	if t.kids == nil {
		return nil
	}
	return t.kids[string(node)]
}

// tryPartial follows the candidates that match node: to the nodes from i on, or, if hi is not negative, in a tail
// whose gap begins at i to the nodes from hi backwards.
func (m *Matcher) tryPartial(a *affixes, node []byte, i, hi int) bool {
	at := m.off[max(i-1, 0)]
	if hi >= 0 {
		at = m.off[hi+1]
	}
	for next := (cursor{}); ; {
		list := a.candidates(node, &next)
		if list == nil {
			return false
		}
		for _, c := range list {
			if !matchSegment(&m.vm, &c.seg, m.text, int(at), int(at)+len(node)) {
				continue
			}
			if hi >= 0 && m.walkBack(c.kid, i, hi) || hi < 0 && m.walk(c.kid, i) {
				return true
			}
		}
	}
}

// matchSegment reports whether seg matches the part of text from lo to hi.
func matchSegment(vm *pyre.Machine, seg *segment, text []byte, lo, hi int) bool {
	node := text[lo:hi]
	switch seg.kind {
	case segLiteral:
		return string(node) == seg.pre
	case segAny:
		return len(node) > 0
	case segGlob:
		return matchGlob(seg.glob, seg.least, node)
	}
	return hasEdges(node, seg.pre, seg.post) && vm.Run(seg.prog, text, lo, hi, false, 0)
}

// tryGaps fires the gaps that match the nodes from lo to hi as one text.
func (m *Matcher) tryGaps(a *affixes, lo, hi int) bool {
	text := m.nodes(lo, hi)
	for next := (cursor{}); ; {
		list := a.candidates(text, &next)
		if list == nil {
			return false
		}
		for _, c := range list {
			if m.matchGap(c.gap, text, int(m.off[lo])) && m.fire(c.leaf) {
				return true
			}
		}
	}
}

func (m *Matcher) matchGap(g *gap, text []byte, at int) bool {
	if !hasEdges(text, g.pre, g.post) {
		return false
	}
	if g.prog == nil {
		return len(text) > len(g.pre)+len(g.post)
	}
	return bytes.Contains(text, g.need) && m.vm.Run(g.prog, m.text, at, at+len(text), g.open, 0)
}

func hasEdges(text []byte, pre, post string) bool {
	return len(text) >= len(pre) && string(text[:len(pre)]) == pre &&
		len(text) >= len(post) && string(text[len(text)-len(post):]) == post
}

// matchGlob reports whether text is the given texts with any characters between them; the wildcard of a glob with
// only one takes at least least bytes.
func matchGlob(glob [][]byte, least int, text []byte) bool {
	first, last := glob[0], glob[len(glob)-1]
	if len(text) < len(first)+len(last)+least || !bytes.HasPrefix(text, first) || !bytes.HasSuffix(text, last) {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, lit := range glob[1 : len(glob)-1] {
		i := bytes.Index(text, lit)
		if i < 0 {
			return false
		}
		text = text[i+len(lit):]
	}
	return true
}
