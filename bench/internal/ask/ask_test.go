package ask

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/api/graphite/wire"
	"github.com/coalesce-metrics/coalesce/query/functions"
)

func noCPU() (time.Duration, error) { return 0, nil }

// serve answers with what f returns for the number of the request, from 0.
func serve(t *testing.T, f func(n int64, r *http.Request) (status int, body string)) string {
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, body := f(n.Add(1)-1, r)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func TestAsk(t *testing.T) {
	q := &Question{What: "x", Path: "/x?y=1", Answer: "1 z", Check: func(body []byte) error {
		if string(body) != "right" {
			return fmt.Errorf("it is %q", body)
		}
		return nil
	}}
	var cpu time.Duration
	l, err := q.Ask(t.Context(), serve(t, func(_ int64, r *http.Request) (int, string) {
		if r.URL.String() != "/x?y=1" {
			t.Errorf("asked for %s", r.URL)
		}
		return 200, "right"
	}), 5, func() (time.Duration, error) { cpu += time.Second; return cpu, nil })
	if err != nil || len(l.Each) != 5 || l.First <= 0 || l.Bytes != 5 || l.What != "x" || l.Answer != "1 z" || l.CPU != time.Second {
		t.Errorf("%+v, %v", l, err)
	}
	tests := map[string]struct {
		answer func(n int64) (int, string)
		want   string
	}{
		"wrong":         {func(int64) (int, string) { return 200, "wrong" }, `x: it is "wrong"`},
		"refused":       {func(int64) (int, string) { return 400, "narrow it" }, "400 Bad Request: narrow it"},
		"another later": {func(n int64) (int, string) { return 200, map[bool]string{true: "right", false: "other"}[n < 3] }, "is not the first one"},
		"refused later": {func(n int64) (int, string) { return map[bool]int{true: 200, false: 503}[n < 3], "right" }, "503"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			address := serve(t, func(n int64, _ *http.Request) (int, string) { return tt.answer(n) })
			if _, err := q.Ask(t.Context(), address, 5, noCPU); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

func TestNames(t *testing.T) {
	names := []string{"a.x.1", "a.x.2", "a.y.1", "b.x.1", "b.x.10", "c"}
	each := func(yield func(string) bool) {
		for _, n := range names {
			if !yield(n) {
				return
			}
		}
	}
	for pattern, want := range map[string][]string{
		"*":         {"a", "b", "c"},
		"a.*":       {"a.x", "a.y"},
		"*.x.1":     {"a.x.1", "b.x.1"},
		"*.[x].1?":  {"b.x.10"},
		"a.x.1.2.3": nil,
	} {
		q := Names(pattern, each)
		if q.What != "find "+pattern || q.Answer != fmt.Sprintf("%d names", len(want)) {
			t.Errorf("%s: %+v", pattern, q)
		}
		var nodes []wire.Node
		for _, n := range want {
			nodes = append(nodes, wire.Node{Path: n, Leaf: true})
		}
		if err := q.Check(wire.AppendFindJSON(nil, nodes)); err != nil {
			t.Errorf("%s: %v", pattern, err)
		}
	}
	q := Names("*.x.1", each)
	for body, want := range map[string]string{
		`[{"path":"a.x.1"}]`:                                        "1 names, want 2",
		`[{"path":"a.x.1"},{"path":"b.x.2"}]`:                       `name "b.x.2", want "b.x.1"`,
		`[{"path":"a.x.1"},{"path":"a.x.1"},{"path":"b.x.1"}]`:      "3 names",
		`[{"path":"a.x.1"},{"path":"b.x.1"}`:                        "unexpected end",
		`[{"path":"b.x.1","is_leaf":true},{"path":"a.x.1","x":[]}]`: "",
	} {
		if err := q.Check([]byte(body)); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", body, err, want)
		}
	}
}

func TestSeries(t *testing.T) {
	want := map[string]Points{
		"a": {Start: 120, Step: 60, Values: []float64{1, 2.5, -3}},
		"b": {Start: 120, Step: 60, Values: []float64{0, 1e10, 4}},
	}
	right := func() []*functions.Series {
		return []*functions.Series{
			{Name: "a", Start: 120, End: 300, Step: 60, Values: []float64{1, 2.5, -3}},
			{Name: "b", Start: 120, End: 300, Step: 60, Values: []float64{0, 1e10, 4}},
		}
	}
	tests := map[string]struct {
		spoil func(s []*functions.Series) []*functions.Series
		want  string // in both formats
	}{
		"right":          {func(s []*functions.Series) []*functions.Series { return s }, ""},
		"one is missing": {func(s []*functions.Series) []*functions.Series { return s[:1] }, "1 series, want 2"},
		"one is another": {func(s []*functions.Series) []*functions.Series { s[1].Name = "c"; return s }, "series b is missing"},
		"another value":  {func(s []*functions.Series) []*functions.Series { s[0].Values[1] = 2; return s }, "series a is 2 at 180, want 2.5"},
		"no value": {func(s []*functions.Series) []*functions.Series { s[0].Values[1] = math.NaN(); return s },
			"as point 1"},
		"another start": {func(s []*functions.Series) []*functions.Series { s[1].Start = 60; return s },
			"series b has 3 points from 60 every 60 s, want 3 from 120"},
		"a point less": {func(s []*functions.Series) []*functions.Series { s[0].Values = s[0].Values[:2]; return s }, "2 points"},
	}
	for name, tt := range tests {
		for _, format := range []string{"json", "pickle"} {
			t.Run(name+"/"+format, func(t *testing.T) {
				q := Series("*", format, Range{60, 240}, want)
				if q.Answer != "2 series, 6 points" || q.Path != "/render?format="+format+"&from=60&target=%2A&until=240" {
					t.Errorf("%+v", q)
				}
				body := wire.AppendRenderJSON(nil, tt.spoil(right()), false)
				if format == "pickle" {
					body = wire.AppendRenderPickle(nil, tt.spoil(right()))
				}
				if err := q.Check(body); tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
					t.Errorf("%v, want %q", err, tt.want)
				}
			})
		}
	}
}

// Every start of a pickle is an error, and so are those with a byte that is another.
func FuzzUnpickle(f *testing.F) {
	f.Add(wire.AppendRenderPickle(nil, []*functions.Series{{Name: "a", Start: 1 << 40, Step: 60, Values: []float64{1, math.NaN()}}}))
	f.Add([]byte("\x80\x02]."))
	f.Add([]byte("(e."))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := unpickle(b); err != nil {
			return
		}
		for n := range len(b) {
			if x, err := unpickle(b[:n]); err == nil {
				t.Errorf("%q gives %v", b[:n], x)
			}
		}
	})
}
