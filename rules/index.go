package rules

import "slices"

// Set is an index over rules. It is immutable and safe for concurrent use.
//
// Patterns are kept in tries by node. A node's children are literal texts in a map, one wildcard child for "*" and
// "<field>" alike, and other nodes filed under a text that they begin with, end with or contain. Where a pattern has a
// gap the trie branches into a second one, walked from the end of the name. Each rule hangs at exactly one place.
type Set struct {
	rules  []*Rule
	plain  *trie // patterns over the whole series
	tagged *trie // patterns with tags: over the name before the tags; nil if there is none

	views map[string][]*entry // by the name that they measure; nil if there is none

	collected *entry // the first of NewInput without a pattern
}

// trie is a node of the index.
type trie struct {
	one     string // the only literal child, while kids is nil
	oneKid  *trie
	kids    map[string]*trie
	any     *trie // child for any node that is not empty
	partial *affixes
	end     *leaf    // rules for which the name ends here
	gapTail *trie    // where a gap begins here: the trie of its tail, read backwards
	gaps    *affixes // in a tail: the gaps that reach from here
}

// leaf holds the rules that one walk leads to.
type leaf struct {
	entries []*entry
	tagged  map[string][]*entry // by one of their tag conditions, ";key=value" or ";key="
}

// entry is a rule at its position in the set.
type entry struct {
	rule *Rule
	pos  int
}

// candidate is a node or a gap that may match a text that has its literal parts.
type candidate struct {
	pre, post string
	need      []byte
	seg       segment // of a node
	kid       *trie
	gap       *gap // of a gap
	leaf      *leaf
}

// NewSet indexes rules, whose order is the file order. The slice is not kept.
func NewSet(rules []*Rule) *Set {
	s := &Set{rules: slices.Clone(rules), plain: &trie{}}
	b := indexer{kids: map[kidKey]*candidate{}, literals: map[*leaf][]*entry{}}
	for i, r := range s.rules {
		e := &entry{r, i}
		if r.Input && r.Pattern == "" {
			if s.collected == nil {
				s.collected = e
			}
			continue
		}
		if r.View != nil {
			if s.views == nil {
				s.views = map[string][]*entry{}
			}
			s.views[r.View.Measure] = append(s.views[r.View.Measure], e)
			continue
		}
		if len(r.tags) == 0 {
			b.insert(s.plain, e)
			continue
		}
		if s.tagged == nil {
			s.tagged = &trie{}
		}
		b.insert(s.tagged, e)
	}
	for l, entries := range b.literals {
		l.fileTagged(entries)
	}
	for _, a := range b.affixes {
		a.file()
	}
	return s
}

// Rules returns the rules in order. The caller must not modify the slice.
func (s *Set) Rules() []*Rule { return s.rules }

// kidKey finds the candidate that equal segments, or equal gaps, of one trie node share.
type kidKey struct {
	at  *trie
	key string
}

// indexer holds what is only needed while a set is built.
type indexer struct {
	kids     map[kidKey]*candidate
	literals map[*leaf][]*entry // rules with tags by leaf
	affixes  []*affixes
}

func (b *indexer) insert(t *trie, e *entry) {
	p := e.rule.plan
	for i := range p.head {
		t = b.child(t, &p.head[i])
	}
	if p.gap == nil {
		if t.end == nil {
			t.end = &leaf{}
		}
		b.put(t.end, e)
		return
	}
	if t.gapTail == nil {
		t.gapTail = &trie{}
	}
	t = t.gapTail
	for i := range p.tail {
		t = b.child(t, &p.tail[i])
	}
	b.put(b.gapLeaf(t, p.gap), e)
}

func (b *indexer) put(l *leaf, e *entry) {
	if len(e.rule.tags) == 0 {
		l.entries = append(l.entries, e)
		return
	}
	b.literals[l] = append(b.literals[l], e)
}

// child returns the node that seg leads to from t.
func (b *indexer) child(t *trie, seg *segment) *trie {
	switch seg.kind {
	case segLiteral:
		return t.literalChild(seg.pre)
	case segAny:
		if t.any == nil {
			t.any = &trie{}
		}
		return t.any
	}
	key := kidKey{t, seg.key}
	c := b.kids[key]
	if c == nil {
		c = &candidate{pre: seg.pre, post: seg.post, need: seg.need, seg: *seg, kid: &trie{}}
		b.kids[key] = c
		b.add(&t.partial, c)
	}
	return c.kid
}

func (t *trie) literalChild(lit string) *trie {
	if t.kids == nil && t.oneKid == nil {
		t.one, t.oneKid = lit, &trie{}
		return t.oneKid
	}
	if t.kids == nil {
		if t.one == lit {
			return t.oneKid
		}
		t.kids = map[string]*trie{t.one: t.oneKid}
		t.one, t.oneKid = "", nil
	}
	kid := t.kids[lit]
	if kid == nil {
		kid = &trie{}
		t.kids[lit] = kid
	}
	return kid
}

// gapLeaf returns the leaf of g at the tail node t. Plain gaps with the same edges share one.
func (b *indexer) gapLeaf(t *trie, g *gap) *leaf {
	key := kidKey{t, g.pre + "\x00" + g.post}
	if c := b.kids[key]; g.prog == nil && c != nil {
		return c.leaf
	}
	c := &candidate{pre: g.pre, post: g.post, need: g.need, gap: g, leaf: &leaf{}}
	if g.prog == nil {
		b.kids[key] = c
	}
	b.add(&t.gaps, c)
	return c.leaf
}

// add appends c to the candidates in *a, which it makes at need.
func (b *indexer) add(a **affixes, c *candidate) {
	if *a == nil {
		*a = &affixes{}
		b.affixes = append(b.affixes, *a)
	}
	(*a).all = append((*a).all, c)
}

// fileTagged files each rule under its rarest literal tag condition, or under the key of its first tag.
func (l *leaf) fileTagged(entries []*entry) {
	count := map[string]int{}
	for _, e := range entries {
		for _, t := range e.rule.tags {
			if t.value.kind == segLiteral {
				count[t.key+t.value.pre]++
			}
		}
	}
	l.tagged = map[string][]*entry{}
	for _, e := range entries {
		best := ""
		for _, t := range e.rule.tags {
			key := t.key + t.value.pre
			if t.value.kind == segLiteral && (best == "" || count[key] < count[best]) {
				best = key
			}
		}
		if best == "" {
			best = e.rule.tags[0].key
		}
		l.tagged[best] = append(l.tagged[best], e)
	}
}
