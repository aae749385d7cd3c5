package aggregator

import "sync/atomic"

const (
	chunkBits = 10
	chunkSize = 1 << chunkBits
	// numberBits is how many bits a number has in a series.Ref.
	numberBits = 24
	// MaxOutputs is the largest value of Config.MaxOutputs. Some numbers more
	// exist, for outputs that several rules reach in different combinations.
	MaxOutputs = 1<<numberBits - 1<<16
)

// registry finds things by number without a lock. Numbers are dense, so that a
// lane can hold its cells in an array.
type registry[T any] struct {
	chunks [1 << (numberBits - chunkBits)]atomic.Pointer[[chunkSize]atomic.Pointer[T]]
}

// get returns nil for a number that is not in use.
func (r *registry[T]) get(num uint32) *T {
	c := r.chunks[num>>chunkBits].Load()
	if c == nil {
		return nil
	}
	return c[num&(chunkSize-1)].Load()
}

// set is called by one goroutine at a time.
func (r *registry[T]) set(num uint32, v *T) {
	p := &r.chunks[num>>chunkBits]
	c := p.Load()
	if c == nil {
		c = new([chunkSize]atomic.Pointer[T])
		p.Store(c)
	}
	c[num&(chunkSize-1)].Store(v)
}
