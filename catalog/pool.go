package catalog

// A pool hands out numbers from 1 for values that stay where they are, so that they refer to one another in four
// bytes and the garbage collector has few pointers to follow.
type pool[T any] struct {
	chunks [][]T
	free   []uint32
	next   uint32 // the number that was never given out
}

const (
	chunkBits = 10
	chunkMask = 1<<chunkBits - 1
)

// at returns the value of id, which must have been given out.
func (p *pool[T]) at(id uint32) *T { return &p.chunks[id>>chunkBits][id&chunkMask] }

// alloc returns the number of a value that is zero.
func (p *pool[T]) alloc() uint32 {
	if n := len(p.free); n > 0 {
		id := p.free[n-1]
		p.free = p.free[:n-1]
		return id
	}
	p.next++
	if int(p.next>>chunkBits) == len(p.chunks) {
		p.chunks = append(p.chunks, make([]T, 1<<chunkBits))
	}
	return p.next
}

// release zeroes the value and takes its number back.
func (p *pool[T]) release(id uint32) {
	var zero T
	*p.at(id) = zero
	p.free = append(p.free, id)
}

// size returns a number above all that are in use.
func (p *pool[T]) size() int { return int(p.next) + 1 }

// An arena holds short lists of numbers, each behind its length, and knows them by their place. The place is never 0.
type arena struct {
	chunks [][]uint32
	used   int                 // words in the last chunk
	free   map[uint32][]uint32 // places that were given back, by length
}

const arenaBits = 15 // words in a chunk, as a power of two: more than the parts of the longest name

// put copies list, which is shorter than a chunk, and returns its place.
func (a *arena) put(list []uint32) uint32 {
	n := uint32(len(list))
	if places := a.free[n]; len(places) > 0 {
		at := places[len(places)-1]
		a.free[n] = places[:len(places)-1]
		copy(a.get(at), list)
		return at
	}
	if len(a.chunks) == 0 || a.used+len(list)+1 > 1<<arenaBits {
		a.chunks, a.used = append(a.chunks, make([]uint32, 1<<arenaBits)), 0
		if len(a.chunks) == 1 {
			a.used = 1
		}
	}
	at := uint32(len(a.chunks)-1)<<arenaBits | uint32(a.used)
	chunk := a.chunks[len(a.chunks)-1][a.used:]
	chunk[0] = n
	copy(chunk[1:], list)
	a.used += len(list) + 1
	return at
}

// get returns the list at a place; it is valid until it is given back.
func (a *arena) get(at uint32) []uint32 {
	chunk := a.chunks[at>>arenaBits][at&(1<<arenaBits-1):]
	return chunk[1 : 1+chunk[0]]
}

// release takes a place back.
func (a *arena) release(at uint32) {
	if a.free == nil {
		a.free = map[uint32][]uint32{}
	}
	n := uint32(len(a.get(at)))
	a.free[n] = append(a.free[n], at)
}
