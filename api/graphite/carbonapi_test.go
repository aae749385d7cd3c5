package graphite

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/coalesce-metrics/coalesce/query"
)

// fetchMessage is a MultiFetchRequest.
func fetchMessage(requests ...[3]any) string {
	var all []byte
	for _, r := range requests {
		var m []byte
		m = protowire.AppendString(protowire.AppendTag(m, 1, protowire.BytesType), r[0].(string))
		for i, t := range r[1:] {
			m = protowire.AppendVarint(protowire.AppendTag(m, protowire.Number(2+i), protowire.VarintType), uint64(t.(int)))
		}
		all = protowire.AppendBytes(protowire.AppendTag(all, 1, protowire.BytesType), m)
	}
	return string(all)
}

const acceptV3 = "application/x-carbonapi-v3-pb"

func TestRenderV3(t *testing.T) {
	s := server(t, datapoints...)
	for name, c := range map[string]struct {
		method, target, body string
		headers              []string
		want                 []string // name, expression, first value
	}{
		"format": {"GET", "/render?format=carbonapi_v3_pb", fetchMessage([3]any{"all.count", 1699999919, 1700000040}), nil,
			[]string{"all.count all.count 3.5"}},
		"accepted, against the format": {"POST", "/render/?format=json", fetchMessage([3]any{"all.count", 1699999919, 1700000040}), []string{"Accept", acceptV3},
			[]string{"all.count all.count 3.5"}},
		"reversed": {"GET", "/render", fetchMessage([3]any{"all.count", 1700000040, 1699999919}), []string{"Accept", acceptV3},
			[]string{"all.count all.count 3.5"}},
		"parameters": {"GET", "/render?format=carbonapi_v3_pb&target=all.c*&target=none&from=1699999919&until=1700000040", "", nil,
			[]string{"all.count all.c* 3.5"}},
		"format in a form": {"POST", "/render", "format=carbonapi_v3_pb&target=all.count&from=1699999919&until=1700000040", []string{"Content-Type", formType},
			[]string{"all.count all.count 3.5"}},
		"a name twice": {"GET", "/render", fetchMessage([3]any{"all.count", 1699999919, 1700000040}, [3]any{"all.count", 1699999919, 1700000040}), []string{"Accept", acceptV3},
			[]string{"all.count all.count 3.5", "all.count all.count 3.5"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := do(s, c.method, c.target, c.body, c.headers...)
			if w.Code != 200 || w.Header().Get("Content-Type") != acceptV3 {
				t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
			}
			var got []string
			for _, m := range readFields(w.Body.Bytes()).messages(1) {
				got = append(got, fmt.Sprint(m.text(1), " ", m.text(2), " ", m.floats(9)[0]))
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestV3Refusals(t *testing.T) {
	var many [][3]any
	for i := range maxRanges + 1 {
		many = append(many, [3]any{"none", 1000 + i, 2000})
	}
	s := server(t)
	for name, c := range map[string]struct{ target, body, want string }{
		"empty range": {"/render", fetchMessage([3]any{"a", 5, 5}), `"a" from 5 until 5, which is an empty range`},
		"many ranges": {"/render", fetchMessage(many...), "more than 100 ranges of time"},
		"no message":  {"/render", "\xff", "MultiFetchRequest"},
		"no glob":     {"/metrics/find", "\xff", "MultiGlobRequest"},
		"no expand":   {"/metrics/expand", "\xff", "MultiGlobRequest"},
		"no info":     {"/info", "\xff", "MultiGlobRequest"},
		"no pattern":  {"/metrics/find", "\x0a\x00", "an empty query"},
		"bad target":  {"/render", fetchMessage([3]any{"sum(a", 5, 600}), `"sum(a"`},
	} {
		t.Run(name, func(t *testing.T) {
			w := do(s, "GET", c.target, c.body, "Accept", acceptV3)
			if w.Code != 400 || !strings.Contains(w.Body.String(), c.want) {
				t.Errorf("%d %s; want %q", w.Code, w.Body, c.want)
			}
		})
	}
}

// An answer does not become as large as all of its ranges may be.
func TestRenderV3Bounded(t *testing.T) {
	points := make([]float64, 1<<20) // 8 MiB
	fetches := 0
	s := serverOf(t, func(_ context.Context, r query.Request) ([]*query.Series, error) {
		fetches++
		return []*query.Series{{Name: "a", Path: "a", Start: 1, End: 2, Step: 1, Values: points}}, nil
	})
	var requests [][3]any
	for i := range maxRanges {
		requests = append(requests, [3]any{"a", 1000 + i, 2000})
	}
	w := do(s, "GET", "/render", fetchMessage(requests...), "Accept", acceptV3)
	if w.Code != 400 || !strings.Contains(w.Body.String(), "more than 64 MiB") || fetches != 8 {
		t.Errorf("%d %.100s after %d fetches", w.Code, w.Body, fetches)
	}
}

func TestInfo(t *testing.T) {
	s := server(t)
	testPages(t, s, "application/json", map[string]pageCase{
		"json": {target: "/info?target=servers.web1.cpu", want: `{"name":"servers.web1.cpu","aggregationMethod":"max","maxRetention":604800,"xFilesFactor":0,` +
			`"retentions":[{"secondsPerPoint":60,"numberOfPoints":1440},{"secondsPerPoint":3600,"numberOfPoints":168}]}`},
		"unknown": {target: "/info/?target=none&format=json", want: "{}"},
	})
	testPages(t, s, "application/x-protobuf", map[string]pageCase{
		"msgpack, unknown": {target: "/info?target=none&format=msgpack", want: ""},
	})
	testRefusals(t, s, 400, "text/plain", map[string]pageCase{
		"no target": {target: "/info", want: "target is missing"},
		"format":    {target: "/info?target=all.count&format=pickle", want: `format "pickle" is not supported; accepted: json`},
	})
	cfg := newConfig(t)
	cfg.Tiers = nil
	testPages(t, newServer(t, cfg), "application/json", map[string]pageCase{
		"nothing kept": {target: "/info?target=servers.web2.cpu", want: `{"name":"servers.web2.cpu","aggregationMethod":"min","maxRetention":0,"xFilesFactor":0,"retentions":[]}`},
	})
}
