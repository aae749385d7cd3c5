package cell

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// The binary form is, with every integer a uvarint and every float a uvarint
// of its reversed bytes, which is short for numbers of few digits:
//
//	version, one byte, and mode, one byte
//	count; unless 0: sum, comp, min, max, m2, last, lastTime
//	mode exact:  number of values, values
//	mode sketch: zeros, negative and positive infinities,
//	             then for negative and positive bins:
//	             number of bins; unless 0: highest bin, counts downwards,
//	             each run of 0 as a 0 and the number of further ones
//	mode bounds: 1 if approximate, else 0; number of bounds, bounds, counts
const binaryVersion = 1

// What the binary form has of the values.
const (
	modeNone = iota
	modeExact
	modeSketch
	modeBounds
)

// AppendBinary appends the binary form of c and v to dst and returns the
// extended slice. v may be nil.
func AppendBinary(dst []byte, c *Cell, v *Values) []byte {
	mode := byte(modeNone)
	if v != nil {
		mode = modeExact
		switch {
		case v.fixed != nil:
			mode = modeBounds
		case v.rough:
			mode = modeSketch
		}
	}
	dst = append(dst, binaryVersion, mode)
	dst = binary.AppendUvarint(dst, uint64(c.Count))
	if c.Count != 0 {
		for _, f := range [...]float64{c.Sum, c.Comp, c.Min, c.Max, c.M2, c.Last, c.LastTime} {
			dst = appendFloat(dst, f)
		}
	}
	switch mode {
	case modeExact:
		dst = binary.AppendUvarint(dst, uint64(len(v.exact)))
		for _, x := range v.exact {
			dst = appendFloat(dst, x)
		}
	case modeSketch:
		for _, n := range [...]int64{v.zero, v.negInf, v.posInf} {
			dst = binary.AppendUvarint(dst, uint64(n))
		}
		dst = v.neg.append(dst)
		dst = v.pos.append(dst)
	case modeBounds:
		dst = v.fixed.append(dst)
	}
	return dst
}

func appendFloat(dst []byte, f float64) []byte {
	return binary.AppendUvarint(dst, bits.ReverseBytes64(math.Float64bits(f)))
}

func (b *bins) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b.counts)))
	if len(b.counts) == 0 {
		return dst
	}
	dst = binary.AppendUvarint(dst, uint64(b.top))
	for k := 0; k < len(b.counts); k++ {
		dst = binary.AppendUvarint(dst, uint64(b.counts[k]))
		if b.counts[k] == 0 {
			run := k
			for b.counts[k+1] == 0 { // the last count is never 0
				k++
			}
			dst = binary.AppendUvarint(dst, uint64(k-run))
		}
	}
	return dst
}

var (
	errShort   = errors.New("cell: binary form ends early")
	errDamaged = errors.New("cell: binary form is damaged")
)

// Decode reads one binary form from the start of b; rest is what follows it.
// v is nil if none was written. Nothing returned but rest shares memory with
// b. Input of another version, cut short or damaged is an error; it never
// makes Decode allocate more than a cell can need.
func Decode(b []byte) (c Cell, v *Values, rest []byte, err error) {
	if len(b) < 2 {
		return Cell{}, nil, nil, errShort
	}
	if b[0] != binaryVersion {
		return Cell{}, nil, nil, fmt.Errorf("cell: binary form has version %d, this program reads %d", b[0], binaryVersion)
	}
	mode := b[1]
	d := decoder{b: b[2:]}
	c = d.cell()
	switch mode {
	case modeNone:
	case modeExact:
		v = d.exact()
	case modeSketch:
		v = d.sketch()
	case modeBounds:
		v = d.bounded()
	default:
		d.fail(errDamaged)
	}
	if d.err != nil {
		return Cell{}, nil, nil, d.err
	}
	return c, v, d.b, nil
}

// decoder consumes b; after an error, the first of which it keeps, it returns
// zeros.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err, d.b = err, nil
	}
}

func (d *decoder) uvarint() uint64 {
	u, n := binary.Uvarint(d.b)
	switch {
	case d.err != nil:
		return 0
	case n == 0:
		d.fail(errShort)
		return 0
	case n < 0:
		d.fail(errDamaged)
		return 0
	}
	d.b = d.b[n:]
	return u
}

// upTo reads an integer and refuses those above limit.
func (d *decoder) upTo(limit int64) int64 {
	u := d.uvarint()
	if u > uint64(limit) {
		d.fail(errDamaged)
		return 0
	}
	return int64(u)
}

func (d *decoder) float() float64 {
	return math.Float64frombits(bits.ReverseBytes64(d.uvarint()))
}

func (d *decoder) cell() (c Cell) {
	if c.Count = d.upTo(math.MaxInt64); c.Count == 0 {
		return c
	}
	for _, f := range [...]*float64{&c.Sum, &c.Comp, &c.Min, &c.Max, &c.M2, &c.Last, &c.LastTime} {
		*f = d.float()
	}
	return c
}

func (d *decoder) exact() *Values {
	n := int(d.upTo(ValuesCap))
	if n > len(d.b) { // a value takes a byte or more
		d.fail(errShort)
		return nil
	}
	v := &Values{exact: make([]float64, n)}
	for i := range v.exact {
		v.exact[i] = d.float()
		if v.exact[i] != v.exact[i] {
			d.fail(errDamaged)
		}
	}
	return v
}

func (d *decoder) sketch() *Values {
	v := &Values{rough: true}
	for _, n := range [...]*int64{&v.zero, &v.negInf, &v.posInf} {
		*n = d.count(v)
	}
	v.neg = d.bins(v)
	v.pos = d.bins(v)
	if v.n < 2 { // one value is always held exactly
		d.fail(errDamaged)
	}
	return v
}

// count reads a count of values and adds it to those that v has.
func (d *decoder) count(v *Values) int64 {
	n := d.upTo(math.MaxInt64 - v.n)
	v.n += n
	return n
}

func (d *decoder) bins(v *Values) (b bins) {
	n := int(d.upTo(maxBins))
	if n == 0 {
		return b
	}
	b.top = int(d.upTo(topBin))
	if b.top < n-1 {
		d.fail(errDamaged)
	}
	if d.err != nil {
		return bins{}
	}
	b.counts = make([]int64, n)
	for k := 0; k < n && d.err == nil; k++ {
		if b.counts[k] = d.count(v); b.counts[k] == 0 {
			k += int(d.upTo(maxBins))
		}
	}
	if b.counts[0] == 0 || b.counts[n-1] == 0 {
		d.fail(errDamaged)
	}
	return b
}
