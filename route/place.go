package route

import "fmt"

// Place is an instance's own place behind a relay that hashes by output: it makes
// the outputs that it owns and leaves the others to their owners. It is immutable
// and may be shared.
type Place struct {
	ring *Ring
	self int
}

// NewPlace returns the place of c.Nodes[self]. The ring must be that of the relay:
// the same nodes in the same order, spelt alike, with the same hash type and
// replicas. Errors are those of NewRing, or name self.
func NewPlace(c RingConfig, self int) (*Place, error) {
	ring, err := NewRing(c)
	if err != nil {
		return nil, err
	}
	if self < 0 || self >= len(c.Nodes) {
		return nil, fmt.Errorf("place %d in a ring of %d destinations; accepted: 0 to %d", self, len(c.Nodes), len(c.Nodes)-1)
	}
	return &Place{ring, self}, nil
}

// Owns reports whether the instance makes the output with this name, which must be
// the name that the relay hashes for it: a relay without a prefix on its outputs is
// asked about names without prefix.
func (p *Place) Owns(name []byte) bool { return p.ring.Owns(p.self, name) }
