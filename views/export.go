package views

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/plaintext"
)

// Export says how rows are sent upstream.
type Export struct {
	// Prefix begins the names of their series, before a dot; it may be empty.
	Prefix string
	// Period is the time between two reports, whole seconds. Their timestamps are
	// its multiples.
	Period time.Duration
	// Delta sends what count, sum and buckets have grown by since the last report,
	// and rows only that have grown.
	Delta bool
	// Nodes has the values of the columns as nodes at the end of the names, and not
	// as tags.
	Nodes bool
	// Send takes n whole plaintext lines, only valid during the call. again says
	// that all of them stand for others with the same names and timestamps. nil is
	// no export.
	Send func(lines []byte, n int, again bool)
}

// maxBatch is how many bytes of lines are sent at a time, but for those of one row.
const maxBatch = 64 << 10

// reported is what has been sent of a view, by the end of the names of its series.
type reported map[string]*sent

// sent is what has been sent of a row.
type sent struct {
	at   int64     // timestamp
	now  []float64 // count, sum and buckets then
	base []float64 // and at the last timestamp before; nil unless Export.Delta
}

// Run sends reports until ctx is done. What comes after the last one is sent by
// Close.
func (r *Registry) Run(ctx context.Context) {
	if r.cfg.Export.Send == nil {
		return
	}
	timer := time.NewTimer(r.untilReport())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		r.report()
		timer.Reset(r.untilReport())
	}
}

// untilReport returns the time until the next report.
func (r *Registry) untilReport() time.Duration {
	now, period := r.cfg.Now(), int64(r.cfg.Export.Period)
	return time.Duration(period - now.UnixNano()%period)
}

// report sends all views.
func (r *Registry) report() {
	if r.cfg.Export.Send == nil {
		return
	}
	r.reporting.Lock()
	defer r.reporting.Unlock()
	b := r.newBatch()
	for _, v := range r.state.Load().sorted() {
		r.reportView(b, v)
	}
	b.send()
}

// last sends a view for the last time.
func (r *Registry) last(v *view) {
	if r.cfg.Export.Send == nil {
		return
	}
	r.reporting.Lock()
	defer r.reporting.Unlock()
	b := r.newBatch()
	r.reportView(b, v)
	b.send()
	delete(r.reports, v)
}

// reportView adds the rows of a view to a batch. The caller holds r.reporting.
func (r *Registry) reportView(b *batch, v *view) {
	done := r.reports[v]
	if done == nil {
		done = make(reported)
		r.reports[v] = done
	}
	for _, x := range merged(v, r.rows(v)) {
		key := x.before + "\x00" + x.behind
		s := done[key]
		if s == nil {
			s = &sent{at: math.MinInt64}
			done[key] = s
		}
		now := x.numbers()
		// A clock that went back finds later timestamps than its own.
		again := s.at >= b.at
		if s.at != b.at {
			s.base = s.now
		}
		if s.now != nil && s.now[0] == now[0] && (again || r.cfg.Export.Delta) {
			continue
		}
		s.at, s.now = b.at, now
		if r.cfg.Export.Delta {
			now = grown(now, s.base)
		} else {
			s.now, s.base = now[:1:1], nil // of no use but to see what has grown
		}
		b.add(v, &x, now, again)
	}
}

// grown returns how much more now has than base.
func grown(now, base []float64) []float64 {
	if base == nil {
		return now
	}
	by := make([]float64, len(now))
	for i := range now {
		by[i] = now[i] - base[i]
	}
	return by
}

// exported is a row by the names of its series.
type exported struct {
	before, behind string
	Row
}

// merged puts rows together whose series would have the same names.
func merged(v *view, rows []Row) []exported {
	at := make(map[[2]string]int, len(rows))
	all := make([]exported, 0, len(rows))
	for _, row := range rows {
		before, behind := v.series.values(row.Values)
		i, known := at[[2]string{before, behind}]
		if !known {
			at[[2]string{before, behind}] = len(all)
			all = append(all, exported{before, behind, row})
			continue
		}
		x := &all[i]
		x.Cell.Merge(&row.Cell)
		x.Counts = slices.Clone(x.Counts)
		for k, n := range row.Counts {
			x.Counts[k] += n
		}
	}
	return all
}

// numbers returns the count, the sum, and the buckets, each with those below it.
func (x *exported) numbers() []float64 {
	all := append(make([]float64, 0, 2+len(x.Counts)), float64(x.Cell.Count), x.Cell.Total())
	below := int64(0)
	for _, n := range x.Counts {
		below += n
		all = append(all, float64(below))
	}
	return all
}

// batch gathers lines of one report.
type batch struct {
	r  *Registry
	at int64 // timestamp
	// lines and n are of rows for the first time, and again.
	lines [2][]byte
	n     [2]int
	les   [][]byte // of the view les was made for
	of    *view
}

func (r *Registry) newBatch() *batch {
	period := int64(r.cfg.Export.Period / time.Second)
	now := r.cfg.Now().Unix()
	return &batch{r: r, at: now - now%period}
}

// add adds the lines of a row with the numbers that are to be sent.
func (b *batch) add(v *view, x *exported, numbers []float64, again bool) {
	kind := 0
	if again {
		kind = 1
	}
	line := func(field string, le []byte, value float64) {
		dst := v.series.appendName(b.lines[kind], field, x.before, x.behind, le)
		dst = plaintext.AppendValue(append(dst, ' '), value)
		dst = plaintext.AppendTime(append(dst, ' '), float64(b.at))
		b.lines[kind] = append(dst, '\n')
		b.n[kind]++
	}
	switch v.Aggregation.Type {
	case Count:
		line("", nil, numbers[0])
	case Sum:
		line("", nil, numbers[1])
	case LastValue:
		line("", nil, x.Cell.Last)
	default:
		b.distribution(v, x, numbers, line)
	}
	if len(b.lines[kind]) > maxBatch {
		b.send()
	}
}

func (b *batch) distribution(v *view, x *exported, numbers []float64, line func(field string, le []byte, value float64)) {
	line("count", nil, numbers[0])
	line("sum", nil, numbers[1])
	line("mean", nil, x.Cell.Mean())
	line("min", nil, x.Cell.Min)
	line("max", nil, x.Cell.Max)
	if d := stddev(&x.Cell); !math.IsNaN(d) {
		line("stddev", nil, d)
	}
	if b.of != v {
		b.of, b.les = v, les(v.Aggregation.Bounds)
	}
	for i, n := range numbers[2:] {
		line("bucket", b.les[i], n)
	}
}

// stddev returns the deviation of a sample: 0 for a single value, and NaN where
// it is not known.
func stddev(c *cell.Cell) float64 {
	if c.Count < 2 {
		return 0
	}
	return math.Sqrt(c.M2 / float64(c.Count-1))
}

// send sends what has been gathered.
func (b *batch) send() {
	for kind, n := range b.n {
		if n > 0 {
			b.r.cfg.Export.Send(b.lines[kind], n, kind == 1)
			b.r.exported.Add(uint64(n))
		}
		b.lines[kind], b.n[kind] = b.lines[kind][:0], 0
	}
}
