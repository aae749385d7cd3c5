package pickle

import (
	"encoding/binary"
	"math"
)

type kind uint32

const (
	unset  kind = iota // no value: a place of the memo that nothing was put in
	none               // None
	broken             // a value that no number or text can be made of
	number             // a; bools and integers included
	text               // n bytes at: a str, or one of Python 2
	blob               // n bytes at: bytes of Python 3, bytearray
	tuple              // n items, the first of which is node at
	list               // lists[at]
	set                // lists[at]
	dict               // lists[at], its keys only
	pair               // a tuple of the numbers a and b
	point              // a tuple of a text, n bytes at, and a pair
)

// A value is what the machine's opcodes work on. Datapoints and their halves
// have kinds of their own, so that the everyday ones take no nodes.
type value struct {
	a, b  float64
	at    uint32
	kindN uint32 // kind in the high four bits, then n
}

const nBits = 28 // MaxPayload, twice as long in UTF-8, fits

func make1(k kind, at, n int) value {
	return value{at: uint32(at), kindN: uint32(k)<<nBits | uint32(n)}
}

func makeNumber(f float64) value { return value{a: f, kindN: uint32(number) << nBits} }

func (v value) kind() kind { return kind(v.kindN >> nBits) }
func (v value) n() int     { return int(v.kindN & (1<<nBits - 1)) }

// A node is an item of a list or tuple.
type node struct {
	value
	next uint32 // the node of the next item, where there is one
}

// A listHead is what a list, set or dict changes as it grows.
type listHead struct{ first, last, n uint32 }

// bytes returns a text's or blob's bytes. Those behind the frame are in scratch.
func (d *Decoder) bytes(v value) []byte {
	at, n := int(v.at), v.n()
	if at < len(d.frame) {
		return d.frame[at : at+n]
	}
	at -= len(d.frame)
	return d.scratch[at : at+n]
}

// tuple makes one value of items; false means too many.
func (d *Decoder) tuple(items []value) (value, bool) {
	if len(items) == 2 {
		x, y := &items[0], &items[1]
		switch {
		case x.kind() == text && y.kind() == pair:
			return value{y.a, y.b, x.at, uint32(point)<<nBits | uint32(x.n())}, true
		case x.kind() == number && y.kind() == number:
			return value{a: x.a, b: y.a, kindN: uint32(pair) << nBits}, true
		}
	}
	at := len(d.nodes)
	if at+len(items) > d.maxNodes {
		return value{}, false
	}
	for i, v := range items {
		d.nodes = append(d.nodes, node{v, uint32(at + i + 1)})
	}
	return make1(tuple, at, len(items)), true
}

// container makes an empty list, set or dict; false means too many.
func (d *Decoder) container(k kind) (value, bool) {
	if len(d.lists) >= d.maxStack {
		return value{}, false
	}
	d.lists = append(d.lists, listHead{})
	return make1(k, len(d.lists)-1, 0), true
}

// extend appends every step-th of items to a list, set or dict; false means too
// many.
func (d *Decoder) extend(to value, items []value, step int) bool {
	if len(items) == 0 {
		return true
	}
	at := len(d.nodes)
	if at+len(items) > d.maxNodes {
		return false
	}
	for i := 0; i < len(items); i += step {
		d.nodes = append(d.nodes, node{items[i], uint32(len(d.nodes) + 1)})
	}
	l := &d.lists[to.at]
	if l.n == 0 {
		l.first = uint32(at)
	} else {
		d.nodes[l.last].next = uint32(at)
	}
	l.last = uint32(len(d.nodes) - 1)
	l.n += uint32(len(d.nodes) - at)
	return true
}

// items returns the first node and the number of items of a tuple of nodes, a
// list, set or dict.
func (d *Decoder) items(v value) (first, n uint32) {
	if v.kind() == tuple {
		return v.at, uint32(v.n())
	}
	l := &d.lists[v.at]
	return l.first, l.n
}

// spread makes a tuple of nodes from a point or pair.
func (d *Decoder) spread(v value) value {
	if k := v.kind(); k != point && k != pair {
		return v
	}
	x, y, _ := d.two(v)
	at := len(d.nodes)
	d.nodes = append(d.nodes, node{x, uint32(at + 1)}, node{y, 0})
	return make1(tuple, at, 2)
}

// put stores v in the memo; false means too many.
func (d *Decoder) put(index int, v value) bool {
	if index == len(d.memo) && index < d.maxNodes {
		d.memo = append(d.memo, v)
		d.memoized++
		return true
	}
	return d.putSlow(index, v)
}

func (d *Decoder) putSlow(index int, v value) bool {
	if index >= d.maxNodes {
		if d.sparse == nil {
			d.sparse = make(map[int]value)
		}
		if _, ok := d.sparse[index]; !ok {
			d.memoized++
		}
		d.sparse[index] = v
		return len(d.sparse) <= d.maxStack
	}
	for index >= len(d.memo) {
		d.memo = append(d.memo, value{})
	}
	if d.memo[index].kind() == unset {
		d.memoized++
	}
	d.memo[index] = v
	return true
}

func (d *Decoder) get(index int) (value, bool) {
	if index < d.maxNodes {
		if index >= len(d.memo) {
			return value{}, false
		}
		return d.memo[index], d.memo[index].kind() != unset
	}
	v, ok := d.sparse[index]
	return v, ok
}

func le32(b []byte) int { return int(binary.LittleEndian.Uint32(b)) }

func beFloat(b []byte) float64 { return math.Float64frombits(binary.BigEndian.Uint64(b)) }
