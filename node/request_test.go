package node

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestErrors(t *testing.T) {
	m := newMemory(10)
	m.put(t, "req;service=api 1 -5", "old 1 -7300")
	const values = `"metric":"m","aggregator":"sum","values":[1],`
	const stored = `"metric":"req","aggregator":"sum",`
	cases := map[string]struct {
		members string
		code    int
		text    string
	}{
		"no metric":                 {`"aggregator":"sum","values":[1]`, 12, "metric is missing"},
		"metric null":               {`"metric":null,"aggregator":"sum","values":[1]`, 12, "metric is missing"},
		"metric empty":              {`"metric":"","aggregator":"sum","values":[1]`, 12, "metric is missing"},
		"metric a number":           {`"metric":5,"aggregator":"sum","values":[1]`, 12, "metric is 5; it must be a string"},
		"no aggregator":             {`"metric":"m","values":[1]`, 12, "aggregator is missing; accepted: sum, avg"},
		"aggregator a list":         {`"metric":"m","aggregator":["sum"],"values":[1]`, 12, `aggregator is ["sum"]`},
		"unknown aggregator":        {`"metric":"m","aggregator":"mean","values":[1]`, 10, `unknown aggregator "mean"; accepted: sum`},
		"other method":              {`"metric":"m","aggregator":"stddev","values":[1]`, 10, "stddev"},
		"median":                    {`"metric":"m","aggregator":"median","values":[1]`, 10, "median"},
		"upper case":                {`"metric":"m","aggregator":"SUM","values":[1]`, 10, "SUM"},
		"p0":                        {`"metric":"m","aggregator":"p0","values":[1]`, 10, "p0"},
		"p100":                      {`"metric":"m","aggregator":"p100","values":[1]`, 10, "p100"},
		"p":                         {`"metric":"m","aggregator":"p","values":[1]`, 10, `"p"`},
		"p-5":                       {`"metric":"m","aggregator":"p-5","values":[1]`, 10, "p-5"},
		"empty values":              {`"metric":"m","aggregator":"sum","values":[ ]`, 12, "values is empty"},
		"values no list":            {`"metric":"m","aggregator":"sum","values":7`, 12, "values is 7; it must be an array"},
		"a text among values":       {`"metric":"m","aggregator":"sum","values":[1,"2,3"]`, 12, `values[1] is "2; it must be a number`},
		"null among values":         {`"metric":"m","aggregator":"sum","values":[null]`, 12, "values[0] is null"},
		"a bool among values":       {`"metric":"m","aggregator":"sum","values":[1,2,true]`, 12, "values[2] is true"},
		"a list among values":       {`"metric":"m","aggregator":"sum","values":[[1]]`, 12, "values[0] is [1"},
		"an object among values":    {`"metric":"m","aggregator":"sum","values":[{"a":1}]`, 12, "values[0] is {"},
		"too large a value":         {`"metric":"m","aggregator":"sum","values":[1e400]`, 12, "values[0] is 1e400; it must lie within"},
		"names of another length":   {values + `"instances":["a","b"]`, 12, "instances names 2 values and there are 1"},
		"services of another":       {values + `"services":["a","b"]`, 12, "services names 2 values"},
		"names of another type":     {values + `"instances":[1]`, 12, "instances[0] is 1"},
		"values and points":         {values + `"points":[{"timestamp":1,"value":1}]`, 12, "values and points"},
		"values and group_by":       {values + `"group_by":["service"]`, 12, "group_by needs tags"},
		"values and tags":           {values + `"tags":{"a":"b"}`, 12, "tags filters by tags"},
		"values and rollup":         {values + `"rollup":"1m"`, 12, "a rollup needs timestamps"},
		"rollup without interval":   {`"metric":"req","aggregator":"rollup"`, 12, "interval is missing"},
		"interval of another type":  {stored + `"rollup":60`, 12, "rollup is 60"},
		"interval without unit":     {stored + `"rollup":"60"`, 12, `rollup is "60"; it must be a whole number above 0 and a unit`},
		"interval of nothing":       {stored + `"interval":"0s"`, 12, `interval is "0s"`},
		"interval too long":         {stored + `"interval":"7d1s"`, 12, "from 1s to 7d"},
		"two intervals":             {stored + `"interval":"1m","rollup":"2m"`, 12, "name one of them"},
		"too many buckets":          {stored + `"time_range":"10001s","interval":"1s"`, 12, "more than 10000 buckets"},
		"aggregators alone":         {stored + `"aggregators":["max"],"rollup":"1m"`, 12, "aggregators goes with the aggregator rollup"},
		"unknown in aggregators":    {`"metric":"req","aggregator":"rollup","interval":"1m","aggregators":["avg","mode"]`, 10, "mode"},
		"rollup in aggregators":     {`"metric":"req","aggregator":"rollup","interval":"1m","aggregators":["rollup"]`, 12, "cannot be rollup"},
		"aggregators empty":         {`"metric":"req","aggregator":"rollup","interval":"1m","aggregators":[]`, 12, "aggregators is an empty array"},
		"aggregators no list":       {`"metric":"req","aggregator":"rollup","interval":"1m","aggregators":"avg"`, 12, "aggregators is"},
		"points no list":            {`"metric":"m","aggregator":"sum","points":{}`, 12, "points is {}"},
		"points empty":              {`"metric":"m","aggregator":"sum","points":[]`, 12, "points is empty"},
		"a point no object":         {`"metric":"m","aggregator":"sum","points":[1]`, 12, "points[0] is 1"},
		"a point without time":      {`"metric":"m","aggregator":"sum","points":[{"value":1}]`, 12, "points[0]: timestamp and value"},
		"a point without value":     {`"metric":"m","aggregator":"sum","points":[{"timestamp":1,"value":null}]`, 12, "points[0]: timestamp and value"},
		"a point with a text":       {`"metric":"m","aggregator":"sum","points":[{"timestamp":"1","value":1}]`, 12, `points[0]: timestamp is "1"`},
		"a point out of time":       {`"metric":"m","aggregator":"sum","points":[{"timestamp":1e30,"value":1}]`, 12, "points[0]: timestamp is 1e30; it must be Unix seconds"},
		"a point with odd tags":     {`"metric":"m","aggregator":"sum","points":[{"timestamp":1,"value":1,"tags":{"a":1}}]`, 12, `points[0]: tags: "a" is 1`},
		"points, none in range":     {`"metric":"m","aggregator":"sum","points":[{"timestamp":1,"value":1}],"time_range":"1h"`, 20, "no data"},
		"points, none tagged":       {`"metric":"m","aggregator":"sum","points":[{"timestamp":1,"value":1}],"group_by":["a"]`, 20, "no data"},
		"group_by a text":           {stored + `"group_by":"service"`, 12, "group_by is"},
		"group_by twice":            {stored + `"group_by":["a","a"]`, 12, "twice"},
		"group_by nothing":          {stored + `"group_by":[""]`, 12, "group_by[0]"},
		"group_by value":            {stored + `"group_by":["value"]`, 12, `group_by[0] is "value"`},
		"services empty":            {stored + `"services":[]`, 12, "services is an empty array"},
		"services a text":           {stored + `"services":"api"`, 12, "services is"},
		"services with null":        {stored + `"services":[null]`, 12, "services[0] is null"},
		"tags a list":               {stored + `"tags":["a"]`, 12, "tags is"},
		"tags with a number":        {stored + `"tags":{"a":1}`, 12, `tags: "a" is 1`},
		"unknown metric":            {`"metric":"gone","aggregator":"sum"`, 20, `metric "gone" is unknown`},
		"nothing in range":          {`"metric":"old","aggregator":"sum"`, 20, "no data"},
		"nothing to count":          {`"metric":"old","aggregator":"count"`, 20, "no data"},
		"nothing with the tag":      {stored + `"services":["web"]`, 20, "no data"},
		"nothing with the tags":     {stored + `"tags":{"x":""}`, 20, "no data"},
		"nothing to group":          {stored + `"group_by":["host"]`, 20, "no data"},
		"a range that has expired":  {stored + `"time_range":{"from":1000,"to":2000}`, 20, "no data"},
		"range of nothing":          {stored + `"time_range":"0h"`, 12, `time_range is "0h"`},
		"range below nothing":       {stored + `"time_range":"-1h"`, 12, "time_range"},
		"range without unit":        {stored + `"time_range":"60"`, 12, "time_range"},
		"range without number":      {stored + `"time_range":"h"`, 12, "time_range"},
		"range of another unit":     {stored + `"time_range":"1y"`, 12, "s, m, h, d or w"},
		"range of fractions":        {stored + `"time_range":"1.5h"`, 12, "time_range"},
		"range empty":               {stored + `"time_range":""`, 12, "time_range"},
		"range a number":            {stored + `"time_range":3600`, 12, "time_range is 3600"},
		"range backwards":           {stored + `"time_range":{"from":2000,"to":1000}`, 12, "from is 2000 and to is 1000"},
		"range of one moment":       {stored + `"time_range":{"from":2000,"to":2000}`, 12, "from must be before to"},
		"range without to":          {stored + `"time_range":{"from":2000}`, 12, "to is missing"},
		"range without from":        {stored + `"time_range":{"to":2000}`, 12, "from is missing"},
		"range of texts":            {stored + `"time_range":{"from":"1","to":"2"}`, 12, "it must be a number"},
		"range out of time":         {stored + `"time_range":{"from":-1e300,"to":2}`, 12, "Unix seconds"},
		"a bad range beside values": {values + `"time_range":"soon"`, 12, "time_range"},
	}
	n := newNode(m)
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) { wantError(t, query(t, n, tt.members), tt.code, tt.text) })
	}
}

func TestPoints(t *testing.T) {
	n := newNode(newMemory(10))
	at := now.Unix()
	points := fmt.Sprintf(`"points":[{"timestamp":%d,"value":1,"tags":{"service":"a","host":"x"}},{"timestamp":%d.5,"value":2,"tags":{"service":"b"}},`+
		`{"timestamp":-7.5,"value":4},{"timestamp":%d,"value":8,"tags":null}]`, at-3600, at-10, at+5)
	cases := map[string]struct{ members, want string }{
		"all, without a range": {`"aggregator":"sum"`, `"value":15,"sample_count":4`},
		"an hour":              {`"aggregator":"sum","time_range":"1h"`, `"value":2,"sample_count":1`},
		"an hour and a second": {`"aggregator":"sum","time_range":"1h1s"`, `"value":3,"sample_count":2`},
		"half-open": {
			fmt.Sprintf(`"aggregator":"sum","time_range":{"from":%d,"to":%d.5}`, at-3600, at-10), `"value":1,"sample_count":1`,
		},
		"half-open, from": {
			fmt.Sprintf(`"aggregator":"sum","time_range":{"from":%d.5,"to":%d}`, at-10, at+5), `"value":2,"sample_count":1`,
		},
		"longer than is kept": {`"aggregator":"sum","time_range":"99999w"`, `"value":7,"sample_count":3`},
		"p50":                 {`"aggregator":"p50"`, `"value":4,"sample_count":4`},
		"filtered":            {`"aggregator":"sum","services":["a"]`, `"value":1,"sample_count":1`},
		"by instance":         {`"aggregator":"sum","tags":{"host":"x"}`, `"value":1,"sample_count":1`},
		"grouped": {
			`"aggregator":"count","group_by":["service"],"services":["b","c","a"]`,
			`"results":[{"service":"b","value":1},{"service":"a","value":1}],"total":2,"missing":["c"]`,
		},
		"before 1970": {
			`"aggregator":"rollup","interval":"5s","time_range":{"from":-100,"to":100}`,
			`"interval":"5s","buckets":[{"timestamp":-10,"value":4,"sample_count":1}]`,
		},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			got := query(t, n, `"metric":"m",`+tt.members+","+points)
			if want := `{"type":"aggregation_result","in_reply_to":1,` + tt.want + "}\n"; got != want {
				t.Errorf("got  %swant %s", got, want)
			}
		})
	}
	t.Run("too many buckets", func(t *testing.T) {
		n := New(Config{Source: newMemory(10), MaxBuckets: 2})
		const three = `"metric":"m","points":[{"timestamp":1,"value":1},{"timestamp":2,"value":1},{"timestamp":3,"value":1}],"aggregator":"sum",`
		wantError(t, query(t, n, three+`"rollup":"1s"`), 12, "more than 2 buckets")
		if got := query(t, n, three+`"rollup":"2s"`); !strings.Contains(got, `"timestamp":2,"value":2`) {
			t.Error(got)
		}
	})
}

// TestRanges tells which buckets of 60 s count in which ranges. Bucket k, from 0
// to 3, begins at base+60k and holds 2^k; the last is open.
func TestRanges(t *testing.T) {
	m := newMemory(60)
	m.retention = 86400
	base := now.Unix() - now.Unix()%60 - 180
	for k := range 4 {
		if err := m.Record(t.Context(), "m", float64(int(1)<<k), nil, float64(base+60*int64(k)+7)); err != nil {
			t.Fatal(err)
		}
	}
	n := newNode(m)
	cases := map[string]struct {
		members string
		want    float64
	}{
		"aligned":                       {fmt.Sprintf(`{"from":%d,"to":%d}`, base, base+120), 1 + 2},
		"the next":                      {fmt.Sprintf(`{"from":%d,"to":%d}`, base+120, base+180), 4},
		"from within a bucket":          {fmt.Sprintf(`{"from":%d,"to":%d}`, base+59, base+120), 1 + 2},
		"to within a bucket":            {fmt.Sprintf(`{"from":%d,"to":%d}`, base, base+61), 1},
		"the rest of it":                {fmt.Sprintf(`{"from":%d,"to":%d}`, base+61, base+120), 2},
		"within an ended bucket":        {fmt.Sprintf(`{"from":%d,"to":%d}`, base+61, base+70), 0},
		"into the open bucket":          {fmt.Sprintf(`{"from":%d,"to":%d}`, base+120, base+181), 4 + 8},
		"within the open bucket":        {fmt.Sprintf(`{"from":%d,"to":%d}`, base+187, base+188), 8},
		"a part of its first second":    {fmt.Sprintf(`{"from":%d,"to":%d.25}`, base+120, base+180), 4 + 8},
		"up to the open bucket":         {fmt.Sprintf(`{"from":%d,"to":%d}`, base+120, base+180), 4},
		"far ahead":                     {fmt.Sprintf(`{"from":%d,"to":9e15}`, base+120), 4 + 8},
		"from long ago, beyond keeping": {fmt.Sprintf(`{"from":-9e15,"to":%d}`, base+60), 1},
		"the last second":               {`"1s"`, 8},
		"back into the bucket before":   {`"50s"`, 4 + 8},
		"all":                           {`"1h"`, 15},
		"longer than is kept":           {`"52w"`, 15},
		"longer than can be":            {`"99999999999999999999w"`, 15},
		"in parts":                      {`"1m1s0h"`, 4 + 8},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			m.asked = nil
			got := query(t, n, `"metric":"m","aggregator":"sum","time_range":`+tt.members)
			if tt.want == 0 {
				wantError(t, got, 20, "no data")
			} else if want := fmt.Sprintf(`{"type":"aggregation_result","in_reply_to":1,"value":%v,"sample_count":`, tt.want); !strings.HasPrefix(got, want) {
				t.Errorf("got  %swant %s", got, want)
			}
			for _, r := range m.asked {
				if r[0] >= r[1] || r[0] < now.Unix()-m.retention {
					t.Errorf("asked for %v, which is empty or beyond what is kept", r)
				}
			}
		})
	}
}

// TestSideBySide cuts time at every second: the parts add up to the whole.
func TestSideBySide(t *testing.T) {
	m := newMemory(10)
	for i := range int64(60) {
		if err := m.Record(t.Context(), "m", 1, nil, float64(now.Unix()-1000+i)); err != nil {
			t.Fatal(err)
		}
	}
	n := newNode(m)
	sum := func(from, to int64) float64 {
		got := query(t, n, fmt.Sprintf(`"metric":"m","aggregator":"count","time_range":{"from":%d,"to":%d}`, from, to))
		if strings.Contains(got, `"code":20`) {
			return 0
		}
		return parse(t, value(t, got).(map[string]any)["value"])
	}
	from, to := now.Unix()-1100, now.Unix()-800
	for cut := from + 1; cut < to; cut++ {
		if a, b := sum(from, cut), sum(cut, to); a+b != 60 {
			t.Errorf("cut at %d: %v and %v", cut, a, b)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]int64{
		"1s": 1, "90s": 90, "5m": 300, "1h": 3600, "1d": 86400, "2w": 1209600, "1h30m": 5400, "1d1h1m1s": 90061, "007s": 7,
		"": 0, "0s": 0, "0h0m": 0, "1": 0, "s": 0, "1h30": 0, "-1h": 0, "+1h": 0, "1.5h": 0, "1 h": 0, " 1h": 0, "1H": 0, "1ms": 0, "1mo": 0, "1é": 0,
	} {
		if got, ok := parseDuration(text); ok != (want > 0) || ok && got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"18446744073709551617w", strings.Repeat("9", 1000) + "s", strings.Repeat("9999999999999w", 1000)} {
		if got, ok := parseDuration(text); !ok || got != maxDuration {
			t.Errorf("%.30q: %d, %v", text, got, ok)
		}
	}
}

func TestAppendNumber(t *testing.T) {
	for want, x := range map[string]float64{
		"0": math.Copysign(0, -1), "5": 5, "-5": -5, "0.1": 0.1, "9007199254740992": 1 << 53, "-9007199254740992": -1 << 53,
		"1000000": 1e6, "100000000000000000000": 1e20, "1e+21": 1e21, "0.000001": 1e-6, "1e-07": 1e-7, "5e-324": 5e-324,
		"1.7976931348623157e+308": math.MaxFloat64, "null": math.Inf(1), "16777217.25": 16777217.25,
	} {
		if got := string(appendNumber(nil, x)); got != want {
			t.Errorf("%v: %s, want %s", x, got, want)
		}
	}
	if got := string(appendNumber(nil, math.NaN())); got != "null" {
		t.Errorf("NaN: %s", got)
	}
}

func TestRank(t *testing.T) {
	for _, tt := range []struct {
		name    string
		n, want int64
	}{
		{"p50", 1, 0}, {"p99", 1, 0}, {"p99", math.MaxInt64, 9131138316486228048}, {"p99.9999999", math.MaxInt64, 9223372027631403770},
		{"p999", 1000, 999}, {"p0.1", 999, 0}, {"p0.1", 1000, 1}, {"p05", 20, 1},
	} {
		a, err := parseAggregator(tt.name)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.rank(tt.n); got != tt.want {
			t.Errorf("%s of %d is %d, want %d", tt.name, tt.n, got, tt.want)
		}
	}
}
