package measurements

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/naming"
	"github.com/coalesce-metrics/coalesce/plaintext"
)

// checkTaken looks at what a request has come to, whatever it was: it is taken as a
// whole or not at all, and what is taken is as the aggregator wants it.
func (d *desk) checkTaken(body string, status int) {
	d.t.Helper()
	s := d.Stats()
	d.balance(s.Accepted + uint64(s.Refused[Invalid]+s.Refused[Time]+s.Refused[TagSets]+s.Refused[Metrics]+s.Refused[Failed]))
	if (status < 300) != (len(d.got) > 0) || int(s.Accepted) != len(d.got) || s.Refused[Failed] > 0 {
		d.t.Fatalf("%q: status %d, %+v, %d taken", body, status, s, len(d.got))
	}
	if status >= 300 && d.book.Len() > 0 && s.Refused[TagSets] == 0 {
		d.t.Fatalf("%q: a metric is known", body)
	}
	for _, m := range d.got {
		canonical, err := naming.Canonical(nil, m.Name, new(naming.Scratch))
		metric, _, _ := strings.Cut(string(m.Name), ";")
		if err != nil || !bytes.Equal(canonical, m.Name) || !plaintext.ValidName(m.Name) || len(m.Name) > naming.MaxName || d.book.Get(metric) == nil {
			d.t.Fatalf("%q: the series %q, canonical %q, %v", body, m.Name, canonical, err)
		}
		c := m.Cell
		if c.Count < 1 || c.Count > maxCount || c.M2 < 0 || c.LastTime < m.Time || c.LastTime-m.Time >= 600 ||
			math.Abs(m.Time-deskNow) > 7800 || m.Time != math.Trunc(m.Time) {
			d.t.Fatalf("%q: %+v", body, m)
		}
		for _, x := range []float64{c.Sum, c.Min, c.Max, c.Last} {
			if !(math.Abs(x) <= maxMagnitude) && c.Count == 1 || math.IsInf(x, 0) || math.IsNaN(x) {
				d.t.Fatalf("%q: %+v", body, c)
			}
		}
	}
}

// agrees compares what was taken with what encoding/json reads, unless keys are
// repeated.
func (d *desk) agrees(body []byte) {
	d.t.Helper()
	var k map[string]any
	if json.Unmarshal(body, &k) != nil || repeats(body) {
		return
	}
	all := k["measurements"].([]any)
	if len(all) != len(d.got) {
		d.t.Fatalf("%q: %d measurements are taken, there are %d", body, len(d.got), len(all))
	}
	for i := range all {
		m := all[i].(map[string]any)
		tags, _ := m["tags"].(map[string]any)
		if len(tags) == 0 {
			tags, _ = k["tags"].(map[string]any)
		}
		lower := map[string]string{}
		for key, v := range tags {
			lower[strings.ToLower(key)] = strings.ToLower(v.(string))
		}
		if len(lower) < len(tags) {
			continue // of which it is the last
		}
		want, err := naming.Join(d.book.Get(m["name"].(string)).Name, lower)
		if err != nil || want != string(d.got[i].Name) {
			d.t.Fatalf("%q: the series %q, want %q, %v", body, d.got[i].Name, want, err)
		}
		if v, ok := m["value"].(float64); ok && math.Abs(v) > minMagnitude && d.got[i].Cell.Sum != v {
			d.t.Fatalf("%q: the value %v", body, d.got[i].Cell)
		}
	}
}

// repeats reports whether an object of a body has a key twice.
func repeats(body []byte) bool {
	d := json.NewDecoder(bytes.NewReader(body))
	var seen []map[string]bool
	var isKey []bool
	for {
		t, err := d.Token()
		if err != nil {
			return false
		}
		last := len(seen) - 1
		switch t {
		case json.Delim('{'), json.Delim('['):
			if last >= 0 {
				isKey[last] = seen[last] != nil
			}
			var keys map[string]bool
			if t == json.Delim('{') {
				keys = map[string]bool{}
			}
			seen, isKey = append(seen, keys), append(isKey, keys != nil)
			continue
		case json.Delim('}'), json.Delim(']'):
			seen, isKey = seen[:last], isKey[:last]
			continue
		}
		if last < 0 || seen[last] == nil {
			continue
		}
		if key, ok := t.(string); ok && isKey[last] {
			if seen[last][key] {
				return true
			}
			seen[last][key] = true
		}
		isKey[last] = !isKey[last]
	}
}

func FuzzMeasurements(f *testing.F) {
	for _, text := range []string{
		`{"measurements":[{"name":"cpu","value":4.5,"tags":{"host":"a"}}]}`,
		`{"tags":{"b":"x","a":"y z"},"time":1700000000,"measurements":[{"name":"A.b:c-d_e","count":2,"sum":4,"min":1,"max":3,"stddev":1}]}`,
		`{"measurements":[{"name":"m","count":2,"sum":4,"sum_squares":1e10,"last":-5},{"name":"M","value":1}],"period":30}`,
		`{"measurements":[{"name":"m","value":1,"attributes":{"aggregate":true,"summarize_function":"sum"},"period":10}]}`,
		`{"measurements":[{"name":"m","value":1,"tags":{"a-b":"\u00e4","a":"\\"}}]}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d := newDesk(t, func(c *Config, _ *api.Config) { c.MaxTagSets, c.MaxTags = 3, 4 })
		w := d.post(string(body), "Content-Type", "application/json")
		d.checkTaken(string(body), w.Code)
		if w.Code == http.StatusAccepted {
			d.agrees(body)
		}
		// In the legacy form, and as properties, it does no harm.
		d.legacy(string(body))
		d.ask("PUT", MetricsPath+"/x", string(body))
	})
}

func FuzzForm(f *testing.F) {
	f.Add("gauges[0][name]=a&gauges[0][value]=1.5&gauges[1][count]=2&gauges[1][sum]=3&source=x&measure_time=1700000001", "attributes[aggregate]=true&period=60&type=gauge")
	f.Add("gauges%5Bcpu%5D%5Bvalue%5D=1e2&&counters[c][value]=-0&x=%20", "names[]=a&names[]=b*&exclude=c")
	f.Add("gauges[0][attributes][color]=#fff&gauges[0][value]=0", "a[b][c]=d&=&[=")
	f.Fuzz(func(t *testing.T, body, properties string) {
		const form = "application/x-www-form-urlencoded"
		d := newDesk(t, func(c *Config, _ *api.Config) { c.MaxTagSets = 3 })
		w := d.legacy(body, "Content-Type", form)
		d.checkTaken(body, w.Code)
		if w = d.ask("PUT", MetricsPath+"/x", properties, "Content-Type", form); w.Code == http.StatusCreated && d.book.Get("x") == nil {
			t.Fatalf("%q: it is not there", properties)
		}
		d.ask("PUT", MetricsPath, properties, "Content-Type", form)
	})
}

// The names are those that a line of plaintext with these tags would have.
func TestNamesAreThoseOfLines(t *testing.T) {
	var keys [][]byte
	for c := range 256 {
		if inTagKey[c] != 0 {
			keys = append(keys, []byte{byte(c)}, []byte{'a', byte(c)}, []byte{'a', byte(c), 'b'})
		}
	}
	for _, x := range keys {
		for _, y := range keys {
			tags := []tag{{key: bytes.Clone(x), value: []byte("1")}, {key: bytes.Clone(y), value: []byte("2 3")}}
			got, err := appendTags([]byte("m"), tags, 9)
			if err != nil {
				t.Fatal(err)
			}
			want, err := naming.Canonical(nil, []byte("m;"+strings.ToLower(string(x)+"=1;"+string(y)+"=2_3")), new(naming.Scratch))
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s, want %s, %v", got, want, err)
			}
		}
	}
}

// A request of known metrics allocates nothing for each measurement.
func TestAllocations(t *testing.T) {
	d := newDesk(t)
	d.cfg.Add = func([]aggregator.Measurement) {}
	body := string(benchBody(true))
	d.now = benchTime
	post := func() {
		r := httptest.NewRequest("POST", "http://localhost"+Path, strings.NewReader(body))
		w := httptest.NewRecorder()
		if d.server.ServeHTTP(w, r); w.Code != http.StatusAccepted {
			t.Fatal(w.Body)
		}
	}
	post()
	if n := testing.AllocsPerRun(20, post); n > 100 {
		t.Errorf("%v allocations for 1000 measurements", n)
	}
}
