package aggregator

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"

	"github.com/coalesce-metrics/coalesce/cell"
)

// A checkpoint is, after the magic, a sequence of outputs, of hulls of outputs
// that have left, and of terms of rows that more than one output makes; its last
// four bytes are the CRC-32C of all before. Numbers are varints, floats eight
// bytes little-endian, texts carry their length. Version 1:
//
//	checkpoint = magic, saved, departure, #outputs, output..., #departed, (key, span)..., #claims, claim...
//	output     = name, period, #methods, method..., values, grace, amend, keep, #spans, span..., #buckets, bucket...
//	bucket     = start, flags, closeAt, amendAt, last, sentAt, emitted, cell
//	claim      = name, #terms, (from, index of output or -1)...
const checkpointMagic = "coalesce checkpoint 1\n"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const (
	flagClosed  = 1 << 0
	flagPartial = 1 << 1
)

// Checkpoint returns all that a later run needs to go on with: the open and
// amendable buckets and what is known of those emitted and forgotten. Nothing
// may be added from then on.
func (a *Aggregator) Checkpoint() []byte {
	all := a.held()
	for n := 0; n < len(all); n += tickBatch {
		a.fold(all[n:min(n+tickBatch, len(all))], nil)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	e := encoder{buf: []byte(checkpointMagic)}
	e.float(a.cfg.Now())
	e.span(a.departure)
	index := make(map[*output]int64, len(a.outputs))
	e.uint(uint64(len(a.outputs)))
	for _, o := range a.outputs {
		index[o] = int64(len(index))
		o.mu.Lock()
		e.output(o)
		o.mu.Unlock()
	}
	e.uint(uint64(len(a.departed)))
	for key, s := range a.departed {
		e.text(key)
		e.span(s)
	}
	var contested []*claim
	for _, c := range a.claims {
		if len(*c.terms.Load()) > 1 || len(c.contenders) > 1 {
			contested = append(contested, c)
		}
	}
	e.uint(uint64(len(contested)))
	for _, c := range contested {
		e.text(c.name)
		terms := *c.terms.Load()
		e.uint(uint64(len(terms)))
		for _, t := range terms {
			e.int(t.from)
			if i, ok := index[t.out]; ok {
				e.int(i)
			} else {
				e.int(-1) // has left
			}
		}
	}
	return binary.LittleEndian.AppendUint32(e.buf, crc32.Checksum(e.buf, castagnoli))
}

type encoder struct{ buf []byte }

func (e *encoder) uint(x uint64) { e.buf = binary.AppendUvarint(e.buf, x) }
func (e *encoder) int(x int64)   { e.buf = binary.AppendVarint(e.buf, x) }
func (e *encoder) span(s span)   { e.int(s.from); e.int(s.to) }
func (e *encoder) float(x float64) {
	e.buf = binary.LittleEndian.AppendUint64(e.buf, math.Float64bits(x))
}
func (e *encoder) text(s string) { e.uint(uint64(len(s))); e.buf = append(e.buf, s...) }

func (e *encoder) output(o *output) {
	e.text(o.name)
	e.int(o.spec.period)
	e.uint(uint64(len(o.spec.methods)))
	for _, m := range o.spec.methods {
		e.text(m.String())
	}
	values := uint64(0)
	if o.values {
		values = 1
	}
	e.uint(values)
	e.float(o.timing.grace)
	e.float(o.timing.amend)
	e.float(o.timing.keep)
	e.uint(uint64(len(o.gone)))
	for _, s := range o.gone {
		e.span(s)
	}
	e.uint(uint64(len(o.buckets)))
	for _, b := range o.buckets {
		flags := uint64(0)
		if b.closed {
			flags |= flagClosed
		}
		if b.partial {
			flags |= flagPartial
		}
		e.int(b.start)
		e.uint(flags)
		e.float(b.closeAt)
		e.float(b.amendAt)
		e.float(b.last)
		e.float(b.sentAt)
		e.int(b.emitted)
		e.buf = cell.AppendBinary(e.buf, &b.cell, b.values)
	}
}

// ErrCheckpoint is wrapped by what Restore says of a damaged checkpoint.
var ErrCheckpoint = errors.New("damaged checkpoint")

// Restore takes over what a Checkpoint of an earlier run holds. It must come
// before any datapoint. After an error the aggregator is not to be used.
func (a *Aggregator) Restore(data []byte) error {
	if len(data) < len(checkpointMagic)+4 || string(data[:len(checkpointMagic)]) != checkpointMagic {
		return fmt.Errorf("%w: it does not begin with %q", ErrCheckpoint, checkpointMagic)
	}
	body, sum := data[:len(data)-4], binary.LittleEndian.Uint32(data[len(data)-4:])
	if got := crc32.Checksum(body, castagnoli); got != sum {
		return fmt.Errorf("%w: checksum %08x, expected %08x", ErrCheckpoint, got, sum)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	d := decoder{buf: body[len(checkpointMagic):]}
	d.float() // when it was saved
	a.departure = d.span()
	var outs []*output
	for range d.count() {
		if o := a.restoreOutput(&d); o != nil {
			outs = append(outs, o)
		}
	}
	for range d.count() {
		key, s := d.text(), d.span()
		a.departed[key] = s
	}
	for range d.count() {
		a.restoreClaim(&d, outs)
	}
	if d.bad || len(d.buf) > 0 {
		return fmt.Errorf("%w: %d bytes from its end do not fit its form", ErrCheckpoint, len(d.buf))
	}
	a.resumed = true
	return nil
}

func (a *Aggregator) restoreOutput(d *decoder) *output {
	name, period := d.text(), d.int()
	var methods []cell.Method
	for range d.count() {
		m, err := cell.ParseMethod(d.text())
		if err != nil {
			d.bad = true
		}
		methods = append(methods, m)
	}
	if d.bad || period <= 0 || len(methods) == 0 {
		d.bad = true
		return nil
	}
	sp := makeSpec(period, methods)
	o := a.newOutput(name+sp.key, name, sp)
	o.values = d.uint() == 1
	o.timing = timing{grace: d.float(), amend: d.float(), keep: d.float()}
	o.gone = nil
	for range d.count() {
		o.gone = append(o.gone, d.span())
	}
	for range d.count() {
		a.restoreBucket(d, o)
	}
	return o
}

func (a *Aggregator) restoreBucket(d *decoder, o *output) {
	b := &bucket{out: o, start: d.int(), due: never, writeAt: never}
	flags := d.uint()
	b.closed, b.partial = flags&flagClosed != 0, flags&flagPartial != 0
	b.closeAt, b.amendAt, b.last, b.sentAt = d.float(), d.float(), d.float(), d.float()
	b.emitted = d.int()
	var err error
	if b.cell, b.values, d.buf, err = cell.Decode(d.buf); err != nil || d.bad {
		d.bad = true
		return
	}
	if o.buckets == nil {
		o.buckets = make(map[int64]*bucket)
	}
	o.buckets[b.start] = b
	a.buckets.Add(1)
	b.plan(&a.schedule)
}

func (a *Aggregator) restoreClaim(d *decoder, outs []*output) {
	c := a.claims[d.text()]
	var terms []term
	for range d.count() {
		from, i := d.int(), d.int()
		t := term{from: from}
		if i >= 0 && i < int64(len(outs)) {
			t.out = outs[i]
		} else {
			t.out = &output{}
			t.out.hasLeft.Store(true)
		}
		terms = append(terms, t)
	}
	if c == nil || len(terms) == 0 {
		d.bad = true
		return
	}
	terms[0].from = always
	slices.SortStableFunc(terms, func(x, y term) int {
		if x.from < y.from {
			return -1
		} else if x.from > y.from {
			return 1
		}
		return 0
	})
	c.terms.Store(&terms)
}

// decoder reads what encoder wrote. After bad is set it gives zeros.
type decoder struct {
	buf []byte
	bad bool
}

func (d *decoder) uint() uint64 {
	x, n := binary.Uvarint(d.buf)
	if n <= 0 {
		d.bad, d.buf = true, nil
		return 0
	}
	d.buf = d.buf[n:]
	return x
}

func (d *decoder) int() int64 {
	x, n := binary.Varint(d.buf)
	if n <= 0 {
		d.bad, d.buf = true, nil
		return 0
	}
	d.buf = d.buf[n:]
	return x
}

// count reads how many of something follow. Each takes at least a byte, so that
// a damaged number cannot ask for more than the data has.
func (d *decoder) count() uint64 {
	n := d.uint()
	if n > uint64(len(d.buf)) {
		d.bad, d.buf = true, nil
		return 0
	}
	return n
}

func (d *decoder) span() span { return span{d.int(), d.int()} }

func (d *decoder) float() float64 {
	if len(d.buf) < 8 {
		d.bad, d.buf = true, nil
		return 0
	}
	x := math.Float64frombits(binary.LittleEndian.Uint64(d.buf))
	d.buf = d.buf[8:]
	return x
}

func (d *decoder) text() string {
	n := d.count()
	s := string(d.buf[:n])
	d.buf = d.buf[n:]
	return s
}
