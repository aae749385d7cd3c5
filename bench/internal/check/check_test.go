package check

import (
	"context"
	"crypto/md5"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/bench/internal/load"
	"github.com/coalesce-metrics/coalesce/bench/internal/sink"
	"github.com/coalesce-metrics/coalesce/bench/internal/workload"
)

// send sends a workload to a reader that throws it away.
func send(t *testing.T, w *workload.Workload, points int) *load.Sent {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go io.Copy(io.Discard, c)
		}
	}()
	sent, err := load.Render(w, w.Lines(), 2, 512).Send(context.Background(), l.Addr().String(),
		load.Options{Points: points, Period: 5, Limit: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return sent
}

// naive computes the right state of a sink with one value kept per datapoint.
func naive(w *workload.Workload, method string, sent *load.Sent) []sink.State {
	type key struct {
		bucket int64
		output string
	}
	points := map[key][]float64{}
	states := make([]sink.State, w.Sinks())
	for i := range states {
		states[i] = sink.State{Values: map[int64]map[string]float64{}, Totals: map[string]sink.Total{}}
	}
	sent.EachLine(func(bucket int64, i int, times int64) {
		for range times {
			if w.Forward {
				name := string(w.AppendMetric(nil, w.Metric(i)))
				st := &states[0]
				if len(states) > 1 {
					st = &states[carbonOwner(name)]
				}
				t := st.Totals[name]
				st.Totals[name] = sink.Total{Lines: t.Lines + 1, Sum: t.Sum + w.Value(i)}
				st.Lines++
				continue
			}
			k := key{bucket, string(w.AppendOutput(nil, w.Output(i)))}
			points[k] = append(points[k], w.Value(i))
		}
	})
	st := &states[0]
	for k, values := range points {
		var v float64
		switch method {
		case "sum":
			for _, x := range values {
				v += x
			}
		case "count":
			v = float64(len(values))
		case "p99": // nearest rank
			slices.Sort(values)
			v = values[int(math.Ceil(.99*float64(len(values))))-1]
		}
		if st.Values[k.bucket] == nil {
			st.Values[k.bucket] = map[string]float64{}
		}
		st.Values[k.bucket][k.output] = v
		st.Lines++
	}
	return states
}

// carbonOwner is carbon's consistent hash over four instances of this host, from the
// description of its ring: a hundred points for each, at the first two bytes of an MD5.
func carbonOwner(name string) int {
	at := func(text string) int {
		sum := md5.Sum([]byte(text))
		return int(sum[0])<<8 | int(sum[1])
	}
	ring := map[int]int{}
	for i := range 4 {
		for k := range 100 {
			p := at(fmt.Sprintf("('127.0.0.1', '%c'):%d", 'a'+i, k))
			for _, taken := ring[p]; taken; _, taken = ring[p] {
				p++
			}
			ring[p] = i
		}
	}
	for p := at(name); ; p = (p + 1) % (1 << 17) {
		if owner, ok := ring[p]; ok {
			return owner
		}
	}
}

var (
	sums     = &workload.Workload{Name: "sums", Tails: 3, Apps: 4, Servers: 5, Variants: 1, Method: "sum"}
	ranks    = &workload.Workload{Name: "ranks", Tails: 1, Apps: 2, Servers: 50, Variants: 10, Method: "p99"}
	hashed   = &workload.Workload{Name: "hashed", Tails: 3, Apps: 4, Servers: 5, Variants: 1, Method: "sum", Forward: true, Destinations: 4}
	forwards = &workload.Workload{Name: "forwards", Tails: 3, Apps: 4, Servers: 5, Variants: 1, Method: "sum", Forward: true}
)

func TestRight(t *testing.T) {
	tests := map[string]struct {
		w      *workload.Workload
		method string
	}{
		"sum":             {sums, "sum"},
		"count":           {sums, "count"},
		"p99":             {ranks, "p99"},
		"count of ranks":  {ranks, "count"},
		"forwarded":       {forwards, "sum"},
		"forwarded tally": {forwards, "count"},
		"hashed":          {hashed, "sum"},
		"hashed tally":    {hashed, "count"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			sent := send(t, tt.w, 3000)
			e := Expect(tt.w, tt.method, sent)
			states := naive(tt.w, tt.method, sent)
			v := e.Judge(states)
			if !v.OK() || v.Loss != 0 || v.Exact != v.Buckets {
				t.Errorf("verdict %+v", v)
			}
			var lines int64
			for _, st := range states {
				lines += st.Lines
			}
			if lines != e.Lines() {
				t.Errorf("%d lines, expected %d", lines, e.Lines())
			}
			if (tt.method == "count" || tt.w.Forward) && v.Total != float64(sent.Points) {
				t.Errorf("total %v, want %d", v.Total, sent.Points)
			}
		})
	}
}

func TestWrong(t *testing.T) {
	// change applies f to one (bucket, output) pair.
	change := func(f func(values map[string]float64, name string)) func(*sink.State) {
		return func(st *sink.State) {
			for _, values := range st.Values {
				for name := range values {
					f(values, name)
					return
				}
			}
		}
	}
	tests := map[string]struct {
		w      *workload.Workload
		method string
		spoil  func(*sink.State)
		want   string // in the problem
		loss   int    // sign of the loss
	}{
		"a datapoint less": {sums, "count", change(func(v map[string]float64, n string) { v[n]-- }), "want", 1},
		"a datapoint more": {sums, "count", change(func(v map[string]float64, n string) { v[n]++ }), "want", -1},
		"a sum too small":  {sums, "sum", change(func(v map[string]float64, n string) { v[n] -= .25 }), "want", 1},
		"a missing output": {sums, "sum", change(func(v map[string]float64, n string) { delete(v, n) }), "missing", 1},
		"an unknown output": {sums, "sum", change(func(v map[string]float64, n string) { v["aggregates.x"] = 1 }),
			"1 outputs that no rule makes", 0},
		"a datapoint on the wrong output": {sums, "sum", change(func(v map[string]float64, n string) {
			for other := range v {
				if other != n {
					v[n], v[other] = v[n]+.25, v[other]-.25
					return
				}
			}
		}), "want", 0},
		"a bucket nothing was sent into": {sums, "sum", func(st *sink.State) { st.Values[5] = map[string]float64{"aggregates.x": 1} },
			"nothing was sent into this bucket", 0},
		"p99 a little too high": {ranks, "p99", change(func(v map[string]float64, n string) { v[n] *= 1.1 }), "want", 0},
		"p98":                   {ranks, "p99", change(func(v map[string]float64, n string) { v[n] *= .85 }), "want", 0},
		"no p99":                {ranks, "p99", change(func(v map[string]float64, n string) { delete(v, n) }), "missing", 1},
		"a bad line":            {sums, "sum", func(st *sink.State) { st.Bad++; st.FirstBad = "torn" }, "torn", 0},
		"a line less":           {forwards, "sum", func(st *sink.State) { st.Lines-- }, "lines forwarded", 1},
		"a line twice":          {forwards, "sum", func(st *sink.State) { st.Lines++ }, "lines forwarded", -1},
		"a line for another": {forwards, "count", func(st *sink.State) {
			n := string(forwards.AppendMetric(nil, 7))
			t := st.Totals[n]
			st.Totals[n] = sink.Total{Lines: t.Lines - 1, Sum: t.Sum}
		}, "app002.server000.requests001", 0},
		"a forwarded metric that was not sent": {forwards, "count", func(st *sink.State) { st.Totals["prod.x"] = sink.Total{} },
			"1 metrics forwarded to destination a that are not for it", 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			sent := send(t, tt.w, 3000)
			states := naive(tt.w, tt.method, sent)
			st := &states[0]
			tt.spoil(st)
			v := Expect(tt.w, tt.method, sent).Judge(states)
			if v.OK() || !strings.Contains(v.Problem, tt.want) {
				t.Errorf("problem %q, want %q in it", v.Problem, tt.want)
			}
			if sign := int(math.Copysign(1, v.Loss)); v.Loss != 0 && sign != tt.loss || v.Loss == 0 && tt.loss != 0 {
				t.Errorf("loss %v, want sign %d", v.Loss, tt.loss)
			}
			if !tt.w.Forward && v.Buckets > 0 && v.Exact == v.Buckets && st.Bad == 0 && st.Values[5] == nil {
				t.Errorf("all %d buckets are called exact", v.Buckets)
			}
		})
	}
}

// What is forwarded must be in the right place, not only be there.
func TestMisrouted(t *testing.T) {
	tests := map[string]struct {
		method string
		spoil  func([]sink.State)
		want   string
	}{
		"a line elsewhere":     {"sum", func(st []sink.State) { st[0].Lines--; st[3].Lines++ }, "lines forwarded to destination a"},
		"a line in two places": {"sum", func(st []sink.State) { st[2].Lines++ }, "lines forwarded, want"},
		"metrics that change places": {"count", func(st []sink.State) {
			st[1].Totals, st[2].Totals = st[2].Totals, st[1].Totals
		}, "0 lines with a sum of 0 forwarded"},
		"a metric in two places": {"count", func(st []sink.State) {
			for name := range st[1].Totals {
				st[2].Totals[name] = sink.Total{}
			}
		}, "forwarded to destination c that are not for it"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			sent := send(t, hashed, 3000)
			states := naive(hashed, tt.method, sent)
			tt.spoil(states)
			if v := Expect(hashed, tt.method, sent).Judge(states); !strings.Contains(v.Problem, tt.want) {
				t.Errorf("problem %q, want %q in it", v.Problem, tt.want)
			}
		})
	}
}

// The bounds of a percentile must enclose each definition in use, and be no
// further apart than one value.
func TestRank(t *testing.T) {
	for _, n := range []int{1, 2, 50, 99, 100, 101, 199, 200, 201, 1000, 12_345} {
		c := tally{}
		for i := n; i > 0; i-- {
			c.add(float64(i), 1)
			c.values = append(c.values, weighted{float64(i), 1})
		}
		c.rank()
		nearest := math.Ceil(.99 * float64(n))
		between := 1 + .99*float64(n-1)
		for _, p := range []float64{nearest, between} {
			if p < c.low-1e-9 || p > c.high+1e-9 {
				t.Errorf("%d values: %v lies outside [%v, %v]", n, p, c.low, c.high)
			}
		}
		if c.high-c.low > 1 {
			t.Errorf("%d values: [%v, %v] is too wide", n, c.low, c.high)
		}
	}
}
