package aggregator

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/coalesce-metrics/coalesce/rules"
)

// intervalCase is a simulated run of carbon's aggregation step.
type intervalCase struct {
	Name     string
	Rules    []string
	Settings struct {
		ForwardAll   bool     `json:"FORWARD_ALL"`
		MaxIntervals int      `json:"MAX_AGGREGATION_INTERVALS"`
		WriteBack    *float64 `json:"WRITE_BACK_FREQUENCY"`
	}
	Start, End float64
	Events     []struct {
		At, Timestamp float64
		Metric        string
		Value         number
		Rules         []string
	}
	Expected []struct {
		Kind, Metric  string
		At, Timestamp float64
		Value         number
	}
}

// number is a float that may be written as "inf", "-inf" or "nan".
type number float64

func (n *number) UnmarshalJSON(b []byte) error {
	switch s := string(b); s {
	case `"inf"`:
		*n = number(math.Inf(1))
	case `"-inf"`:
		*n = number(math.Inf(-1))
	case `"nan"`:
		*n = number(math.NaN())
	default:
		return json.Unmarshal(b, (*float64)(n))
	}
	return nil
}

// refusedRules are the cases whose rules do not load, because carbon loads them
// and then loses every datapoint that they match.
var refusedRules = map[string]string{
	"frequency 0 rule":        "no datapoint has a bucket of no length",
	"negative frequency rule": "no timer runs backwards",
	"rule error loses the point for later rules and forwarding": "the output has a field that the pattern has not",
}

// point is a datapoint of one output as carbon would have counted it.
type point struct {
	value, time float64
	spec        *spec
	twice       bool // a second rule gave it to the same output
	refused     bool // too old, too new, or it lost to a rule before
}

// rowTime is where a value belongs.
type rowTime struct {
	name string
	time int64
}

func TestIntervalsOfCarbon(t *testing.T) {
	raw, err := os.ReadFile("testdata/intervals.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []intervalCase
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	refused, agreed, differed := 0, 0, map[string]int{}
	for _, ic := range cases {
		t.Run(ic.Name, func(t *testing.T) {
			var text []byte
			for _, line := range ic.Rules {
				text = append(append(text, line...), '\n')
			}
			_, diags := rules.Parse("aggregation-rules.conf", text, rules.Options{})
			if why, ok := refusedRules[ic.Name]; ok {
				refused++
				if !slices.ContainsFunc(diags, func(d rules.Diagnostic) bool { return !d.Warning }) {
					t.Errorf("the rules load, though %s", why)
				}
				return
			}
			r := runInterval(t, &ic, string(text))
			r.compare(&agreed, differed)
		})
	}
	if refused != len(refusedRules) {
		t.Errorf("%d of %d refused cases were met", refused, len(refusedRules))
	}
	t.Logf("%d values as carbon's last; carbon differs where it %v", agreed, differed)
	if agreed < 300 {
		t.Errorf("only %d values could be compared", agreed)
	}
}

// intervalRun is one case as we run it.
type intervalRun struct {
	*clock
	ic     *intervalCase
	set    *rules.Set
	match  rules.Matcher
	points map[rowTime][]point
	held   map[rowTime]*holding
	reign  map[string][]reignOf
	drops  [NumDrops]uint64 // as they must be
}

// holding is what decides whether a bucket takes another datapoint.
type holding struct {
	end, first, last, grace, keep float64
}

// reignOf is from when a spec makes a row.
type reignOf struct {
	from int64
	spec *spec
	pos  int
}

func runInterval(t *testing.T, ic *intervalCase, text string) *intervalRun {
	r := &intervalRun{
		ic: ic, set: parseRules(t, text), points: map[rowTime][]point{},
		held: map[rowTime]*holding{}, reign: map[string][]reignOf{},
	}
	r.clock = start(t, ic.Start, text, func(cfg *Config) {
		cfg.Keep, cfg.ForwardAll = ic.Settings.MaxIntervals, ic.Settings.ForwardAll
		if w := ic.Settings.WriteBack; w != nil {
			cfg.WriteBack = *w
		}
	})
	for _, e := range ic.Events {
		if e.Rules != nil {
			t.Fatal("the recorded runs were said to have no reload")
		}
		r.through(e.At)
		r.feed(e.Metric, float64(e.Value), e.Timestamp)
	}
	r.through(ic.End)
	// Carbon emits what is ahead of the clock, here it waits for its time.
	for range 2000 {
		r.tick(r.now + 1)
	}
	return r
}

// feed adds a datapoint and notes what should become of it.
func (r *intervalRun) feed(name string, value, time float64) {
	before := r.a.Stats().Dropped
	r.add(name, value, time)
	after := r.a.Stats().Dropped
	if after[TooNew]+after[TooOld]+after[Conflict] < before[TooNew]+before[TooOld]+before[Conflict] {
		r.t.Fatal("a count went backwards")
	}
	fed := map[string]*spec{}
	for _, m := range r.set.Match(&r.match, []byte(name)) {
		sp := newSpec(m.Rule)
		r.give(string(m.Output), sp, m.Pos, value, time, fed, after[TooOld] > before[TooOld])
	}
	if after != r.drops {
		r.t.Errorf("at %v: %s %v %v: dropped %v, want %v", r.now, name, value, time, after, r.drops)
	}
}

// give notes a datapoint of one output. old is whether the engine called it too
// old, which counts only where both are right.
func (r *intervalRun) give(out string, sp *spec, pos int, value, time float64, fed map[string]*spec, old bool) {
	p := point{value: value, time: time, spec: sp}
	if first := fed[out]; first != nil {
		p.twice = true
		if first.key != sp.key { // of two rules that make one row the first wins
			p.refused = true
			if time <= r.now+r.a.cfg.Future {
				r.drops[Conflict]++
			} else {
				r.drops[TooNew]++
			}
		}
		sp = first
	} else {
		fed[out] = sp
	}
	sec := int64(math.Floor(time))
	sp = r.maker(out, sp, pos, sec)
	p.spec = sp
	k := rowTime{out, floor(sec, sp.period)}
	if !p.twice {
		p.refused = r.refuses(k, sp, time, old)
	}
	r.points[k] = append(r.points[k], p)
}

// maker returns by what spec the row is made at a second, when a rule is reached.
func (r *intervalRun) maker(out string, sp *spec, pos int, sec int64) *spec {
	reigns := r.reign[out]
	if len(reigns) == 0 {
		reigns = []reignOf{{math.MinInt64, sp, pos}}
	} else if last := reigns[len(reigns)-1]; pos < last.pos {
		// It comes first in the file, and begins behind all that the other holds.
		end := int64(math.MinInt64)
		for k := range r.points {
			if k.name == out {
				end = max(end, k.time+last.spec.period)
			}
		}
		reigns = append(reigns, reignOf{ceil(end, sp.period), sp, pos})
	}
	r.reign[out] = reigns
	for _, x := range slices.Backward(reigns) {
		if x.from <= sec {
			return x.spec
		}
	}
	panic("BUG: the first reign has no beginning")
}

// refuses says whether a datapoint is too new or too old for its bucket, by the
// rule: more than Future ahead; or the bucket was emitted and is forgotten. It
// is forgotten some time after keep periods, as its last datapoint is only known
// to have come before it was emitted.
func (r *intervalRun) refuses(k rowTime, sp *spec, time float64, old bool) bool {
	if time > r.now+r.a.cfg.Future {
		r.drops[TooNew]++
		return true
	}
	h := r.held[k]
	if h == nil {
		h = &holding{end: float64(k.time + sp.period), first: r.now, last: r.now}
		h.grace = min(r.a.cfg.Grace, float64(sp.period)/2)
		h.keep = float64(r.a.cfg.Keep) * float64(sp.period)
		r.held[k] = h
	}
	closes := max(h.end, h.first) + h.grace
	forgotten := max(h.end, h.last) + h.keep
	switch {
	case r.now < closes || r.now < forgotten:
	case r.now > max(closes, forgotten)+2*h.grace+0.5:
		r.drops[TooOld]++
		return true
	case old:
		r.drops[TooOld]++
		return true
	}
	h.last = r.now
	return false
}

// compare holds the last values against the true totals and against carbon's.
func (r *intervalRun) compare(agreed *int, differed map[string]int) {
	t := r.t
	ours, carbon := map[rowTime]float64{}, map[rowTime]float64{}
	for _, row := range r.rows {
		ours[rowTime{row.Name, row.Time}] = row.Value
	}
	for _, e := range r.ic.Expected {
		if e.Kind == "aggregate" {
			carbon[rowTime{e.Metric, int64(e.Timestamp)}] = float64(e.Value)
		}
	}
	for k, points := range r.points {
		want, any := total(points, func(p point) bool { return !p.refused && !p.twice })
		got, ok := ours[k]
		if ok != any || any && !same(got, want) {
			t.Errorf("%v: last value %v (emitted: %v), true total %v (any: %v) of %v", k, got, ok, want, any, points)
		}
		delete(ours, k)
		value, ok := carbon[k]
		delete(carbon, k)
		if ok && any && same(value, want) {
			*agreed++
			continue
		}
		why := explain(points, value)
		if !ok || why == "" {
			t.Errorf("%v: carbon's last value %v (emitted: %v) is not explained by %v; the true total is %v", k, value, ok, points, want)
		}
		differed[why]++
	}
	if len(ours) > 0 || len(carbon) > 0 {
		t.Errorf("values without a datapoint: %v; of carbon: %v", ours, carbon)
	}
}

// total evaluates the points that are left in.
func total(points []point, in func(point) bool) (float64, bool) {
	var values, times []float64
	method := ""
	for _, p := range points {
		if in(p) {
			values, times = append(values, p.value), append(times, p.time)
			method = p.spec.methods[0].String()
		}
	}
	if len(values) == 0 {
		return 0, false
	}
	return evaluate(method, values, times)[0], true
}

// explain says what carbon has done where its last value is not the true total.
func explain(points []point, carbon float64) string {
	all := func(point) bool { return true }
	if v, ok := total(points, all); ok && same(v, carbon) {
		if slices.ContainsFunc(points, func(p point) bool { return p.twice }) {
			return "counts a datapoint twice"
		}
		return "takes what is too old or too new here"
	}
	// Forgotten and begun again: what came last overwrites what came first.
	for n := 1; n < len(points); n++ {
		if v, ok := total(points[n:], all); ok && same(v, carbon) {
			return "overwrites a total by a part of it"
		}
	}
	return ""
}
