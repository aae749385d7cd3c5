package workload

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// The sizes as the documentation promises them.
func TestSizes(t *testing.T) {
	want := map[string]struct{ metrics, rules, outputs int }{
		"W1": {10_000, 10, 100},
		"W2": {1_000_000, 100, 10_000},
		"W3": {10_000, 1_000, 1_000},
		"W4": {2_000_000, 10, 100},
		"W5": {100_000, 10, 0},
		"W6": {10_000, 10, 100},
	}
	for _, w := range All() {
		t.Run(w.Name, func(t *testing.T) {
			metrics, outputs := map[string]bool{}, map[string]bool{}
			for i := range w.Lines() {
				metrics[string(w.AppendMetric(nil, w.Metric(i)))] = true
				if !w.Forward {
					outputs[string(w.AppendOutput(nil, w.Output(i)))] = true
				}
			}
			if len(metrics) != want[w.Name].metrics || len(metrics) != w.Metrics() {
				t.Errorf("%d metrics, want %d; Metrics says %d", len(metrics), want[w.Name].metrics, w.Metrics())
			}
			if len(outputs) != want[w.Name].outputs || len(outputs) != w.Outputs() {
				t.Errorf("%d outputs, want %d; Outputs says %d", len(outputs), want[w.Name].outputs, w.Outputs())
			}
			if n := len(w.RuleSet(w.Method)); n != want[w.Name].rules {
				t.Errorf("%d rules, want %d", n, want[w.Name].rules)
			}
		})
	}
}

// Each metric must match exactly one rule, and feed the output that Output names;
// where all is forwarded it must match none. Rules are applied here by splitting names.
func TestRulesReachOutputs(t *testing.T) {
	for _, w := range All() {
		t.Run(w.Name, func(t *testing.T) {
			step := max(1, w.Lines()/10_000)
			tails := map[string]int{}
			for _, r := range w.RuleSet(w.Method) {
				tails[r.Tail]++
			}
			for i := 0; i < w.Lines(); i += step {
				p := strings.SplitN(string(w.AppendMetric(nil, w.Metric(i))), ".", 5)
				if w.Forward {
					if tails[p[4]] != 0 {
						t.Fatalf("line %d matches a rule: %q", i, p)
					}
					continue
				}
				got := fmt.Sprintf("aggregates.%s.app.%s.all.%s", p[0], p[2], p[4])
				if want := string(w.AppendOutput(nil, w.Output(i))); tails[p[4]] != 1 || got != want {
					t.Fatalf("line %d: %d rules, output %q, want 1 and %q", i, tails[p[4]], got, want)
				}
			}
		})
	}
}

func TestNames(t *testing.T) {
	w := &Workload{Tails: 10, Apps: 20, Servers: 20_000}
	for m, want := range map[int]string{
		0:                      "prod.applications.app000.server000.requests000.count",
		42*200 + 17*10 + 3:     "prod.applications.app017.server042.requests003.count",
		12_345*200 + 10*10 + 9: "prod.applications.app010.server12345.requests009.count",
		100*200 + 0*10 + 0:     "prod.applications.app000.server100.requests000.count",
		99*200 + 9*10 + 1:      "prod.applications.app009.server099.requests001.count",
		1000*200 + 19*10 + 5:   "prod.applications.app019.server1000.requests005.count",
	} {
		if got := string(w.AppendMetric(nil, m)); got != want {
			t.Errorf("metric %d: %q, want %q", m, got, want)
		}
	}
	if got, want := string(w.AppendOutput(nil, 173)), "aggregates.prod.app.app017.all.requests003.count"; got != want {
		t.Errorf("output: %q, want %q", got, want)
	}
	if got, want := w.NameBytes(3), int64(3*len("prod.applications.app000.server000.requests000.count")); got != want {
		t.Errorf("NameBytes(3) = %d, want %d", got, want)
	}
}

func TestValues(t *testing.T) {
	for _, w := range All() {
		t.Run(w.Name, func(t *testing.T) {
			var values []float64
			for i := range min(w.Lines(), 100_000) {
				v := w.Value(i)
				if v <= 0 || v > 20_000 || v*4 != math.Trunc(v*4) {
					t.Fatalf("line %d: %v is no positive multiple of 1/4", i, v)
				}
				values = append(values, v)
			}
			slices.Sort(values)
			// Quantiles of the distributions: uniform over 1000, exponential with mean 100.
			want := map[float64]float64{.5: 500, .98: 980, .99: 990}
			if w.Method == "p99" {
				want = map[float64]float64{.5: 69.3, .98: 391, .99: 460.5}
			}
			for q, v := range want {
				if got := values[int(q*float64(len(values)))]; math.Abs(got-v) > .05*v {
					t.Errorf("quantile %v is %v, want about %v", q, got, v)
				}
			}
		})
	}
}
