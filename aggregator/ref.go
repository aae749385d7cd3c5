package aggregator

import "github.com/coalesce-metrics/coalesce/series"

// A series.Ref holds, from its highest bit: that the name is known, that its
// datapoints are forwarded, what follows below, how many outputs it cannot have
// because there are too many, and the generation and number of a feed or a fan.
const (
	knownBit   series.Ref = 1 << 63
	forwardBit series.Ref = 1 << 62

	kindMask series.Ref = 3 << 60
	kindNone series.Ref = 0 << 60 // no rule matches
	kindOne  series.Ref = 1 << 60 // one feed
	kindMany series.Ref = 2 << 60 // a fan
	// kindFiltered is a name that is not kept; the naming.Reason is in the place
	// of the number.
	kindFiltered series.Ref = 3 << 60

	fullShift  = 40
	fullMask   = 1<<20 - 1
	genShift   = numberBits
	numberMask = 1<<numberBits - 1
)

// handle is a number with its generation: it stops to be valid when the number
// is given to another.
type handle uint64

func newHandle(num uint32, gen uint16) handle { return handle(gen)<<genShift | handle(num) }

func (h handle) num() uint32 { return uint32(h) & numberMask }
func (h handle) gen() uint16 { return uint16(h >> genShift) }

func handleOf(r series.Ref) handle { return handle(r) & (1<<fullShift - 1) }

// fan is what a name leads to that a Ref alone cannot say. Interned, immutable.
type fan struct {
	gen     uint16
	to      []handle
	as      []byte // the name to forward under; nil is the one received
	matched bool   // a rule matches, even if to is empty
}

func refNumber(r series.Ref) uint32 { return uint32(r) & numberMask }
func refGen(r series.Ref) uint16    { return uint16(r >> genShift) }
func refFull(r series.Ref) int      { return int(r >> fullShift & fullMask) }

// feedOf returns the feed that a handle stands for, or nil if it has left.
func (a *Aggregator) feedOf(h handle) *feed {
	f := a.feeds.get(h.num())
	if f == nil || f.gen != h.gen() {
		return nil
	}
	return f
}

func (a *Aggregator) fanOf(r series.Ref) *fan {
	f := a.fans.Load().get(refNumber(r))
	if f == nil || f.gen != refGen(r) {
		return nil
	}
	return f
}
