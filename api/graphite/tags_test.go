package graphite

import (
	"net/http"
	"testing"
)

func TestTags(t *testing.T) {
	testPages(t, server(t), "application/json", map[string]pageCase{
		"all":               {target: "/tags", want: `[{"tag":"dc"},{"tag":"host"},{"tag":"name"},{"tag":"rack"}]`},
		"slash":             {target: "/tags/?filter=h", want: `[{"tag":"host"}]`},
		"filter":            {target: "/tags?filter=(h|r)", want: `[{"tag":"host"},{"tag":"rack"}]`},
		"limit":             {target: "/tags?limit=1", want: `[{"tag":"dc"}]`},
		"none":              {target: "/tags?filter=none", want: `[]`},
		"form":              {target: "/tags", form: "filter=ra", want: `[{"tag":"rack"}]`},
		"pretty":            {target: "/tags?filter=ra&pretty=1", want: "[\n  {\n    \"tag\": \"rack\"\n  }\n]"},
		"values":            {target: "/tags/dc", want: `{"tag":"dc","values":[{"value":"x","count":3},{"value":"y","count":2}]}`},
		"values, filter":    {target: "/tags/dc/?filter=y", want: `{"tag":"dc","values":[{"value":"y","count":2}]}`},
		"values, limit":     {target: "/tags/dc?limit=1", want: `{"tag":"dc","values":[{"value":"x","count":3}]}`},
		"unknown tag":       {target: "/tags/none", want: `{"tag":"none","values":[]}`},
		"tag in two words":  {target: "/tags/two%20words", want: `{"tag":"two words","values":[]}`},
		"find":              {target: "/tags/findSeries?expr=name=disk.used&expr=dc=x", want: `["disk.used;dc=x;host=a","disk.used;dc=x;host=b"]`},
		"find, expr[]":      {target: "/tags/findSeries?expr[]=name=~disk&expr[]=rack=", want: `["disk.used;dc=x;host=a","disk.used;dc=x;host=b","disk.used;dc=y;host=c"]`},
		"find, not":         {target: "/tags/findSeries/?expr=name=~disk&expr=dc!=x&expr=host!=~c", want: `["disk.free;dc=y;rack=r1"]`},
		"find, none":        {target: "/tags/findSeries?expr=dc=z", want: `[]`},
		"find, form":        {target: "/tags/findSeries", form: "expr=rack%3D~.", want: `["disk.free;dc=y;rack=r1"]`},
		"tags to go on":     {target: "/tags/autoComplete/tags?expr=name=disk.used&tagPrefix=&limit=100", want: `["dc","host"]`},
		"tags, prefix":      {target: "/tags/autoComplete/tags?tagPrefix=r", want: `["rack"]`},
		"tags, limit":       {target: "/tags/autoComplete/tags?limit=2", want: `["dc","host"]`},
		"tags, none":        {target: "/tags/autoComplete/tags?tagPrefix=q", want: `[]`},
		"values to go on":   {target: "/tags/autoComplete/values?tag=host&expr=dc=x", want: `["a","b"]`},
		"values, prefix":    {target: "/tags/autoComplete/values?tag=host&valuePrefix=b", want: `["b"]`},
		"values, not known": {target: "/tags/autoComplete/values/?tag=none", want: `[]`},
		"all the catalog":   {target: "/tags/autoComplete/tags?limit=10000", want: `["dc","host","name","rack"]`},
	})
}

func TestTagRefusals(t *testing.T) {
	s := server(t)
	testRefusals(t, s, 400, "application/json", map[string]pageCase{
		"no expr":     {target: "/tags/findSeries", want: `{"error":"expr is missing`},
		"bad expr":    {target: "/tags/findSeries?expr=dc", want: `{"error":"`},
		"all empty":   {target: "/tags/findSeries?expr=dc!=x", want: `{"error":"`},
		"bad regexp":  {target: "/tags/findSeries?expr=dc=~(", want: `{"error":"`},
		"no tag":      {target: "/tags/autoComplete/values?expr=dc=x", want: `{"error":"tag is missing`},
		"limit":       {target: "/tags/autoComplete/tags?limit=some", want: `{"error":"limit \"some\"; accepted: a whole number`},
		"no limit":    {target: "/tags?limit=0", want: `{"error":"limit \"0\"; accepted`},
		"filter":      {target: "/tags?filter=(", want: `{"error":"`},
		"path":        {target: "/tags/tagSeries", form: "path=", want: `{"error":"path is missing`},
		"paths":       {target: "/tags/tagMultiSeries", form: "x=", want: `{"error":"path is missing`},
		"bad path":    {target: "/tags/tagSeries", form: "path=a;b", want: `{"error":"path \"a;b\": tags: \"b\": expected key=value`},
		"bad path[]":  {target: "/tags/delSeries", form: "path[]=a&path[]=;b=c", want: `{"error":"path \";b=c\"`},
		"parameters":  {target: "/tags?filter=%zz", want: `{"error":"query string: invalid URL escape`},
		"with indent": {target: "/tags/findSeries?pretty=1", want: "{\n  \"error\": \""},
	})
	for _, path := range []string{"/tags/tagSeries", "/tags/tagMultiSeries", "/tags/delSeries"} {
		if w := get(s, path+"?path=a"); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "POST" {
			t.Errorf("GET %s: %d %v", path, w.Code, w.Header())
		}
	}
	cfg := newConfig(t)
	cfg.MaxNames = 2
	testRefusals(t, newServer(t, cfg), 400, "application/json", map[string]pageCase{
		"many tags":        {target: "/tags", want: `{"error":"more than 2 tags; set limit`},
		"many of limit":    {target: "/tags/autoComplete/tags?limit=10000", want: `{"error":"more than 2 tags; set limit or tagPrefix`},
		"many values":      {target: "/tags/host", want: `{"error":"more than 2 values; set limit`},
		"many completions": {target: "/tags/autoComplete/values?tag=host&limit=3", want: `{"error":"more than 2 values; set limit or valuePrefix`},
		"many series":      {target: "/tags/findSeries?expr=name=~.", want: `{"error":"`},
	})
	testPages(t, newServer(t, cfg), "application/json", map[string]pageCase{
		"limit of the answer": {target: "/tags?limit=2", want: `[{"tag":"dc"},{"tag":"host"}]`},
		"by default":          {target: "/tags/autoComplete/tags", want: `["dc","host"]`},
	})
}

func TestTagSeries(t *testing.T) {
	s := server(t)
	testPages(t, s, "application/json", map[string]pageCase{
		"one":         {target: "/tags/tagSeries", form: "path=disk.used;rack=r;dc=x", want: `"disk.used;dc=x;rack=r"`},
		"openmetrics": {target: "/tags/tagSeries", form: `path=disk{b="2",a="1"}`, want: `"disk;a=1;b=2"`},
		"several":     {target: "/tags/tagMultiSeries/", form: "path=a;c=d;b=e&path[]=f", want: `["a;b=e;c=d","f"]`},
	})
	// What is registered is not there before it has data.
	testPages(t, s, "application/json", map[string]pageCase{
		"still not there": {target: "/tags/findSeries?expr=rack=r", want: `[]`},
	})
}

func TestDelSeries(t *testing.T) {
	s := server(t)
	if w := post(s, "/tags/delSeries", "path=disk.used;host=a;dc=x&path=none;a=b"); w.Code != 200 || w.Body.String() != "true" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := get(s, "/tags/findSeries?expr=dc=x&expr=name=disk.used"); w.Body.String() != `["disk.used;dc=x;host=b"]` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
