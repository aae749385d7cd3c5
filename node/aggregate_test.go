package node

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func join(xs []float64) string {
	var b strings.Builder
	for i, x := range xs {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%v", x)
	}
	return b.String()
}

func upTo(n int) []float64 {
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = float64(i + 1)
	}
	return xs
}

func TestInlineValues(t *testing.T) {
	shuffled := upTo(100)
	rand.New(rand.NewPCG(1, 1)).Shuffle(100, func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	cases := map[string]struct{ aggregator, values, want string }{
		"sum":                       {"sum", "1,2,3.5", `"value":6.5,"sample_count":3`},
		"sum of tenths":             {"sum", strings.TrimSuffix(strings.Repeat("0.1,", 10), ","), `"value":1,"sample_count":10`},
		"sum loses nothing":         {"sum", "1e100,1,-1e100", `"value":1,"sample_count":3`},
		"sum up to 2^53":            {"sum", "9007199254740991,1", `"value":9007199254740992,"sample_count":2`},
		"sum of large":              {"sum", "1e20,1", `"value":100000000000000000000,"sample_count":2`},
		"sum beyond 1e21":           {"sum", "1e21,1e21", `"value":2e+21,"sample_count":2`},
		"sum that overflows":        {"sum", "1e308,1e308", `"value":null,"sample_count":2`},
		"sum of minus nothing":      {"sum", "-0.0", `"value":0,"sample_count":1`},
		"avg":                       {"avg", "1,2", `"value":1.5,"sample_count":2`},
		"avg of thirds":             {"avg", "1,0,0", `"value":0.3333333333333333,"sample_count":3`},
		"min":                       {"min", "3,-2e-9,7", `"value":-2e-09,"sample_count":3`},
		"max":                       {"max", " 3 , 1E2\n, 7 ", `"value":100,"sample_count":3`},
		"count":                     {"count", "3,1,7", `"value":3,"sample_count":3`},
		"a large integer":           {"max", "9007199254740993", `"value":9007199254740992,"sample_count":1`},
		"an integer too long":       {"max", "123456789012345678901234567890", `"value":1.2345678901234568e+29,"sample_count":1`},
		"p95 of one":                {"p95", "7", `"value":7,"sample_count":1`},
		"p95 of 10":                 {"p95", join(upTo(10)), `"value":10,"sample_count":10`},
		"p95 of 20":                 {"p95", join(upTo(20)), `"value":20,"sample_count":20`},
		"p95 of 100":                {"p95", join(upTo(100)), `"value":96,"sample_count":100`},
		"p95 of 100 in no order":    {"p95", join(shuffled), `"value":96,"sample_count":100`},
		"p50 of 2":                  {"p50", "1,2", `"value":2,"sample_count":2`},
		"p50 of 3":                  {"p50", "3,1,2", `"value":2,"sample_count":3`},
		"p99 of 100":                {"p99", join(upTo(100)), `"value":100,"sample_count":100`},
		"p99 of 99":                 {"p99", join(upTo(99)), `"value":99,"sample_count":99`},
		"p999 of 1000":              {"p999", join(upTo(1000)), `"value":1000,"sample_count":1000`},
		"p999 of 999":               {"p999", join(upTo(999)), `"value":999,"sample_count":999`},
		"p999 of 10000":             {"p999", join(upTo(10000)), `"value":9991,"sample_count":10000`},
		"p99.9 of 10000":            {"p99.9", join(upTo(10000)), `"value":9991,"sample_count":10000`},
		"p29, rounded down by half": {"p29", join(upTo(100)), `"value":30,"sample_count":100`}, // 0.29*100 is 28.999999999999996
		"p5":                        {"p5", join(upTo(100)), `"value":6,"sample_count":100`},
	}
	n := newNode(newMemory(10))
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			got := query(t, n, fmt.Sprintf(`"metric":"m","aggregator":%q,"values":[%s]`, tt.aggregator, tt.values))
			if want := `{"type":"aggregation_result","in_reply_to":1,` + tt.want + "}\n"; got != want {
				t.Errorf("got  %swant %s", got, want)
			}
		})
	}
}

func TestInlineNames(t *testing.T) {
	n := newNode(newMemory(10))
	for _, members := range []string{
		`"services":["a","b"]`, `"hosts":["a","b"]`, `"instances":["a","a"]`, `"group_by":[]`, `"time_range":"1h"`, `"tags":null`,
	} {
		wantJSON(t, query(t, n, `"metric":"m","aggregator":"sum","values":[1,2],`+members),
			`{"type":"aggregation_result","in_reply_to":1,"value":3,"sample_count":2}`)
	}
}

func TestUnits(t *testing.T) {
	m := newMemory(10)
	m.units = map[string]string{"declared_bytes": "pages", "none_bytes": ""}
	n := newNode(m)
	cases := map[string]string{
		"memory_bytes": "bytes", "sent_bytes_total": "bytes", "took_seconds": "seconds", "took_ms": "milliseconds",
		"took_milliseconds": "milliseconds", "took_us": "microseconds", "took_ns": "nanoseconds", "cpu_percent": "percent",
		"hit_ratio": "ratio", "room_celsius": "celsius", "servers.web01.disk_bytes": "bytes", "declared_bytes": "pages",
		"none_bytes": "", "http_requests_total": "", "bytes": "", "bytes_total": "", "x_total_total": "", "total": "", "a_bytes_sent": "",
		"a_BYTES": "", "_bytes": "bytes",
	}
	for metric, unit := range cases {
		want := `"unit":"` + unit + `"`
		if unit == "" {
			want = `"value":3,"sample_count"`
		}
		if got := query(t, n, fmt.Sprintf(`"metric":%q,"aggregator":"max","values":[3]`, metric)); !strings.Contains(got, want) {
			t.Errorf("%s: want %s, got %s", metric, want, got)
		}
		if got := query(t, n, fmt.Sprintf(`"metric":%q,"aggregator":"count","values":[3]`, metric)); strings.Contains(got, "unit") {
			t.Errorf("%s: a count has a unit: %s", metric, got)
		}
	}
}

func TestStored(t *testing.T) {
	m := newMemory(10)
	m.units = map[string]string{"req": "requests"}
	m.put(t,
		"req;service=api;host=a 1 -5", "req;service=api;host=a 3 -15", "req;service=api;host=b 5 -5",
		"req;service=web;host=a 10 -25", "req;service=web;host=b 20 -3000", "req;host=b 100 -5", "req 1000 -5",
		"old 1 -7300", "fresh 4 0",
	)
	cases := map[string]struct{ members, want string }{
		"everything":    {`"metric":"req","aggregator":"sum"`, `"value":1139,"unit":"requests","sample_count":7`},
		"avg of totals": {`"metric":"req","aggregator":"avg","services":["api"]`, `"value":3,"unit":"requests","sample_count":3`},
		"min":           {`"metric":"req","aggregator":"min"`, `"value":1,"unit":"requests","sample_count":7`},
		"max":           {`"metric":"req","aggregator":"max"`, `"value":1000,"unit":"requests","sample_count":7`},
		"count":         {`"metric":"req","aggregator":"count"`, `"value":7,"sample_count":7`},
		"p50":           {`"metric":"req","aggregator":"p50"`, `"value":10,"unit":"requests","sample_count":7`},
		"a range":       {`"metric":"req","aggregator":"count","time_range":"1m"`, `"value":6,"sample_count":6`},
		"just received": {`"metric":"fresh","aggregator":"sum","time_range":"1s"`, `"value":4,"sample_count":1`},
		"longer range":  {`"metric":"old","aggregator":"sum","time_range":"2h30m"`, `"value":1,"sample_count":1`},
		"tags":          {`"metric":"req","aggregator":"sum","tags":{"service":"api","host":"a"}`, `"value":4,"unit":"requests","sample_count":2`},
		"hosts":         {`"metric":"req","aggregator":"sum","hosts":["b"]`, `"value":125,"unit":"requests","sample_count":3`},
		"two filters":   {`"metric":"req","aggregator":"sum","hosts":["b","c"],"services":["web","api"]`, `"value":25,"unit":"requests","sample_count":2`},
		"grouped": {
			`"metric":"req","aggregator":"sum","group_by":["service"]`,
			`"results":[{"service":"api","value":9},{"service":"web","value":30}],"total":39`,
		},
		"grouped, avg has no total": {
			`"metric":"req","aggregator":"avg","group_by":["service"]`,
			`"results":[{"service":"api","value":3},{"service":"web","value":15}]`,
		},
		"grouped, count has no unit": {
			`"metric":"req","aggregator":"count","group_by":["host"]`,
			`"results":[{"host":"a","value":3},{"host":"b","value":3}],"total":6`,
		},
		"the order asked for, and what is missing": {
			`"metric":"req","aggregator":"sum","group_by":["service"],"services":["web","gone","api","web","lost"]`,
			`"results":[{"service":"web","value":30},{"service":"api","value":9}],"total":39,"missing":["gone","lost"]`,
		},
		"several tags": {
			`"metric":"req","aggregator":"max","group_by":["host","service"]`,
			`"results":[{"host":"a","service":"api","value":3},{"host":"a","service":"web","value":10},` +
				`{"host":"b","service":"api","value":5},{"host":"b","service":"web","value":20}]`,
		},
		"several tags in the order asked for": {
			`"metric":"req","aggregator":"max","group_by":["host","service"],"services":["web","api","x"],"hosts":["b","y"]`,
			`"results":[{"host":"b","service":"web","value":20},{"host":"b","service":"api","value":5}],"missing":["y","x"]`,
		},
		"a filter by another tag": {
			`"metric":"req","aggregator":"sum","group_by":["host"],"services":["api","x"]`,
			`"results":[{"host":"a","value":4},{"host":"b","value":5}],"total":9`,
		},
		"a rollup": {
			`"metric":"req","aggregator":"rollup","interval":"10s","aggregators":["avg","max","count","avg"],"services":["api"],"time_range":"1m"`,
			`"interval":"10s","buckets":[{"timestamp":1700003590,"values":{"avg":3,"max":3,"count":1},"sample_count":1},` +
				`{"timestamp":1700003600,"values":{"avg":3,"max":5,"count":2},"sample_count":2}]`,
		},
		"a grouped rollup": {
			`"metric":"req","aggregator":"sum","rollup":"1h","group_by":["service"],"services":["web","x","api"]`,
			`"interval":"1h","results":[{"service":"web","buckets":[{"timestamp":1699999200,"value":20,"sample_count":1},` +
				`{"timestamp":1700002800,"value":10,"sample_count":1}]},` +
				`{"service":"api","buckets":[{"timestamp":1700002800,"value":9,"sample_count":3}]}],"missing":["x"]`,
		},
	}
	n := newNode(m)
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			got := query(t, n, tt.members)
			if want := `{"type":"aggregation_result","in_reply_to":1,` + tt.want + "}\n"; got != want {
				t.Errorf("got  %swant %s", got, want)
			}
		})
	}
}

// TestPercentilesOfStored asks for more values than one cell holds exactly.
func TestPercentilesOfStored(t *testing.T) {
	t.Run("exact over many cells", func(t *testing.T) {
		m := newMemory(10)
		for i := range 3000 {
			m.put(t, fmt.Sprintf("m;host=%d %d %d", i%2, i, -i))
		}
		wantJSON(t, query(t, newNode(m), `"metric":"m","aggregator":"p99"`),
			`{"type":"aggregation_result","in_reply_to":1,"value":2970,"sample_count":3000}`)
		wantJSON(t, query(t, newNode(m), `"metric":"m","aggregator":"p50","group_by":["host"]`),
			`{"type":"aggregation_result","in_reply_to":1,"results":[{"host":"0","value":1500},{"host":"1","value":1501}]}`)
	})
	t.Run("from a sketch", func(t *testing.T) {
		m := newMemory(3600)
		for i := range 2000 {
			m.put(t, fmt.Sprintf("m;host=a %d -1", i+1))
		}
		m.put(t, "m;host=b 1 -1", "m;host=b 2 -1", "m;host=b 3 -3601")
		for members, exact := range map[string]float64{
			`"aggregator":"p50","tags":{"host":"a"}`: 1001, `"aggregator":"p99","tags":{"host":"a"}`: 1981,
			`"aggregator":"p999"`: 2000, `"aggregator":"p50"`: 1000,
		} {
			v := value(t, query(t, newNode(m), `"metric":"m","time_range":"2h",`+members)).(map[string]any)
			got := parse(t, v["value"])
			if v["approximate"] != true || math.Abs(got-exact) > exact/100 {
				t.Errorf("%s: %v, want about %v", members, v, exact)
			}
		}
		wantJSON(t, query(t, newNode(m), `"metric":"m","time_range":"2h","aggregator":"p50","tags":{"host":"b"}`),
			`{"type":"aggregation_result","in_reply_to":1,"value":2,"sample_count":3}`)
		got := query(t, newNode(m), `"metric":"m","time_range":"2h","aggregator":"p999","group_by":["host"]`)
		if !strings.Contains(got, `"approximate":true},{"host":"b","value":3}]`) {
			t.Errorf("only the results from a sketch are marked: %s", got)
		}
		got = query(t, newNode(m), `"metric":"m","time_range":"2h","aggregator":"rollup","aggregators":["p999","max"],"interval":"2h"`)
		if !strings.HasSuffix(got, `"max":2000},"sample_count":2003,"approximate":true}]}`+"\n") {
			t.Errorf("got %s", got)
		}
	})
	t.Run("without values", func(t *testing.T) {
		m := newMemory(10)
		m.noValues = true
		m.put(t, "single 5 -1", "single 3 -21", "several 5 -1", "several 6 -1")
		wantJSON(t, query(t, newNode(m), `"metric":"single","aggregator":"p50"`),
			`{"type":"aggregation_result","in_reply_to":1,"value":5,"sample_count":2}`)
		wantError(t, query(t, newNode(m), `"metric":"several","aggregator":"p50"`), 10, "accepted here: sum, avg, min, max, count")
		wantJSON(t, query(t, newNode(m), `"metric":"several","aggregator":"avg"`),
			`{"type":"aggregation_result","in_reply_to":1,"value":5.5,"sample_count":2}`)
	})
}

// TestGatherBeyondRoom lets the values of a request become a sketch.
func TestGatherBeyondRoom(t *testing.T) {
	m := newMemory(10)
	for i := range 3000 {
		m.put(t, fmt.Sprintf("m %d %d", i+1, -i))
	}
	list, _, err := m.Cells(t.Context(), "m", 0, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	a, err := parseAggregator("p90")
	if err != nil {
		t.Fatal(err)
	}
	for room, rough := range map[int64]bool{3000: false, 2999: true, 0: true} {
		var s samples
		left := room
		for i := range list[0].Cells {
			s.merge(&list[0].Cells[i], true, &left)
		}
		got, approximate := s.value(&a)
		if approximate != rough || math.Abs(got-2701) > 27 || !rough && got != 2701 {
			t.Errorf("room for %d: %v, approximate %v", room, got, approximate)
		}
		if want := room - 3000; left < 0 || !rough && left != want {
			t.Errorf("room for %d: %d left", room, left)
		}
	}
}
