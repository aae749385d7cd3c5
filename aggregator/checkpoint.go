package aggregator

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/rules"
)

// A checkpoint is, after the magic, a sequence of rules and streams, of outputs, of hulls of
// outputs that have left, and of terms of rows that more than one output makes;
// its last four bytes are the CRC-32C of all before. Numbers are varints, floats
// eight bytes little-endian, texts carry their length. Version 1:
//
//	checkpoint = magic, saved, notBefore, departure, #rules, ID..., #outputs, output...,
//	             #departed, (row, span)..., #claims, claim...
//	output     = name, period, #methods, method..., index of rule or -1, flags[, others][, turn], grace,
//	             amend, keep, #spans, span..., #buckets, bucket...
//	bucket     = start, flags, closeAt, amendAt, last, sentAt, emitted, cell[, part]
//	claim      = name, #terms, term...
//	term       = from, index of output, or -1 and its period and hull where it has left
const checkpointMagic = "coalesce checkpoint 1\n"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// What a checkpoint says of an output, and of a bucket.
const (
	flagValues  = 1 << 0
	flagInput   = 1 << 1
	flagOthers  = 1 << 2 // the span follows that others may have emitted
	flagViews   = 1 << 3
	flagReplace = 1 << 4
	flagTurn    = 1 << 5 // the turn follows

	flagClosed  = 1 << 0
	flagPartial = 1 << 1

	flagMissing  = 1 << 2 // what the archive has of it is still to be had
	flagRecalled = 1 << 3
	flagSilent   = 1 << 4
	flagRevoked  = 1 << 5
	flagPart     = 1 << 6 // the part follows that the archive has not got
	flagChanged  = 1 << 7 // not as it was emitted
	flagUnkept   = 1 << 8 // not as the archive got it
)

// Checkpoint returns all that a later run needs to go on with: the open and
// amendable buckets and what is known of those emitted and forgotten. Nothing
// may be added, and Tick not be called, from then on.
func (a *Aggregator) Checkpoint() []byte {
	all := a.held()
	for n := 0; n < len(all); n += tickBatch {
		a.fold(all[n:min(n+tickBatch, len(all))], nil, a.cfg.Now())
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	e := encoder{buf: []byte(checkpointMagic)}
	e.float(max(a.tick.now, a.cfg.Now()))
	e.float(a.notBefore)
	e.span(a.departure)
	set := a.rules.Load()
	streams := *a.streams.Load()
	e.uint(uint64(len(set.states) + len(streams)))
	for _, st := range slices.Concat(set.states, streams) {
		e.text(st.rule.ID)
	}
	index := make(map[*output]int64, len(a.outputs))
	e.uint(uint64(len(a.outputs)))
	for _, o := range a.outputs {
		index[o] = int64(len(index))
		o.mu.Lock()
		e.output(o, len(set.states))
		o.mu.Unlock()
	}
	e.uint(uint64(len(a.departed)))
	for row, s := range a.departed {
		e.text(row)
		e.span(s.span)
	}
	var contested []*claim
	for _, c := range a.claims {
		if terms := *c.terms.Load(); len(terms) > 1 || len(c.contenders) > 1 || terms[0].out.hasLeft.Load() {
			contested = append(contested, c)
		}
	}
	e.uint(uint64(len(contested)))
	for _, c := range contested {
		e.text(c.name)
		terms := *c.terms.Load()
		e.uint(uint64(len(terms)))
		for _, t := range terms {
			e.term(t, index)
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

func (e *encoder) term(t term, index map[*output]int64) {
	e.int(t.from)
	if i, ok := index[t.out]; ok {
		e.int(i)
		return
	}
	e.int(-1)
	e.int(t.out.spec.period)
	hull, _ := t.out.gone.hull()
	e.span(hull)
}

// output writes o; rules is how many there are before the streams.
func (e *encoder) output(o *output, rules int) {
	e.text(o.name)
	e.int(o.spec.period)
	e.uint(uint64(len(o.spec.methods)))
	for _, m := range o.spec.methods {
		e.text(m.String())
	}
	rule := int64(-1)
	if st := o.rule.Load(); st != nil && st.stream != nil {
		rule = int64(rules) + int64(st.id)
	} else if pos := o.pos(); pos != gone {
		rule = int64(pos)
	}
	e.int(rule)
	flags := uint64(0)
	if o.values {
		flags |= flagValues
	}
	if o.spec.input {
		flags |= flagInput
	}
	if o.views {
		flags |= flagViews
	}
	if o.spec.replace {
		flags |= flagReplace
	}
	if o.turn > 0 {
		flags |= flagTurn
	}
	if o.others != noSpan {
		flags |= flagOthers
	}
	e.uint(flags)
	if o.others != noSpan {
		e.span(o.others)
	}
	if o.turn > 0 {
		e.int(int64(o.turn))
	}
	e.float(o.timing.grace)
	e.float(o.timing.amend)
	e.float(o.timing.keep)
	e.uint(uint64(len(o.gone)))
	for _, s := range o.gone {
		e.span(s)
	}
	e.uint(uint64(len(o.buckets)))
	for _, b := range o.buckets {
		flags := b.flags()
		e.int(b.start)
		e.uint(flags)
		e.float(b.closeAt)
		e.float(b.amendAt)
		e.float(b.last)
		e.float(b.sentAt)
		e.int(b.emitted)
		e.buf = cell.AppendBinary(e.buf, &b.cell, b.values)
		if b.part != nil {
			e.buf = cell.AppendBinary(e.buf, &b.part.cell, b.part.values)
		}
	}
}

func (b *bucket) flags() (flags uint64) {
	for _, f := range [...]struct {
		set  bool
		flag uint64
	}{
		{b.closed, flagClosed}, {b.partial, flagPartial}, {b.recall != atHand, flagMissing}, {b.recalled, flagRecalled},
		{b.silent, flagSilent}, {b.revoked, flagRevoked}, {b.part != nil, flagPart},
		{b.changed, flagChanged}, {b.unkept, flagUnkept},
	} {
		if f.set {
			flags |= f.flag
		}
	}
	return flags
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
	a.tick.now = d.float()
	a.notBefore = max(a.notBefore, d.float())
	a.departure = d.hull()
	var speakers []*ruleState // nil for rules that are no more
	for range d.count() {
		id := d.text()
		st := a.ruleByID[id]
		if s, ok := parseStream(id); ok {
			st, _ = a.stream(s)
		}
		speakers = append(speakers, st)
	}
	var outs []*output
	for range d.count() {
		if o := a.restoreOutput(&d, speakers); o != nil {
			outs = append(outs, o)
		}
	}
	for range d.count() {
		row, s := d.text(), d.span()
		a.departed[row] = leftRow{span: s}
	}
	for range d.count() {
		a.restoreClaim(&d, outs)
	}
	if d.bad || len(d.buf) > 0 {
		return fmt.Errorf("%w: %d bytes from its end do not fit its form", ErrCheckpoint, len(d.buf))
	}
	a.settleClaims()
	a.resumed = true
	return nil
}

func (a *Aggregator) restoreOutput(d *decoder, speakers []*ruleState) *output {
	name, period := d.text(), d.period()
	var methods []cell.Method
	for range d.count() {
		m, err := cell.ParseMethod(d.text())
		if err != nil {
			d.bad = true
		}
		methods = append(methods, m)
	}
	if len(methods) == 0 {
		d.bad = true
	}
	if d.bad {
		return nil
	}
	rule, flags := d.int(), d.uint()
	sp := makeSpec(period, methods, flags&flagInput != 0).replacing(flags&flagReplace != 0)
	d.bad = d.bad || sp.replace && (len(methods) > 1 || flags&flagValues != 0 || methods[0].NeedsValues())
	if a.outputs[name+sp.key] != nil {
		d.bad = true
		return nil
	}
	o := a.newOutput(name+sp.key, name, sp)
	o.values = flags&flagValues != 0
	o.others = noSpan
	if flags&flagOthers != 0 {
		o.others = d.span()
	}
	if flags&flagTurn != 0 {
		o.turn = d.turn()
		a.turns = max(a.turns, o.turn)
	}
	o.views = flags&flagViews != 0
	o.timing = timing{grace: d.length(), amend: d.length(), keep: d.length()}
	if rule >= 0 && rule < int64(len(speakers)) {
		if st := speakers[rule]; st != nil {
			o.rule.Store(st)
			o.inForce = true
			o.timing = a.timing(st.rule, sp)
		}
	}
	o.gone = nil
	for range d.count() {
		s := d.span()
		if n := len(o.gone); n > 0 && s.from <= o.gone[n-1].to {
			d.bad = true
		}
		o.gone = append(o.gone, s)
	}
	for range d.count() {
		a.restoreBucket(d, o)
	}
	return o
}

func (a *Aggregator) restoreBucket(d *decoder, o *output) {
	b := &bucket{out: o, start: d.second(), due: never, dropDue: never, writeAt: never}
	flags := d.uint()
	b.closed, b.partial = flags&flagClosed != 0, flags&flagPartial != 0
	b.closeAt, b.amendAt, b.last, b.sentAt = d.float(), d.float(), d.float(), d.float()
	b.emitted = d.int()
	d.cell(&b.cell, &b.values)
	if flags&flagPart != 0 {
		b.part = new(part)
		d.cell(&b.part.cell, &b.part.values)
	}
	if d.bad {
		return
	}
	b.changed, b.unkept = flags&flagChanged != 0, flags&flagUnkept != 0
	b.recalled, b.silent, b.revoked = flags&flagRecalled != 0, flags&flagSilent != 0, flags&flagRevoked != 0
	b.carried = b.cell.Count
	if flags&flagMissing != 0 {
		b.recall = missing
	}
	if a.cfg.Archive == nil && b.silent {
		b.revoked = true
	}
	if b.closed || b.recalled {
		b.kept = b.emitted
	}
	if o.buckets == nil {
		o.buckets = make(map[int64]*bucket)
	}
	if b.start != floor(b.start, o.spec.period) || o.buckets[b.start] != nil || b.emitted < 0 ||
		b.emitted > b.cell.Count && !o.spec.replace {
		d.bad = true
		return
	}
	if b.closed {
		b.closeAt = never
	} else {
		b.amendAt = never
		if b.recall == missing { // an answer that it waited for does not come
			b.closeAt = max(float64(b.end()), a.cfg.Now()) + o.timing.grace
		}
		if b.recall == atHand && !b.recalled && !b.silent {
			b.writeAt = a.firstWrite(o, a.cfg.Now())
		}
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
		switch {
		case len(terms) > 0 && from <= terms[len(terms)-1].from || i >= int64(len(outs)) || d.bad:
			d.bad = true
			return
		case i >= 0:
			terms = append(terms, term{from, outs[i]})
		default:
			left := leftOutput(d.period())
			if s := d.hull(); s != noSpan {
				left.gone = spans{s}
			}
			terms = append(terms, term{from, left})
		}
	}
	if c == nil || len(terms) == 0 {
		d.bad = true
		return
	}
	c.terms.Store(&terms)
	a.announceAll(c)
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

// second reads a time that a bucket may begin at.
func (d *decoder) second() int64 {
	x := d.int()
	if x < 2*oldest || x > -oldest {
		d.bad = true
		return 0
	}
	return x
}

func (d *decoder) period() int64 {
	x := d.int()
	if x < 1 || x > rules.MaxPeriod {
		d.bad = true
		return 1
	}
	return x
}

func (d *decoder) turn() int {
	x := d.int()
	if x < 0 || x > streamed/2 {
		d.bad = true
		return 0
	}
	return int(x)
}

func (d *decoder) span() span {
	s := span{d.second(), d.second()}
	d.bad = d.bad || s.from > s.to
	return s
}

// hull reads a span or noSpan.
func (d *decoder) hull() span {
	before := d.buf
	if s := (span{d.int(), d.int()}); s == noSpan {
		return s
	}
	d.buf = before
	return d.span()
}

func (d *decoder) cell(c *cell.Cell, v **cell.Values) {
	if d.bad {
		return
	}
	var err error
	if *c, *v, d.buf, err = cell.Decode(d.buf); err != nil {
		d.bad, d.buf = true, nil
	}
}

// length reads a time span.
func (d *decoder) length() float64 {
	x := d.float()
	d.bad = d.bad || x < 0 || x == never
	return x
}

// float reads a number; none of those here is NaN.
func (d *decoder) float() float64 {
	if len(d.buf) < 8 {
		d.bad, d.buf = true, nil
		return 0
	}
	x := math.Float64frombits(binary.LittleEndian.Uint64(d.buf))
	d.buf = d.buf[8:]
	d.bad = d.bad || x != x
	return x
}

func (d *decoder) text() string {
	n := d.count()
	s := string(d.buf[:n])
	d.buf = d.buf[n:]
	return s
}
