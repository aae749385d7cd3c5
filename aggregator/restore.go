package aggregator

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/rules"
)

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
	by := speakers{known: make(map[int64]*ruleState)}
	for range d.count() {
		by.ids = append(by.ids, d.text())
	}
	var outs []*output
	for range d.count() {
		if o := a.restoreOutput(&d, by); o != nil {
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
	if len(d.buf) > 0 {
		for range d.count() {
			a.markForgotten(d.text())
		}
	}
	if d.bad || len(d.buf) > 0 {
		return fmt.Errorf("%w: %d bytes from its end do not fit its form", ErrCheckpoint, len(d.buf))
	}
	a.settleClaims()
	a.resumed = true
	return nil
}

// speakers are the rules and streams of a checkpoint, by their index in it.
type speakers struct {
	ids   []string
	known map[int64]*ruleState // nil for rules that are no more
}

// speaker returns one of them, or nil. A stream is made only if it is asked for: those of
// which nothing is held any more need not be known again. The caller holds a.mu.
func (a *Aggregator) speaker(by speakers, i int64) *ruleState {
	if i < 0 || i >= int64(len(by.ids)) {
		return nil
	}
	st, known := by.known[i]
	if !known {
		st = a.ruleByID[by.ids[i]]
		if s, ok := parseStream(by.ids[i]); ok {
			st, _ = a.stream(s)
		}
		by.known[i] = st
	}
	return st
}

func (a *Aggregator) restoreOutput(d *decoder, by speakers) *output {
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
	if st := a.speaker(by, rule); st != nil {
		o.rule.Store(st)
		o.inForce = true
		o.timing = a.timing(st.rule, sp)
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
