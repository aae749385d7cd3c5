package aggregator

import (
	"flag"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/plaintext"
	"github.com/coalesce-metrics/coalesce/rules"
)

var (
	modelSeed  = flag.Uint64("model.seed", 0, "run only the history of this seed, 0 is many random ones")
	modelCount = flag.Int("model.count", 0, "how many histories to run, 0 is the usual number")
)

// TestModel runs random histories against the slow version in reference_test.go.
func TestModel(t *testing.T) {
	first, count := rand.Uint64()>>16, 3000
	if testing.Short() || raceEnabled {
		count = 400
	}
	if *modelCount > 0 {
		count = *modelCount
	}
	if *modelSeed != 0 {
		first, count = *modelSeed, 1
	}
	t.Logf("first seed %d", first)
	met := map[string]int{}
	for i := range uint64(count) {
		h := newHistory(t, first+i, met)
		h.run()
		if h.m.err != nil {
			t.Fatalf("-model.seed=%d: %v\n%s", first+i, h.m.err, strings.Join(h.log, "\n"))
		}
	}
	t.Log(met)
	for _, what := range []string{"too_old", "too_new", "conflict", "outputs_full", "buckets_full", "not_finite", "not_integral",
		"amended", "early", "late", "forwarded", "evicted", "reused numbers", "handed over", "deleted", "replaced", "turns", "view rows",
		"overflows"} {
		if met[what] == 0 && count >= 300 {
			t.Errorf("no history has met: %s", what)
		}
	}
}

// history is one random run.
type history struct {
	*clock
	r    *rand.Rand
	m    *reference
	cfg  Config
	log  []string
	met  map[string]int
	text string // the rules

	views           []rules.View
	nextView        int
	added, replaced uint64 // by earlier runs since a crash
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func newHistory(t *testing.T, seed uint64, met map[string]int) *history {
	r := rand.New(rand.NewPCG(seed, 1))
	h := &history{r: r, met: met, clock: &clock{t: t, now: pick(r, 1e9, 1e9+0.25, 1e9+59, 17)}}
	h.cfg = Config{
		Grace: pick(r, 0, 2, 5.0), AmendDelay: pick(r, -1, -1, 0, 7.0), Keep: pick(r, 0, 1, 3, 5),
		Future: pick(r, 20, 600.0), WriteBack: pick(r, 0, 0, 1.5, 3), OutputIdle: pick(r, 0, 1, 30, 1e6),
		MaxSeries: pick(r, 1, 100, 10000), MaxOutputs: pick(r, 2, 5, 1000, 1000), MaxBuckets: pick(r, 1, 5, 1000, 1000),
		Lanes: pick(r, 1, 2, 4), ForwardAll: r.IntN(2) == 0,
	}
	h.text = h.rules()
	h.editViews()
	h.cfg.Rules = viewSet(t, h.text, h.views...)
	h.clock.run(h.cfg)
	h.m = newReference(h.cfg, h.now)
	h.m.a = h.a
	h.m.setRules(h.cfg.Rules)
	c := h.cfg
	h.note("grace %v, amend %v, keep %v, future %v, write %v, idle %v, series %v, outputs %v, buckets %v, lanes %v",
		c.Grace, c.AmendDelay, c.Keep, c.Future, c.WriteBack, c.OutputIdle, c.MaxSeries, c.MaxOutputs, c.MaxBuckets, c.Lanes)
	return h
}

func (h *history) note(format string, args ...any) {
	h.log = append(h.log, fmt.Sprintf("%v: ", h.now-1e9)+fmt.Sprintf(format, args...))
}

// rules returns some rules that get in each other's way.
func (h *history) rules() string {
	methods := []string{"sum", "avg", "min", "max", "count", "last", "p50", "p95", "median", "stddev", "range"}
	shapes := []string{
		"tot (%d) = %s a.*.c", "tot (%d) = %s a.*.c", "tot (%d) = %s b.*", "tot (%d) = %s a.x.<<rest>>",
		"per.<h> (%d) = %s a.<h>.c", "per.<h> (%d) = %s *.<h>", "a.x.c (%d) = %s a.*.c",
		"many.<n> (%d) = %s n.<n>", "n.<n> (%d) = %s n.<n>", "few (%d) = %s n.*",
		"multi.%[2]s (%[1]d) = %[2]s b.*", "tag.<k> (%d) = %s m;k=<k>", "m (%d) = %s *", "m;k=<k> (%d) = %s n.<k>",
	}
	lists := []string{"sum,max", "sum,avg", "max,sum,count", "min,avg"}
	var b strings.Builder
	for range 1 + h.r.IntN(5) {
		period := pick(h.r, 1, 7, 10, 60)
		if h.r.IntN(4) == 0 {
			fmt.Fprintf(&b, "multi.<method> (%d) = %s %s", period, pick(h.r, lists...), pick(h.r, "a.*.c", "a.*.c", "*.x"))
		} else {
			fmt.Fprintf(&b, pick(h.r, shapes...), period, pick(h.r, methods...))
		}
		b.WriteString(pick(h.r, "", "", "", "", " grace=3s", " grace=70s", " keep=0", " keep=2", " forward=off", " percentiles=on"))
		b.WriteByte('\n')
	}
	return b.String()
}

func (h *history) run() {
	for range 20 + h.r.IntN(60) {
		switch x := h.r.IntN(100); {
		case x < 36:
			h.batch()
		case x < 50:
			h.measure()
		case x < 78:
			h.advance(h.now + pick(h.r, 0, 0.25, 1, 2, 5, 10, 30))
		case x < 81:
			h.advance(h.now + pick(h.r, 100, 700, 1e5))
		case x < 84:
			h.advance(h.now - pick(h.r, 0.25, 3, 60, 1e4))
		case x < 86:
			h.now += pick(h.r, -20.0, -1, 1, 20) // and no Tick yet
		case x < 92:
			h.reload()
		case x < 95:
			h.restart()
		case x < 96:
			h.crash()
		case x < 98:
			h.forget()
		default:
			h.read()
		}
		h.m.now = h.now
		h.m.check()
		if h.m.err != nil {
			return
		}
	}
	// All that was added is emitted in the end, and all is forgotten.
	h.note("to the end")
	for range 60 {
		h.advance(h.now + pick(h.r, 1, 10, 30, 60.0))
		h.m.check()
	}
	h.advance(h.now + 1e6)
	h.advance(h.now + 1e6)
	h.m.check()
	for id := range h.m.views {
		h.met["view rows"] += len(h.m.views[id].rows)
		h.met["overflows"] += len(h.m.views[id].all()) - len(h.m.views[id].rows)
	}
	h.m.readViews()
	h.views = nil
	h.setRules()
	h.advance(h.now + 1)
	h.m.check()
	if n := h.m.held(); n > 0 {
		h.m.failf("%d buckets are held in the end", n)
	}
	added, replaced := h.added+h.a.Stats().Added, h.replaced+h.a.Stats().Replaced
	if replaced != uint64(h.m.replaced) {
		h.m.failf("%d replaced, want %d", replaced, h.m.replaced)
	}
	if added-replaced != uint64(h.m.ended+h.m.twice) {
		h.m.failf("%d added, %d replaced, but %d were emitted and %d forgotten after a restart", added, replaced, h.m.ended, h.m.twice)
	}
	h.count()
}

// count notes what the history has met.
func (h *history) count() {
	s := h.a.Stats()
	for i, n := range s.Dropped {
		h.met[Drop(i).String()] += int(n)
	}
	h.met["added"] += int(s.Added)
	h.met["rows"] += int(s.Rows)
	h.met["amended"] += int(s.Amended)
	h.met["early"] += int(s.Early)
	h.met["late"] += int(s.Late)
	h.met["forwarded"] += int(s.Forwarded)
	h.met["evicted"] += int(s.Evicted)
	for _, f := range h.a.freeFeeds {
		h.met["reused numbers"] += max(int(f.gen())-1, 0)
	}
	h.met["handed over"] += h.m.handed
	h.met["turns"] += h.m.turns
	h.met["replaced"] += h.m.replaced
}

// advance sets the clock and ticks.
func (h *history) advance(to float64) {
	h.now, h.m.now = to, to
	h.note("tick")
	h.a.Tick()
	h.m.tick(h.rows)
	h.rows = nil
}

// batch adds some datapoints to a lane, of several that are held.
func (h *history) batch() {
	names := []string{"a.x.c", "a.y.c", "a.z.c", "b.x", "b.q", "nothing", "tot", "m", "m;j=2;k=1", "m;k=2"}
	var b plaintext.Batch
	for range pick(h.r, 1, 1, 2, 8, plaintext.BatchSize) {
		name := pick(h.r, names...)
		if h.r.IntN(4) == 0 {
			name = fmt.Sprintf("n.%d", h.r.IntN(pick(h.r, 3, 200)))
		}
		b.Add([]byte(name), h.value(), h.time())
	}
	h.m.now = h.now
	lanes := make([]*Lane, 1+h.r.IntN(h.cfg.Lanes))
	for i := range lanes {
		lanes[i] = h.a.Acquire()
	}
	pick(h.r, lanes...).Add(&b)
	for _, l := range lanes {
		l.Release()
	}
	for i := range b.N {
		p := b.Points[i]
		h.note("add %s %v %v", b.Name(i), p.Value, p.Time)
		h.m.add(&arrival{name: string(b.Name(i)), values: []float64{p.Value}, time: p.Time, last: p.Time})
	}
	h.compareForwarded()
}

func (h *history) compareForwarded() {
	var want []byte
	for _, i := range h.m.forwarded {
		want = append(want, i...)
	}
	if h.lines != string(want) {
		h.m.failf("forwarded %q, want %q", h.lines, want)
	}
	h.lines, h.m.forwarded = "", nil
}

func (h *history) value() float64 {
	if h.r.IntN(200) == 0 {
		return pick(h.r, math.Inf(1), math.Inf(-1))
	}
	return float64(h.r.IntN(400)-200) / 4
}

// time returns a timestamp: mostly about now, sometimes anything.
func (h *history) time() float64 {
	whole := math.Floor(h.now)
	switch x := h.r.IntN(20); {
	case x < 10:
		return whole - float64(h.r.IntN(3))
	case x < 14:
		return whole - float64(h.r.IntN(200))
	case x < 16:
		return whole + float64(h.r.IntN(30))
	case x == 16:
		return whole + float64(h.r.IntN(1000))
	case x == 17:
		return h.now - float64(h.r.IntN(40))/4
	case x == 18:
		return pick(h.r, -0.5, -1, -10, -10.5, 0, 0.25, 59.75, 1e17, -1e17)
	}
	return whole - float64(h.r.IntN(100000))
}

func (h *history) reload() {
	if h.r.IntN(3) == 0 {
		h.text = h.rules()
	} else {
		h.text = h.edit(h.text)
	}
	if h.r.IntN(2) == 0 {
		h.editViews()
	}
	h.setRules()
}

func (h *history) setRules() {
	h.note("rules\n%s%+v", h.text, h.views)
	set := viewSet(h.t, h.text, h.views...)
	h.m.now = h.now
	h.a.SetRules(set)
	h.m.setRules(set)
}

// editViews ends some views and begins others.
func (h *history) editViews() {
	h.views = slices.DeleteFunc(slices.Clone(h.views), func(rules.View) bool { return h.r.IntN(2) == 0 })
	for len(h.views) < h.r.IntN(4) {
		h.nextView++
		v := rules.View{
			ID: fmt.Sprint("view ", h.nextView), Measure: pick(h.r, "m", "m", "b.x", "a.x.c"), Integral: h.r.IntN(3) == 0,
			MaxRows: pick(h.r, 1, 2, 1000), Columns: pick(h.r, nil, []string{"k"}, []string{"j", "k"}),
		}
		if v.Distribution = h.r.IntN(2) == 0; v.Distribution {
			v.Bounds = pick(h.r, nil, []float64{0}, []float64{-3, 0.5, 7})
		}
		h.views = append(h.views, v)
	}
}

// measure adds some measurements.
func (h *history) measure() {
	streams := []Stream{
		{Period: 1, Method: cell.Avg, Replace: true, Grace: 0.5}, {Period: 10, Method: cell.Avg, Emit: true, Grace: 2},
		{Period: 60, Method: cell.Sum, Emit: true, Grace: -1}, {Period: 10, Method: cell.Sum, Emit: true, Grace: 2},
	}
	var ms []Measurement
	var all []*arrival
	for range pick(h.r, 1, 1, 2, 8, 100) {
		// Mostly each name has a stream of its own.
		i := h.r.IntN(4)
		x := &arrival{name: pick(h.r, "m", "m;j=2;k=1", "m;k=2", "n.1"), time: h.time(), by: &streams[i]}
		if h.r.IntN(3) == 0 {
			x.name = []string{"s.raw", "s.avg;k=1", "s.sum", "m;k=3"}[i]
		}
		x.last = x.time
		if h.r.IntN(3) == 0 {
			x.time = float64(floor(int64(math.Floor(max(min(x.time, 1e15), -1e15))), x.by.Period))
		}
		m := Measurement{Name: []byte(x.name), Time: x.time}
		for range pick(h.r, 1, 1, 2, 5) {
			v := h.value()
			if math.IsInf(v, 0) && len(x.values) > 0 {
				v = 0 // opposite ones have no sum
			}
			x.values = append(x.values, v)
			m.Cell.Add(v, x.last)
		}
		var err error
		if m.Stream, err = h.a.Stream(*x.by); err != nil {
			h.t.Fatal(err)
		}
		ms, all = append(ms, m), append(all, x)
	}
	h.m.now = h.now
	h.a.AddMeasurements(ms)
	for _, x := range all {
		h.note("measure %s %v %v %v %+v", x.name, x.values, x.time, x.last, *x.by)
		h.m.add(x)
	}
	h.compareForwarded()
}

// edit makes a small change: a rule more or less, another order, or another
// method or period.
func (h *history) edit(text string) string {
	lines := strings.SplitAfter(strings.TrimSuffix(text, "\n")+"\n", "\n")
	lines = lines[:len(lines)-1]
	i := h.r.IntN(len(lines))
	switch h.r.IntN(5) {
	case 0:
		lines = append(lines[:i], lines[i+1:]...)
	case 1:
		lines = append(lines, h.rules())
	case 2:
		h.r.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	case 3:
		lines[i] = strings.NewReplacer("= sum ", "= max ", "= max ", "= sum ", "sum,max", "sum,avg", "sum,avg", "sum,max").Replace(lines[i])
	default:
		lines[i] = strings.NewReplacer("(10)", "(60)", "(60)", "(10)", "(7)", "(1)").Replace(lines[i])
	}
	if len(lines) == 0 {
		return "\n"
	}
	return strings.Join(lines, "")
}

// restart stops in an orderly way and starts again, maybe with other rules.
func (h *history) restart() {
	if h.r.IntN(2) == 0 {
		h.text = h.edit(h.text)
	}
	h.note("restart with\n%s%+v", h.text, h.views)
	h.m.now = h.now
	before := h.a
	h.clock.restartWith(viewSet(h.t, h.text, h.views...))
	h.m.a = h.a
	h.added += before.Stats().Added
	h.replaced += before.Stats().Replaced
	h.m.restart(h.a.cfg.Rules)
}

// crash starts again with nothing but the time of the crash.
func (h *history) crash() {
	if h.now == 0 {
		return // 0 stands for no earlier run
	}
	h.note("crash")
	cfg := h.cfg
	cfg.Rules, cfg.NotBefore = viewSet(h.t, h.text, h.views...), h.now
	h.clock.run(cfg)
	h.m.now, h.m.a, h.m.want = h.now, h.a, Stats{}
	h.m.forgetAll(h.now)
	h.m.replaced, h.m.ended, h.m.twice, h.added, h.replaced = 0, 0, 0, 0, 0
	h.m.setRules(cfg.Rules)
}

// forget forgets some outputs by name.
func (h *history) forget() {
	names := []string{"unknown"}
	for _, key := range slices.Sorted(maps.Keys(h.m.outputs)) {
		o := h.m.outputs[key]
		if name := strings.TrimSuffix(o.key, o.spec.key); h.r.IntN(3) == 0 {
			names = append(names, name, name)
		}
	}
	h.note("forget %q", names)
	h.m.now = h.now
	h.a.ForgetSeries(names)
	for _, name := range names {
		h.m.forget(name)
	}
}

func (h *history) read() {
	h.note("read")
	h.m.now = h.now
	for row := range h.m.rows {
		h.m.read(row)
	}
	h.m.read("unknown")
	h.m.readViews()
}
