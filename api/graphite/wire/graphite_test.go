package wire

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coalesce-metrics/coalesce/query/functions"
)

var answersFile = flag.String("answers", "", "write the answers of TestReaders to this file, for testdata/record.py")

// input is testdata/input.json.
type input struct {
	Series []struct {
		Name, Path, Consolidate string
		Start, Step             int64
		XFilesFactor            float64
		Tags                    map[string]string
		Values                  []any
	}
	Zones []string
	Finds []findCase
}

type findCase struct {
	Query     string
	Wildcards bool
	Nodes     []Node
}

func (in *input) series(t testing.TB) []*functions.Series {
	var all []*functions.Series
	for _, s := range in.Series {
		out := &functions.Series{
			Name: s.Name, Path: s.Path, Tags: s.Tags, Consolidate: s.Consolidate, XFilesFactor: s.XFilesFactor,
			Start: s.Start, End: s.Start + s.Step*int64(len(s.Values)), Step: s.Step,
		}
		for _, v := range s.Values {
			switch v := v.(type) {
			case nil:
				out.Values = append(out.Values, math.NaN())
			case float64:
				out.Values = append(out.Values, v)
			case string:
				f, err := strconv.ParseFloat(v, 64)
				if err != nil {
					t.Fatal(err)
				}
				out.Values = append(out.Values, f)
			}
		}
		all = append(all, out)
	}
	return all
}

// recorded is testdata/graphite.json.
type recorded struct {
	Views struct {
		Raw, JSON, NoNullPoints string
		CSV                     map[string]string
		Finds                   []map[string]json.RawMessage
	}
	Readers []answer
}

// An answer of this package, and what graphite-web read.
type answer struct {
	Name        string          `json:"name"`
	Route       string          `json:"route"`
	ContentType string          `json:"contentType"`
	Body        string          `json:"body"`
	Read        json.RawMessage `json:"read,omitempty"`
}

func load(t testing.TB, file string, into any) {
	t.Helper()
	b, err := os.ReadFile("testdata/" + file)
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func loadBoth(t testing.TB) (in input, rec recorded) {
	load(t, "input.json", &in)
	load(t, "graphite.json", &rec)
	return in, rec
}

func TestRenderViews(t *testing.T) {
	in, rec := loadBoth(t)
	series := in.series(t)
	if diff := cmp.Diff(rec.Views.Raw, string(AppendRenderRaw(nil, series))); diff != "" {
		t.Errorf("raw: %s", diff)
	}
	for zone, want := range rec.Views.CSV {
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(AppendRenderCSV(nil, series, loc))); diff != "" {
			t.Errorf("csv, %s: %s", zone, diff)
		}
	}
	if len(rec.Views.CSV) != len(in.Zones) {
		t.Errorf("%d zones recorded, %d given", len(rec.Views.CSV), len(in.Zones))
	}
	for noNulls, want := range map[bool]string{false: rec.Views.JSON, true: rec.Views.NoNullPoints} {
		got := AppendRenderJSON(nil, series, noNulls)
		if diff := cmp.Diff(renderedJSON(t, []byte(want)), renderedJSON(t, got)); diff != "" {
			t.Errorf("json, noNulls %v: %s", noNulls, diff)
		}
	}
}

// renderedSeries is what a client reads; values are numbers by their text's
// value, "null" or an infinity.
type renderedSeries struct {
	Target     string
	Tags       map[string]string
	Datapoints [][2]json.Number
}

func renderedJSON(t testing.TB, body []byte) []renderedSeries {
	t.Helper()
	var all []renderedSeries
	if err := json.Unmarshal(body, &all); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	for _, s := range all {
		for i := range s.Datapoints {
			if v := &s.Datapoints[i][0]; *v != "" {
				f, _ := strconv.ParseFloat(v.String(), 64) // infinite beyond the largest
				*v = json.Number(strconv.FormatFloat(f, 'g', -1, 64))
			}
		}
	}
	return all
}

func TestFindViews(t *testing.T) {
	in, rec := loadBoth(t)
	for i, c := range in.Finds {
		for format, got := range map[Format][]byte{
			Completer: AppendFindCompleter(nil, c.Nodes, c.Wildcards),
			JSON:      AppendFindJSON(nil, c.Nodes),
			NodeList:  AppendFindNodeList(nil, c.Nodes, -1),
			TreeJSON:  AppendFindTreeJSON(nil, c.Query, c.Nodes, c.Wildcards),
		} {
			want := rec.Views.Finds[i][format.String()]
			if diff := cmp.Diff(anyJSON(t, want), anyJSON(t, got)); diff != "" {
				t.Errorf("%s %d, %s: %s", c.Query, i, format, diff)
			}
		}
	}
}

func anyJSON(t testing.TB, b []byte) any {
	t.Helper()
	var v any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return v
}

// answers are what graphite-web has read, in this order.
func answers(t testing.TB, in *input) []answer {
	var all []answer
	add := func(name, route string, f Format, body []byte) {
		all = append(all, answer{Name: name, Route: route, ContentType: f.ContentType(), Body: hex.EncodeToString(body)})
	}
	series := in.series(t)
	add("render", "render", Pickle, AppendRenderPickle(nil, series))
	add("render", "render", MsgPack, AppendRenderMsgPack(nil, series))
	add("no series", "render", Pickle, AppendRenderPickle(nil, nil))
	add("no series", "render", MsgPack, AppendRenderMsgPack(nil, nil))
	for i, c := range in.Finds {
		name := fmt.Sprintf("%s %d", c.Query, i)
		add(name, "find", Pickle, AppendFindPickle(nil, c.Nodes))
		add(name, "find", MsgPack, AppendFindMsgPack(nil, c.Nodes))
	}
	unknown := []Node{{Path: "a", Leaf: true}}
	add("interval not known", "find", Pickle, AppendFindPickle(nil, unknown))
	add("interval not known", "find", MsgPack, AppendFindMsgPack(nil, unknown))
	return all
}

// graphite-web, reading answers as those of a server of its cluster, gets what
// was given. The answers are still those that it has read.
func TestReaders(t *testing.T) {
	var in input
	load(t, "input.json", &in)
	all := answers(t, &in)
	if *answersFile != "" {
		b, err := json.Marshal(all)
		if err == nil {
			err = os.WriteFile(*answersFile, b, 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Skip("answers written to ", *answersFile)
	}
	var rec recorded
	load(t, "graphite.json", &rec)
	if len(all) != len(rec.Readers) {
		t.Fatalf("%d answers, %d recorded", len(all), len(rec.Readers))
	}
	finds := map[string][]Node{"interval not known": {{Path: "a", Leaf: true}}}
	for i, c := range in.Finds {
		finds[fmt.Sprintf("%s %d", c.Query, i)] = c.Nodes
	}
	for i, a := range all {
		r := rec.Readers[i]
		t.Run(a.Name+" "+a.ContentType, func(t *testing.T) {
			if a.Name != r.Name || a.ContentType != r.ContentType || a.Body != r.Body {
				t.Fatalf("another answer than the recorded one, %s %s\n got %s\nwant %s", r.Name, r.ContentType, a.Body, r.Body)
			}
			var want any = asSeries(in.series(t))
			switch {
			case a.Name == "no series":
				want = asSeries(nil)
			case a.Route == "find":
				want = asNodes(finds[a.Name])
			}
			b, err := json.Marshal(want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(anyJSON(t, b), anyJSON(t, r.Read)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// asSeries is what record.py writes of series: types and texts.
func asSeries(series []*functions.Series) []map[string]any {
	all := []map[string]any{}
	for _, s := range series {
		values := []string{}
		for _, v := range s.Values {
			values = append(values, pythonFloat(v))
		}
		all = append(all, map[string]any{
			"name": "str " + s.Name, "pathExpression": "str " + s.Path, "consolidationFunc": "str " + cmpOr(s.Consolidate, "average"),
			"start": fmt.Sprint("int ", s.Start), "end": fmt.Sprint("int ", s.End), "step": fmt.Sprint("int ", s.Step),
			"valuesPerPoint": "int 1", "xFilesFactor": pythonFloat(s.XFilesFactor), "values": values,
		})
	}
	return all
}

func cmpOr(s, empty string) string {
	if s == "" {
		return empty
	}
	return s
}

// pythonFloat is the type and text of a value in Python, whose shortest form has
// an exponent where %g would at 16 digits.
func pythonFloat(v float64) string {
	if math.IsNaN(v) {
		return "NoneType None"
	}
	if math.IsInf(v, 0) {
		return "float " + strings.TrimPrefix(strings.ToLower(fmt.Sprint(v)), "+")
	}
	e := strconv.FormatFloat(v, 'e', -1, 64)
	exp, _ := strconv.Atoi(e[strings.IndexByte(e, 'e')+1:])
	if v != 0 && (exp < -4 || exp >= 16) {
		return "float " + e
	}
	f := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(f, ".") {
		f += ".0"
	}
	return "float " + f
}

// asNodes is what record.py writes of nodes.
func asNodes(nodes []Node) [][]any {
	all := [][]any{}
	for _, n := range nodes {
		if n.Branch {
			all = append(all, []any{"BranchNode", n.Path, nil})
		}
		if n.Leaf {
			intervals := [][]string{}
			if n.Last != 0 {
				intervals = append(intervals, []string{fmt.Sprint("int ", n.First), fmt.Sprint("int ", n.Last)})
			}
			all = append(all, []any{"LeafNode", n.Path, intervals})
		}
	}
	return all
}
