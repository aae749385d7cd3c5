package series

import "hash/maphash"

// Hash stands for a name in the table: 128 bits from two hashes that are keyed
// by seeds drawn at random in each process. The chance that any two of a million
// names share one is below 1e-26, and nobody outside can aim for it, so the
// table neither keeps nor compares the names themselves.
type Hash struct{ A, B uint64 }

// Other returns the hash of another entry for the same name.
func (h Hash) Other() Hash { return Hash{h.A, ^h.B} }

// With returns the hash of one more entry for the same name, for each n another
// and none that of [Hash.Other].
func (h Hash) With(n uint16) Hash {
	return Hash{h.A, h.B ^ (uint64(n)+1)*0x9e3779b97f4a7c15} // odd, so no two products are equal
}

// Hasher makes Hashes. It is a plain value; copies of it agree.
type Hasher struct{ a, b maphash.Seed }

// NewHasher draws the two seeds.
func NewHasher() Hasher { return Hasher{maphash.MakeSeed(), maphash.MakeSeed()} }

// Sum hashes a name. A is never 0, which marks an empty slot.
func (h Hasher) Sum(name []byte) Hash {
	a := maphash.Bytes(h.a, name)
	if a == 0 {
		a = 1
	}
	return Hash{a, maphash.Bytes(h.b, name)}
}
