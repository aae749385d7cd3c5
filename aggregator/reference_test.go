package aggregator

import (
	"fmt"
	"math"
	"slices"

	"github.com/coalesce-metrics/coalesce/plaintext"
	"github.com/coalesce-metrics/coalesce/rules"
)

// reference is the aggregator as slow and as plain as can be: maps by name and
// bucket, and every value kept. It knows no lanes, numbers, tables or schedule.
// Where the design leaves the choice to the aggregator (when within a span a
// bucket is forgotten, what is refused between ranges of forgotten buckets) it
// looks at what the aggregator has chosen, and says whether it may.
type reference struct {
	cfg      Config
	a        *Aggregator // to look at
	now      float64
	lastTick float64
	set      *rules.Set
	pos      map[string]int // by rule ID
	match    rules.Matcher
	outputs  map[string]*refOutput // those alive, by key
	rows     map[string]*refRow

	// final has the one bucket from which a row has a value for a time.
	final map[rowTime]*refBucket
	// departed has, by row, the hull of what outputs that left have emitted, and
	// blurred says that the aggregator may have joined them to one for all.
	departed map[string]span
	blurred  bool
	all      span

	notBefore float64
	want      Stats
	forwarded []string
	handed    int // how often a row changed hands
	err       error
}

func (m *reference) failf(format string, args ...any) {
	if m.err == nil {
		m.err = fmt.Errorf("at %v: "+format, append([]any{m.now}, args...)...)
	}
}

// refOutput is one output name with a period and methods.
type refOutput struct {
	key       string
	spec      *spec
	rows      []string
	by        map[string]bool // IDs of the rules that have reached it
	restored  string          // the one of them known from a checkpoint only
	timing    timing
	keep      float64 // the longest that it had
	began     bool
	buckets   map[int64]*refBucket
	emitted   map[int64]bool // and forgotten
	inherited span           // of outputs that left
	idle      float64        // since when it holds nothing
	made      float64
	left      bool
}

// refBucket is one bucket with all of its values.
type refBucket struct {
	out           *refOutput
	start         int64
	values, times []float64
	last          float64 // the clock when its last datapoint came
	grace         float64
	closeBy       float64 // it must be closed then
	amendBy       float64 // late values must be emitted then, and not before
	sent          int     // values in the last emission
	carried       int     // values that an earlier run has counted
	sentAt        float64
	closed, dead  bool
}

func (b *refBucket) end() float64 { return float64(b.start + b.out.spec.period) }

// refRow says who makes a row from when on.
type refRow struct {
	name   string
	reigns []refReign
}

type refReign struct {
	from int64
	out  *refOutput
}

func (r *refRow) at(sec int64) *refOutput {
	for _, x := range slices.Backward(r.reigns[1:]) {
		if x.from <= sec {
			return x.out
		}
	}
	return r.reigns[0].out
}

func newReference(cfg Config, now float64) *reference {
	m := &reference{cfg: cfg, now: now, final: map[rowTime]*refBucket{}}
	m.forgetAll(math.Inf(-1))
	return m
}

// forgetAll begins anew without a checkpoint.
func (m *reference) forgetAll(notBefore float64) {
	m.outputs, m.rows, m.departed = map[string]*refOutput{}, map[string]*refRow{}, map[string]span{}
	m.all, m.blurred, m.notBefore, m.lastTick = noSpan, false, notBefore, m.now
	for k, b := range m.final {
		b.dead = true
		if float64(k.time) >= notBefore {
			delete(m.final, k) // emitted ahead of its time, which nobody remembers
		}
	}
}

// position is how early in the file the best rule stands that reached an output.
func (m *reference) position(o *refOutput) int {
	best := gone
	for id := range o.by {
		if p, ok := m.pos[id]; ok {
			best = min(best, p)
		}
	}
	return best
}

func (m *reference) setRules(set *rules.Set) {
	m.set = set
	m.place()
	for _, o := range m.outputs {
		if _, ok := m.pos[o.restored]; !ok {
			delete(o.by, o.restored)
		}
	}
	m.settleAll()
}

// place notes where each rule stands.
func (m *reference) place() {
	m.pos = map[string]int{}
	for i, r := range m.set.Rules() {
		if _, ok := m.pos[r.ID]; !ok {
			m.pos[r.ID] = i
		}
	}
}

// retime takes the times of the rule that speaks for an output.
func (m *reference) retime(o *refOutput) {
	p := m.position(o)
	if p == gone {
		return
	}
	r, sp := m.set.Rules()[p], o.spec
	o.timing = timing{grace: min(m.cfg.Grace, float64(sp.period)/2), keep: float64(m.cfg.Keep) * float64(sp.period)}
	if r.HasGrace {
		o.timing.grace = r.Grace.Seconds()
	}
	if r.HasKeep {
		o.timing.keep = float64(r.Keep) * float64(sp.period)
	}
	o.keep = max(o.keep, o.timing.keep)
	o.timing.amend = o.timing.grace
	if m.cfg.AmendDelay >= 0 {
		o.timing.amend = m.cfg.AmendDelay
	}
}

// lastEnd is the end of the latest bucket that an output has made.
func (o *refOutput) lastEnd() int64 {
	last := o.hull().to
	for start := range o.buckets {
		last = max(last, start)
	}
	if last == always {
		return always
	}
	return last + o.spec.period
}

// hull encloses what an output has emitted and forgotten.
func (o *refOutput) hull() span {
	h := o.inherited
	for start := range o.emitted {
		h = h.join(span{start, start})
	}
	return h
}

// add takes in a datapoint, which the aggregator has already taken in.
func (m *reference) add(name string, value, time float64) {
	m.want.Accepted++
	matches := m.set.Match(&m.match, []byte(name))
	if len(matches) == 0 {
		m.want.Unmatched++
	} else {
		m.want.Matched++
	}
	forward := m.cfg.ForwardAll
	var reached []*refOutput
	full := map[string]bool{}
	for _, match := range matches {
		sp := newSpec(match.Rule)
		rows := rowNames(string(match.Output), sp)
		forward = forward && match.Rule.Forward && !slices.Contains(rows, name)
		key := string(match.Output) + sp.key
		o := m.outputs[key]
		if o == nil && len(m.outputs) >= m.cfg.MaxOutputs {
			full[key] = true
			continue
		}
		if o == nil {
			o = m.newOutput(key, sp, rows)
		}
		o.by[match.Rule.ID] = true
		if o.restored == match.Rule.ID {
			o.restored = ""
		}
		m.retime(o)
		for _, row := range o.rows {
			m.settle(m.rows[row])
		}
		m.begin(o)
		if !slices.Contains(reached, o) {
			reached = append(reached, o)
		}
	}
	for _, o := range reached {
		m.want.Contributions++
		if reason := m.contribute(o, value, time); reason == added {
			m.want.Added++
		} else {
			m.want.Dropped[reason]++
		}
	}
	m.want.Contributions += uint64(len(full))
	m.want.Dropped[OutputsFull] += uint64(len(full))
	if forward {
		m.want.Forwarded++
		m.forwarded = append(m.forwarded, string(plaintext.Append(nil, []byte(name), value, time)))
	}
}

func rowNames(output string, sp *spec) []string {
	var rows []string
	for _, method := range sp.methods {
		rows = append(rows, string(rules.AppendRow(nil, []byte(output), method)))
	}
	return rows
}

func (m *reference) newOutput(key string, sp *spec, rows []string) *refOutput {
	o := &refOutput{key: key, spec: sp, rows: rows, by: map[string]bool{},
		buckets: map[int64]*refBucket{}, emitted: map[int64]bool{}, inherited: noSpan, idle: m.now, made: m.now}
	for _, row := range rows {
		if m.rows[row] == nil {
			m.rows[row] = &refRow{row, []refReign{{always, o}}}
		}
		if s, ok := m.departed[row]; ok {
			o.inherited = o.inherited.join(s)
			delete(m.departed, row)
		}
	}
	m.outputs[key] = o
	got, _ := m.gone(key).hull()
	least, most := o.inherited, o.inherited
	if m.blurred {
		most = most.join(m.all)
	}
	if got.join(least) != got || got.join(most) != most {
		m.failf("new output %q takes %v as emitted, at least %v and at most %v were", key, got, least, most)
	}
	o.inherited = got
	return o
}

// gone is what the aggregator takes as emitted and forgotten.
func (m *reference) gone(key string) spans {
	if o := m.a.outputs[key]; o != nil {
		return o.gone
	}
	m.failf("the aggregator does not know %q", key)
	return nil
}

// contribute adds a value to the bucket where it belongs, or says why not.
func (m *reference) contribute(o *refOutput, value, time float64) Drop {
	switch {
	case time > m.now+m.cfg.Future:
		return TooNew
	case time < -1<<53:
		return TooOld
	}
	sec := int64(math.Floor(time))
	o, reason := m.owner(o, sec)
	if o == nil {
		return reason
	}
	start := floor(sec, o.spec.period)
	b := o.buckets[start]
	if b == nil {
		if float64(start) < m.notBefore || m.forgot(o, start) {
			return TooOld
		}
		if m.held() >= m.cfg.MaxBuckets {
			return BucketsFull
		}
		b = &refBucket{out: o, start: start, last: m.now, amendBy: never, grace: o.timing.grace, sentAt: math.Inf(-1)}
		b.closeBy = max(b.end(), m.now) + b.grace
		o.buckets[start] = b
	}
	if b.closed && b.amendBy == never {
		b.amendBy = max(m.now, b.sentAt) + o.timing.amend
	}
	b.values, b.times, b.last = append(b.values, value), append(b.times, time), max(b.last, m.now)
	return added
}

func (m *reference) held() int {
	n := 0
	for _, o := range m.outputs {
		n += len(o.buckets)
	}
	return n
}

// forgot says whether a bucket was emitted and forgotten, as far as the
// aggregator knows.
func (m *reference) forgot(o *refOutput, start int64) bool {
	must := o.emitted[start]
	for _, row := range o.rows {
		if b := m.final[rowTime{row, start}]; b != nil && b.dead && m.rows[row].at(start) == o {
			must = true
		}
	}
	got := m.gone(o.key).contains(start)
	h := o.hull()
	may := start >= o.inherited.from && start <= o.inherited.to ||
		len(o.emitted) > maxSpans && start >= h.from && start <= h.to
	if must && !got {
		m.failf("%q may open %d again, which was emitted and forgotten", o.key, start)
	}
	if got && !must && !may {
		m.failf("%q refuses %d, which was never emitted", o.key, start)
	}
	return got
}
