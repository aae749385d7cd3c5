package node

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestModel compares grouped aggregates of random datapoints, inline and
// stored, with what a loop over all of them gives.
func TestModel(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d", seed)
	services, hosts := []string{"", "api", "web", "auth"}, []string{"", "a", "b"}
	type sample struct {
		service, host string
		value         float64
		at            int64
	}
	for range 200 {
		m := newMemory(1) // a cell for each second: ranges are exact
		var all []sample
		var points []string
		for range 1 + r.IntN(60) {
			s := sample{services[r.IntN(4)], hosts[r.IntN(3)], float64(r.IntN(2000)-1000) / 8, now.Unix() - r.Int64N(400)}
			all = append(all, s)
			tags := map[string]string{}
			var text []string
			for k, v := range map[string]string{"service": s.service, "host": s.host} {
				if v != "" {
					tags[k] = v
					text = append(text, fmt.Sprintf("%q:%q", k, v))
				}
			}
			if err := m.Record(t.Context(), "m", s.value, tags, float64(s.at)); err != nil {
				t.Fatal(err)
			}
			points = append(points, fmt.Sprintf(`{"timestamp":%d,"value":%v,"tags":{%s}}`, s.at, s.value, strings.Join(text, ",")))
		}
		from := now.Unix() - r.Int64N(400)
		to := from + 1 + r.Int64N(400)
		interval := int64(1 + r.IntN(100))
		aggregator := []string{"sum", "avg", "min", "max", "count", "p50", "p90", "p999"}[r.IntN(8)]
		by := [][]string{nil, {"service"}, {"host"}, {"service", "host"}, {"host", "service"}}[r.IntN(5)]
		var filter []string
		if r.IntN(2) == 0 {
			filter = []string{"web", "api"}
		}

		groups := map[[2]string]map[int64][]float64{}
		for _, s := range all {
			if s.at < from || s.at >= to || filter != nil && !slices.Contains(filter, s.service) {
				continue
			}
			var key [2]string
			skip := false
			for i, tag := range by {
				if key[i] = s.host; tag == "service" {
					key[i] = s.service
				}
				skip = skip || key[i] == ""
			}
			if skip {
				continue
			}
			if groups[key] == nil {
				groups[key] = map[int64][]float64{}
			}
			start := s.at - s.at%interval
			groups[key][start] = append(groups[key][start], s.value)
		}

		members := fmt.Sprintf(`"metric":"m","aggregator":%q,"time_range":{"from":%d,"to":%d}`, aggregator, from, to)
		if by != nil {
			members += fmt.Sprintf(`,"group_by":["%s"]`, strings.Join(by, `","`))
		}
		if filter != nil {
			members += `,"services":["web","api"]`
		}
		rollup := r.IntN(2) == 0
		if rollup {
			members += fmt.Sprintf(`,"rollup":"%ds"`, interval)
		}
		for place, more := range map[string]string{"stored": "", "points": `,"points":[` + strings.Join(points, ",") + "]"} {
			got := query(t, newNode(m), members+more)
			if len(groups) == 0 {
				wantError(t, got, 20, "no data")
				continue
			}
			v := value(t, got).(map[string]any)
			results := []any{v}
			if by != nil {
				results = v["results"].([]any)
			}
			if len(results) != len(groups) {
				t.Fatalf("%s: %d groups, want %d: %s", place, len(results), len(groups), got)
			}
			var total float64
			for _, x := range results {
				res := x.(map[string]any)
				var key [2]string
				for i, tag := range by {
					key[i] = res[tag].(string)
				}
				buckets := groups[key]
				if !rollup {
					var values []float64
					for _, b := range buckets {
						values = append(values, b...)
					}
					want := naive(aggregator, values)
					if got := parse(t, res["value"]); !near(got, want) {
						t.Fatalf("%s %s of %v: %v, want %v", place, aggregator, key, got, want)
					}
					total += want
					continue
				}
				list := res["buckets"].([]any)
				if len(list) != len(buckets) {
					t.Fatalf("%s: %d buckets, want %d", place, len(list), len(buckets))
				}
				for _, x := range list {
					b := x.(map[string]any)
					start := int64(parse(t, b["timestamp"]))
					want := naive(aggregator, buckets[start])
					if got := parse(t, b["value"]); !near(got, want) || int(parse(t, b["sample_count"])) != len(buckets[start]) {
						t.Fatalf("%s %s of %v at %d: %v, want %v", place, aggregator, key, start, b, want)
					}
				}
			}
			sum := by != nil && !rollup && (aggregator == "sum" || aggregator == "count")
			if got, ok := v["total"]; ok != sum || ok && !near(parse(t, got), total) {
				t.Fatalf("%s %s: total %v, want %v", place, aggregator, got, total)
			}
		}
	}
}

func near(got, want float64) bool {
	return math.Abs(got-want) <= 1e-12*math.Max(1, math.Abs(want))
}

// naive is what the aggregators are defined as.
func naive(aggregator string, values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	var sum float64
	for _, x := range s {
		sum += x // eighths: exact
	}
	n := len(s)
	switch aggregator {
	case "sum":
		return sum
	case "avg":
		return sum / float64(n)
	case "min":
		return s[0]
	case "max":
		return s[n-1]
	case "count":
		return float64(n)
	case "p50":
		return s[50*n/100]
	case "p90":
		return s[90*n/100]
	case "p999":
		return s[999*n/1000]
	}
	panic(aggregator)
}

func parse(t testing.TB, v any) float64 {
	t.Helper()
	var x float64
	if _, err := fmt.Sscan(fmt.Sprint(v), &x); err != nil {
		t.Fatal(err)
	}
	return x
}
