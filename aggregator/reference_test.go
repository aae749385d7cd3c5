package aggregator

import (
	"fmt"
	"math"
	"slices"

	"github.com/coalesce-metrics/coalesce/cell"
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

	// views are those of the rules, by ID, and leaving counts rows until a Tick.
	views   map[string]*refView
	leaving refView
	turns   int

	notBefore float64
	want      Stats
	forwarded []string
	handed    int // how often a row changed hands

	// Values, over all runs since a crash.
	replaced int // gave way to later ones
	ended    int // as last emitted, of buckets that are held no more, and those in views
	twice    int // added by one run, and forgotten by another before they were emitted

	err error
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
	streams   map[string]Stream // of by
	turn      int               // the last of those that stream outputs have taken
	fed       map[string]bool   // by which streams, in this run
}

// refBucket is one bucket with all of its values.
type refBucket struct {
	out           *refOutput
	start         int64
	values, times []float64
	held          []float64 // values, as far as they are known for percentiles
	rough         bool
	changed       bool    // replaced since the last emission
	last          float64 // the clock when its last datapoint came
	heard         float64 // or when a Tick by an earlier clock may first have seen it
	grace         float64
	closeBy       float64 // it must be closed then
	amendBy       float64 // late values must be emitted then, and not before
	sent          int     // values in the last emission
	carried       int     // values that an earlier run has counted
	sentAt        float64
	closed, dead  bool
}

// news says whether there is something to emit.
func (b *refBucket) news() bool { return b.sent != len(b.values) || b.changed }

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
	m.views, m.leaving = nil, refView{}
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
		} else if _, ok := o.streams[id]; ok {
			best = min(best, streamed-o.turn)
		}
	}
	return best
}

func (m *reference) setRules(set *rules.Set) {
	m.set = set
	m.place()
	for _, o := range m.outputs {
		if _, ok := m.pos[o.restored]; !ok && o.streams[o.restored] == (Stream{}) {
			delete(o.by, o.restored)
		}
	}
	m.setViews()
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
	r, sp := new(rules.Rule), o.spec
	if p < len(m.set.Rules()) {
		r = m.set.Rules()[p]
	}
	o.timing = timing{grace: min(m.cfg.Grace, float64(sp.period)/2), keep: float64(m.cfg.Keep) * float64(sp.period)}
	if r.HasGrace {
		o.timing.grace = r.Grace.Seconds()
	}
	if r.HasKeep {
		o.timing.keep = float64(r.Keep) * float64(sp.period)
	}
	for _, s := range o.streams {
		if p > len(m.set.Rules()) && s.Grace >= 0 {
			o.timing.grace = s.Grace
		}
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

// arrival is a datapoint, or a measurement of several values.
type arrival struct {
	name   string
	values []float64
	time   float64 // by which it belongs to a bucket
	last   float64 // of the values
	by     *Stream // for a measurement
}

func (x *arrival) times() (times []float64) {
	for range x.values {
		times = append(times, x.last)
	}
	return times
}

func (x *arrival) mean() float64 {
	sum := 0.0
	for _, v := range x.values {
		sum += v
	}
	return sum / float64(len(x.values))
}

// reach is an output that a name is to feed, or the view whose row it feeds.
type reach struct {
	output string
	spec   *spec
	rows   []string
	id     string // of the rule or stream
	view   *rules.Rule
	own    bool // the series itself, by a stream
}

// add takes in what the aggregator has already taken in.
func (m *reference) add(x *arrival) {
	n := uint64(len(x.values))
	m.want.Accepted += n
	matches := m.set.Match(&m.match, []byte(x.name))
	if len(matches) == 0 && x.by == nil {
		m.want.Unmatched += n
	} else {
		m.want.Matched += n
	}
	forward := m.cfg.ForwardAll && (x.by == nil || !x.by.Emit)
	var to []reach
	for _, match := range matches {
		forward = forward && match.Rule.Forward
		r := reach{id: match.Rule.ID}
		if match.Rule.View != nil {
			r.view = match.Rule
		} else {
			r.output, r.spec = string(match.Output), newSpec(match.Rule)
			r.rows = rowNames(r.output, r.spec)
			forward = forward && !slices.Contains(r.rows, x.name)
		}
		to = append(to, r)
	}
	if x.by != nil {
		sp := makeSpec(x.by.Period, []cell.Method{x.by.Method}, !x.by.Emit).replacing(x.by.Replace)
		to = append(to, reach{output: x.name, spec: sp, rows: []string{x.name}, id: x.by.text(), own: true})
	}
	m.bringAll(x, to)
	if forward {
		v := x.values[0]
		if x.by != nil {
			v = evaluate(x.by.Method.String(), x.values, x.times())[0]
		}
		m.want.Forwarded++
		m.forwarded = append(m.forwarded, string(plaintext.Append(nil, []byte(x.name), v, x.time)))
	}
}

func (m *reference) count(x *arrival, reason Drop) {
	n := uint64(len(x.values))
	m.want.Contributions += n
	if reason == added {
		m.want.Added += n
	} else {
		m.want.Dropped[reason] += n
	}
}

// bringAll adds x once to each output.
func (m *reference) bringAll(x *arrival, to []reach) {
	var reached []func() Drop
	seen, own := map[string]bool{}, map[string]bool{} // by key
	for _, r := range to {
		if r.view != nil {
			row := m.viewRow(r.view, x.name)
			reached = append(reached, func() Drop { return row.add(m, x) })
			continue
		}
		key := r.output + r.spec.key
		o := m.outputs[key]
		if o == nil && len(m.outputs)+m.viewRows() >= m.cfg.MaxOutputs {
			if !seen[key] {
				reached = append(reached, func() Drop { return OutputsFull })
			}
			seen[key] = true
			continue
		}
		if o == nil {
			o = m.newOutput(key, r.spec, r.rows)
		}
		o.by[r.id] = true
		if r.own {
			o.streams[r.id] = *x.by
			if !o.fed[r.id] {
				m.turns++
				o.fed[r.id], o.turn = true, m.turns
			}
		}
		if o.restored == r.id {
			o.restored = ""
		} else if o.streams[o.restored] != (Stream{}) && m.position(o) < streamed/2 {
			delete(o.by, o.restored) // a rule comes before what has only been restored
			delete(o.streams, o.restored)
			o.restored = ""
		}
		m.retime(o)
		for _, row := range o.rows {
			m.settle(m.rows[row])
		}
		m.begin(o)
		own[key] = own[key] || r.own
		if !seen[key] {
			reached = append(reached, func() Drop { return m.contribute(o, x, own[key]) })
		}
		seen[key] = true
	}
	for _, f := range reached {
		m.count(x, f())
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
	o := &refOutput{key: key, spec: sp, rows: rows, by: map[string]bool{}, streams: map[string]Stream{}, fed: map[string]bool{},
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

// contribute adds x to the bucket where it belongs, or says why not.
func (m *reference) contribute(o *refOutput, x *arrival, own bool) Drop {
	switch {
	case x.time > m.now+m.cfg.Future:
		return TooNew
	case x.time < -1<<53:
		return TooOld
	}
	sec := int64(math.Floor(x.time))
	owner, reason := m.owner(o, sec)
	if owner != o && own && m.reclaim(o, x.by) {
		owner, reason = m.owner(o, sec)
	}
	switch {
	case owner == nil:
		return reason
	case owner != o && owner.spec.replace && !own:
		return Conflict
	case owner.spec.replace && !o.spec.replace && x.time <= x.last && x.last < x.time+float64(o.spec.period):
		// It keeps its own second where that is the owner's too.
		if at := int64(math.Floor(x.last)); m.rows[o.rows[0]].at(at) == owner {
			if sec = at; x.last > m.now+m.cfg.Future {
				return TooNew
			}
		}
	}
	o = owner
	start := floor(sec, o.spec.period)
	b := o.buckets[start]
	if b == nil {
		if float64(start) < m.notBefore || m.forgot(o, start) {
			return TooOld
		}
		if m.held() >= m.cfg.MaxBuckets {
			return BucketsFull
		}
		b = &refBucket{out: o, start: start, last: m.now, heard: m.now, amendBy: never, grace: o.timing.grace, sentAt: math.Inf(-1)}
		b.closeBy = max(b.end(), m.now) + b.grace
		o.buckets[start] = b
	}
	if b.closed && b.amendBy == never {
		b.amendBy = max(m.now, b.sentAt) + o.timing.amend
	}
	b.last, b.heard = max(b.last, m.now), max(b.heard, m.now)
	m.fill(b, x)
	return added
}

// fill puts the values of x into a bucket.
func (m *reference) fill(b *refBucket, x *arrival) {
	if n := len(b.times); b.out.spec.replace && n > 0 {
		if x.last < b.times[n-1] {
			m.replaced += len(x.values)
			return
		}
		m.replaced += n
		b.values, b.times, b.held, b.changed, b.carried = nil, nil, nil, true, 0
	}
	for range x.values {
		b.times = append(b.times, x.last)
		b.held = append(b.held, x.mean())
	}
	b.values = append(b.values, x.values...)
	b.rough = b.rough || len(x.values) > 1
}

// reclaim gives a series to an output that its stream makes, if another stream
// has it.
func (m *reference) reclaim(o *refOutput, by *Stream) bool {
	if _, own := o.streams[by.text()]; !own || m.position(o) == gone {
		return false
	}
	r := m.rows[o.rows[0]]
	last := r.reigns[len(r.reigns)-1].out
	if last == o || !last.left && m.position(last) < len(m.set.Rules()) {
		return false
	}
	m.turns++
	o.turn = m.turns
	m.settle(r)
	return true
}

func (m *reference) held() int {
	n := m.leaving.buckets()
	for _, v := range m.views {
		n += v.buckets()
	}
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
