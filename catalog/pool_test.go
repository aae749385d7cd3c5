package catalog

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestSet keeps numbers in the order of their last bits first, as many as take several blocks.
func TestSet(t *testing.T) {
	key := func(id uint32) uint32 { return id<<20 | id>>12 }
	rapid.Check(t, func(t *rapid.T) {
		var s set
		var want []uint32
		at := func(id uint32) spot { return s.search(func(x uint32) bool { return key(x) < key(id) }) }
		index := func(id uint32) (int, bool) {
			return slices.BinarySearchFunc(want, id, func(a, b uint32) int { return int(int64(key(a)) - int64(key(b))) })
		}
		for range rapid.IntRange(1, 8).Draw(t, "rounds") {
			step, n := rapid.Uint32Range(1, 1<<24).Draw(t, "step")|1, rapid.SampledFrom([]int{3, 700, 3000}).Draw(t, "n")
			remove := rapid.Bool().Draw(t, "remove")
			for i := range n {
				id := uint32(i)*step%(1<<24) + 1
				j, held := index(id)
				switch {
				case !held && !remove:
					s.insert(at(id), id)
					want = slices.Insert(want, j, id)
				case held && remove:
					s.remove(at(id))
					want = slices.Delete(want, j, j+1)
				}
			}
			if !slices.Equal(s.appendTo(nil), want) || s.len() != len(want) || !slices.Equal(slices.Collect(s.all()), want) {
				t.Fatalf("%d numbers are not the %d that they should be", s.len(), len(want))
			}
			for _, b := range s.blocks {
				if len(b) == 0 || len(b) > maxBlock {
					t.Fatalf("a block of %d", len(b))
				}
			}
			if len(want) > 0 {
				i := rapid.IntRange(0, len(want)-1).Draw(t, "from")
				if got := slices.Concat(slices.Collect(s.chunks(at(want[i])))...); !slices.Equal(got, want[i:]) || s.get(at(want[i])) != want[i] {
					t.Fatalf("from %d: %d numbers, want %d", i, len(got), len(want)-i)
				}
			}
		}
	})
}

// TestTable has hashes that come close together, so that slots are taken.
func TestTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tab table
		want := map[uint32]uint32{} // hash by number
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			id := rapid.Uint32Range(1, 60).Draw(t, "id")
			hash := rapid.SampledFrom([]uint32{0, 1, 2, 1 << 28, 1<<28 + 1, 1 << 31, 1<<32 - 1}).Draw(t, "hash")
			if old, ok := want[id]; ok {
				tab.remove(old, id)
				delete(want, id)
			} else {
				tab.add(hash, id)
				want[id] = hash
			}
			if tab.n != len(want) {
				t.Fatalf("%d numbers, want %d", tab.n, len(want))
			}
			for id, hash := range want {
				if got := tab.find(hash, func(x uint32) bool { return x == id }); got != id {
					t.Fatalf("%d is not found", id)
				}
			}
			if got := tab.find(hash, func(uint32) bool { return false }); got != 0 {
				t.Fatalf("found %d", got)
			}
		}
	})
}

func TestArena(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a arena
		want := map[uint32][]uint32{}
		for i := range rapid.IntRange(1, 100).Draw(t, "steps") {
			list := make([]uint32, rapid.SampledFrom([]int{1, 2, 3, 100, 9000}).Draw(t, "length"))
			for j := range list {
				list[j] = uint32(i*j) + 7
			}
			at := a.put(list)
			if _, taken := want[at]; taken || at == 0 {
				t.Fatalf("place %d is taken", at)
			}
			want[at] = list
			if rapid.Bool().Draw(t, "release") {
				for at := range want {
					a.release(at)
					delete(want, at)
					break
				}
			}
			for at, list := range want {
				if !slices.Equal(a.get(at), list) {
					t.Fatalf("place %d holds something else", at)
				}
			}
		}
	})
}
