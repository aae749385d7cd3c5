package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Datapoints of all ages from several clients, and collected ones, over an orderly
// restart: the numbers add up at every moment, nothing is lost, and every tier of the
// store has every datapoint once.
func TestCellsAddUp(t *testing.T) {
	t.Parallel()
	rules := []modelRule{{
		"sums.<app> (1) = sum c.<app>.* grace=0s keep=0",
		regexp.MustCompile(`^c\.([^.]+)\.[^.]+$`), "aggregates.sums.$1", 1, []string{"sum"},
	}, {
		"all.<app>.<method> (5) = avg,min,max,count,p50,p99.9 c.<app>.* grace=1s keep=1",
		regexp.MustCompile(`^c\.([^.]+)\.[^.]+$`), "aggregates.all.$1.<method>", 5, []string{"avg", "min", "max", "count", "p50", "p99.9"},
	}}
	dir := t.TempDir()
	out := newSink(t)
	s := settings{
		rules: write(t, dir, "rules.conf", ruleFileOf(rules...)), data: filepath.Join(dir, "data"), upstream: out.address,
		config: quickStore + "[[keep]]\npattern = \"c.*.h1\"\nperiod = \"2s\"\n",
	}
	m := newModel()
	raw := make(map[string]int)
	added, collected := 0, 0
	live := func(d *process, seed uint64) {
		quit := make(chan struct{})
		var running sync.WaitGroup
		running.Go(func() {
			for pace := time.Tick(50 * time.Millisecond); ; <-pace {
				select {
				case <-quit:
					return
				default:
					balanced(t, d)
				}
			}
		})
		rng := rand.New(rand.NewPCG(seed, 7))
		conns := []func(string){}
		for range 3 {
			conn := d.dial("tcp")
			conns = append(conns, func(text string) {
				if _, err := conn.Write([]byte(text)); err != nil {
					t.Error(err)
				}
			})
		}
		pace := time.NewTicker(5 * time.Millisecond)
		defer pace.Stop()
		for range 300 {
			var text strings.Builder
			var values []string
			for range 10 {
				name := fmt.Sprintf("c.app%d.h%d", rng.IntN(20), rng.IntN(5))
				value := float64(rng.IntN(1000)) / 4
				at := time.Now().Unix() - int64(rng.ExpFloat64()*10)
				added += m.add(rules, name, value, at)
				if strings.HasSuffix(name, ".h1") {
					added++
				}
				raw[fmt.Sprintf("%s %s %d", name, number(value), at)]++
				if rng.IntN(10) == 0 {
					values = append(values, fmt.Sprintf(`{"metric":%q,"value":%v,"timestamp":%d}`, name, value, at))
					collected++
					if !strings.HasSuffix(name, ".h1") {
						added++ // unless it is kept anyway
					}
					continue
				}
				fmt.Fprintf(&text, "%s %s %d\n", name, number(value), at)
			}
			conns[rng.IntN(len(conns))](text.String())
			if len(values) > 0 {
				collect(t, d, values)
			}
			<-pace.C
		}
		out.wait("what was sent", func(r *received) bool { return contains(r.count, raw) })
		close(quit)
		running.Wait()
	}
	d := start(t, s)
	live(d, 1)
	before := balanced(t, d)
	d.stop()
	d = start(t, s)
	live(d, 2)
	want := m.rows()
	out.wait("all rows", func(r *received) bool {
		for key, v := range want {
			if r.last(key) != number(v) {
				return false
			}
		}
		return true
	})
	after := balanced(t, d)
	if n := before.sum("contributions_added_total") + after.sum("contributions_added_total"); n < float64(added) || before.sum("contributions_dropped_total")+after.sum("contributions_dropped_total") != 0 {
		t.Errorf("%v contributions were added, want %d", n, added)
	}
	if n := before.sum("accepted_items_total", "protocol", "collect") + after.sum("accepted_items_total", "protocol", "collect"); n != float64(collected) {
		t.Errorf("%v values were collected, want %d", n, collected)
	}
	d.stop()
	cells, series := stored(t, s.data)
	counts := make(map[int64]int64)
	total := int64(0)
	for _, b := range m.buckets {
		total += int64(len(b))
	}
	for key, c := range cells {
		if strings.HasPrefix(key.name, "aggregates.") {
			counts[key.step] += c.cell.Count
		}
	}
	// Each datapoint is in a bucket of a second and in one of five; those are kept in
	// all windows.
	if counts[1]+counts[5] != total || counts[1] != counts[5] {
		t.Errorf("the store has counts of %v by step, want %d", counts, total/2)
	}
	for b, values := range m.buckets {
		name := strings.ReplaceAll(b.output, "<method>", "\x00")
		c := cells[storedKey{name, period(b), b.start}]
		exact, all := c.values.AppendExact(nil)
		if c.cell.Count != int64(len(values)) || strings.Contains(name, "\x00") && (!all || !slices.Equal(slices.Sorted(slices.Values(exact)), slices.Sorted(slices.Values(values)))) {
			t.Errorf("%q at %d: the store has %d values, %v, want %v", name, b.start, c.cell.Count, exact, values)
		}
	}
	for name, x := range series {
		if x.Input != strings.HasPrefix(name, "c.") {
			t.Errorf("%q is received: %v", name, x.Input)
		}
	}
}

// What one query may ask for is bounded, and the answer says what to narrow.
func TestQueriesAreBounded(t *testing.T) {
	t.Parallel()
	out := newSink(t)
	d := start(t, settings{
		rules: write(t, t.TempDir(), "rules.conf", restartRules), upstream: out.address,
		config: "[query]\ntargets = 3\nseries = 4\npoints = 1000\nnames = 5\n[store]\nnames = 12\n[aggregation]\nkeep = 1\n",
	})
	now := time.Now().Unix()
	var values []string
	for i := range 10 {
		values = append(values, fmt.Sprintf(`{"metric":"m.n%d","value":%d,"timestamp":%d}`, i, i, now))
		values = append(values, fmt.Sprintf(`{"metric":"tagged","value":%d,"tags":{"n":"%d"},"timestamp":%d}`, i, i, now))
	}
	collect(t, d, values)
	s := balanced(t, d)
	if names, refused := s.sum("names"), s.sum("names_refused_total"); names != 12 || refused == 0 {
		t.Errorf("%v names are known, %v were refused, want 12 and some", names, refused)
	}
	for path, want := range map[string]string{
		"/render?format=json&from=-1min&target=m.*":                           "narrow",
		"/render?format=json&from=-1min&target=sumSeries(m.*)":                "narrow",
		"/render?format=json&from=-1min&target=seriesByTag('name=tagged')":    "narrow",
		"/render?format=json&from=-12h&target=m.n0":                           "shorter range",
		"/render?format=json&target=m.n0&target=m.n1&target=m.n2&target=m.n0": "fewer",
		"/render?format=json&from=-1min&target=m.n0&target=sumSeries(m.n0":    "",
		"/metrics/expand?query=*.*":                                           "",
		"/v1/windows/5m?metric=tagged":                                        "series",
		"/v1/windows/7m?metric=m.n0":                                          "invalid window size: 7m",
		"/v1/windows/5m?metric=m.n0&start=5&end=5":                            "before",
		"/v1/windows/5m": "metric",
	} {
		u, err := url.Parse(path)
		if err != nil {
			t.Fatal(err)
		}
		u.RawQuery = u.Query().Encode()
		status, body := get(t, d, u.String())
		if status != http.StatusBadRequest || !strings.Contains(body, want) || body == "" {
			t.Errorf("%s: %d %s; want 400 with %q", path, status, body, want)
		}
	}
	for body, want := range map[string]string{
		`{"metric":"a"}`: "value", `{"metric":"a","value":"1"}`: "", `{"metric":"a","value":1,"tags":{"k":1}}`: "", `{"value":1}`: "metric",
		`[{"metric":"a","value":1},{"metric":"a","value":null}]`: "value", `{"metric":"a","value":1,"timestamp":"2026-01-02T03:04:05"}`: "zone",
		`{"metric":"a","value":1e999}`: "", `nonsense`: "", `{"metric":"a b;c","value":1}`: "",
		"[" + strings.Repeat(`{"metric":"a","value":1},`, 20000) + `{"metric":"a","value":1}]`: "20000",
	} {
		if status, answer := post(t, d, "/v1/collect", body); status != http.StatusBadRequest || !strings.Contains(answer, want) {
			t.Errorf("%.100s: %d %s, want 400 with %q", body, status, answer, want)
		}
	}
	if status, _ := post(t, d, "/v1/collect", strings.Repeat(" ", 4<<20+1)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("more than 4 MiB: status %d, want 413", status)
	}
	if got := balanced(t, d).sum("accepted_items_total", "protocol", "collect"); got != 20 {
		t.Errorf("%v values were taken, want 20", got)
	}
	if rows := window(t, d, "5m", "never.seen", now-60, now+1); len(rows) != 0 {
		t.Errorf("of an unknown metric: %v", rows)
	}
	d.stop()
}

// What was emitted early is in no archive: after a crash its bucket is refused, and
// never emitted with less.
func TestKillWithWriteBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := newSink(t)
	s := settings{
		rules: write(t, dir, "rules.conf", "k.<x> (1) = sum k.<x>.* grace=0s keep=0\n"),
		data:  filepath.Join(dir, "data"), upstream: out.address, config: "[aggregation]\nwrite_back = \"1s\"\n" + quickStore,
	}
	d := start(t, s)
	// Of a period that begins soon, and goes on for longer than the test.
	now, long := time.Now().Unix(), int64(600)
	for left := long - now%long; left != 2 && left != 3; left = long - now%long {
		long++
	}
	at := (now/long + 1) * long
	replace(t, s.rules, fmt.Sprintf("w.<x> (%d) = sum w.<x>.* grace=0s keep=0\nk.<x> (1) = sum k.<x>.* grace=0s keep=0\n", long))
	d.waitLog("rules reloaded")
	feed(d, out, at, "w.a.x 40", "w.a.y 2")
	out.waitLine(fmt.Sprintf("aggregates.w.a 42 %d", at))
	closed := soon()
	feed(d, out, closed, "k.a.x 7")
	rowsAre(out, closed, map[string][]string{"k.a": {"7"}}) // by then the other has begun, too
	d.kill()
	out.drained()
	d = start(t, s)
	feed(d, out, closed, "k.a.x 1")
	feed(d, out, at, "w.a.x 1")
	later := soon()
	feed(d, out, later, "k.b.x 1")
	rowsAre(out, later, map[string][]string{"k.b": {"1"}})
	if n := balanced(t, d).sum("contributions_dropped_total", "reason", "too_old"); n != 2 {
		t.Errorf("%v contributions are too old, want 2", n)
	}
	for key, values := range out.got().values {
		if !slices.IsSorted(values) {
			t.Errorf("%s: %q came", key, values)
		}
	}
	d.stop()
}

func period(b modelBucket) int64 {
	if strings.HasPrefix(b.output, "aggregates.all.") {
		return 5
	}
	return 1
}
