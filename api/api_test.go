package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// echo answers with the path and the body.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	fmt.Fprintf(w, "%s %s", r.URL.Path, body)
}

func newServer(t testing.TB, log *slog.Logger, routes ...Route) *Server {
	t.Helper()
	s, err := New(Config{Routes: routes, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// newRequest is one to this host.
func newRequest(method, path string, body io.Reader) *http.Request {
	r := httptest.NewRequest(method, path, body)
	r.Host = "localhost"
	return r
}

var quiet = slog.New(slog.DiscardHandler)

var testRoutes = []Route{
	{Path: "/render", Methods: []string{"GET", "POST"}, Summary: "series", Handler: http.HandlerFunc(echo)},
	{Path: "/v1/rules", Methods: []string{"GET", "DELETE"}, Summary: "rules", Handler: http.HandlerFunc(echo), Below: true},
	{Path: "/tags/set", Methods: []string{"POST"}, Handler: http.HandlerFunc(echo)},
	{Path: "/debug", Methods: []string{"GET"}, Handler: http.HandlerFunc(echo), Loopback: true},
}

func TestRouting(t *testing.T) {
	for name, c := range map[string]struct {
		method, path, body string
		client             string // default 192.0.2.1:1234
		status             int
		want               string // in the answer
		allow              string
	}{
		"exact":                {"GET", "/render", "", "", 200, "/render", ""},
		"slash behind":         {"GET", "/render/", "", "", 200, "/render/", ""},
		"post":                 {"POST", "/render/", "target=a", "", 200, "/render/ target=a", ""},
		"head":                 {"HEAD", "/render", "", "", 200, "", ""},
		"below an exact one":   {"GET", "/render/x", "", "", 404, `{"error":"no route \"/render/x\"; / lists`, ""},
		"below":                {"DELETE", "/v1/rules/17/", "", "", 200, "/v1/rules/17/", ""},
		"root of what's below": {"GET", "/v1/rules", "", "", 200, "/v1/rules", ""},
		"unknown":              {"GET", "/nothing", "", "", 404, `{"error":"no route \"/nothing\"`, ""},
		"wrong method":         {"PUT", "/render", "", "", 405, `{"error":"method PUT is not allowed for /render; accepted: GET, POST, HEAD"}`, "GET, POST, HEAD"},
		"wrong method, slash":  {"DELETE", "/render/", "", "", 405, "method DELETE", "GET, POST, HEAD"},
		"head without get":     {"HEAD", "/tags/set", "", "", 405, "", "POST"},
		"index":                {"GET", "/", "", "", 200, "/v1/rules  GET, DELETE  rules\n", ""},
		"index, method":        {"POST", "/", "", "", 405, "accepted: GET, HEAD", "GET, HEAD"},
		"another machine":      {"GET", "/debug", "", "192.0.2.1:1234", 403, "only answers clients on this machine", ""},
		"loopback":             {"GET", "/debug/", "", "127.0.0.1:4711", 200, "/debug/", ""},
		"loopback, IPv6":       {"GET", "/debug", "", "[::1]:4711", 200, "/debug", ""},
		"no address":           {"GET", "/debug", "", "@", 403, "", ""},
		"largest body":         {"POST", "/render", strings.Repeat("x", 1<<20), "", 200, "xxx", ""},
		"too large a body":     {"POST", "/render", strings.Repeat("x", 1<<20+1), "", 413, "too large", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRequest(c.method, c.path, strings.NewReader(c.body))
			if c.client != "" {
				r.RemoteAddr = c.client
			}
			w := httptest.NewRecorder()
			newServer(t, quiet, testRoutes...).ServeHTTP(w, r)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) || w.Header().Get("Allow") != c.allow {
				t.Errorf("%d, Allow %q, %.200s\nwant %d, Allow %q, %.200s", w.Code, w.Header().Get("Allow"), w.Body, c.status, c.allow, c.want)
			}
			if kind := w.Header().Get("Content-Type"); (c.status == 403 || c.status == 404 || c.status == 405) && kind != "application/json" {
				t.Errorf("%d with the Content-Type %q", w.Code, kind)
			}
		})
	}
}

func TestNewErrors(t *testing.T) {
	h := http.HandlerFunc(echo)
	get := []string{"GET"}
	for name, routes := range map[string][]Route{
		"no slash":   {{Path: "render", Methods: get, Handler: h}},
		"slash":      {{Path: "/render/", Methods: get, Handler: h}},
		"root":       {{Path: "/", Methods: get, Handler: h}},
		"empty":      {{Methods: get, Handler: h}},
		"no methods": {{Path: "/render", Handler: h}},
		"no handler": {{Path: "/render", Methods: get}},
		"twice":      {{Path: "/render", Methods: get, Handler: h}, {Path: "/render", Methods: get, Handler: h}},
	} {
		if _, err := New(Config{Routes: routes, Logger: quiet}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := New(Config{}); err == nil {
		t.Error("no logger: no error")
	}
}

func TestPanic(t *testing.T) {
	var log bytes.Buffer
	s := newServer(t, slog.New(slog.NewTextHandler(&log, nil)), Route{
		Path: "/fails", Methods: []string{"GET"}, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			panic("oh no")
		}),
	}, Route{
		Path: "/breaks", Methods: []string{"GET"}, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Write([]byte("half of"))
			panic("oh dear")
		}),
	}, Route{
		Path: "/gone", Methods: []string{"GET"}, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		}),
	})
	get := func(path string) (w *httptest.ResponseRecorder, p any) {
		defer func() { p = recover() }()
		w = httptest.NewRecorder()
		s.ServeHTTP(w, newRequest("GET", path, nil))
		return w, nil
	}

	w, p := get("/fails")
	if p != nil || w.Code != 500 || !strings.Contains(w.Body.String(), "internal error") || w.Header().Get("Content-Length") != "" {
		t.Errorf("panic %v, %d %s", p, w.Code, w.Body)
	}
	if text := log.String(); !strings.Contains(text, `panic="oh no"`) || !strings.Contains(text, "api_test.go") {
		t.Errorf("log without panic or stack: %s", text)
	}
	// The client must not take half an answer for all of it.
	if _, p := get("/breaks"); p != http.ErrAbortHandler {
		t.Errorf("panic %v", p)
	}
	log.Reset()
	if _, p := get("/gone"); p != http.ErrAbortHandler || log.Len() > 0 {
		t.Errorf("panic %v, log %s", p, &log)
	}
	if got := s.Stats(); got.Panics != 2 || got.InFlight != 0 || got.Requests != [5]uint64{0, 0, 0, 0, 1} || got.Broken != 2 {
		t.Errorf("%+v", got)
	}
}

func TestStatsAndLog(t *testing.T) {
	var log bytes.Buffer
	s := newServer(t, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), testRoutes...)
	for _, path := range []string{"/render", "/render/", "/nothing"} {
		s.ServeHTTP(httptest.NewRecorder(), newRequest("GET", path, nil))
	}
	if got := s.Stats(); got != (Stats{Requests: [5]uint64{0, 2, 0, 1, 0}}) {
		t.Errorf("%+v", got)
	}
	for _, want := range []string{"level=DEBUG msg=request method=GET path=/render client=192.0.2.1:1234 status=200 bytes=8 took=", "path=/nothing client=192.0.2.1:1234 status=404"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in\n%s", want, &log)
		}
	}
}
