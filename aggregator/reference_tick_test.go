package aggregator

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/coalesce-metrics/coalesce/rules"
)

// tick checks what a Tick at the present time has emitted and forgotten.
func (m *reference) tick(rows []Row) {
	if m.now < m.lastTick {
		m.turnBack()
	}
	m.lastTick = m.now
	m.leaving = refView{}
	m.emitted(rows)
	for _, o := range m.outputs {
		for _, b := range o.buckets {
			m.look(b)
		}
	}
	m.leave()
}

// turnBack: what waits for a time that the clock showed by mistake waits no more.
func (m *reference) turnBack() {
	for _, o := range m.outputs {
		o.idle, o.made = min(o.idle, m.now), min(o.made, m.now)
		for _, b := range o.buckets {
			b.last, b.sentAt = min(b.last, m.now), min(b.sentAt, m.now)
			b.grace = min(b.grace, o.timing.grace)
			b.closeBy = min(b.closeBy, max(b.end(), m.now)+o.timing.grace)
			if b.amendBy != never {
				b.amendBy = min(b.amendBy, m.now+o.timing.amend)
			}
		}
	}
}

// emitted takes in rows: each has the whole value of the one bucket it belongs
// to, which has something new to say, and all rows of a bucket come together.
func (m *reference) emitted(rows []Row) {
	seen := map[*refBucket][]string{}
	for _, row := range rows {
		r := m.rows[row.Name]
		if r == nil {
			m.failf("row %v of no output", row)
			continue
		}
		b := r.at(row.Time).buckets[row.Time]
		if b == nil {
			m.failf("row %v of no bucket", row)
			continue
		}
		k := rowTime{row.Name, row.Time}
		if f := m.final[k]; f != nil && f != b {
			m.failf("row %v overwrites the value of another bucket, %v", row, f.values)
		}
		m.final[k] = b
		if slices.Contains(seen[b], row.Name) {
			m.failf("row %v is emitted twice at once", row)
		}
		seen[b] = append(seen[b], row.Name)
		method := b.out.spec.methods[slices.Index(b.out.rows, row.Name)].String()
		right := b.evaluate(method)
		if !slices.ContainsFunc(right, func(v float64) bool { return b.is(method, v, row.Value) }) {
			m.failf("row %v, but the %s of %v (times %v) is %v", row, method, b.values, b.times, right)
		}
	}
	for b, names := range seen {
		if want := m.ownRows(b); len(want) != len(names) {
			m.failf("%q %d emits %v of its rows %v", b.out.key, b.start, names, want)
		}
		if !b.news() {
			m.failf("%q %d is emitted again though nothing came", b.out.key, b.start)
		}
		w := m.cfg.WriteBack
		switch early := m.now < b.end()+b.grace; {
		case b.closed && m.now < b.amendBy:
			m.failf("%q %d is amended before %v", b.out.key, b.start, b.amendBy)
		case !b.closed && early && (w == 0 || w >= float64(b.out.spec.period)):
			m.failf("%q %d is emitted before its end and the grace of %v", b.out.key, b.start, b.grace)
		}
		b.emit(m.now)
	}
}

func (b *refBucket) emit(now float64) {
	b.sent, b.sentAt, b.amendBy, b.changed = len(b.values), now, never, false
}

// evaluate returns what a method may give.
func (b *refBucket) evaluate(method string) []float64 {
	if isPercentile(method) {
		return evaluate(method, b.held, b.times)
	}
	return evaluate(method, b.values, b.times)
}

// is compares a value with the right one, about where it cannot be exact.
func (b *refBucket) is(method string, right, got float64) bool {
	if same(right, got) || !b.rough || !isPercentile(method) {
		return same(right, got)
	}
	most := 0.0
	for _, v := range b.held {
		if math.Abs(v) > most && !math.IsInf(v, 0) {
			most = math.Abs(v)
		}
	}
	return math.Abs(right-got) <= most/100
}

func isPercentile(method string) bool { return method == "median" || method[0] == 'p' }

// ownRows are the rows that a bucket makes.
func (m *reference) ownRows(b *refBucket) []string {
	var rows []string
	for _, row := range b.out.rows {
		if m.rows[row].at(b.start) == b.out {
			rows = append(rows, row)
		}
	}
	return rows
}

// look checks the state of a bucket after a Tick.
func (m *reference) look(b *refBucket) {
	o := b.out
	b.heard = min(b.heard, m.now)
	if len(m.ownRows(b)) == 0 {
		m.failf("%q %d makes no row", o.key, b.start)
	}
	var real *bucket
	if out := m.a.outputs[o.key]; out != nil {
		real = out.buckets[b.start]
	}
	if o.spec.input && (!b.closed && (real == nil || real.closed) || b.closed && m.now >= b.amendBy) {
		b.emit(m.now) // though nobody is told
	}
	if b.closed && !b.news() && m.now >= b.amendBy {
		b.amendBy = never // what came was late in every way
	}
	if !b.closed && (real == nil || real.closed) {
		b.closed = true
		if m.now < b.end()+b.grace {
			m.failf("%q %d is closed before its end and the grace of %v", o.key, b.start, b.grace)
		}
		if b.news() {
			m.failf("%q %d is closed with %d of %d values emitted", o.key, b.start, b.sent, len(b.values))
		}
	}
	keep := b.out.timing.keep
	switch {
	case !b.closed:
		if m.now >= b.closeBy {
			m.failf("%q %d is not closed, it should have been at %v", o.key, b.start, b.closeBy)
		}
	case b.news():
		if m.now >= b.amendBy || real == nil {
			m.failf("%q %d is not amended, it should have been at %v", o.key, b.start, b.amendBy)
		}
	case real == nil:
		if m.now < max(b.end(), b.heard)+keep {
			m.failf("%q %d is forgotten before %v", o.key, b.start, max(b.end(), b.heard)+keep)
		}
		b.dead = true
		m.ended += len(b.values)
		delete(o.buckets, b.start)
		o.emitted[b.start] = true
		o.idle = m.now
	case b.amendBy == never && m.now >= max(b.end(), b.last, b.sentAt)+o.keep:
		m.failf("%q %d is not forgotten at %v", o.key, b.start, max(b.end(), b.last, b.sentAt)+o.keep)
	}
}

// leave lets outputs go that hold nothing for a while.
func (m *reference) leave() {
	var gone []*refOutput
	for key, o := range m.outputs {
		// It may have been made by a clock that was set back a little since.
		empty := len(o.buckets) == 0
		may, must := empty && m.now-o.idle >= m.cfg.OutputIdle, empty && m.now-max(o.idle, o.made) >= m.cfg.OutputIdle
		has := m.a.outputs[key] != nil
		if has && must || !has && !may {
			m.failf("output %q: known %v, idle since %v with %d buckets", key, has, o.idle, len(o.buckets))
		}
		if !has {
			gone = append(gone, o)
		}
	}
	m.depart(gone)
}

// depart takes outputs away, of which what they have emitted is remembered.
func (m *reference) depart(gone []*refOutput) {
	for _, o := range gone {
		o.left = true
		delete(m.outputs, o.key)
		h := o.hull()
		m.all = m.all.join(h)
		for _, row := range o.rows {
			if h != noSpan {
				if s, ok := m.departed[row]; ok {
					m.departed[row] = s.join(h)
				} else {
					m.departed[row] = h
				}
			}
		}
	}
	for _, o := range gone {
		for _, row := range o.rows {
			if !m.contended(row) {
				delete(m.rows, row)
			} else {
				m.settle(m.rows[row])
			}
		}
	}
	m.blurred = m.blurred || len(m.departed) >= m.cfg.MaxOutputs
}

func (m *reference) contended(row string) bool {
	for _, o := range m.outputs {
		if slices.Contains(o.rows, row) {
			return true
		}
	}
	return false
}

// forget takes away all outputs of a name, with what they hold.
func (m *reference) forget(name string) {
	var gone []*refOutput
	for key, o := range m.outputs {
		if strings.TrimSuffix(key, o.spec.key) != name {
			continue
		}
		gone = append(gone, o)
		for start, b := range o.buckets {
			sent := b.sent
			if b.changed {
				sent = 0 // they have given way
			}
			carried := max(0, b.carried-sent)
			m.ended += sent
			m.twice += carried
			m.want.Dropped[Deleted] += uint64(len(b.values) - sent)
			m.want.Added -= uint64(len(b.values) - sent - carried)
			m.want.Contributions += uint64(carried)
			b.dead = true
			if b.sent > 0 {
				o.emitted[start] = true
			}
			delete(o.buckets, start)
		}
	}
	m.depart(gone)
}

// restart goes on from a checkpoint with other rules.
func (m *reference) restart(set *rules.Set) {
	speakers := map[*refOutput]string{}
	for _, o := range m.outputs {
		if p := m.position(o); p < len(m.set.Rules()) {
			speakers[o] = m.set.Rules()[p].ID
		} else if p != gone {
			for id := range o.streams {
				speakers[o] = id
			}
		}
	}
	m.set, m.want, m.views, m.leaving = set, Stats{}, nil, refView{}
	m.place()
	m.setViews()
	for _, o := range m.outputs {
		id := speakers[o]
		s, streamed := o.streams[id]
		_, o.began = m.pos[id]
		o.began = o.began || streamed
		clear(o.by)
		clear(o.streams)
		clear(o.fed)
		if streamed {
			o.streams[id] = s
		}
		if o.began {
			o.by[id] = true
		}
		o.restored = id
		o.idle, o.made = m.now, m.now
		for _, b := range o.buckets {
			b.carried = len(b.values)
		}
	}
	m.lastTick = max(m.lastTick, m.now)
	m.settleAll()
}

// check compares the counts since the start.
func (m *reference) check() {
	got := m.a.Stats()
	if err := unbalanced(got); err != nil {
		m.failf("%v", err)
	}
	want := m.want
	if got.Accepted != want.Accepted || got.Matched != want.Matched || got.Unmatched != want.Unmatched ||
		got.Contributions != want.Contributions || got.Added != want.Added || got.Dropped != want.Dropped ||
		got.Forwarded != want.Forwarded || got.Replaced > uint64(m.replaced) {
		m.failf("counts %+v, want %+v, replaced %d", got, want, m.replaced)
	}
	if n := len(m.outputs) + m.viewRows(); got.Outputs != n || got.Buckets != m.held() {
		m.failf("%d outputs, %d buckets, want %d, %d", got.Outputs, got.Buckets, n, m.held())
	}
}

// read compares what Buckets says of a row, the open bucket included.
func (m *reference) read(row string) {
	got, known := m.a.Buckets(row, math.MinInt64, math.MaxInt64)
	r := m.rows[row]
	if known != (r != nil) {
		m.failf("row %q: known %v, want %v", row, known, r != nil)
	}
	n := 0
	for _, o := range m.outputs {
		i := slices.Index(o.rows, row)
		if i < 0 {
			continue
		}
		for start, b := range o.buckets {
			if r.at(start) != o {
				continue
			}
			n++
			j := slices.IndexFunc(got, func(x Bucket) bool { return x.Start == start })
			if j < 0 {
				m.failf("row %q has no bucket %d", row, start)
				continue
			}
			method := o.spec.methods[i].String()
			right := b.evaluate(method)
			if v := got[j].Value(); got[j].Cell.Count != int64(len(b.values)) || got[j].Open == b.closed ||
				got[j].Period != o.spec.period || !slices.ContainsFunc(right, func(x float64) bool { return b.is(method, x, v) }) {
				m.failf("row %q bucket %d reads %+v, want one of %v from %v, closed %v", row, start, got[j], right, b.values, b.closed)
			}
		}
	}
	if n != len(got) || !slices.IsSortedFunc(got, func(x, y Bucket) int { return cmp.Compare(x.Start, y.Start) }) {
		m.failf("row %q reads %+v, want %d buckets in order", row, got, n)
	}
}
