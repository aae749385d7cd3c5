// Package catalog holds the names of series so that they are found by pattern, by tag or as they are.
package catalog

import (
	"hash/maphash"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/periods"
)

// MaxName is the most bytes in a name; a longer one is not taken.
const MaxName = 16384

// Entry is what a name is read from.
type Entry struct {
	// Series is what the cells are kept under. It holds the byte 0 where the method stands in Name, if its output has
	// several methods; otherwise it is the name.
	Series string
	Method cell.Method // read from the cells
	Period int64       // of the cells that come in, seconds
	Input  bool        // a series that was received, and not an output of a rule
}

// Catalog is the names that are held. It may be used concurrently; a name that comes or goes waits for what is being
// looked up, and holds it up, for milliseconds.
type Catalog struct {
	max     int
	seeds   [2]maphash.Seed
	refused atomic.Uint64

	mu sync.RWMutex // guards all below, but for row.span, which readers of the lock also write

	rows   pool[row]
	names  table // of rows, by name
	labels pool[label]
	texts  table // of labels, by text
	shapes []shapeOf
	known  map[shape]uint32           // index in shapes
	had    map[uint32]periods.History // of the rows whose period has changed

	// Names without tags are leaves of a tree.
	nodes pool[node]
	dirs  pool[set] // of nodes, ordered by label
	root  uint32

	// Names with tags are lists of parts.
	lists arena // of pairs: the name before the tags, then each part
	pairs pool[pair]
	tags  map[string]*tag
	loose *tag // parts that are no tags
}

// shape is what many entries have in common.
type shape struct {
	method cell.Method
	period int64
	input  bool
}

type shapeOf struct {
	shape
	suffix int // bytes of the method in a name
}

// row is a name, for which 128 bits of hash stand that are keyed at random: 32 of them in the slot of names. Its zero
// value is none.
type row struct {
	at     uint32 // node; or taggedRow and a place in lists
	shape  uint32
	series uint32 // how Entry.Series differs from the name, see sameSeries
	hash32 uint32
	hash64 uint64
	span   atomic.Uint64 // first seen in the upper half, last seen in the lower; 0 is not known
}

const taggedRow = 1 << 31

// tagged tells whether the name has tags; list is their place.
func (r *row) tagged() (list uint32, ok bool) { return r.at &^ taggedRow, r.at&taggedRow != 0 }

// New returns an empty catalog that takes up to maxNames names.
func New(maxNames int) *Catalog {
	c := &Catalog{
		max: maxNames, seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		known: map[shape]uint32{}, had: map[uint32]periods.History{}, tags: map[string]*tag{}, loose: &tag{},
	}
	c.root = c.nodes.alloc()
	return c
}

// Add makes name known, or brings its entry up to date, as seen at a time in Unix seconds (0: not known). It returns
// false, and counts it, where the catalog is full or the name is empty or longer than MaxName. Name and entry are
// copied as far as they are kept. A name that is known as it is costs no exclusive lock and no memory.
func (c *Catalog) Add(name string, e Entry, seen int64) bool {
	return c.AddRange(name, e, seen, seen)
}

// AddRange is Add for a name that was seen from first to last, in Unix seconds; first is 0 where it is not known since
// when, last where it is not known until when. What is already known is only widened. Another period than before is
// the one in which cells come in from now on.
func (c *Catalog) AddRange(name string, e Entry, first, last int64) bool {
	return c.add(name, e, packSpan(first, last), news{kind: announced})
}

// AddCell is AddRange for a name of which a cell has come that begins at start. One of an earlier period does not set
// the period back.
func (c *Catalog) AddCell(name string, e Entry, start, last int64) bool {
	return c.add(name, e, packSpan(0, last), news{kind: came, start: start})
}

// AddEarlier is AddRange for a name as it was before all that has been added, with the periods that it had.
func (c *Catalog) AddEarlier(name string, e Entry, had periods.History, first, last int64) bool {
	return c.add(name, e, packSpan(first, last), news{kind: earlier, had: had})
}

func (c *Catalog) add(name string, e Entry, span uint64, n news) bool {
	c.mu.RLock()
	id := c.find(name)
	same := id != 0 && c.sameEntry(id, name, e) && !c.changes(id, &e, &n)
	if same {
		c.rows.at(id).widen(span)
	}
	c.mu.RUnlock()
	if same {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if id = c.find(name); id == 0 {
		if c.names.n >= c.max || name == "" || len(name) > MaxName {
			c.refused.Add(1)
			return false
		}
		id = c.insert(name)
		c.rows.at(id).span.Store(span)
		c.setPeriods(id, n.had)
	} else {
		c.rows.at(id).widen(span)
		had := c.had[id]
		e.Period, had = n.change(c.shapes[c.rows.at(id).shape].period, had, e.Period)
		c.setPeriods(id, had)
	}
	c.setEntry(id, name, e)
	return true
}

// Remove makes the name unknown.
func (c *Catalog) Remove(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := c.find(name)
	if id == 0 {
		return
	}
	r := c.rows.at(id)
	c.names.remove(c.hash(name), id)
	c.dropSeries(r)
	if list, ok := r.tagged(); ok {
		c.dropTagged(id, list)
	} else {
		c.dropLeaf(r.at)
	}
	c.release(id)
}

// release empties a row and takes its number back.
func (c *Catalog) release(id uint32) {
	r := c.rows.at(id)
	r.at, r.shape, r.series, r.hash32, r.hash64 = 0, 0, 0, 0, 0
	r.span.Store(0)
	delete(c.had, id)
	c.rows.free = append(c.rows.free, id)
}

// Get returns the entry of a name, and whether the name is known.
func (c *Catalog) Get(name string) (Entry, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	id := c.find(name)
	if id == 0 {
		return Entry{}, false
	}
	r := c.rows.at(id)
	s := c.shapes[r.shape]
	return Entry{c.seriesOf(r, name), s.method, s.period, s.input}, true
}

// Interval returns when a name was first and last seen, in Unix seconds; 0 is not known.
func (c *Catalog) Interval(name string) (first, last int64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	id := c.find(name)
	if id == 0 {
		return 0, 0
	}
	span := c.rows.at(id).span.Load()
	return int64(span >> 32), int64(uint32(span))
}

// held tells whether a name is known and may have something from a time to another.
func (c *Catalog) held(name string, from, until int64) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	id := c.find(name)
	return id != 0 && meets(c.rows.at(id).span.Load(), from, until)
}

// ByName returns all names, sorted, that are metric before their tags, or as a whole.
func (c *Catalog) ByName(metric string) []string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var names []string
	if strings.IndexByte(metric, ';') < 0 && c.find(metric) != 0 {
		names = append(names, metric)
	}
	if id := c.findPair(c.tags[nameTag], metric); id != 0 {
		for id := range c.pairs.at(id).rows.all() {
			names = append(names, c.taggedName(id))
		}
	}
	slices.Sort(names)
	return names
}

// Len returns how many names are known.
func (c *Catalog) Len() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.names.n
}

// Refused returns how often a name was not taken.
func (c *Catalog) Refused() uint64 { return c.refused.Load() }

// hash returns the part of the hash that tables are made with.
func (c *Catalog) hash(s string) uint32 { return uint32(maphash.String(c.seeds[0], s) >> 32) }

// find returns the row of a name, 0 if there is none.
func (c *Catalog) find(name string) uint32 {
	a, b := maphash.String(c.seeds[0], name), maphash.String(c.seeds[1], name)
	return c.names.find(uint32(a>>32), func(id uint32) bool {
		r := c.rows.at(id)
		return r.hash32 == uint32(a) && r.hash64 == b
	})
}

// insert makes a row for a name that has none.
func (c *Catalog) insert(name string) uint32 {
	id := c.rows.alloc()
	r := c.rows.at(id)
	r.hash32, r.hash64 = uint32(maphash.String(c.seeds[0], name)), maphash.String(c.seeds[1], name)
	if strings.IndexByte(name, ';') >= 0 {
		r.at = taggedRow | c.putTagged(id, name)
	} else {
		r.at = c.putLeaf(name)
		c.nodes.at(r.at).row = id
	}
	c.names.add(c.hash(name), id)
	return id
}

// packSpan makes a row.span. Times that do not fit become the nearest that do.
func packSpan(first, last int64) uint64 {
	clamp := func(t int64) uint64 { return uint64(min(max(t, 0), math.MaxUint32)) }
	return clamp(first)<<32 | clamp(last)
}

// widen makes the span hold another.
func (r *row) widen(span uint64) {
	for {
		old := r.span.Load()
		first, last := min(old>>32, span>>32), max(uint32(old), uint32(span))
		if uint32(span) == 0 {
			first = old >> 32 // nothing was seen
		}
		wide := first<<32 | uint64(last)
		if wide == old || r.span.CompareAndSwap(old, wide) {
			return
		}
	}
}

// meets tells whether a span may have something from a time to another; 0 is no bound.
func meets(span uint64, from, until int64) bool {
	first, last := int64(span>>32), int64(uint32(span))
	return (from == 0 || last == 0 || last >= from) && (until == 0 || first <= until)
}
