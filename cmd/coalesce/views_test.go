package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coalesce-metrics/coalesce/internal/stubborn"
	"github.com/coalesce-metrics/coalesce/metrics/metricstest"
)

// viewAPI is a daemon's views over HTTP.
type viewAPI struct {
	t *testing.T
	d *process
}

func (a viewAPI) do(method, path, body string) (status int, text string) {
	a.t.Helper()
	req, err := http.NewRequest(method, "http://"+a.d.address("http", "tcp")+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	resp, err := stubborn.Client(patience).Do(req)
	if err != nil {
		a.t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Error(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(all))
}

// want asks and compares the status.
func (a viewAPI) want(status int, method, path, body string) string {
	a.t.Helper()
	got, text := a.do(method, path, body)
	if got != status {
		a.t.Errorf("%s %s %s: %d %s, want %d", method, path, body, got, text, status)
	}
	return text
}

// viewData is what a daemon says of a view.
type viewData struct {
	Start int64 `json:"start_time"`
	End   int64 `json:"end_time"`
	Rows  []viewRow
}

type viewRow struct {
	Tags  map[string]string
	Start int64 `json:"start_time"`
	Data  struct {
		Count, Sum, Mean, Min, Max float64
		Last                       float64   `json:"last_value"`
		Deviations                 float64   `json:"sum_of_squared_deviation"`
		Bounds                     []float64 `json:"bounds"`
		Counts                     []int64   `json:"bucket_counts"`
	}
}

func (a viewAPI) data(name string) (d viewData) {
	a.t.Helper()
	if err := json.Unmarshal([]byte(a.want(200, "GET", "/v1/views/"+name+"/data", "")), &d); err != nil {
		a.t.Fatal(err)
	}
	for _, r := range d.Rows {
		if r.Start < d.Start || r.Start > d.End {
			a.t.Errorf("%s: a row began at %d, not from %d to %d", name, r.Start, d.Start, d.End)
		}
	}
	return d
}

// one returns the only row of a view.
func (a viewAPI) one(name string) viewRow {
	a.t.Helper()
	d := a.data(name)
	if len(d.Rows) != 1 {
		a.t.Fatalf("%s has the rows %v", name, d.Rows)
	}
	return d.Rows[0]
}

// taken waits until a daemon has taken in so many datapoints.
func (d *process) taken(n float64) {
	d.t.Helper()
	await(d.t, "datapoints", nil, func() bool { return scrape(d.t, d).sum("datapoints_accepted_total") == n })
}

func viewBody(name, measure, aggregation string, columns ...string) string {
	text, _ := json.Marshal(append([]string{}, columns...))
	return fmt.Sprintf(`{"name":%q,"measure":%q,"columns":%s,"aggregation":%s}`, name, measure, text, aggregation)
}

// What is counted, and what is not, however it comes in.
func TestViews(t *testing.T) {
	t.Parallel()
	out := newSink(t)
	d := start(t, settings{rules: noRules(t), upstream: out.address, config: "[views]\nreport_period = \"1s\"\nrows = 4\n"})
	a := viewAPI{t, d}
	d.send("rpc.latency;method=early 1 -1\n") // before there is a view
	d.taken(1)

	// The same view twice, and another of its name.
	const bounds = `{"type":"distribution","bounds":[0,0.01,0.1,1,10,1000,10000]}`
	latency := viewBody("latency", "rpc.latency", bounds)
	made := a.want(201, "POST", "/v1/views", latency)
	a.want(200, "POST", "/v1/views", latency)
	a.want(409, "POST", "/v1/views", viewBody("latency", "rpc.latency", `{"type":"distribution","bounds":[1]}`))
	a.want(409, "POST", "/v1/views", viewBody("latency", "rpc.latency", bounds, "method"))
	if got := a.want(200, "GET", "/v1/views", ""); got != "["+made+"]" {
		t.Errorf("%s, want [%s]", got, made)
	}
	sent := []float64{0.005, 0.01, 0.5, 1, 9.99, 10, 20000}
	for i, v := range sent {
		d.send(fmt.Sprintf("rpc.latency;method=m%d;host=h%d %v -1\n", i%2, i, v))
	}
	d.taken(8)
	row := a.one("latency")
	if diff := cmp.Diff([]int64{1, 1, 1, 2, 1, 0, 1}, row.Data.Counts); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]float64{0.01, 0.1, 1, 10, 1000, 10000}, row.Data.Bounds); diff != "" {
		t.Error(diff)
	}
	if x := row.Data; x.Count != 7 || x.Min != 0.005 || x.Max != 20000 || len(row.Tags) > 0 {
		t.Errorf("%+v", row)
	}
	a.want(200, "POST", "/v1/views", latency) // which changes nothing
	if got := a.one("latency"); got.Data.Count != 7 {
		t.Errorf("%+v", got)
	}

	// Values on the bounds, negative ones, several views of one measure, and tags
	// that are not there; by plaintext and by HTTP.
	a.want(201, "POST", "/v1/views", "["+strings.Join([]string{
		viewBody("edges", "edge", bounds), viewBody("negative", "neg", `{"type":"distribution","bounds":[1]}`),
		viewBody("by method", "calls", `{"type":"count"}`, "method"), viewBody("all", "calls", `{"type":"count"}`),
		viewBody("total", "calls", `{"type":"sum"}`, "zone", "method"), viewBody("a/last", "calls", `{"type":"last_value"}`),
	}, ",")+"]")
	d.send("edge 0.01 -1\nedge 0.1 -1\nedge 1 -1\nedge;x=y 10 -1\nedge 1000 -1\nedge 10000 -1\nedge.not 5 -1\n")
	d.send("neg -5 -1\nneg;a=b -1 -1\n")
	now := time.Now().Unix()
	calls := []string{"calls;method=Get;zone=eu 1", "calls;zone=us;method=Get 2", "calls;method=Put 3", "calls 4", "calls;other=x 5"}
	for i, line := range calls {
		d.send(fmt.Sprintf("%s %d\n", line, now-int64(i)))
	}
	collect(t, d, []string{
		fmt.Sprintf(`{"metric":"calls","value":6,"tags":{"method":"Get","zone":"eu"},"timestamp":%d}`, now+1), fmt.Sprintf(`{"metric":"calls","value":7,"timestamp":%d}`, now-100),
	})
	d.taken(8 + 7 + 2 + 5 + 2)
	if got := a.one("edges").Data; !slices.Equal(got.Counts, []int64{0, 1, 1, 1, 1, 1, 1}) {
		t.Errorf("%+v", got)
	}
	if got := a.one("negative").Data; !slices.Equal(got.Counts, []int64{2, 0}) || got.Max != -1 || got.Min != -5 || got.Mean != -3 || got.Deviations != 8 {
		t.Errorf("%+v", got)
	}
	counts := map[string]float64{}
	for _, r := range a.data("by%20method").Rows {
		counts[fmt.Sprint(r.Tags)] = r.Data.Count
	}
	if diff := cmp.Diff(map[string]float64{"map[]": 3, "map[method:Get]": 3, "map[method:Put]": 1}, counts); diff != "" {
		t.Error(diff)
	}
	if got := a.one("all").Data.Count; got != 7 {
		t.Errorf("all has %v, the sum is 7", got)
	}
	sums := map[string]float64{}
	for _, r := range a.data("total").Rows {
		sums[fmt.Sprint(r.Tags)] = r.Data.Sum
	}
	if diff := cmp.Diff(map[string]float64{"map[]": 16, "map[method:Get zone:eu]": 7, "map[method:Get zone:us]": 2, "map[method:Put]": 3}, sums); diff != "" {
		t.Error(diff)
	}
	if got := a.one("a%2Flast").Data.Last; got != 6 {
		t.Errorf("the last is %v, want 6", got)
	}

	// What goes upstream says the same, and what is deleted goes once more.
	until := map[string]string{
		"all": "7", "by_method": "3", "by_method;method=Get": "3", "by_method;method=Put": "1", "total;method=Get;zone=eu": "7",
		"a_last": "6", "latency.count": "7", "latency.bucket;le=0.01": "1", "latency.bucket;le=0.1": "2", "latency.bucket;le=1": "3",
		"latency.bucket;le=10": "5", "latency.bucket;le=1000": "6", "latency.bucket;le=10000": "6", "latency.bucket;le=+Inf": "7",
		"latency.min": "0.005", "latency.max": "20000", "negative.max": "-1", "negative.mean": "-3", "negative.stddev": "2.8284271247461903",
	}
	out.wait("a report", func(r *received) bool { return isReport(r, until) })
	d.send("calls 1 -1\n")
	d.taken(25)
	a.want(204, "DELETE", "/v1/views/all", "")
	a.want(404, "GET", "/v1/views/all/data", "")
	until = map[string]string{"all": "8"}
	out.wait("what was counted in the end", func(r *received) bool { return isReport(r, until) })
	a.want(201, "POST", "/v1/views", viewBody("all", "calls", `{"type":"count"}`))
	if got := a.data("all"); len(got.Rows) > 0 {
		t.Errorf("rows of the deleted view: %v", got.Rows)
	}
	checkBalance(t, d)
	d.stop()
}

// isReport says whether some timestamp has these values in the end.
func isReport(r *received, want map[string]string) bool {
	for at := r.newest; at > r.newest-600; at-- {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(want)), func(name string) bool {
			return r.last(fmt.Sprintf("aggregates.views.%s %d", name, at)) != want[name]
		}) {
			return true
		}
	}
	return false
}

// What docs/views.md shows is what happens.
func TestViewsPage(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl")
	}
	page := repositoryFile(t, "docs/views.md")
	out := newSink(t)
	d := start(t, settings{rules: noRules(t), upstream: out.address, config: "[views]\nreport_period = \"1s\"\n"})
	times, long := regexp.MustCompile(`\b1[78]\d{8}\b`), regexp.MustCompile(`\d+\.\d{10,}`)
	// Times differ, and so does the last digit where lanes have parts of a row.
	alike := func(text string) string {
		return long.ReplaceAllStringFunc(times.ReplaceAllString(strings.TrimSpace(text), "T"), func(x string) string {
			v, _ := strconv.ParseFloat(x, 64)
			return fmt.Sprintf("%.12g", v)
		})
	}
	var command, series []string
	answered := func(want string) {
		t.Helper()
		text, err := curled("sh", "-c", strings.ReplaceAll(command[0], "curl ", "curl -sS "))
		if got := alike(text); err != nil || got != alike(want) {
			t.Errorf("%s: %s %v, want\n%s", command[0], got, err, want)
		}
	}
	for line := range strings.Lines(page) {
		line, shown := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "    ")
		switch {
		case !shown:
		case strings.HasPrefix(line, "curl "):
			command = []string{strings.ReplaceAll(line, "127.0.0.1:2080", d.address("http", "tcp"))}
			if !strings.Contains(line, "-X DELETE") {
				continue
			}
			out.wait("a report", func(r *received) bool { return isReport(r, map[string]string{"latency.count;method=Get": "3"}) })
			answered("")
		case strings.HasPrefix(line, "printf "):
			text, err := exec.Command("sh", "-c", strings.TrimSuffix(line, " | nc -q0 localhost 2023")).Output()
			if err != nil {
				t.Fatal(err)
			}
			d.send(string(text))
			d.taken(3)
		case strings.HasPrefix(line, "{"):
			answered(line)
		default:
			series = append(series, alike(line))
		}
	}
	d.stop()
	got := map[string]bool{}
	for _, line := range out.got().lines {
		got[alike(line)] = true
	}
	if len(series) != 9 {
		t.Errorf("%d series are shown", len(series))
	}
	for _, line := range series {
		if !got[line] {
			t.Errorf("%s did not come", line)
		}
	}
}

// Rows are limited, whole numbers are asked for, and infinities belong to no view.
func TestViewLimits(t *testing.T) {
	t.Parallel()
	out := newSink(t)
	d := start(t, settings{
		rules: noRules(t), upstream: out.address,
		config: "[views]\nreport_period = \"1s\"\nrows = 3\nmax = 2\nprefix = \"\"\n[[measure]]\nname = \"n\"\nunit = \"By\"\ntype = \"int64\"\n",
	})
	a := viewAPI{t, d}
	a.want(201, "POST", "/v1/views", viewBody("rows", "m", `{"type":"count"}`, "a", "b"))
	a.want(201, "POST", "/v1/views", viewBody("whole", "n", `{"type":"sum"}`))
	if got := a.want(409, "POST", "/v1/views", viewBody("third", "n", `{"type":"sum"}`)); !strings.Contains(got, "at most 2 (views.max)") {
		t.Error(got)
	}
	var b strings.Builder
	for i := range 20 {
		fmt.Fprintf(&b, "m;a=x%d 1 -1\n", i%10)
	}
	d.send(b.String() + "n 5 -1\nn 2.5 -1\nn inf -1\nn 1e3 -1\n")
	d.taken(24)
	total, overflow := 0.0, 0.0
	rows := a.data("rows").Rows
	for _, r := range rows {
		total += r.Data.Count
		if maps.Equal(r.Tags, map[string]string{"a": "__overflow__", "b": "__overflow__"}) {
			overflow = r.Data.Count
		}
	}
	if len(rows) != 4 || total != 20 || overflow != 14 {
		t.Errorf("%d rows, %v in all, %v of them beyond: %v", len(rows), total, overflow, rows)
	}
	if got := a.one("whole").Data.Sum; got != 1005 {
		t.Errorf("the sum is %v, want 1005", got)
	}
	s := checkBalance(t, d)
	for name, want := range map[string]float64{"views": 2, "measures": 2, "view_rows": 5, "views_overflowing": 1} {
		if got := s.sum(name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if n, f := s.sum("contributions_dropped_total", "reason", "not_integral"), s.sum("contributions_dropped_total", "reason", "not_finite"); n != 1 || f != 1 {
		t.Errorf("%v are not whole, %v are not finite", n, f)
	}
	if got := metricstest.Samples(s).Values("rule_datapoints_matched_total", "rule"); !slices.Contains(got, "rows") || !slices.Contains(got, "whole") {
		t.Errorf("rules %q", got)
	}
	out.wait("the overflow", func(r *received) bool {
		return slices.ContainsFunc(r.lines, func(line string) bool { return strings.HasPrefix(line, "rows;a=__overflow__;b=__overflow__ 14 ") })
	})
	d.stop()
}
