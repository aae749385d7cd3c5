package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Whatever was acknowledged is there after a kill, and what was removed is not. What
// was counted begins anew.
func TestViewsSurviveKills(t *testing.T) {
	t.Parallel()
	s := settings{rules: noRules(t), data: filepath.Join(t.TempDir(), "data")}
	want := map[string]bool{}
	for i := range 6 {
		d := start(t, s)
		a := viewAPI{t, d}
		var listed []struct{ Name string }
		if err := json.Unmarshal([]byte(a.want(200, "GET", "/v1/views", "")), &listed); err != nil {
			t.Fatal(err)
		}
		got := map[string]bool{}
		for _, v := range listed {
			got[v.Name] = true
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("after kill %d: %s", i, diff)
		}
		if i > 0 {
			a.want(200, "POST", "/v1/measures", `{"name":"m","unit":"ms","type":"int64"}`)
			a.want(409, "POST", "/v1/measures", `{"name":"m","unit":"s","type":"int64"}`)
			name := fmt.Sprint("v", i-1)
			a.want(200, "POST", "/v1/views", viewBody(name, "m", `{"type":"distribution","bounds":[1,2.5]}`, "a"))
			if rows := a.data(name).Rows; len(rows) > 0 {
				t.Errorf("rows of a former life: %v", rows)
			}
			d.send("m;a=1 2 -1\n")
			d.taken(1)
			if row := a.one(name); row.Data.Count != 1 || row.Tags["a"] != "1" {
				t.Errorf("%+v", row)
			}
		}
		if i == 2 {
			a.want(204, "DELETE", "/v1/views/v0", "")
			delete(want, "v0")
			a.want(201, "POST", "/v1/views", viewBody("v0", "m", `{"type":"count"}`))
			a.want(204, "DELETE", "/v1/views/v0", "")
		}
		if i == 0 {
			a.want(201, "POST", "/v1/measures", `{"name":"m","unit":"ms","type":"int64"}`)
		}
		name := fmt.Sprint("v", i)
		a.want(201, "POST", "/v1/views", viewBody(name, "m", `{"type":"distribution","bounds":[0,1,2.5]}`, "a"))
		want[name] = true
		d.kill()
	}
}

// Those of the configuration stay, and what they have counted goes out at a stop.
func TestViewsOfTheConfiguration(t *testing.T) {
	t.Parallel()
	out := newSink(t)
	s := settings{
		rules: noRules(t), upstream: out.address, data: filepath.Join(t.TempDir(), "data"),
		config: "[views]\nreport_period = \"1h\"\ntags = false\nprefix = \"aggregates.views\"\n" +
			"[[measure]]\nname = \"m\"\nunit = \"ms\"\n[[view]]\nname = \"lat\"\nmeasure = \"m\"\ncolumns = [\"b\", \"a\"]\naggregation = \"distribution\"\nbounds = [0.5]\n",
	}
	d := start(t, s)
	a := viewAPI{t, d}
	const view = `{"name":"lat","description":"","measure":"m","columns":["a","b"],"aggregation":{"type":"distribution","bounds":[0.5]}}`
	if got := a.want(200, "GET", "/v1/views/lat", ""); got != view {
		t.Error(got)
	}
	a.want(409, "DELETE", "/v1/views/lat", "")
	a.want(409, "DELETE", "/v1/measures/m", "")
	a.want(200, "POST", "/v1/views", view)
	d.send("m;a=x.y;b=z 0.25 -1\nm;b=z 2 -1\n")
	d.taken(2)
	d.signal(syscall.SIGTERM)
	if d.wait() != 0 {
		t.Error("it does not stop in order")
	}
	out.down() // what is on the way comes first
	got := out.got()
	at := got.newest
	if hour := time.Now().Unix() / 3600 * 3600; at != hour && at != hour-3600 {
		t.Errorf("reported for %d, not for the hour of the stop", at)
	}
	for name, want := range map[string]string{
		"count.x_y.z": "1", "bucket.x_y.z.0_5": "1", "bucket.x_y.z.+Inf": "1", "bucket._.z.0_5": "0", "bucket._.z.+Inf": "1", "sum._.z": "2",
	} {
		if v := got.values[fmt.Sprintf("aggregates.views.lat.%s %d", name, at)]; !slices.Equal(v, []string{want}) {
			t.Errorf("%s: %q, want %s once", name, v, want)
		}
	}

	for name, c := range map[string]struct{ config, want string }{
		"mean":         {"[[view]]\nmeasure = \"m\"\naggregation = \"mean\"\n", `:4:15: error: view[0].aggregation = "mean": mean is none; accepted: distribution without bounds, which has count and mean`},
		"bounds":       {"[[view]]\nmeasure = \"m\"\naggregation = \"distribution\"\nbounds = [2, 1]\n", `:5:10: error: view[0].bounds = [2, 1]: 1 comes after 2`},
		"no measure":   {"[[view]]\naggregation = \"sum\"\n", `:2:3: error: view[0]: measure: "" is no name`},
		"one node":     {"[[view]]\nname = \"a.b\"\nmeasure = \"m\"\naggregation = \"sum\"\n[[view]]\nname = \"a_b\"\nmeasure = \"m\"\naggregation = \"sum\"\n", `:7:8: error: view[1].name = "a_b": the series of view "a_b" would be called as those of "a.b"`},
		"two measures": {"[[measure]]\nname = \"m\"\n[[measure]]\nname = \"m\"\nunit = \"s\"\n", `:6:8: error: measure[1].unit = "s": measure "m" has the unit "1", not "s"`},
	} {
		out := fails(t, settings{rules: s.rules, config: c.config})
		path := write(t, t.TempDir(), "coalesce.toml", anyPicklePort+c.config)
		checked, _, err := execute("", "check", "--config", path, "--rules", s.rules)
		if !strings.Contains(out, "coalesce.toml"+c.want) || !strings.Contains(checked, path+c.want) || err == nil {
			t.Errorf("%s: run says\n%s, check\n%s", name, out, checked)
		}
	}
}
