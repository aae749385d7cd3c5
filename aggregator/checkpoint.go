package aggregator

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"slices"

	"github.com/coalesce-metrics/coalesce/cell"
)

// A checkpoint is, after the magic, a sequence of rules and streams, of outputs, of hulls of
// outputs that have left, and of terms of rows that more than one output makes;
// its last four bytes are the CRC-32C of all before. Numbers are varints, floats
// eight bytes little-endian, texts carry their length. Version 1:
//
//	checkpoint = magic, saved, notBefore, departure, #rules, ID..., #outputs, output...,
//	             #departed, (row, span)..., #claims, claim...[, #forgotten, row...]
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
	now := a.cfg.Now()
	e.float(max(a.tick.now, now))
	e.float(min(a.notBefore, now)) // if that is to come, it is from a clock that was ahead
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
	e.forgotten(a.departed)
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

// forgotten writes the rows that ForgetSeries has forgotten, and nothing if there are none.
func (e *encoder) forgotten(departed map[string]leftRow) {
	var rows []string
	for row, s := range departed {
		if s.forgotten {
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		return
	}
	e.uint(uint64(len(rows)))
	for _, row := range rows {
		e.text(row)
	}
}

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
