package graphite

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// A parameter says the same in the query string, in a form, and in a multipart
// form; the form wins.
func FuzzParams(f *testing.F) {
	f.Add("target", "all.count;dc=x", "other")
	f.Add("a[]", "%zz&=+\r\n--b", "")
	f.Fuzz(func(t *testing.T, key, value, other string) {
		in := url.Values{key: {value}}.Encode()
		requests := map[string]*http.Request{
			"query": request(in, "", ""),
			"form":  request("", in, formType),
			"both":  request(url.Values{key: {other}}.Encode(), in, formType),
		}
		if simple(key) && !strings.Contains(value, "--b") { // otherwise multipart needs escapes
			parts := "--b\r\nContent-Disposition: form-data; name=\"" + key + "\"\r\n\r\n" + value + "\r\n--b--\r\n"
			requests["multipart"] = request("", parts, multipartType+"; boundary=b")
		}
		for name, r := range requests {
			var p params
			if err := p.parse(r); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if got := p.get(key); got != value || !p.has(key) {
				t.Errorf("%s: %q, want %q", name, got, value)
			}
			if all := p.all(key); all[len(all)-1] != value || name == "both" && !slices.Equal(all, []string{other, value}) {
				t.Errorf("%s: %q, want %q last", name, all, value)
			}
		}
	})
}

func simple(key string) bool {
	return key != "" && strings.Trim(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

func request(rawQuery, body, kind string) *http.Request {
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	r.URL.RawQuery = rawQuery
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	return r
}

// Requests of any kind are answered, or refused with a 4xx; what is said to be
// JSON is.
func FuzzRoutes(f *testing.F) {
	s := server(f, datapoints...)
	routes, err := Routes(newConfig(f))
	if err != nil {
		f.Fatal(err)
	}
	for i, add := range []struct{ query, body, kind string }{
		{"target=all.count&format=json&from=-1h&maxDataPoints=3", "", ""},
		{"target[]=all.load;dc=x&format=json&tz=UTC&pretty=1", "until=now&noNullPoints", formType},
		{"format=carbonapi_v3_pb", "\n$\n\tall.count\x10\xaf\xe1\xcf\xaa\x06\x18\xa8\xe2\xcf\xaa\x06*\tall.count8\x01", ""},
		{"", "--b\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\n*\r\n--b--\r\n", multipartType + "; boundary=b"},
		{"format=completer&query=servers..c&wildcards=1&jsonp=f", "", ""},
		{"expr=dc=~x&expr[]=host!=&tag=host&limit=3&filter=a|b", "", ""},
		{"", "path=a;b=c&path[]=d{e=\"f\"}", formType},
	} {
		for j := range routes {
			if (i+j)%3 == 0 {
				f.Add(uint8(j), "/", add.query, add.body, add.kind)
			}
		}
	}
	f.Fuzz(func(t *testing.T, route uint8, below, rawQuery, body, kind string) {
		path := routes[int(route)%len(routes)].Path
		if routes[int(route)%len(routes)].Below {
			path += "/" + strings.Map(func(r rune) rune {
				if r < '0' || r > 'z' {
					return -1
				}
				return r
			}, below)
		}
		r := request(rawQuery, body, kind)
		r.URL.Path = path
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != 200 && w.Code/100 != 4 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if w.Header().Get("Content-Type") == "application/json" && !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	})
}
