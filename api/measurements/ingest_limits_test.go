package measurements

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/api"
)

func TestTagSetsAreBounded(t *testing.T) {
	d := newDesk(t, func(c *Config, _ *api.Config) { c.MaxTagSets, c.MaxSeries = 3, 5 })
	post := func(metric string, hosts ...int) int {
		var all []string
		for _, h := range hosts {
			all = append(all, fmt.Sprintf(`{"name":%q,"value":1,"tags":{"host":"%d"}}`, metric, h))
		}
		return d.post(`{"measurements":[` + strings.Join(all, ",") + `]}`).Code
	}
	for i, step := range []struct {
		metric string
		hosts  []int
		want   int
	}{
		{"a", []int{1, 2, 1}, 202},
		{"a", []int{2, 3, 4}, 429}, // one too many: none is counted
		{"A", []int{3, 1, 2}, 202},
		{"a", []int{4}, 429},
		{"b", []int{1, 2, 3}, 429}, // all together
		{"b", []int{1, 2}, 202},
		{"c", []int{1}, 429},
	} {
		if got := post(step.metric, step.hosts...); got != step.want {
			t.Errorf("step %d: %d, want %d", i, got, step.want)
		}
	}
	if s := d.Stats(); s.Series != 5 || s.Refused[TagSets] != 8 || s.Limited != 4 || s.Accepted != 8 {
		t.Errorf("%+v", s)
	}
	d.now += 3600 - d.now%3600 // the next hour
	if got := post("a", 4, 5, 6); got != 202 || d.Stats().Series != 3 {
		t.Error(got, d.Stats())
	}
	d.balance(19)
}

// Series of a metric that is deleted leave room, at once, for those that come after.
func TestTagSetsOfDeletedMetrics(t *testing.T) {
	d := newDesk(t, func(c *Config, _ *api.Config) { c.MaxTagSets, c.MaxSeries = 2, 3 })
	post := func(metric, host string, want int) {
		t.Helper()
		w := d.post(fmt.Sprintf(`{"measurements":[{"name":%q,"value":1,"tags":{"host":%q}}]}`, metric, host))
		if w.Code != want {
			t.Errorf("%s of %s: %d %s, want %d", metric, host, w.Code, w.Body, want)
		}
	}
	post("cpu", "a", 202)
	post("cpu", "b", 202)
	post("cpu", "c", 429)
	post("disk", "a", 202)
	post("disk", "b", 429) // all together
	if w := d.ask("DELETE", "/v1/metrics/CPU", ""); w.Code != 204 || d.Stats().Series != 1 {
		t.Fatal(w.Code, w.Body, d.Stats())
	}
	post("disk", "b", 202)
	post("cpu", "c", 202)
	post("cpu", "a", 429)
	if w := d.ask("DELETE", "/v1/metrics?names=*", ""); w.Code != 204 || d.Stats().Series != 0 {
		t.Fatal(w.Code, w.Body, d.Stats())
	}
	post("disk", "a", 202)
}

// What could not be known, or kept, does not count as a series of its metric.
func TestFailures(t *testing.T) {
	d := newDesk(t)
	for i := range 20 {
		d.post(fmt.Sprintf(`{"measurements":[{"name":"m%d","value":1}]}`, i))
	}
	if w := d.post(`{"measurements":[{"name":"m1","value":1,"tags":{"new":"1"}},{"name":"one.more","value":1}]}`); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "the limit of 20 metrics is reached") {
		t.Error(w.Code, w.Body)
	}
	if s := d.Stats(); s.Refused[Metrics] != 2 || s.Series != 20 || s.Metrics != 20 || s.Accepted != 20 {
		t.Errorf("%+v", s)
	}
	d = newDesk(t)
	if w := d.post(`{"measurements":[{"name":"m","value":1,"period":599,"attributes":{"aggregate":true}}]}`); w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), `"system":["too many ways"]`) {
		t.Error(w.Code, w.Body)
	}
	if err := d.book.Close(); err != nil {
		t.Fatal(err)
	}
	if w := d.post(`{"measurements":[{"name":"n","value":1}]}`); w.Code != http.StatusInternalServerError {
		t.Error(w.Code, w.Body)
	}
	if s := d.Stats(); s.Refused[Failed] != 2 || s.Series != 0 || s.Accepted != 0 {
		t.Errorf("%+v", s)
	}
	d.API.Close()
	if w := d.post(`{"measurements":[{"name":"m","value":1}]}`); w.Code != http.StatusServiceUnavailable || d.Stats().Refused[Stopping] != 1 {
		t.Error(w.Code, w.Body)
	}
	d.balance(3)
}

// Requests that make the same metric in other spellings at once agree on one.
func TestConcurrentRequests(t *testing.T) {
	d := newDesk(t)
	var running sync.WaitGroup
	for i := range 8 {
		running.Go(func() {
			name := []string{"metric", "METRIC", "Metric", "mETRIC"}[i%4]
			for j := range 50 {
				d.post(fmt.Sprintf(`{"measurements":[{"name":"%s%d","value":1,"tags":{"i":"%d"}}]}`, name, j%5, i))
				if j%10 == 0 {
					d.ask("PUT", MetricsPath+"/metric0", `{"attributes":{"aggregate":true}}`)
				}
			}
		})
	}
	running.Wait()
	d.balance(400)
	if d.book.Len() != 5 {
		t.Fatal(d.book.Len())
	}
	for _, m := range d.got {
		name, _, _ := strings.Cut(string(m.Name), ";")
		if d.book.Get(name).Name != name {
			t.Fatalf("%s, the metric is %s", m.Name, d.book.Get(name).Name)
		}
	}
	if len(d.got) != 400 || slices.ContainsFunc(d.got, func(m aggregator.Measurement) bool { return int(m.Stream) >= len(d.streams) }) {
		t.Error(len(d.got))
	}
}
