package route

import "math/bits"

// MaxDestinations bounds the nodes of a Table or a Ring.
const MaxDestinations = 512

// Set is a set of destinations by index. The zero value is empty. Sets are
// comparable, so that a map can keep one copy of each that occurs.
type Set [MaxDestinations / 64]uint64

// Add puts destination i into the set. It must be from 0 to MaxDestinations-1.
func (s *Set) Add(i int) { s[uint(i)/64] |= 1 << (uint(i) % 64) }

// Has reports whether destination i, from 0 to MaxDestinations-1, is in the set.
func (s *Set) Has(i int) bool { return s[uint(i)/64]>>(uint(i)%64)&1 != 0 }

// Len returns how many destinations are in the set.
func (s *Set) Len() int {
	n := 0
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// Append appends the destinations in ascending order to dst.
func (s *Set) Append(dst []int) []int {
	for i, w := range s {
		for ; w != 0; w &= w - 1 {
			dst = append(dst, i*64+bits.TrailingZeros64(w))
		}
	}
	return dst
}

func (s *Set) unite(t *Set) {
	for i, w := range t {
		s[i] |= w
	}
}
