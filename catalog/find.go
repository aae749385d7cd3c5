package catalog

import (
	"math/bits"
	"slices"
	"strings"
)

// maxWork bounds one request: texts compared, roughly. It is well under a second.
const maxWork = 1 << 26

// Node is a place in the tree that the dots of names make.
type Node struct {
	Path   string
	Leaf   bool // a name
	Branch bool // there are names below
}

// Find returns the nodes that match pattern, sorted by path. A name that has no data from one time to another, in Unix
// seconds with 0 for no bound, is no leaf; branches are there always. More than limit nodes (below 1: no limit) are a
// *[LimitError], a pattern that cannot be worked with is an *[Error].
//
// Within a node * matches any characters, ? one, [a-c0] and [!a-c0] one of a set; {x,y} is a choice, also of several
// nodes and within another; the node ** matches any number of nodes. A bracket or brace without its partner, and any
// of these characters after a backslash, match themselves.
//
// Names with tags are in no branch; one is found by the whole name.
func (c *Catalog) Find(pattern string, from, until int64, limit int) ([]Node, error) {
	f := finder{c: c, pattern: pattern, from: from, until: until, limit: limit, work: maxWork}
	return f.find()
}

// Leaves returns the names that match pattern, under the rules of Find, sorted.
func (c *Catalog) Leaves(pattern string, from, until int64, limit int) ([]string, error) {
	f := finder{c: c, pattern: pattern, from: from, until: until, limit: limit, work: maxWork, leaves: true}
	nodes, err := f.find()
	if len(nodes) == 0 {
		return nil, err
	}
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = n.Path
	}
	return names, nil
}

// finder answers one request.
type finder struct {
	c           *Catalog
	pattern     string
	from, until int64
	limit       int
	leaves      bool // not branches
	steps       []step
	path        []byte
	found       []Node
	before      int  // how many were found by other alternatives
	work        int  // that may still be done
	loaded      byte // what load read, so that it is not left out
	err         error
}

// step is a matcher with what is known while the lock is held.
type step struct {
	*matcher
	labels []uint32 // of those of plain that are in use, in their order
	used   bool     // for some node
	seen   []byte   // by label: whether it matches; nil until the step is used again
}

// What is in step.seen; 0 is not known.
const (
	matches = 1
	differs = 2
)

// lookUp is how many nodes are as soon gone through as one is looked up.
const lookUp = 16

func (f *finder) find() ([]Node, error) {
	if strings.IndexByte(f.pattern, ';') >= 0 {
		if f.c.held(f.pattern, f.from, f.until) {
			return []Node{{Path: f.pattern, Leaf: true}}, nil
		}
		return nil, nil
	}
	variants, err := parsePattern(f.pattern)
	if err != nil {
		return nil, err
	}
	for _, nodes := range variants {
		f.walk(nodes)
		if f.limit > 0 && len(f.found) > f.limit {
			f.sort()
			f.checkLimit(len(f.found) - 1)
		}
		if f.err != nil {
			return nil, f.err
		}
	}
	f.sort()
	return f.found, nil
}

// checkLimit fails the request where n nodes leave no room for one more.
func (f *finder) checkLimit(n int) {
	if f.limit > 0 && n >= f.limit {
		f.err = &LimitError{f.limit, f.pattern}
	}
}

// spend takes from the work that may be done.
func (f *finder) spend(n int) {
	if f.work -= n; f.work < 0 && f.err == nil {
		f.err = refuse("pattern %s takes too long with so many names; narrow it", quoteShort(f.pattern))
	}
}

// sort sorts what was found by the bytes of the path, in which it mostly is already, and drops what is there twice.
func (f *finder) sort() {
	compare := func(a, b Node) int { return strings.Compare(a.Path, b.Path) }
	if !slices.IsSortedFunc(f.found, compare) {
		slices.SortFunc(f.found, compare)
	}
	f.found = slices.CompactFunc(f.found, func(a, b Node) bool { return a.Path == b.Path })
}

// walk finds what one alternative of the pattern matches.
func (f *finder) walk(nodes []*matcher) {
	f.c.mu.RLock()
	defer f.c.mu.RUnlock()
	f.before = len(f.found)
	f.steps = make([]step, len(nodes))
	for i, m := range nodes {
		f.steps[i].matcher = m
		for _, text := range m.plain {
			if label := f.c.findLabel(text); label != 0 {
				f.steps[i].labels = append(f.steps[i].labels, label)
			}
		}
	}
	if slices.ContainsFunc(nodes, func(m *matcher) bool { return m.deep }) {
		f.deep(f.c.root, f.skip(1))
	} else {
		f.level(f.c.root, 0)
	}
}

// level goes through the nodes below n that match step i.
func (f *finder) level(n uint32, i int) {
	last := i == len(f.steps)-1
	f.each(n, &f.steps[i], func(k uint32) {
		switch {
		case last:
			f.add(k)
		case f.c.nodes.at(k).kids != 0:
			f.enter(k, func() { f.level(k, i+1) })
		}
	})
}

// enter runs below with the path of what is below k.
func (f *finder) enter(k uint32, below func()) {
	size := len(f.path)
	f.path = append(append(f.path, f.c.text(k)...), '.')
	below()
	f.path = f.path[:size]
}

// add takes k for a result.
func (f *finder) add(k uint32) {
	node := f.c.nodes.at(k)
	leaf := node.row != 0 && meets(f.c.rows.at(node.row).span.Load(), f.from, f.until)
	branch := node.kids != 0 && !f.leaves
	if !leaf && !branch {
		return
	}
	if f.checkLimit(len(f.found) - f.before); f.err == nil {
		f.found = append(f.found, Node{string(f.path) + f.c.text(k), leaf, branch})
	}
}

// each yields the nodes below n that match a step, until the request fails.
func (f *finder) each(n uint32, s *step, yield func(k uint32)) {
	kids := f.c.kids(n)
	from, within := spot{}, len(s.wild) > 0 && s.prefix != ""
	switch {
	case within:
		from = f.c.seek(kids, s.prefix)
	case len(s.wild) == 0 && kids.len() > lookUp*len(s.labels):
		for _, label := range s.labels {
			f.spend(lookUp)
			if k := f.c.kid(n, f.c.labels.at(label).text); k != 0 && f.err == nil {
				yield(k)
			}
		}
		return
	}
	chunks := kids.chunks(from)
	if !within && kids.len() > maxBlock && kids.len() > f.c.nodes.size()/4 {
		chunks = f.c.kidChunks(n) // what was found is sorted in the end
	}
	for chunk := range chunks {
		if !f.chunk(s, chunk, within, yield) {
			return
		}
	}
	s.used = true
}

// chunk does the same for some nodes, and returns false after the last that may match.
func (f *finder) chunk(s *step, ids []uint32, within bool, yield func(k uint32)) bool {
	if len(ids) > 8 {
		f.load(ids)
	}
	for _, k := range ids {
		f.spend(1)
		label := f.c.nodes.at(k).label
		if f.err != nil || within && !strings.HasPrefix(f.c.labels.at(label).text, s.prefix) {
			return false
		}
		if f.matches(s, label) {
			yield(k)
		}
	}
	return true
}

// load reads what is about to be compared, in loops in which the reads wait for memory together.
func (f *finder) load(ids []uint32) {
	var texts [chunkSize]string
	for i, k := range ids {
		texts[i] = f.c.labels.at(f.c.nodes.at(k).label).text
	}
	for i := range ids {
		if t := texts[i]; t != "" {
			f.loaded += t[len(t)-1]
		}
	}
}

// matches tells whether a label matches a step. It remembers that from the second node on, since below one node no
// label comes twice.
func (f *finder) matches(s *step, label uint32) bool {
	switch {
	case s.any:
		return true
	case len(s.wild) == 0 && len(s.labels) <= lookUp:
		return slices.Contains(s.labels, label)
	case !s.used:
		return s.match(f.c.labels.at(label).text, &f.work)
	case s.seen == nil:
		s.seen = make([]byte, f.c.labels.size())
	}
	if s.seen[label] == 0 {
		s.seen[label] = differs
		if s.match(f.c.labels.at(label).text, &f.work) {
			s.seen[label] = matches
		}
	}
	return s.seen[label] == matches
}

// deep goes through the nodes below n for a pattern with **. In at is a bit for each step that is next, and one above
// those for a match.
func (f *finder) deep(n uint32, at uint64) {
	match := uint64(1) << len(f.steps)
	for k := range f.c.kids(n).all() {
		f.spend(bits.OnesCount64(at))
		if f.err != nil {
			return
		}
		next := uint64(0)
		for rest := at &^ match; rest != 0; rest &= rest - 1 {
			i := bits.TrailingZeros64(rest)
			switch s := &f.steps[i]; {
			case s.deep:
				next |= 1 << i
			case f.matches(s, f.c.nodes.at(k).label):
				next |= 2 << i
			}
		}
		next = f.skip(next)
		if next&match != 0 {
			f.add(k)
		}
		if next &^= match; next != 0 && f.c.nodes.at(k).kids != 0 {
			f.enter(k, func() { f.deep(k, next) })
		}
	}
	for i := range f.steps {
		f.steps[i].used = true
	}
}

// skip adds what is next after any ** that matches no node.
func (f *finder) skip(at uint64) uint64 {
	for i, s := range f.steps {
		if s.deep && at&(1<<i) != 0 {
			at |= 2 << i
		}
	}
	return at
}
