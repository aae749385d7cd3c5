package wire

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for name, want := range map[string]struct {
		format      Format
		contentType string
	}{
		"json":            {JSON, "application/json"},
		"raw":             {Raw, "text/plain"},
		"csv":             {CSV, "text/csv"},
		"pickle":          {Pickle, "application/pickle"},
		"msgpack":         {MsgPack, "application/x-msgpack"},
		"protobuf":        {V2, "application/x-protobuf"},
		"protobuf3":       {V2, "application/x-protobuf"},
		"carbonapi_v2_pb": {V2, "application/x-protobuf"},
		"carbonapi_v3_pb": {V3, "application/x-carbonapi-v3-pb"},
		"treejson":        {TreeJSON, "application/json"},
		"completer":       {Completer, "application/json"},
		"nodelist":        {NodeList, "application/json"},
	} {
		f, ok := Parse(name)
		if !ok || f != want.format || f.ContentType() != want.contentType {
			t.Errorf("%s: %s, %v, %s", name, f, ok, f.ContentType())
		}
		if back, ok := Parse(f.String()); !ok || back != f {
			t.Errorf("%s: named %s, which is %s", name, f, back)
		}
	}
	for _, name := range []string{"", "JSON", "png", "format(10)"} {
		if f, ok := Parse(name); ok {
			t.Errorf("%q is %s", name, f)
		}
	}
	if got := numFormats.String(); got != "format(10)" {
		t.Error(got)
	}
}

func TestChoose(t *testing.T) {
	const v3 = "application/x-carbonapi-v3-pb"
	const image = "image rendering not supported; accepted: format=json, raw, csv, pickle, msgpack, carbonapi_v2_pb, carbonapi_v3_pb"
	const find = "is not supported; accepted: treejson, json, completer, nodelist, pickle, msgpack, carbonapi_v2_pb, carbonapi_v3_pb"
	type result struct {
		format Format
		err    string // how it begins or ends, if there is one
	}
	for name, c := range map[string]struct {
		accept       []string
		format       string
		render, find result
	}{
		"none":                       {nil, "", result{err: image}, result{format: TreeJSON}},
		"any":                        {[]string{"*/*"}, "json", result{format: JSON}, result{format: JSON}},
		"image":                      {nil, "svg", result{err: image}, result{err: `format "svg" ` + find}},
		"of /render":                 {nil, "csv", result{format: CSV}, result{err: `format "csv" ` + find}},
		"of /metrics/find":           {nil, "completer", result{err: `format "completer" is not supported; accepted: json, raw`}, result{format: Completer}},
		"unknown":                    {nil, "yaml", result{err: `format "yaml" is not supported; accepted: json`}, result{err: `format "yaml" ` + find}},
		"carbonapi v3":               {[]string{v3}, "carbonapi_v3_pb", result{format: V3}, result{format: V3}},
		"carbonapi v3 wins":          {[]string{"text/html, " + strings.ToUpper(v3) + ";q=0.9"}, "json", result{format: V3}, result{format: V3}},
		"carbonapi v3, later header": {[]string{"*/*", v3}, "", result{format: V3}, result{format: V3}},
		// What carbonapi sends by its protocol msgpack.
		"carbonapi v2 loses": {[]string{"application/x-protobuf"}, "msgpack", result{format: MsgPack}, result{format: MsgPack}},
		"longer than v3":     {[]string{v3 + "2"}, "json", result{format: JSON}, result{format: JSON}},
	} {
		t.Run(name, func(t *testing.T) {
			for route, by := range map[string]struct {
				choose func([]string, string) (Format, error)
				want   result
			}{"render": {RenderFormat, c.render}, "find": {FindFormat, c.find}} {
				f, err := by.choose(c.accept, c.format)
				if f != by.want.format || (err != nil) != (by.want.err != "") || err != nil && !strings.HasPrefix(err.Error(), by.want.err) {
					t.Errorf("%s: %s, %v", route, f, err)
				}
			}
		})
	}
}
