package aggregator

import (
	"math"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/rules"
)

// spec is what distinguishes outputs of one name: outputs with equal name and
// spec share cells. Immutable.
type spec struct {
	period  int64 // seconds
	methods []cell.Method
	input   bool        // the series itself: kept, and no rows are emitted
	replace bool        // a later part takes the place of those before, see Stream
	view    *rules.View // of which it is a row; nil if it is none
	key     string      // the above as text
}

// output is one aggregate: its rows and the buckets that it holds. It is alive
// while a rule can reach it or a bucket is held, and for some time after.
type output struct {
	key  string // name with spec.key
	name string // as expanded from the template, with the mark of <method> in it
	spec *spec
	rows []row
	kept *claim // settles whose cells an Archive has under the name

	// Of the rules that feed it, the first in file order; nil after a restart
	// until one does. Written under Aggregator.mu.
	rule    atomic.Pointer[ruleState]
	feeds   []*feed // guarded by Aggregator.mu
	crowded bool    // is in Aggregator.crowded. Guarded by Aggregator.mu
	inForce bool    // rule is in the newest set. Guarded by Aggregator.mu
	waits   bool    // is in Aggregator.idle. Guarded by Aggregator.mu
	// Of several outputs that streams make of one series, the one that had the
	// last turn speaks for it. Guarded by Aggregator.mu.
	turn   int
	stream *ruleState // whose measurements have made it, since the start

	mu      sync.Mutex // guards all below; comes after Lane.mu and Aggregator.mu, before schedule.mu
	timing  timing
	values  bool // cells hold values for percentiles
	views   bool // rows of Config.Views are made
	buckets map[int64]*bucket
	gone    spans   // emitted and forgotten
	others  span    // where gone may be of outputs that an Archive knows otherwise
	idle    float64 // since when no bucket is held
	row     *bucket // all of a view's row, which has nothing of the above

	// hasLeft says that it is no longer found by number or name. Written under
	// both locks.
	hasLeft atomic.Bool
}

// keeps says whether the bucket that begins at start is what an Archive has under
// the name. Else it belongs to another output with the name and other methods.
func (o *output) keeps(start int64) bool { return o.kept.at(start) == o }

// mayBeOthers says whether a bucket may have been emitted by another output.
func (o *output) mayBeOthers(start int64) bool {
	return o.others.from <= start && start <= o.others.to && o.gone.contains(start)
}

// methodsOf returns the methods of some of the rows.
func (o *output) methodsOf(want func(i int) bool) []cell.Method {
	for i := range o.rows {
		if want(i) {
			continue
		}
		some := slices.Clone(o.spec.methods[:i])
		for i++; i < len(o.rows); i++ {
			if want(i) {
				some = append(some, o.rows[i].method)
			}
		}
		return some
	}
	return o.spec.methods // mostly all
}

// public returns the output with some of its methods. Where another has the name,
// these go by the names of their rows.
func (o *output) public(methods []cell.Method) []Output {
	all := Output{Name: o.name, Methods: methods, Period: o.spec.period, Input: o.spec.input}
	switch {
	case len(methods) == 0:
		return nil
	case o.kept.last().out == o:
		return []Output{all}
	}
	var some []Output
	for i := range methods {
		one := all
		one.Name, one.Methods = string(rules.AppendRow(nil, []byte(o.name), methods[i])), methods[i:i+1]
		some = append(some, one)
	}
	return some
}

// timing is when an output's buckets close, in seconds.
type timing struct {
	grace float64 // after the end
	amend float64 // least time between two emissions
	keep  float64 // after the end or the last datapoint
}

// row is one series that an output may emit.
type row struct {
	method cell.Method
	claim  *claim
}

// feed is a way by which names reach an output: one set of rules. Lanes hold
// their cells by its number, so that a rule's datapoints can be told from
// another's without a counter on the way.
type feed struct {
	num   uint32
	gen   uint16
	odd   bool // what comes is not simply added, see Lane.addOdd
	out   *output
	rules []*ruleState
}

// measured says whether a series itself comes by f, as measurements.
func (f *feed) measured() bool { return f.rules[len(f.rules)-1].stream != nil }

// stream returns the rule of the Stream that makes the output, or nil.
func (f *feed) stream() *ruleState {
	if st := f.rules[len(f.rules)-1]; f.measured() && st.spec.key == f.out.spec.key {
		return st
	}
	return nil
}

// Seconds after and before all others.
const (
	forever = math.MaxInt64
	always  = math.MinInt64
)

func newSpec(r *rules.Rule) *spec {
	if r.View != nil {
		return &spec{view: r.View, key: r.ID}
	}
	return makeSpec(r.Period, r.Methods, r.Input)
}

func makeSpec(period int64, methods []cell.Method, input bool) *spec {
	s := &spec{period: period, methods: methods, input: input}
	b := append([]byte{0}, strconv.FormatInt(period, 10)...)
	for _, m := range methods {
		b = append(append(b, ' '), m.String()...)
	}
	if input {
		b = append(b, " input"...)
	}
	s.key = string(b)
	return s
}

// replacing makes s that of outputs where a later part replaces those before.
func (s *spec) replacing(yes bool) *spec {
	if yes {
		s.replace, s.key = true, s.key+" replace"
	}
	return s
}

// timing returns the times for outputs of a rule; nil stands for the defaults.
func (a *Aggregator) timing(r *rules.Rule, s *spec) timing {
	t := timing{grace: min(a.cfg.Grace, float64(s.period)/2), keep: float64(a.cfg.Keep) * float64(s.period)}
	if r != nil && r.HasGrace {
		t.grace = r.Grace.Seconds()
	}
	if r != nil && r.HasKeep {
		t.keep = float64(r.Keep) * float64(s.period)
	}
	t.amend = t.grace
	if a.cfg.AmendDelay >= 0 {
		t.amend = a.cfg.AmendDelay
	}
	return t
}

// floor returns the multiple of period at or below t.
func floor(t, period int64) int64 {
	m := t % period
	if m < 0 {
		m += period
	}
	return t - m
}

// ceil returns the multiple of period at or above t.
func ceil(t, period int64) int64 { return floor(t+period-1, period) }
