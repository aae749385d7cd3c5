package catalog

import "slices"

// A set is an ordered list of numbers in blocks, so that to insert moves one block at most. The order is its user's.
type set struct {
	blocks [][]uint32 // none is empty
}

const maxBlock = 1024

// A spot is a place in a set.
type spot struct{ block, i int }

// search returns the spot of the first number for which before says false, as it must for all that follow.
func (s *set) search(before func(id uint32) bool) spot {
	lo, hi := 0, len(s.blocks)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if b := s.blocks[mid]; before(b[len(b)-1]) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == len(s.blocks) {
		return spot{lo, 0}
	}
	b := s.blocks[lo]
	i, j := 0, len(b)-1
	for i < j {
		mid := int(uint(i+j) >> 1)
		if before(b[mid]) {
			i = mid + 1
		} else {
			j = mid
		}
	}
	return spot{lo, i}
}

// get returns the number at a spot, 0 at the end.
func (s *set) get(p spot) uint32 {
	if p.block == len(s.blocks) {
		return 0
	}
	return s.blocks[p.block][p.i]
}

// from yields the numbers from a spot on.
func (s *set) from(p spot) func(yield func(id uint32) bool) {
	return func(yield func(id uint32) bool) {
		for ; p.block < len(s.blocks); p = (spot{p.block + 1, 0}) {
			for _, id := range s.blocks[p.block][p.i:] {
				if !yield(id) {
					return
				}
			}
		}
	}
}

const chunkSize = 64

// chunks yields the numbers from a spot on, up to chunkSize at a time.
func (s *set) chunks(p spot) func(yield func(ids []uint32) bool) {
	return func(yield func(ids []uint32) bool) {
		for ; p.block < len(s.blocks); p = (spot{p.block + 1, 0}) {
			for ids := range slices.Chunk(s.blocks[p.block][p.i:], chunkSize) {
				if !yield(ids) {
					return
				}
			}
		}
	}
}

func (s *set) all() func(yield func(id uint32) bool) { return s.from(spot{}) }

func (s *set) appendTo(ids []uint32) []uint32 {
	for _, b := range s.blocks {
		ids = append(ids, b...)
	}
	return ids
}

func (s *set) len() int {
	n := 0
	for _, b := range s.blocks {
		n += len(b)
	}
	return n
}

// insert puts id before what is at a spot.
func (s *set) insert(p spot, id uint32) {
	if p.block == len(s.blocks) {
		if p.block == 0 || len(s.blocks[p.block-1]) >= maxBlock {
			s.blocks = append(s.blocks, []uint32{id}) // what comes in order fills its blocks
			return
		}
		p = spot{p.block - 1, len(s.blocks[p.block-1])}
	}
	b := slices.Insert(s.blocks[p.block], p.i, id)
	s.blocks[p.block] = b
	if len(b) > maxBlock {
		half := len(b) / 2
		s.blocks = slices.Insert(s.blocks, p.block+1, slices.Clone(b[half:]))
		s.blocks[p.block] = b[:half]
	}
}

// remove takes out what is at a spot.
func (s *set) remove(p spot) {
	b := slices.Delete(s.blocks[p.block], p.i, p.i+1)
	if cap(b) > 8 && len(b) < cap(b)/4 {
		b = slices.Clone(b)
	}
	s.blocks[p.block] = b
	last := len(s.blocks) - 1
	switch {
	case len(b) == 0:
		s.blocks = slices.Delete(s.blocks, p.block, p.block+1)
	case p.block < last && len(b)+len(s.blocks[p.block+1]) < maxBlock/2:
		s.blocks[p.block] = append(b, s.blocks[p.block+1]...)
		s.blocks = slices.Delete(s.blocks, p.block+1, p.block+2)
	}
	if len(s.blocks) == 0 {
		s.blocks = nil
	}
}
