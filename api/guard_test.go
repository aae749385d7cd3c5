package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coalesce-metrics/coalesce/keys"
)

func only(roles ...keys.Role) (s keys.Roles) {
	for _, r := range roles {
		s = s.With(r)
	}
	return s
}

// testKeys are called as their roles; the keys are their names with "-key".
func testKeys(t testing.TB) *keys.Set {
	t.Helper()
	var list []keys.Key
	for name, roles := range map[string]keys.Roles{
		"read": only(keys.Read), "ingest": only(keys.Ingest), "manage": only(keys.Manage), "all": keys.All,
	} {
		list = append(list, keys.Key{Name: name, Roles: roles, Hash: keys.Sum(name + "-key")})
	}
	s, err := keys.NewSet(list)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// who answers with the name of the key and the roles.
var who = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%q", KeyName(r.Context()))
	for _, role := range []keys.Role{keys.Read, keys.Ingest, keys.Manage} {
		if Allowed(r.Context(), role) {
			fmt.Fprintf(w, " %s", role)
		}
	}
})

func guarded(t testing.TB, cfg Config) *Server {
	t.Helper()
	both := []string{"GET", "POST"}
	cfg.Logger = quiet
	cfg.Routes = []Route{
		{Path: "/open", Methods: both, Open: true, Handler: who},
		{Path: "/read", Methods: both, Role: keys.Read, Handler: who},
		{Path: "/ingest", Methods: both, Role: keys.Ingest, Handler: who, Below: true},
		{Path: "/manage", Methods: both, Role: keys.Manage, Handler: who},
		{Path: "/mixed", Methods: both, Role: keys.Read, Roles: map[string]keys.Role{"POST": keys.Manage}, Handler: who},
		{Path: "/unsaid", Methods: both, Handler: who},
		{Path: "/debug", Methods: both, Handler: who, Loopback: true},
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestKeys(t *testing.T) {
	const unknown, none = `{"error":"the key is not known here"}`, `{"error":"a key is needed, as the user of basic authentication or as a bearer token"}`
	lacks := func(name, role string) string {
		return fmt.Sprintf(`{"error":"key \"%s\" does not have the role \"%s\", which this needs"}`, name, role)
	}
	for name, c := range map[string]struct {
		method, path, key string // the key "" is none
		status            int
		want              string // the answer
	}{
		"open":                  {"GET", "/open", "", 200, `"" read ingest manage`},
		"open, wrong key":       {"GET", "/open", "x", 200, `"" read ingest manage`},
		"no key":                {"GET", "/read", "", 401, none},
		"wrong key":             {"GET", "/read", "x-key", 401, unknown},
		"before the method":     {"PUT", "/read", "", 401, none},
		"read":                  {"GET", "/read", "read-key", 200, `"read" read`},
		"read by POST":          {"POST", "/read/", "read-key", 200, `"read" read`},
		"read to ingest":        {"POST", "/ingest", "read-key", 403, lacks("read", "ingest")},
		"read to manage":        {"GET", "/manage", "read-key", 403, lacks("read", "manage")},
		"ingest":                {"POST", "/ingest/a/b", "ingest-key", 200, `"ingest" ingest`},
		"ingest to read":        {"GET", "/read", "ingest-key", 403, lacks("ingest", "read")},
		"manage":                {"POST", "/manage", "manage-key", 200, `"manage" manage`},
		"manage to read":        {"GET", "/read", "manage-key", 403, lacks("manage", "read")},
		"manage to ingest":      {"POST", "/ingest", "manage-key", 403, lacks("manage", "ingest")},
		"mixed, read":           {"GET", "/mixed", "read-key", 200, `"read" read`},
		"mixed, read to manage": {"POST", "/mixed", "read-key", 403, lacks("read", "manage")},
		"mixed, manage":         {"POST", "/mixed", "manage-key", 200, `"manage" manage`},
		"mixed, manage to read": {"HEAD", "/mixed", "manage-key", 403, lacks("manage", "read")},
		"unsaid is manage":      {"GET", "/unsaid", "manage-key", 200, `"manage" manage`},
		"unsaid, not read":      {"GET", "/unsaid", "read-key", 403, lacks("read", "manage")},
		"all":                   {"POST", "/manage", "all-key", 200, `"all" read ingest manage`},
		"wrong method":          {"PUT", "/read", "read-key", 405, ""},
		"loopback, key":         {"GET", "/debug", "manage-key", 403, `{"error":"/debug only answers clients on this machine"}`},
		"loopback, no key":      {"GET", "/debug", "", 401, none},
		"index":                 {"GET", "/", "read-key", 200, ""},
		"index, no key":         {"GET", "/", "", 401, none},
		"index, no role":        {"GET", "/", "ingest-key", 403, lacks("ingest", "read")},
		"unknown route":         {"GET", "/nothing", "ingest-key", 404, `{"error":"no route \"/nothing\"; / lists those there are"}`},
		"unknown route, no key": {"GET", "/nothing", "", 401, none},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, "http://any.example"+c.path, nil)
			if c.key != "" {
				r.SetBasicAuth(c.key, "")
			}
			w := httptest.NewRecorder()
			guarded(t, Config{Keys: testKeys(t)}).ServeHTTP(w, r)
			if got := strings.TrimSpace(w.Body.String()); w.Code != c.status || c.want != "" && got != c.want {
				t.Errorf("%d %s\nwant %d %s", w.Code, got, c.status, c.want)
			}
			challenge, kind := "", w.Header().Get("Content-Type")
			if c.status == 401 {
				challenge = `Basic realm="coalesce"`
			}
			if got := w.Header().Get("WWW-Authenticate"); got != challenge || c.status == 401 && kind != "application/json" {
				t.Errorf("WWW-Authenticate: %q, Content-Type: %q", got, kind)
			}
		})
	}
}

// The four ways of presenting a key are package keys'; one of each arrives here.
func TestKeysAreIdentified(t *testing.T) {
	s := guarded(t, Config{Keys: testKeys(t)})
	for name, present := range map[string]func(*http.Request){
		"user":     func(r *http.Request) { r.SetBasicAuth("read-key", "") },
		"password": func(r *http.Request) { r.SetBasicAuth("me@example.org", "read-key") },
		"token":    func(r *http.Request) { r.SetBasicAuth("token", "read-key") },
		"bearer":   func(r *http.Request) { r.Header.Set("Authorization", "Bearer read-key") },
	} {
		r := httptest.NewRequest("GET", "/read", nil)
		present(r)
		r.RemoteAddr = "127.0.0.1:5" // being on this machine helps nobody
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != 200 || w.Body.String() != `"read" read` {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

// Without keys the name that a browser knows this host by must be its own.
func TestHost(t *testing.T) {
	for host, good := range map[string]bool{
		"": true, "127.0.0.1": true, "127.0.0.1:2080": true, "[::1]:2080": true, "[::1]": true, "localhost": true,
		"LocalHost:2080": true, "192.0.2.7:2080": true, "[fe80::1%25eth0]:1": true,
		"attacker.example": false, "attacker.example:2080": false, "localhost.attacker.example": false, "127.0.0.1.nip.io": false,
		"coalesce:2080": false, "0x7f.1": false,
	} {
		for _, path := range []string{"/read", "/open", "/manage", "/", "/nothing"} {
			r := httptest.NewRequest("GET", path, nil)
			r.Host = host
			w := httptest.NewRecorder()
			s := guarded(t, Config{})
			s.ServeHTTP(w, r)
			if refused := w.Code == 403; refused == good || refused && !strings.Contains(w.Body.String(), `accepted without keys: an IP address or localhost`) {
				t.Errorf("Host %q, %s: %d %s", host, path, w.Code, w.Body)
			}
			if n := s.Stats().Refused[Forbidden]; (n == 1) == good {
				t.Errorf("Host %q: %d refused", host, n)
			}
			w = httptest.NewRecorder()
			r.SetBasicAuth("all-key", "")
			guarded(t, Config{Keys: testKeys(t)}).ServeHTTP(w, r)
			if w.Code == 403 {
				t.Errorf("Host %q with keys: %d %s", host, w.Code, w.Body)
			}
		}
	}
}

// A page of another site can make a browser ask, with the key that it remembers.
func TestOtherSites(t *testing.T) {
	other, own := http.Header{"Sec-Fetch-Site": {"cross-site"}}, http.Header{"Sec-Fetch-Site": {"same-origin"}}
	for name, c := range map[string]struct {
		method, path string
		head         http.Header
		status       int
		want         string
	}{
		"ingest":           {"POST", "/ingest", other, 403, `{"error":"a page of another site cannot ask for this"}`},
		"manage":           {"POST", "/manage", other, 403, ""},
		"by origin":        {"POST", "/manage", http.Header{"Origin": {"http://attacker.example"}}, 403, ""},
		"another port":     {"POST", "/manage", http.Header{"Origin": {"http://localhost:3000"}}, 403, ""},
		"its own":          {"POST", "/manage", own, 200, ""},
		"its own origin":   {"POST", "/manage", http.Header{"Origin": {"http://localhost:2080"}}, 200, ""},
		"no browser":       {"POST", "/manage", nil, 200, ""},
		"no more than ask": {"POST", "/read", other, 200, " read"},
		"a link":           {"GET", "/read", other, 200, ""},
	} {
		for _, withKeys := range []bool{false, true} {
			cfg := Config{}
			r := httptest.NewRequest(c.method, "http://localhost:2080"+c.path, nil)
			for k, v := range c.head {
				r.Header[k] = v
			}
			if withKeys {
				cfg.Keys = testKeys(t)
				r.SetBasicAuth("all-key", "")
			}
			w := httptest.NewRecorder()
			guarded(t, cfg).ServeHTTP(w, r)
			if w.Code != c.status || !strings.HasSuffix(strings.TrimSpace(w.Body.String()), c.want) {
				t.Errorf("%s, keys %v: %d %s; want %d %s", name, withKeys, w.Code, w.Body, c.status, c.want)
			}
		}
	}
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ask := func(s *Server, path, key, client string) *httptest.ResponseRecorder {
			r := newRequest("GET", path, nil)
			r.RemoteAddr = client
			if key != "" {
				r.SetBasicAuth(key, "")
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			return w
		}
		check := func(what string, w *httptest.ResponseRecorder, status int, retry string) {
			t.Helper()
			if w.Code != status || w.Header().Get("Retry-After") != retry {
				t.Errorf("%s: %d, Retry-After %q; want %d, %q: %s", what, w.Code, w.Header().Get("Retry-After"), status, retry, w.Body)
			}
		}
		s := guarded(t, Config{Keys: testKeys(t), Rate: 1, Burst: 2})
		const here, there = "192.0.2.1:1", "192.0.2.1:2"
		check("first", ask(s, "/read", "read-key", here), 200, "")
		check("second", ask(s, "/read", "read-key", there), 200, "")
		w := ask(s, "/read", "read-key", there)
		check("third", w, 429, "1")
		if got := w.Body.String(); got != `{"error":"too many requests; wait for as long as Retry-After says"}`+"\n" {
			t.Errorf("answer %q", got)
		}
		check("another key", ask(s, "/ingest", "ingest-key", here), 200, "")
		check("open", ask(s, "/open", "read-key", here), 200, "")
		// Who guesses is counted by address, and keeps nobody else from asking.
		check("guess", ask(s, "/read", "x-key", here), 401, "")
		check("guess again", ask(s, "/nothing", "", there), 401, "")
		check("third guess", ask(s, "/read", "y-key", here), 429, "1")
		check("not by this key", ask(s, "/manage", "all-key", here), 200, "")
		check("from elsewhere", ask(s, "/read", "", "192.0.2.9:1"), 401, "")
		time.Sleep(time.Second)
		check("a second later", ask(s, "/read", "read-key", here), 200, "")
		check("not two", ask(s, "/read", "read-key", here), 429, "1")
		if got, want := s.Stats().Refused, [NumRefusals]uint64{Unauthorized: 3, RateLimited: 3}; got != want {
			t.Errorf("refused %v, want %v", got, want)
		}

		s = guarded(t, Config{Rate: 1})
		check("no keys", ask(s, "/read", "", "127.0.0.1:1"), 200, "")
		check("no keys, again", ask(s, "/read", "", "127.0.0.1:2"), 429, "1")
		check("no keys, IPv6", ask(s, "/read", "", "[2001:db8::1]:1"), 200, "")
		check("same network", ask(s, "/read", "", "[2001:db8::ffff:1]:1"), 429, "1")
		check("another network", ask(s, "/read", "", "[2001:db8:0:1::1]:1"), 200, "")
	})
}

func TestNetwork(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:80": "192.0.2.1", "[::ffff:192.0.2.1]:80": "192.0.2.1", "[2001:db8:1:2:3::4]:80": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:80": "fe80::/64", "@": "@", "": "",
	} {
		if got := network(remote); got != want {
			t.Errorf("%q: %q, want %q", remote, got, want)
		}
	}
}

// What is no request may do all; a request, what its key may.
func TestAllowedElsewhere(t *testing.T) {
	ctx := context.Background()
	if !Allowed(ctx, keys.Manage) || KeyName(ctx) != "" {
		t.Errorf("%v, %q", Allowed(ctx, keys.Manage), KeyName(ctx))
	}
}

// The log says whose request it was, and has no key.
func TestLogHasTheName(t *testing.T) {
	var log bytes.Buffer
	s, err := New(Config{
		Routes: []Route{{Path: "/read", Methods: []string{"GET"}, Role: keys.Read, Handler: who}}, Keys: testKeys(t),
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/read", nil)
	r.SetBasicAuth("", "read-key")
	s.ServeHTTP(httptest.NewRecorder(), r)
	if text := log.String(); !strings.Contains(text, " key=read\n") || strings.Contains(text, "read-key") {
		t.Error(text)
	}
}

func TestLimitsOfConfig(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Config{Routes: testRoutes, Logger: quiet, RequestTimeout: 2 * time.Second, MaxConnections: 1})
		if err != nil {
			t.Fatal(err)
		}
		ln := newPipes()
		served := make(chan error, 1)
		go func() { served <- s.Serve(ln) }()
		conn := ln.dial()
		defer conn.Close()
		second := make(chan struct{})
		go func() { ln.dial().Close(); close(second) }()
		go io.WriteString(conn, "POST /render HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf")
		synctest.Wait()
		select {
		case <-second:
			t.Error("a second connection was accepted")
		default:
		}
		closesAfter(t, conn, 2*time.Second)
		<-second
		s.Shutdown(context.Background())
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

func TestRefusalsAreJSON(t *testing.T) {
	s := guarded(t, Config{})
	r := httptest.NewRequest("GET", "/read", nil)
	r.Host = "<\"\x00é>"
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	var answer struct{ Error string }
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Error == "" || w.Code != 403 {
		t.Errorf("%d %s: %v", w.Code, w.Body, err)
	}
}

// A route that refuses by itself is told why, and what is left of the rate.
func TestOwnRefusals(t *testing.T) {
	refuse := func(w http.ResponseWriter, r *http.Request, status int, text string) {
		w.WriteHeader(status)
		fmt.Fprintf(w, "%+v %s", AllowanceOf(r.Context()), text)
	}
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%+v", AllowanceOf(r.Context())) })
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Config{Logger: quiet, Keys: testKeys(t), Rate: 1, Burst: 4, Routes: []Route{
			{Path: "/own", Methods: []string{"GET"}, Role: keys.Read, Handler: answer, Refuse: refuse},
			{Path: "/near", Methods: []string{"GET"}, Role: keys.Read, Handler: answer, Refuse: refuse, Loopback: true},
		}})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			method, path, key string
			status            int
			want              string
		}{
			{"GET", "/own", "read-key", 200, "{Limit:4 Left:3}"},
			{"GET", "/own", "ingest-key", 403, `{Limit:4 Left:3} key "ingest" does not have the role "read", which this needs`},
			{"GET", "/own", "", 401, "{Limit:4 Left:3} a key is needed, as the user of basic authentication or as a bearer token"},
			{"PUT", "/own", "read-key", 405, "{Limit:4 Left:2} method PUT is not allowed for /own; accepted: GET, HEAD"},
			{"GET", "/near", "read-key", 403, "{Limit:4 Left:1} /near only answers clients on this machine"},
			{"GET", "/own", "read-key", 200, "{Limit:4 Left:0}"},
			{"GET", "/own", "read-key", 429, "{Limit:4 Left:0} too many requests; wait for as long as Retry-After says"},
		} {
			r := httptest.NewRequest(c.method, c.path, nil)
			if c.key != "" {
				r.SetBasicAuth(c.key, "")
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code != c.status || w.Body.String() != c.want {
				t.Errorf("%s %s with the key %q: %d %s, want %d %s", c.method, c.path, c.key, w.Code, w.Body, c.status, c.want)
			}
		}
	})
	if got := AllowanceOf(t.Context()); got != (Allowance{}) {
		t.Error(got)
	}
}
