package graphite

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/catalog"
)

func TestFind(t *testing.T) {
	const (
		all = `[{"text":"all","id":"all","allowChildren":1,"expandable":1,"leaf":0},` +
			`{"text":"servers","id":"servers","allowChildren":1,"expandable":1,"leaf":0}]`
		web2 = `{"text":"web2","id":"servers.web2","allowChildren":1,"expandable":1,"leaf":0}`
	)
	testPages(t, server(t), "application/json", map[string]pageCase{
		"root":             {target: "/metrics/find?query=*", want: all},
		"slash":            {target: "/metrics/find/?query=*", want: all},
		"at /metrics":      {target: "/metrics?query=*", want: all},
		"at /metrics/":     {target: "/metrics/?query=*", want: all},
		"form":             {target: "/metrics/find?query=none&from=-1h", form: "query=*", want: all},
		"form at /metrics": {target: "/metrics", form: "query=*", want: all},
		"query[]":          {target: "/metrics/find?query=none&query[]=*", want: all},
		"treejson":         {target: "/metrics/find?query=servers.web1.*&format=treejson", want: `[{"text":"cpu","id":"servers.web1.cpu","allowChildren":0,"expandable":0,"leaf":1}]`},
		"leaf and branch":  {target: "/metrics/find?query=servers.web[12]", want: `[{"text":"web1","id":"servers.web1","allowChildren":1,"expandable":1,"leaf":0},` + web2 + `]`},
		"id of the query":  {target: "/metrics/find?query=*.web2", want: `[{"text":"web2","id":"*.web2","allowChildren":1,"expandable":1,"leaf":0}]`},
		"names once":       {target: "/metrics/find?query=servers.*.cpu", want: `[{"text":"cpu","id":"servers.*.cpu","allowChildren":0,"expandable":0,"leaf":1}]`},
		"leaves only":      {target: "/metrics/find?query=servers.*&leavesOnly=1", want: `[{"text":"web1","id":"servers.web1","allowChildren":0,"expandable":0,"leaf":1}]`},
		"wildcards":        {target: "/metrics/find?query=servers.web2.*&wildcards=1", want: `[{"text":"*","id":"servers.web2.*","allowChildren":0,"expandable":0,"leaf":1},{"text":"cpu","id":"servers.web2.cpu","allowChildren":0,"expandable":0,"leaf":1},{"text":"mem","id":"servers.web2.mem","allowChildren":0,"expandable":0,"leaf":1}]`},
		"no match":         {target: "/metrics/find?query=none.*", want: "[]"},
		"no views":         {target: "/metrics/find?query=servers.web1.cpu:max", want: "[]"},
		"json":             {target: "/metrics/find?query=servers.web1*&format=json", want: `[{"path":"servers.web1","is_leaf":false},{"path":"servers.web1","is_leaf":true,"intervals":[]}]`},
		"intervals":        {target: "/metrics/find?query=servers.web1.cpu&format=json", want: `[{"path":"servers.web1.cpu","is_leaf":true,"intervals":[{"start":1699996490,"end":1700000090}]}]`},
		"completer":        {target: "/metrics/find?query=servers.web1&format=completer", want: `{"metrics":[{"path":"servers.web1.","name":"web1","is_leaf":"0"},{"path":"servers.web1","name":"web1","is_leaf":"1"}]}`},
		"completer below":  {target: "/metrics/find?query=servers.web2.&format=completer&wildcards=1", want: `{"metrics":[{"path":"servers.web2.cpu","name":"cpu","is_leaf":"1"},{"path":"servers.web2.mem","name":"mem","is_leaf":"1"},{"name":"*"}]}`},
		"nodelist":         {target: "/metrics/find?query=servers.*.cpu&format=nodelist&position=1", want: `{"nodes":["web1","web2"]}`},
		"nodelist, last":   {target: "/metrics/find?query=servers.*.*&format=nodelist", want: `{"nodes":["cpu","mem"]}`},
		// web2.cpu was last seen a day ago, of web2.mem that is not known.
		"in range":       {target: "/metrics/find?query=servers.web2.*&from=-2h&until=now", want: `[{"text":"mem","id":"servers.web2.mem","allowChildren":0,"expandable":0,"leaf":1}]`},
		"in early range": {target: "/metrics/find?query=servers.web2.*&from=-25h&until=-23h", want: `[{"text":"cpu","id":"servers.web2.cpu","allowChildren":0,"expandable":0,"leaf":1},{"text":"mem","id":"servers.web2.mem","allowChildren":0,"expandable":0,"leaf":1}]`},
		"reversed range": {target: "/metrics/find?query=servers.web2.*&from=now&until=-2h", want: `[{"text":"mem","id":"servers.web2.mem","allowChildren":0,"expandable":0,"leaf":1}]`},
		"until only":     {target: "/metrics/find?query=servers.web1.cpu&until=-2h", want: `[]`},
		"no bounds":      {target: "/metrics/find?query=servers.web2.cpu&from=-1&until=undefined", want: `[{"text":"cpu","id":"servers.web2.cpu","allowChildren":0,"expandable":0,"leaf":1}]`},
		"as of another":  {target: "/metrics/find?query=servers.web2.cpu&from=-2h&now=1699913690", want: `[{"text":"cpu","id":"servers.web2.cpu","allowChildren":0,"expandable":0,"leaf":1}]`},
	})
}

func TestFindRefusals(t *testing.T) {
	testRefusals(t, server(t), 400, "text/plain", map[string]pageCase{
		"no query":     {target: "/metrics/find", want: "query is missing or empty"},
		"empty query":  {target: "/metrics/find?query=", want: "query is missing or empty"},
		"no query, v3": {target: "/metrics/find?format=carbonapi_v3_pb", want: "query is missing or empty"},
		"format":       {target: "/metrics/find?query=*&format=raw", want: `format "raw" is not supported; accepted: treejson`},
		"from":         {target: "/metrics/find?query=*&from=soon", want: `from: "soon" is not a time`},
		"zone":         {target: "/metrics/find?query=*&tz=Mars", want: `tz "Mars"`},
		"leavesOnly":   {target: "/metrics/find?query=*&leavesOnly=some", want: `leavesOnly "some"; accepted: 1 or 0`},
		"wildcards":    {target: "/metrics/find?query=*&wildcards=-", want: `wildcards "-"; accepted: 1 or 0`},
		"position":     {target: "/metrics/find?query=*&format=nodelist&position=last", want: `position "last"; accepted`},
		"pattern":      {target: "/metrics/find?query=" + strings.Repeat("a", catalog.MaxPattern+1), want: "accepted"},
		"expand":       {target: "/metrics/expand?query=a&query=", want: "query is missing or empty"},
		"grouped":      {target: "/metrics/expand?query=a&groupByExpr=x", want: `groupByExpr "x"`},
	})
	cfg := newConfig(t)
	cfg.MaxNames = 2
	testRefusals(t, newServer(t, cfg), 400, "text/plain", map[string]pageCase{
		"find":           {target: "/metrics/find?query=*.*", want: `"*.*"`},
		"expand":         {target: "/metrics/expand?query=*.*", want: `"*.*"`},
		"expand, in all": {target: "/metrics/expand?query=servers.*&query=*", want: "more than 2 names in all"},
	})
}

// What is asked for in vain by its client takes no more time.
func TestFindGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h := &handler{cfg: newConfig(t)}
	if found, err := h.nodes(ctx, search{queries: []string{"*"}}); err != context.Canceled || found != nil {
		t.Errorf("%v, %v", found, err)
	}
}

func TestExpand(t *testing.T) {
	testPages(t, server(t), "application/json", map[string]pageCase{
		"one":         {target: "/metrics/expand?query=servers.*", want: `{"results":["servers.web1","servers.web2"]}`},
		"several":     {target: "/metrics/expand/?query=servers.web2.*&query[]=servers.*.cpu", want: `{"results":["servers.web1.cpu","servers.web2.cpu","servers.web2.mem"]}`},
		"form":        {target: "/metrics/expand", form: "query=servers.*.mem", want: `{"results":["servers.web2.mem"]}`},
		"leaves only": {target: "/metrics/expand?query=servers.*&leavesOnly=1", want: `{"results":["servers.web1"]}`},
		"by query":    {target: "/metrics/expand?query=servers.*.mem&query=none&groupByExpr=1", want: `{"results":{"none":[],"servers.*.mem":["servers.web2.mem"]}}`},
		"no match":    {target: "/metrics/expand?query=none", want: `{"results":[]}`},
		"wrapped not": {target: "/metrics/expand?query=none&jsonp=", want: `{"results":[]}`},
	})
}

func TestIndex(t *testing.T) {
	const index = `["all.count","all.time","servers.web1","servers.web1.cpu","servers.web2.cpu","servers.web2.mem"]`
	s := server(t)
	testPages(t, s, "application/json", map[string]pageCase{
		"all":    {target: "/metrics/index.json", want: index},
		"slash":  {target: "/metrics/index.json/?local=1", want: index},
		"pretty": {target: "/metrics/index.json?pretty=1", want: strings.NewReplacer("[", "[\n  ", ",", ",\n  ", "]", "\n]").Replace(index)},
	})
	testPages(t, s, "text/javascript", map[string]pageCase{
		"wrapped": {target: "/metrics/index.json?jsonp=f", want: "f(" + index + ")"},
	})

	cfg := newConfig(t)
	cfg.Names = catalog.New(10)
	testPages(t, newServer(t, cfg), "application/json", map[string]pageCase{"none": {target: "/metrics/index.json", want: "[]"}})
}

// Whatever the names are, the index is JSON that gives them back.
func FuzzIndex(f *testing.F) {
	f.Add("a.b", "c")
	f.Add("a<b>&\"\\\x01é\u2028", "x y")
	cfg := newConfig(f)
	f.Fuzz(func(t *testing.T, a, b string) {
		a, b = strings.ToValidUTF8(a, ""), strings.ToValidUTF8(b, "")
		cfg.Names = catalog.New(10)
		want := []string{}
		for _, name := range []string{a, b} {
			if !strings.Contains(name, ";") && cfg.Names.Add(name, catalog.Entry{Series: name}, 0) {
				want = append(want, name)
			}
		}
		slices.Sort(want)
		w := get(newServer(t, cfg), "/metrics/index.json")
		var got []string
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || !slices.Equal(got, slices.Compact(want)) {
			t.Fatalf("%v: %q, want %q from %s", err, got, want, w.Body)
		}
	})
}
