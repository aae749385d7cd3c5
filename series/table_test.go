package series

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

func TestTableHoldsWhatWasPut(t *testing.T) {
	h, tab, want := NewHasher(), NewTable(1<<20), map[string]Ref{}
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 50000 {
		name := fmt.Sprintf("a.b.%d", r.IntN(20000))
		want[name] = Ref(i + 1)
		tab.Put(h.Sum([]byte(name)), Ref(i+1), uint32(i), 0)
	}
	for name, ref := range want {
		if got, v := tab.Get(h.Sum([]byte(name)), 0); got != ref || v != uint32(ref-1) {
			t.Fatalf("%s: got %d version %d, want %d", name, got, v, ref)
		}
	}
	if got, _ := tab.Get(h.Sum([]byte("never put")), 0); got != 0 {
		t.Errorf("an unknown name has ref %d", got)
	}
	if tab.Len() != len(want) || tab.Evicted() != 0 {
		t.Errorf("%d names, %d evicted, want %d and 0", tab.Len(), tab.Evicted(), len(want))
	}
}

func TestIdleNamesLeaveFirst(t *testing.T) {
	const limit = 64 * 256
	h, tab := NewHasher(), NewTable(limit)
	sum := func(i int) Hash { return h.Sum(fmt.Appendf(nil, "name.%d", i)) }
	const old = limit / 2
	for i := range old {
		tab.Put(sum(i), 1, 1, 10)
	}
	// Every other old name is seen again, then strangers come.
	for i := 0; i < old; i += 2 {
		tab.Get(sum(i), 100)
	}
	for i := old; i < limit+limit/8; i++ {
		tab.Put(sum(i), 1, 1, 100)
	}
	if tab.Len() > limit+64 {
		t.Fatalf("%d names in a table for %d", tab.Len(), limit)
	}
	kept := [2]int{}
	for i := range old {
		if ref, _ := tab.Get(sum(i), 100); ref != 0 {
			kept[i%2]++
		}
	}
	if kept[0] < old/2*9/10 || tab.Evicted() == 0 {
		t.Errorf("of %d names in use %d were kept, %d evicted", old/2, kept[0], tab.Evicted())
	}
	if kept[1] > kept[0] {
		t.Errorf("%d idle names were kept, and only %d in use", kept[1], kept[0])
	}
}

// Names that were seen by a clock that was ahead, and not since it was set back, are the
// longest idle.
func TestNamesSeenByAWrongClockLeaveFirst(t *testing.T) {
	const limit = 64 * 256
	h, tab := NewHasher(), NewTable(limit)
	sum := func(i int) Hash { return h.Sum(fmt.Appendf(nil, "name.%d", i)) }
	for i := range limit * 7 / 8 {
		tab.Put(sum(i), 1, 1, 1_000_000)
	}
	inUse := func(now uint32) (kept int) {
		for i := 0; i < limit*7/8; i += 2 {
			if ref, _ := tab.Get(sum(i), now); ref != 0 {
				kept++
			}
		}
		return kept
	}
	inUse(1000)
	for i := limit; i < limit+limit/3; i++ {
		tab.Put(sum(i), 1, 1, 1001)
		if i%1024 == 0 {
			inUse(1002) // by one whose clock was read later
		}
	}
	if kept := inUse(1002); kept < limit*7/16*9/10 || tab.Evicted() == 0 {
		t.Errorf("of %d names in use %d were kept, %d evicted", limit*7/16, kept, tab.Evicted())
	}
}

func TestPutKeepsWhatIsLater(t *testing.T) {
	const last = 1<<32 - 1
	h, tab := NewHasher(), NewTable(100)
	for i, c := range []struct{ put, version uint32 }{
		{7, 7}, {6, 7}, {7, 7}, {8, 8}, {last/2 + 8, last/2 + 8}, {last, last}, {last - 1, last}, {0, 0}, {last, 0}, {1, 1},
	} {
		tab.Put(h.Sum([]byte("m")), Ref(i+1), c.put, 0)
		ref, version := tab.Get(h.Sum([]byte("m")), 0)
		if version != c.version || (ref == Ref(i+1)) != (c.put == c.version) {
			t.Errorf("after version %d: ref %d version %d, want version %d", c.put, ref, version, c.version)
		}
	}
}

// Names that stay never give a wrong Ref while others come and go around them.
func TestReadersSeeNoForeignRef(t *testing.T) {
	h, tab := NewHasher(), NewTable(64*128)
	names := make([]Hash, 30000)
	for i := range names {
		names[i] = h.Sum(fmt.Appendf(nil, "n%d", i))
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 1))
			for k := range 100000 {
				i := r.IntN(len(names))
				if ref, v := tab.Get(names[i], uint32(k)); ref == 0 {
					tab.Put(names[i], Ref(i+1), uint32(i), uint32(k))
				} else if ref != Ref(i+1) || v != uint32(i) {
					t.Errorf("name %d has ref %d version %d", i, ref, v)
					return
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkGet(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			h, tab := NewHasher(), NewTable(4_000_000)
			hashes := make([]Hash, n)
			for i := range hashes {
				hashes[i] = h.Sum(fmt.Appendf(nil, "prod.applications.app%03d.server%05d.count", i%100, i/100))
				tab.Put(hashes[i], Ref(i+1), 1, 1)
			}
			b.ReportAllocs()
			b.ResetTimer()
			var sum Ref
			for i := range b.N {
				ref, _ := tab.Get(hashes[i%n], 1)
				sum += ref
			}
			if sum == 0 {
				b.Fatal("nothing was found")
			}
		})
	}
}

func BenchmarkSum(b *testing.B) {
	h, name := NewHasher(), []byte("prod.applications.app001.server00042.requests003.count")
	var x uint64
	for range b.N {
		x += h.Sum(name).A
	}
	if x == 0 {
		b.Fatal("no hash")
	}
}

func BenchmarkChurn(b *testing.B) {
	h, tab := NewHasher(), NewTable(1_000_000)
	var name [24]byte
	for i := range b.N {
		n := fmt.Appendf(name[:0], "n%d", i)
		tab.Put(h.Sum(n), 1, 1, uint32(i>>16))
	}
}

func BenchmarkTouchGet(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			h, tab := NewHasher(), NewTable(4_000_000)
			hashes := make([]Hash, n)
			for i := range hashes {
				hashes[i] = h.Sum(fmt.Appendf(nil, "prod.applications.app%03d.server%05d.count", i%100, i/100))
				tab.Put(hashes[i], Ref(i+1), 1, 1)
			}
			b.ReportAllocs()
			b.ResetTimer()
			var sum Ref
			for done := 0; done < b.N; {
				from := done % (n - 64)
				tab.Touch(hashes[from : from+64])
				for _, x := range hashes[from : from+64] {
					ref, _ := tab.Get(x, 1)
					sum += ref
				}
				done += 64
			}
			if sum == 0 {
				b.Fatal("nothing was found")
			}
		})
	}
}

// The entries of one name are found apart.
func TestHashesOfOneNameDiffer(t *testing.T) {
	h := NewHasher().Sum([]byte("a.b"))
	seen := map[Hash]bool{h: true, h.Other(): true}
	for n := range 1 << 16 {
		x := h.With(uint16(n))
		if seen[x] || x.A == 0 {
			t.Fatalf("%d has the hash of another", n)
		}
		seen[x] = true
	}
}
