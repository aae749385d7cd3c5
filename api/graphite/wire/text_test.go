package wire

import (
	"encoding/csv"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/query/functions"
)

// The very text of JSON, apart from what a reader makes of it.
func TestRenderJSONText(t *testing.T) {
	series := []*functions.Series{
		{Name: "a<b>&", Start: 60, End: 180, Step: 60, Values: []float64{0.5, math.NaN()}},
		{Name: "x;b=2;a=1", Tags: map[string]string{"name": "x", "b": "2", "a": "1"}, Start: 1, End: 4, Step: 1,
			Values: []float64{math.Inf(1), math.Inf(-1), 1e-7}},
	}
	const a = `{"target":"a<b>&","tags":{"name":"a<b>&"},"datapoints":[[0.5,60]`
	const x = `{"target":"x;b=2;a=1","tags":{"a":"1","b":"2","name":"x"},"datapoints":[[1e9999,1],[-1e9999,2],[1e-7,3]]}`
	for noNulls, want := range map[bool]string{
		false: "[" + a + `,[null,120]]},` + x + "]",
		true:  "[" + a + `]},` + x + "]",
	} {
		if got := string(AppendRenderJSON([]byte("> "), series, noNulls)); got != "> "+want {
			t.Errorf("noNulls %v:\n got %s\nwant %s", noNulls, got, want)
		}
	}
	if got := string(AppendRenderJSON(nil, nil, false)); got != "[]" {
		t.Errorf("nothing: %s", got)
	}
}

// What graphite-web's views cannot be asked for.
func TestFindText(t *testing.T) {
	mixed := []Node{
		{Path: "a.cpu", Leaf: true, First: 60, Last: 120},
		{Path: "b.cpu", Branch: true},
		{Path: "b.%2F+x", Leaf: true},
		{Path: "c", Leaf: true, First: 120, Last: 60},
	}
	for name, c := range map[string]struct{ got, want string }{
		"tree, a leaf and a branch of one name": {
			string(AppendFindTreeJSON(nil, "*.cpu", mixed[:2], true)),
			`[{"text":"cpu","id":"*.cpu","allowChildren":1,"expandable":1,"leaf":0}]`},
		"tree, names as they are": {
			string(AppendFindTreeJSON(nil, "b.%*", mixed[2:3], false)),
			`[{"text":"%2F+x","id":"b.%2F+x","allowChildren":0,"expandable":0,"leaf":1}]`},
		"tree, sorted whatever the order": {
			string(AppendFindTreeJSON(nil, "*", []Node{{Path: "z", Leaf: true}, {Path: "y", Branch: true}, {Path: "b", Leaf: true}}, false)),
			`[{"text":"y","id":"y","allowChildren":1,"expandable":1,"leaf":0},{"text":"b","id":"b","allowChildren":0,"expandable":0,"leaf":1},` +
				`{"text":"z","id":"z","allowChildren":0,"expandable":0,"leaf":1}]`},
		"json, interval not known or reversed": {
			string(AppendFindJSON(nil, mixed[2:])),
			`[{"path":"b.%2F+x","is_leaf":true,"intervals":[]},{"path":"c","is_leaf":true,"intervals":[{"start":120,"end":120}]}]`},
		"node list, first part":       {string(AppendFindNodeList(nil, mixed, 0)), `{"nodes":["a","b","c"]}`},
		"node list, second to last":   {string(AppendFindNodeList(nil, mixed, -2)), `{"nodes":["a","b"]}`},
		"node list, no such part":     {string(AppendFindNodeList(nil, mixed, 7)), `{"nodes":[]}`},
		"completer query":             {CompleterQuery("servers.w"), "servers.w*"},
		"completer query, all":        {CompleterQuery("servers.*"), "servers.*"},
		"completer query, two dots":   {CompleterQuery("servers..c"), "servers*.c*"},
		"completer query, none typed": {CompleterQuery(""), "*"},
	} {
		if c.got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, c.got, c.want)
		}
	}
}

// Whatever the name and the value, the answer is JSON that gives them back.
func FuzzRenderJSON(f *testing.F) {
	f.Add("a.b", 1.5, int64(1_700_000_040))
	f.Add("a<b>&\"\\\x00é\u2028\xff", math.Inf(-1), int64(0))
	f.Add("x", 1e-300, int64(-5))
	f.Fuzz(func(t *testing.T, name string, value float64, at int64) {
		body := AppendRenderJSON(nil, []*functions.Series{
			{Name: name, Tags: map[string]string{"name": name, "k": "v"}, Start: at, Step: 1, Values: []float64{value}},
			{Name: "empty", Step: 1, Values: []float64{math.NaN()}},
		}, true)
		got := renderedJSON(t, body)
		if math.IsNaN(value) {
			if len(got) != 0 {
				t.Fatalf("%s", body)
			}
			return
		}
		name = string([]rune(name)) // each byte that is not UTF-8 has become a rune
		if len(got) != 1 || got[0].Target != name || got[0].Tags["name"] != name || got[0].Tags["k"] != "v" || len(got[0].Datapoints) != 1 {
			t.Fatalf("%q: %s", name, body)
		}
		point := got[0].Datapoints[0]
		if v, err := strconv.ParseFloat(point[0].String(), 64); v != value || err != nil {
			t.Fatalf("%v: %s", value, body)
		}
		if back, err := point[1].Int64(); back != at || err != nil {
			t.Fatalf("%d: %s", at, body)
		}
	})
}

// Whatever the name, a row has three fields that give name and value back.
func FuzzRenderCSV(f *testing.F) {
	f.Add("a,b", 1.5)
	f.Add("\"\r\n\xff\"", 1e22)
	f.Fuzz(func(t *testing.T, name string, value float64) {
		body := AppendRenderCSV(nil, []*functions.Series{{Name: name, Start: 1_700_000_040, Step: 60, Values: []float64{value}}}, time.UTC)
		rows, err := csv.NewReader(strings.NewReader(string(body))).ReadAll()
		if err != nil || len(rows) != 1 || len(rows[0]) != 3 || rows[0][1] != "2023-11-14 22:14:00" {
			t.Fatalf("%v: %q", err, body)
		}
		// The reader takes every end of a line for the same.
		if want := strings.ReplaceAll(strings.ToValidUTF8(name, "\uFFFD"), "\r\n", "\n"); rows[0][0] != want {
			t.Fatalf("%q: %q", want, body)
		}
		if math.IsNaN(value) {
			if rows[0][2] != "" {
				t.Fatalf("%q", body)
			}
		} else if v, err := strconv.ParseFloat(rows[0][2], 64); v != value || err != nil {
			t.Fatalf("%v, %v: %q", value, err, body)
		}
	})
}
