package functions

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestAllDescribeWhatGraphiteDoes(t *testing.T) {
	v := readVectors(t)
	all := All()
	if !slices.IsSortedFunc(all, func(a, b Description) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("not sorted by name")
	}
	for _, d := range all {
		want, ok := v.Functions[d.Name]
		if !ok {
			t.Errorf("graphite-web has no %s", d.Name)
			continue
		}
		if d.Description == "" || d.Group != want.Group || len(d.Params) != len(want.Params) {
			t.Errorf("%s: %+v, want %+v", d.Name, d, want)
			continue
		}
		for i, p := range d.Params {
			w := want.Params[i]
			if p.Name != w.Name || p.Type != w.Type || p.Required != w.Required || p.Multiple != w.Multiple ||
				fmt.Sprint(p.Default) != fmt.Sprint(w.Default) {
				t.Errorf("%s: %+v, want %+v", d.Name, p, w)
			}
		}
	}
}

// The shape is that of graphite-web's /functions, which Grafana's editor reads.
func TestDescriptionAsJSON(t *testing.T) {
	want := map[string]string{
		"keepLastValue": `{"name":"keepLastValue","function":"keepLastValue(seriesList, limit=inf)",` +
			`"description":"Fills gaps with the value before them; gaps of more points than the limit stay.",` +
			`"module":"graphite.render.functions","group":"Transform","params":[` +
			`{"name":"seriesList","type":"seriesList","required":true},` +
			`{"name":"limit","type":"intOrInf","default":1e9999}]}`,
		"sum": `{"name":"sum","function":"sum(*seriesLists)",` +
			`"description":"Adds series: each point is the sum of the points that are there.",` +
			`"module":"graphite.render.functions","group":"Combine","params":[` +
			`{"name":"seriesLists","type":"seriesList","required":true,"multiple":true}]}`,
		"sortBy": `{"name":"sortBy","function":"sortBy(seriesList, func='average', reverse=False)",` +
			`"description":"Sorts series by their average, or by another aggregate.",` +
			`"module":"graphite.render.functions","group":"Sorting","params":[` +
			`{"name":"seriesList","type":"seriesList","required":true},` +
			`{"name":"func","type":"aggFunc","default":"average","options":["average","avg","avg_zero","count","current",` +
			`"diff","last","max","median","min","multiply","range","rangeOf","stddev","sum","total"]},` +
			`{"name":"reverse","type":"boolean","default":false}]}`,
	}
	for _, d := range All() {
		text, err := json.Marshal(d)
		if err != nil {
			t.Fatalf("%s: %v", d.Name, err)
		}
		if w := want[d.Name]; w != "" && string(text) != w {
			t.Errorf("got  %s\nwant %s", text, w)
		}
	}
}
