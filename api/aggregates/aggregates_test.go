package aggregates

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/api/openapi/openapitest"
	"github.com/coalesce-metrics/coalesce/rulebook"
	"github.com/coalesce-metrics/coalesce/rules"
)

type ownerKey struct{}

// site serves the routes over a book. A request says by a header who asks.
type site struct {
	t     *testing.T
	book  *rulebook.Book
	names []string
	http.Handler
}

func newSite(t *testing.T) *site {
	s := &site{t: t}
	quiet := slog.New(slog.DiscardHandler)
	var err error
	s.book, err = rulebook.Open(rulebook.Config{
		Period: 30, MaxPerOwner: 2, MaxOutputs: 2, Names: func() []string { return s.names },
		Apply: func([]*rules.Rule) {}, Now: time.Now, Logger: quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	server, err := api.New(api.Config{Logger: quiet, Routes: Routes(Config{
		Book: s.book, Logger: quiet,
		Owner: func(ctx context.Context) string { who, _ := ctx.Value(ownerKey{}).(string); return who },
	})})
	if err != nil {
		t.Fatal(err)
	}
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		server.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), ownerKey{}, r.Header.Get("Who"))))
	})
	return s
}

func (s *site) ask(who, method, path, body string) *http.Response {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = "localhost"
	r.Header.Set("Who", who)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded") // as curl's -d has it
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Result()
}

// want asks and compares the status; it returns the body.
func (s *site) want(status int, who, method, path, body string) string {
	s.t.Helper()
	resp := s.ask(who, method, path, body)
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status {
		s.t.Errorf("%s %s %.100s: status %d, want %d: %s %v", method, path, body, resp.StatusCode, status, text, err)
	}
	if resp.StatusCode != http.StatusMethodNotAllowed {
		openapitest.Check(s.t, method, path, resp.StatusCode, resp.Header.Get("Content-Type"), text)
	}
	if status < 300 {
		openapitest.CheckRequest(s.t, method, path, "application/json", []byte(body))
	}
	return strings.TrimSpace(string(text))
}

// made makes a rule and returns its id.
func (s *site) made(who, body string) string {
	s.t.Helper()
	var answer map[string]string
	text := s.want(200, who, "POST", "/v1/aggregates/", body)
	if err := json.Unmarshal([]byte(text), &answer); err != nil || len(answer) != 2 || answer["url"] != "/v1/aggregates/"+answer["id"]+"/" {
		s.t.Errorf("%s: %v", text, err)
	}
	return answer["id"]
}

func TestLifeOfARule(t *testing.T) {
	s := newSite(t)
	for _, path := range []string{"/v1/aggregates", "/v1/aggregates/"} {
		if got := s.want(200, "", "GET", path, ""); got != "[]" {
			t.Errorf("%s: %s", path, got)
		}
	}
	id := s.made("", `{"pattern":"servers.*.<<rest>>","output":"servers.all.<rest>","more":[1]}`)
	one := `{"id":"` + id + `","pattern":"servers.*.<<rest>>","output":"aggregates.servers.all.<rest>"}`
	second := s.made("", `{"output":"aggregates.x","pattern":"b"}`)
	both := "[" + one + `,{"id":"` + second + `","pattern":"b","output":"aggregates.x"}]`
	for path, want := range map[string]string{
		"/v1/aggregates": both, "/v1/aggregates/": both,
		"/v1/aggregates/" + id: "[" + one + "]", "/v1/aggregates/" + id + "/": "[" + one + "]",
		"/v1/aggregates/" + strings.ToLower(id): "[]", "/v1/aggregates/UNKNOWN/": "[]",
	} {
		if got := s.want(200, "", "GET", path, ""); got != want {
			t.Errorf("GET %s:\n%s, want\n%s", path, got, want)
		}
		s.want(200, "", "HEAD", path, "")
	}
	if got := s.want(200, "", "DELETE", "/v1/aggregates/"+id+"/", ""); got != "{}" {
		t.Error(got)
	}
	s.want(412, "", "DELETE", "/v1/aggregates/"+id+"/", "")
	s.want(412, "", "DELETE", "/v1/aggregates/"+id, "")
	s.want(200, "", "DELETE", "/v1/aggregates/"+second, "")
	if got := s.want(200, "", "GET", "/v1/aggregates/", ""); got != "[]" {
		t.Error(got)
	}
}

func TestStatuses(t *testing.T) {
	s := newSite(t)
	s.names = []string{"wide.1", "wide.2", "wide.3"}
	s.made("", `{"pattern":"dup","output":"x"}`)
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		want               string
	}{
		"no JSON":             {"POST", "/", `pattern=a`, 400, "body: not JSON"},
		"nothing":             {"POST", "/", ``, 400, "body: not JSON"},
		"half":                {"POST", "/", `{"pattern":"a"`, 400, "body: not JSON"},
		"more behind":         {"POST", "/", `{"pattern":"a","output":"b"} x`, 400, "body: not JSON"},
		"array":               {"POST", "/", `[{"pattern":"a","output":"b"}]`, 400, "body: not an object"},
		"null":                {"POST", "/", `null`, 400, "body: not an object"},
		"text":                {"POST", "/", `"a"`, 400, "body: not an object"},
		"half a character":    {"POST", "/", `{"pattern":"a.\ud800","output":"b"}`, 400, `pattern is "a.\ud800", which has half a character`},
		"half of an output":   {"POST", "/", `{"pattern":"a.b","output":"\udc00"}`, 400, "half a character"},
		"not UTF-8":           {"POST", "/", "{\"pattern\":\"a\xff\",\"output\":\"b\"}", 400, "body: not UTF-8"},
		"no pattern":          {"POST", "/", `{"output":"b"}`, 400, "pattern is missing"},
		"capital":             {"POST", "/", `{"Pattern":"a","output":"b"}`, 400, "pattern is missing"},
		"no output":           {"POST", "/", `{"pattern":"b"}`, 400, "output is missing"},
		"empty pattern":       {"POST", "/", `{"pattern":"","output":"b"}`, 400, "pattern is empty"},
		"empty output":        {"POST", "/", `{"pattern":"a","output":""}`, 400, "output is empty"},
		"number":              {"POST", "/", `{"pattern": 5,"output":"b"}`, 400, "pattern is 5"},
		"null output":         {"POST", "/", `{"pattern":"a","output":null}`, 400, "output is null"},
		"presence, syntax":    {"POST", "/", `{"pattern":"a.("}`, 400, "output is missing"},
		"twice captured":      {"POST", "/", `{"pattern":"a.<x>.<x>","output":"b"}`, 400, "pattern"},
		"open group":          {"POST", "/", `{"pattern":"a.(","output":"b"}`, 400, "pattern"},
		"unknown field":       {"POST", "/", `{"pattern":"a.<x>","output":"b.<y>"}`, 400, "output"},
		"NUL":                 {"POST", "/", `{"pattern":"a\u0000","output":"b"}`, 400, "pattern"},
		"wide fields":         {"POST", "/", `{"pattern":"<<a>>.<<b>>.<<c>>","output":"b"}`, 400, "too expensive"},
		"outputs":             {"POST", "/", `{"pattern":"wide.<n>","output":"all.<n>"}`, 400, "too expensive"},
		"duplicate":           {"POST", "/", `{"pattern":"dup","output":"x"}`, 409, "output"},
		"prefixed duplicate":  {"POST", "", `{"pattern":"dup","output":"aggregates.x"}`, 409, "output"},
		"large":               {"POST", "/", `{"pattern":"a","output":"b","x":"` + strings.Repeat("x", 64<<10) + `"}`, 413, "65536"},
		"largest":             {"POST", "/", `{"pattern":"","x":"` + strings.Repeat("x", 64<<10-21) + `"}`, 400, "pattern is empty"},
		"delete none":         {"DELETE", "/", ``, 400, "id is missing"},
		"delete none, plain":  {"DELETE", "", ``, 400, "id is missing"},
		"delete unknown":      {"DELETE", "/ABC/", ``, 412, `"ABC`},
		"test without output": {"POST", "/test", `{"pattern":"a"}`, 400, "output is missing"},
		"test, large":         {"POST", "/test/", strings.Repeat(" ", 64<<10+1), 413, "65536"},
	} {
		t.Run(name, func(t *testing.T) {
			text := s.want(c.status, "", c.method, "/v1/aggregates"+c.path, c.body)
			var answer map[string]string
			if err := json.Unmarshal([]byte(text), &answer); err != nil || len(answer) != 1 || !strings.Contains(answer["error"], c.want) {
				t.Errorf("%s, want an error with %q", text, c.want)
			}
		})
	}
	s.made("", `{"pattern":"second","output":"x"}`)
	s.want(403, "", "POST", "/v1/aggregates/", `{"pattern":"third","output":"x"}`)
	s.want(403, "", "POST", "/v1/aggregates/", `{"pattern":"wide.<n>","output":"all.<n>"}`)
	s.want(409, "", "POST", "/v1/aggregates/", `{"pattern":"dup","output":"x"}`)
	s.want(400, "", "POST", "/v1/aggregates/", `{"pattern":"a.(","output":"x"}`)
	if err := s.book.Close(); err != nil {
		t.Fatal(err)
	}
	s.want(500, "", "DELETE", "/v1/aggregates/"+s.book.List("")[0].ID, "")
	s.want(500, "another", "POST", "/v1/aggregates/", `{"pattern":"third","output":"x"}`)
}

func TestCharactersInTwoHalves(t *testing.T) {
	if pattern, output, err := parse([]byte(`{"pattern":"\ud83d\ude00.*","output":"\u00e9"}`)); pattern != "😀.*" || output != "é" || err != nil {
		t.Error(pattern, output, err)
	}
}

func TestMethods(t *testing.T) {
	s := newSite(t)
	for _, c := range []struct{ method, path, allow string }{
		{"PUT", "", "GET, POST, DELETE, HEAD"}, {"PATCH", "/", "GET, POST, DELETE, HEAD"},
		{"POST", "/ABC", "GET, DELETE, HEAD"}, {"PUT", "/ABC/", "GET, DELETE, HEAD"},
		{"GET", "/test", "POST"}, {"DELETE", "/test/", "POST"},
	} {
		resp := s.ask("", c.method, "/v1/aggregates"+c.path, "{}")
		if got := resp.Header.Get("Allow"); resp.StatusCode != 405 || got != c.allow {
			t.Errorf("%s %s: status %d, Allow %q; want 405, %q", c.method, c.path, resp.StatusCode, got, c.allow)
		}
	}
}

// The rules of others do not exist.
func TestOwners(t *testing.T) {
	s := newSite(t)
	const body = `{"pattern":"a.*","output":"b"}`
	mine := s.made("me", body)
	yours := s.made("you", body)
	if mine == yours {
		t.Fatal("one id for both")
	}
	for _, path := range []string{"/v1/aggregates/" + mine, "/v1/aggregates/" + mine + "/"} {
		if got := s.want(200, "you", "GET", path, ""); got != "[]" {
			t.Error(got)
		}
		unknown := s.want(412, "you", "DELETE", strings.Replace(path, mine, "UNKNOWN", 1), "")
		if got := s.want(412, "you", "DELETE", path, ""); strings.Replace(got, mine, "UNKNOWN", 1) != unknown {
			t.Errorf("%s tells it from %s", got, unknown)
		}
	}
	if got := s.want(200, "you", "GET", "/v1/aggregates/", ""); strings.Contains(got, mine) || !strings.Contains(got, yours) {
		t.Error(got)
	}
	if got := s.want(409, "you", "POST", "/v1/aggregates/", body); strings.Contains(got, mine) {
		t.Error(got)
	}
	if n := len(s.book.Rules()); n != 1 {
		t.Errorf("%d rules in force, want 1", n)
	}
}

func TestTest(t *testing.T) {
	s := newSite(t)
	s.names = []string{"a.1.x", "a.2.x", "a.3.y", "b"}
	for name, c := range map[string]struct{ body, want string }{
		"good": {`{"pattern":"a.*.<w>","output":"all.<w>"}`, `{"looked_at":4,"matches":3,"names":["a.1.x","a.2.x","a.3.y"],` +
			`"outputs":[{"output":"aggregates.all.x","names":2},{"output":"aggregates.all.y","names":1}],"cost":{"program":P,"outputs":2},"accepted":true}`},
		"nothing": {`{"pattern":"c","output":"d"}`, `{"looked_at":4,"matches":0,"names":[],"outputs":[],"cost":{"program":P,"outputs":0},"accepted":true}`},
		"dear": {`{"pattern":"a.<n>.*","output":"<n>"}`, `{"looked_at":3,"matches":3,"names":["a.1.x","a.2.x","a.3.y"],` +
			`"outputs":[{"output":"aggregates.1","names":1},{"output":"aggregates.2","names":1},{"output":"aggregates.3","names":1}],` +
			`"cost":{"program":P,"outputs":3},"accepted":false,"error":"output: too expensive: the names that are known make more than 2 outputs of it"}`},
		"wrong": {`{"pattern":"a.(","output":"d"}`, `{"looked_at":0,"matches":0,"names":[],"outputs":[],"cost":{"program":P,"outputs":0},"accepted":false,"error":"pattern, column 3: group ( is never closed"}`},
	} {
		t.Run(name, func(t *testing.T) {
			text := s.want(200, "", "POST", "/v1/aggregates/test/", c.body)
			var answer struct{ Cost struct{ Program int } }
			if err := json.Unmarshal([]byte(text), &answer); err != nil || (answer.Cost.Program == 0) != (name == "wrong") {
				t.Errorf("program %d, %v", answer.Cost.Program, err)
			}
			number, _ := json.Marshal(answer.Cost.Program)
			if diff := cmp.Diff(strings.Replace(c.want, "P", string(number), 1), text); diff != "" {
				t.Error(diff)
			}
		})
	}
	if len(s.book.Rules()) > 0 {
		t.Error("it has made rules")
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{`{"pattern":"a","output":"b"}`, `{"pattern":"\u0000\ud800","output":[]}`, `null`, `[]`, `{`, ``} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		pattern, output, err := parse(body)
		if err == nil && (pattern == "" || output == "") {
			t.Errorf("%q, %q, %v", pattern, output, err)
		}
		if err == nil && !json.Valid(body) {
			t.Errorf("%q is taken", body)
		}
	})
}
