package measurements

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/attributes"
	"github.com/coalesce-metrics/coalesce/cell"
)

func TestMeasurementsAreTaken(t *testing.T) {
	cases := []struct{ name, body, want string }{
		{"one value", `{"measurements":[{"name":"cpu","value":4.5,"tags":{"host":"a"}}]}`, "cpu;host=a @0 4.5"},
		{"no tags", `{"measurements":[{"name":"cpu","value":-1}]}`, "cpu @0 -1"},
		{"all characters of a name", `{"measurements":[{"name":"Az09.:-_","value":1}]}`, "Az09.:-_ @0 1"},
		{"tags of the request", `{"tags":{"host":"a"},"measurements":[{"name":"m","value":1},{"name":"m","value":2,"tags":{}},{"name":"m","value":3,"tags":null}]}`,
			"m;host=a @0 1\nm;host=a @0 2\nm;host=a @0 3"},
		{"own tags take their place", `{"tags":{"host":"a","dc":"x"},"measurements":[{"name":"m","value":1,"tags":{"host":"b"}}]}`, "m;host=b @0 1"},
		{"tags after the measurements", `{"measurements":[{"name":"m","value":1}],"tags":{"host":"a"},"time":1700000000}`, "m;host=a @-50 1"},
		{"tags sorted, folded and filled", `{"measurements":[{"name":"m","value":1,"tags":{"b":"Web 1","A-b":"x/y?z\\w","A":"Q.:-_"}}]}`,
			`m;a-b=x/y?z\w;a=q.:-_;b=web_1 @0 1`},
		{"the last of equal tags", `{"measurements":[{"name":"m","value":1,"tags":{"a":"x","A":"y","a":"z"}}]}`, "m;a=z @0 1"},
		{"times", `{"time":1700000001,"measurements":[{"name":"m","value":1,"time":1700000002.9},{"name":"m","value":2,"time":0},{"name":"m","value":3,"time":null}]}`,
			"m @-48 1\nm @-49 2\nm @-49 3"},
		{"time 0 beside the measurements", `{"time":0,"measurements":[{"name":"m","value":1}]}`, "m @0 1"},
		{"the oldest and the newest", `{"measurements":[{"name":"m","value":1,"time":1699992851},{"name":"m","value":2,"time":1700000650}]}`, "m @-7199 1\nm @600 2"},
		{"count and sum", `{"measurements":[{"name":"m","count":4,"sum":10}]}`, "m @0 n=4 sum=10 min=2.5 max=2.5 m2=NaN last=2.5"},
		{"all of a complex one", `{"measurements":[{"name":"m","count":2,"sum":4,"min":1,"max":3,"last":3,"stddev":1}]}`, "m @0 n=2 sum=4 min=1 max=3 m2=2 last=3"},
		{"a sum of squared deviations", `{"measurements":[{"name":"m","count":2,"sum":4,"stddev_m2":2}]}`, "m @0 n=2 sum=4 min=2 max=2 m2=2 last=2"},
		{"a sum of squares", `{"measurements":[{"name":"m","count":2,"sum":4,"sum_squares":10}]}`, "m @0 n=2 sum=4 min=2 max=2 m2=2 last=2"},
		{"a sum of squares rounded", `{"measurements":[{"name":"m","count":2,"sum":4,"sum_squares":7.999}]}`, "m @0 n=2 sum=4 min=2 max=2 m2=0 last=2"},
		{"the mean above the maximum", `{"measurements":[{"name":"m","count":1,"sum":9,"max":3}]}`, "m @0 n=1 sum=9 min=9 max=3 m2=0 last=9"},
		{"one value as a complex one", `{"measurements":[{"name":"m","count":1.0,"sum":9}]}`, "m @0 9"},
		{"as many values as there may be", `{"measurements":[{"name":"m","count":1e12,"sum":0,"stddev":0}]}`, "m @0 n=1000000000000 sum=0 min=0 max=0 m2=0 last=0"},
		{"large and small", `{"measurements":[{"name":"m","value":1e126},{"name":"m","value":-1e-131},{"name":"m","value":1e-130}]}`, "m @0 1e+126\nm @0 0\nm @0 1e-130"},
		{"unknown fields", `{"x":{"y":[1,{}]},"measurements":[{"name":"m","value":1,"source":5,"measure_time":3,"z":"\u0000"}]}`, "m @0 1"},
		{"escapes", `{"measurements":[{"name":"\u006d","value":1,"tags":{"\u0061":"b\/c"}}]}`, "m;a=b/c @0 1"},
		{"null fields", `{"measurements":[{"name":"m","value":1,"count":null,"sum":null,"period":null,"attributes":null}]}`, "m @0 1"},
	}
	for _, c := range cases {
		for _, zipped := range []bool{false, true} {
			d := newDesk(t)
			body, headers := c.body, []string(nil)
			if zipped {
				body, headers = zip(body), []string{"Content-Encoding", "gzip"}
			}
			if w := d.post(body, headers...); w.Code != http.StatusAccepted || w.Body.Len() > 0 {
				t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
			}
			got := d.taken()
			if diff := cmp.Diff(c.want, strings.Join(got, "\n")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.name, diff)
			}
			d.balance(uint64(len(got)))
		}
	}
}

func TestMeasurementsAreRefused(t *testing.T) {
	one := func(fields string) string {
		return `{"measurements":[{"name":"ok","value":1},{"name":"m",` + fields + `}]}`
	}
	cases := []struct {
		name, body string
		want       string // in the answer
		counted    uint64
	}{
		{"no JSON", `x`, `"request":["body: no JSON object; accepted`, 0},
		{"an array", `[]`, `no JSON object`, 0},
		{"nothing", ``, `no JSON object`, 0},
		{"cut short", `{"measurements":[{"name":"m","value":1}`, `"request":["body: not JSON: byte 39: the end; expected a comma or ]`, 0},
		{"two", `{"measurements":[]} {}`, `expected the end`, 0},
		{"not UTF-8", "{\"measurements\":[{\"name\":\"\xff\"}]}", `expected UTF-8`, 0},
		{"NaN", one(`"value":NaN`), `not JSON`, 0},
		{"no measurements", `{}`, `"request":["there are no measurements; accepted: 1 to 1000"]`, 0},
		{"empty", `{"measurements":[]}`, `there are no measurements`, 0},
		{"null", `{"measurements":null}`, `there are no measurements`, 0},
		{"measurements as an object", `{"measurements":{"a":{"value":1}}}`, `"params":{"measurements":["is no array: {`, 0},
		{"a number for an object", `{"measurements":[1]}`, `{"errors":{"params":{"measurements":["has what is no object: 1"]},"request":["measurements[0]: measurements has what is no object: 1; nothing of the request is taken"]},"request_time":1700000050}`, 1},
		{"no name", `{"measurements":[{"value":1}]}`, `"params":{"name":["is missing"]}`, 1},
		{"name is null", `{"measurements":[{"name":null,"value":1}]}`, `"params":{"name":["is missing"]}`, 1},
		{"name is a number", `{"measurements":[{"name":1,"value":1}]}`, `"name":["is no text: 1"]`, 1},
		{"empty name", `{"measurements":[{"name":"","value":1}]}`, `"name":["\"\"; accepted`, 1},
		{"blank in a name", `{"measurements":[{"name":"a b","value":1}]}`, `"name":["\"a b\"; accepted: 1 to 255 of A-Z`, 1},
		{"tag in a name", `{"measurements":[{"name":"a;b=c","value":1}]}`, `"name"`, 1},
		{"no value", one(`"tags":{}`), `"params":{"value":["is missing; accepted: a number, or count and sum"]},"request":["measurements[1]: value is missing`, 2},
		{"value is a text", one(`"value":"1"`), `"value":["is no number: \"1\""]},"request":["measurements[1]`, 2},
		{"value is true", one(`"value":true`), `"value":["is no number: true"]`, 2},
		{"value and count", one(`"value":1,"count":1,"sum":1`), `"value":["is given, and count too`, 2},
		{"sum alone", one(`"sum":1`), `"value":["is missing`, 2},
		{"count alone", one(`"count":1`), `"sum":["is missing`, 2},
		{"count 0", one(`"count":0,"sum":1`), `"count":["is 0; accepted: whole numbers from 1 to 1e+12"]`, 2},
		{"part of a count", one(`"count":1.5,"sum":1`), `"count":["is 1.5`, 2},
		{"too many values", one(`"count":1000000000001,"sum":1`), `"count":["is 1.000000000001e+12`, 2},
		{"two deviations", one(`"count":2,"sum":1,"stddev":1,"stddev_m2":1`), `"stddev_m2":["is given, and another`, 2},
		{"two others", one(`"count":2,"sum":1,"stddev_m2":1,"sum_squares":1`), `"sum_squares":["is given, and another`, 2},
		{"negative deviation", one(`"count":2,"sum":1,"stddev":-1`), `"stddev":["is negative: -1"]`, 2},
		{"too large", one(`"value":1.0001e126`), `"value":["is too large: 1.0001e+126; accepted: up to 1e+126"]`, 2},
		{"infinite", one(`"value":-1e400`), `"value":["is too large: -Inf`, 2},
		{"too large a minimum", one(`"count":1,"sum":1,"min":-1e200`), `"min":["is too large`, 2},
		{"past", one(`"value":1,"time":1699992850`), `{"errors":{"params":{"time":["is too far in the past"]},"request":["measurements[1]: time is too far in the past; nothing of the request is taken"]},"request_time":1700000050}`, 2},
		{"before 1970", one(`"value":1,"time":-5`), `"time":["is too far in the past"]`, 2},
		{"future", one(`"value":1,"time":1700000651`), `"time":["is too far in the future"]`, 2},
		{"milliseconds", one(`"value":1,"time":1700000000000`), `"time":["is too far in the future"]`, 2},
		{"time of the request", `{"time":1,"measurements":[{"name":"m","value":1}]}`, `"time":["is too far in the past"]`, 1},
		{"time is a text", one(`"value":1,"time":"now"`), `"time":["is no number: \"now\""]`, 2},
		{"tags are an array", one(`"value":1,"tags":[]`), `"tags":["are no object: []"]`, 2},
		{"tag is a number", one(`"value":1,"tags":{"a":1}`), `"tags":["has \"a\" with what is no text: 1"]`, 2},
		{"tag is null", one(`"value":1,"tags":{"a":null}`), `"tags":["has null for \"a\"; accepted: a text"]`, 2},
		{"tag is empty", one(`"value":1,"tags":{"a":""}`), `"tags":["has \"a\" with the value \"\"; accepted: 1 to 255`, 2},
		{"key is empty", one(`"value":1,"tags":{"":"a"}`), `"tags":["has the key \"\"; accepted: 1 to 64`, 2},
		{"key with a blank", one(`"value":1,"tags":{"a b":"a"}`), `has the key \"a b\"`, 2},
		{"key with a slash", one(`"value":1,"tags":{"a/b":"a"}`), `has the key \"a/b\"`, 2},
		{"key name", one(`"value":1,"tags":{"Name":"a"}`), `has the key \"name\", which is that of the metric itself`, 2},
		{"semicolon", one(`"value":1,"tags":{"a":"b;c=d"}`), `has \"a\" with the value \"b;c=d\"`, 2},
		{"long tag", one(`"value":1,"tags":{"a":"` + strings.Repeat("x", 256) + `"}`), `has \"a\" with the value`, 2},
		{"long key", one(`"value":1,"tags":{"` + strings.Repeat("x", 65) + `":"a"}`), `has the key`, 2},
		{"tags of the request", `{"tags":{"a":null},"measurements":[{"name":"m","value":1}]}`, `{"errors":{"params":{"tags":["has null for \"a\"; accepted: a text"]}},"request_time"`, 1},
		{"bad tags of the request", `{"tags":{"a ":"x"},"measurements":[{"name":"m","value":1}]}`, `"params":{"tags":["has the key \"a \"`, 1},
		{"period of a new metric", one(`"value":1,"period":0`), `"period":["\"0\"; accepted: whole seconds`, 2},
		{"period and aggregate", one(`"value":1,"period":5,"attributes":{"aggregate":true}`), `"period":["5; accepted where attributes.aggregate is true: 10 to 600 seconds"]`, 2},
		{"attribute of a new metric", one(`"value":1,"attributes":{"color":"red"}`), `"attributes.color":["\"red\"; accepted: #RRGGBB"]`, 2},
		{"attributes are a text", one(`"value":1,"attributes":"x"`), `"attributes":["are no object: \"x\""]`, 2},
	}
	for _, c := range cases {
		d := newDesk(t)
		w := d.post(c.body)
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: %d %s, want %s", c.name, w.Code, w.Body, c.want)
		}
		if got := d.taken(); len(got) > 0 || d.book.Len() > 0 {
			t.Errorf("%s: %d metrics, and taken is %q", c.name, d.book.Len(), got)
		}
		s := d.Stats()
		if d.balance(c.counted); s.Requests != 1 || (s.Malformed == 1) != (c.counted == 0 && strings.Contains(c.want, "body") || strings.Contains(w.Body.String(), "not JSON") || strings.Contains(w.Body.String(), "no JSON")) {
			t.Errorf("%s: %+v", c.name, s)
		}
	}
}

func TestOtherRefusals(t *testing.T) {
	const body = `{"measurements":[{"name":"m","value":1}]}`
	var many strings.Builder
	for i := range 1001 {
		fmt.Fprintf(&many, `{"name":"m%d","value":1},`, i%10)
	}
	large := `{"x":"` + strings.Repeat(" ", 5<<20) + `"}`
	cases := []struct {
		name    string
		body    string
		headers []string
		status  int
		want    string
	}{
		{"a form", body, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, `Content-Type \"application/x-www-form-urlencoded\"; accepted: application/json`},
		{"text", body, []string{"Content-Type", "text/plain; charset=utf-8"}, 415, "text/plain"},
		{"an encoding", body, []string{"Content-Encoding", "br"}, 415, "Content-Encoding"},
		{"not gzip", body, []string{"Content-Encoding", "gzip"}, 400, "body: not gzip"},
		{"damaged gzip", zip(body)[:30], []string{"Content-Encoding", "gzip"}, 400, "body: unexpected EOF"},
		{"empty gzip", "", []string{"Content-Encoding", "gzip"}, 400, "no JSON object"},
		{"too long", large, nil, 413, "body: more than 5242880 bytes"},
		{"too long when unpacked", zip(large), []string{"Content-Encoding", "gzip"}, 413, "body: more than 5242880 bytes"},
		{"too many", `{"measurements":[` + strings.TrimSuffix(many.String(), ",") + `]}`, nil, 400, "1001 measurements; accepted: at most 1000"},
	}
	for _, c := range cases {
		d := newDesk(t)
		if w := d.post(c.body, c.headers...); w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
		if s := d.Stats(); s.Accepted > 0 || d.taken() != nil || s.Malformed+s.Refused[Invalid] == 0 {
			t.Errorf("%s: %+v", c.name, s)
		}
	}
	d := newDesk(t)
	for _, encoding := range []string{"GZIP", "x-gzip"} {
		if w := d.post(zip(body), "Content-Encoding", encoding); w.Code != http.StatusAccepted {
			t.Errorf("%q: %d %s", encoding, w.Code, w.Body)
		}
	}
	for _, kind := range []string{"", "application/json; charset=utf-8", "Application/JSON"} {
		if w := d.post(body, "Content-Type", kind); w.Code != http.StatusAccepted {
			t.Errorf("%q: %d %s", kind, w.Code, w.Body)
		}
	}
}

func TestMergedTags(t *testing.T) {
	d := newDesk(t, func(c *Config, _ *api.Config) { c.MergeTags, c.MaxTags = true, 3 })
	d.post(`{"tags":{"host":"a","dc":"x"},"measurements":[
		{"name":"m","value":1},{"name":"m","value":2,"tags":{"Host":"b","role":"db"}},{"name":"m","value":3,"tags":{"host":null}},{"name":"m","value":4,"tags":{"none":null}}]}`)
	want := []string{"m;dc=x;host=a @0 1", "m;dc=x;host=b;role=db @0 2", "m;dc=x @0 3", "m;dc=x;host=a @0 4"}
	if diff := cmp.Diff(want, d.taken()); diff != "" {
		t.Error(diff)
	}
	if w := d.post(`{"measurements":[{"name":"m","value":1,"tags":{"a":"1","b":"2","c":"3","d":"4"}}]}`); !strings.Contains(w.Body.String(), "has 4 tags; accepted: at most 3") {
		t.Error(w.Body)
	}
	if w := d.post(`{"tags":{"a":"1","b":"2","c":"3","d":"4"},"measurements":[{"name":"m","value":1}]}`); !strings.Contains(w.Body.String(), "has 4 tags; accepted: at most 3") {
		t.Error(w.Body)
	}
}

func TestLegacy(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	cases := []struct{ name, kind, body, want string }{
		{"array", "", `{"gauges":[{"name":"a","value":1},{"name":"b","value":2,"source":"Web 1"}]}`, "a;source=unassigned @0 1\nb;source=web_1 @0 2"},
		{"by name", "", `{"gauges":{"a":{"value":1},"0":{"name":"b","value":2}},"counters":{"c":{"value":3}}}`, "a;source=unassigned @0 1\nb;source=unassigned @0 2\nc;source=unassigned @0 3"},
		{"defaults", "", `{"gauges":[{"name":"a","value":1},{"name":"a","value":2,"source":"y","measure_time":1700000002}],"source":"x","measure_time":1700000001}`, "a;source=x @-49 1\na;source=y @-48 2"},
		{"complex", "", `{"gauges":[{"name":"a","count":2,"sum":4,"min":1,"max":3,"sum_squares":10}]}`, "a;source=unassigned @0 n=2 sum=4 min=1 max=3 m2=2 last=2"},
		{"tags and time are no fields", "", `{"tags":{"a":"b"},"gauges":[{"name":"a","value":1,"time":5,"tags":{"c":"d"}}]}`, "a;source=unassigned @0 1"},
		{"form", form, "gauges[0][name]=a&gauges[0][value]=1.5&gauges[1][name]=b&gauges[1][value]=2&gauges[1][source]=y&source=x+z&measure_time=1700000001", "a;source=x_z @-49 1.5\nb;source=y @-49 2"},
		{"escaped form", form, "gauges%5Bcpu%5D%5Bvalue%5D=1e2&&counters[c][value]=-0&x=%20&gauges[cpu][source]=", "cpu;source=unassigned @0 100\nc;source=unassigned @0 0"},
		{"JSON called a form", form, ` {"gauges":[{"name":"a","value":1}]}`, "a;source=unassigned @0 1"},
	}
	for _, c := range cases {
		d := newDesk(t)
		if w := d.legacy(c.body, "Content-Type", c.kind); w.Code != http.StatusOK || w.Body.Len() > 0 {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
		if diff := cmp.Diff(c.want, strings.Join(d.taken(), "\n")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	for _, c := range []struct{ name, kind, body, want string }{
		{"no gauges", "", `{}`, "there are no measurements"},
		{"gauges are a text", "", `{"gauges":"x"}`, `"gauges":["is no array`},
		{"all", "", `{"gauges":[{"name":"a","value":1,"source":"All"}]}`, `"source":["\"all\" is reserved"]`},
		{"source", "", `{"gauges":[{"name":"a","value":1,"source":"a;b"}]}`, `"source":["\"a;b\"; accepted`},
		{"past", "", `{"gauges":[{"name":"a","value":1,"measure_time":5}]}`, `{"errors":{"params":{"measure_time":["is too far in the past"]},"request":["gauges[0]: measure_time`},
		{"by name", "", `{"counters":{"c":{}}}`, `"request":["counters.c: value is missing`},
		{"form's number", form, "gauges[0][name]=a&gauges[0][value]=x", `"value":["is no number: \"x\""]`},
		{"form's hexadecimal", form, "gauges[0][name]=a&gauges[0][value]=0x1", `"value"`},
		{"form's infinity", form, "gauges[0][name]=a&gauges[0][value]=inf", `"value"`},
		{"form's large number", form, "gauges[0][name]=a&gauges[0][value]=1e999", `"value":["is too large: +Inf`},
		{"form's time", form, "gauges[0][value]=1&measure_time=now", `"measure_time":["is no number: \"now\""]`},
		{"form's array", form, "gauges[][name]=a&gauges[][value]=1", `"gauges":["has no fields of a numbered element`},
		{"form's brackets", form, "gauges[0=1", `body: key \"gauges[0\"; accepted`},
		{"form's depth", form, "a[b][c][d][e][f][g][h][i]=1", `body: key`},
		{"form's escape", form, "gauges[0][name]=%zz", "body: "},
		{"an attribute in a form", form, "gauges[0][name]=a&gauges[0][value]=1&gauges[0][attributes][color]=red", `"attributes.color"`},
	} {
		d := newDesk(t)
		if w := d.legacy(c.body, "Content-Type", c.kind); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
		if d.taken() != nil {
			t.Errorf("%s: something was taken", c.name)
		}
	}
}

// What a request makes known of new metrics, and how their series are kept.
func TestNewMetrics(t *testing.T) {
	d := newDesk(t)
	w := d.post(`{"period":30,"measurements":[
		{"name":"Plain","value":1},{"name":"plain","value":2,"period":20,"attributes":{"aggregate":true}},
		{"name":"sum","value":3,"period":10,"attributes":{"aggregate":true,"summarize_function":"sum","color":"#00ff00","display_max":5}},
		{"name":"SUM","value":4,"time":1700000049}]}`, "User-Agent", "curl/8")
	if w.Code != http.StatusAccepted {
		t.Fatal(w.Body)
	}
	five := 5.0
	want := []*attributes.Metric{
		{Name: "Plain", Period: 30, Attributes: attributes.Attributes{CreatedByUA: "curl/8"}},
		{Name: "sum", Period: 10, Attributes: attributes.Attributes{Aggregate: true, Summary: attributes.Sum, Color: "#00ff00", DisplayMax: &five, CreatedByUA: "curl/8"}},
	}
	if diff := cmp.Diff(want, d.book.List(attributes.List{Length: 9}).Metrics); diff != "" {
		t.Error(diff)
	}
	single := aggregator.Stream{Period: 1, Method: cell.Avg, Replace: true}
	sum := aggregator.Stream{Period: 10, Method: cell.Sum, Emit: true, Grace: 10}
	var streams []aggregator.Stream
	for _, m := range d.got {
		streams = append(streams, d.streams[m.Stream])
	}
	if diff := cmp.Diff([]aggregator.Stream{single, single, sum, sum}, streams); diff != "" {
		t.Error(diff)
	}
	if last := d.got[3].Cell.LastTime; last != 1700000049 {
		t.Errorf("the value is of %v", last)
	}
	// The time is that of the period, and the name the one that came first.
	if diff := cmp.Diff([]string{"Plain @0 1", "Plain @0 2", "sum @0 3", "sum @-10 4"}, d.taken()); diff != "" {
		t.Error(diff)
	}
	// What is there already does not change.
	if w := d.post(`{"measurements":[{"name":"PLAIN","value":1,"period":99999999999,"attributes":{"aggregate":true}}]}`, "User-Agent", "librato-rails/1"); w.Code != http.StatusAccepted {
		t.Error(w.Body)
	}
	if m := d.book.Get("plain"); m != want[0] && !cmp.Equal(m, want[0]) {
		t.Error(m)
	}
	if w := d.legacy(`{"counters":[{"name":"hits","value":5,"attributes":{"aggregate":true}},{"name":"plain","value":1}]}`); w.Code != http.StatusOK {
		t.Error(w.Body)
	}
	if m := d.book.Get("hits"); m.Type != attributes.Counter || d.streams[d.got[1].Stream] != (aggregator.Stream{Period: 1, Method: cell.Last, Replace: true}) {
		t.Error(m, d.streams)
	}
	d.balance(7)
}

func TestGraceIsAtMostThePeriod(t *testing.T) {
	for grace, want := range map[float64]float64{0: 0, 5: 5, 15: 15, 100: 20} {
		s := streams{grace: grace}
		if got := s.streamOf(&attributes.Metric{Period: 20, Attributes: attributes.Attributes{Aggregate: true}}); got.Grace != want {
			t.Errorf("%v: %v", grace, got.Grace)
		}
	}
}

func TestAutomaticAggregation(t *testing.T) {
	cases := []struct {
		agent, attributes string
		want              bool
	}{
		{"librato-rails/1.4.2 (ruby; 2.4.2p198; x86_64-linux) librato-metrics/2.1.2", "", true},
		{"Librato-Rails", "", true},
		{"app/1 (papertrailapp) PapertrailApp/2", "", true},
		{"app/1 (see librato-rails/1)", "", false},
		{"app/1 (a (b) librato-rails) x", "", false},
		{"app(librato-rails", "", false},
		{"librato-rails2/1", "", false},
		{"librato-metrics/2.1.2 (ruby; 2.4.2p198; x86_64-linux) direct-faraday/0.13.1", "", false},
		{"", "", false},
		{"librato-rails/1", `,"attributes":{"aggregate":false}`, false},
		{"librato-rails/1", `,"attributes":{"aggregate":null,"color":"#ffffff"}`, true},
		{"curl/8", `,"attributes":{"aggregate":true}`, true},
	}
	for _, c := range cases {
		d := newDesk(t)
		d.post(`{"measurements":[{"name":"m","value":1`+c.attributes+`}]}`, "User-Agent", c.agent)
		if m := d.book.Get("m"); m == nil || m.Attributes.Aggregate != c.want || m.Attributes.CreatedByUA != c.agent {
			t.Errorf("%q, %s: %+v", c.agent, c.attributes, m)
		}
	}
	d := newDesk(t)
	d.post(`{"measurements":[{"name":"m","value":1,"attributes":{"created_by_ua":"me"}}]}`, "User-Agent", strings.Repeat("x", 300))
	d.post(`{"measurements":[{"name":"n","value":1}]}`, "User-Agent", strings.Repeat("x", 254)+"ä")
	if m, n := d.book.Get("m"), d.book.Get("n"); m.Attributes.CreatedByUA != "me" || n.Attributes.CreatedByUA != strings.Repeat("x", 254) {
		t.Error(m, n)
	}
}

// The deviation of values that lie close together far from 0, which a client sends
// as their sum of squares, against exact arithmetic.
func TestDeviationOfSquares(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	rat := func(v float64) *big.Rat { return new(big.Rat).SetFloat64(v) }
	for range 2000 {
		n := 1 + r.IntN(1000)
		center, width := float64(r.IntN(3_000_000)), 1+r.IntN(100)
		if r.IntN(3) == 0 {
			center += r.Float64()
		}
		sum, squares := 0.0, 0.0
		for range n {
			v := center + float64(r.IntN(width))
			sum += v
			squares += v * v
		}
		exact := new(big.Rat).Mul(rat(sum), rat(sum))
		exact.Quo(exact, rat(float64(n)))
		want, _ := exact.Sub(rat(squares), exact).Float64()
		want = max(0, want)
		if got := deviationOf(squares, sum, float64(n)); math.Abs(got-want) > 1e-12*want {
			t.Fatalf("count %d, sum %v, sum_squares %v: %v, want %v", n, sum, squares, got, want)
		}
	}
	for _, c := range []struct{ squares, sum, n, want float64 }{
		{10, 4, 2, 2}, {0, 0, 1, 0}, {7.999, 4, 2, 0}, {1e126, 1e126, 1e12, 0}, {1e126, 1e-130, 3, 1e126}, {1e-130, 0, 3, 1e-130},
	} {
		if got := deviationOf(c.squares, c.sum, c.n); math.Abs(got-c.want) > 1e-12*c.want+1e-3*min(1, c.want) {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
