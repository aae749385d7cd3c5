package api

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coalesce-metrics/coalesce/keys"
)

// Route is one path that the server answers.
type Route struct {
	// Path begins with a slash and does not end in one: "/render" is answered
	// as "/render/" is.
	Path string
	// Below makes it answer all paths below Path too.
	Below bool
	// Methods are those accepted; GET brings HEAD with it. Others are refused
	// with 405.
	Methods []string
	// Role is what a key must have. The zero value is [keys.Manage].
	Role keys.Role
	// Roles are what a key must have instead for some of the methods.
	Roles map[string]keys.Role
	// Open answers everybody, without a key.
	Open bool
	// Loopback refuses clients on other machines with 403.
	Loopback bool
	// Lasting lets its requests go on after [Config.RequestTimeout]; the context of
	// others ends then, and their work with it.
	Lasting bool
	// Summary is a line for the index.
	Summary string
	// Refuse answers requests that do not get to the Handler, with a status and why;
	// nil answers them as every route does. Headers that go with the status are set.
	Refuse func(w http.ResponseWriter, req *http.Request, status int, text string)
	// MaxBody is the longest request body in bytes; 0 is 1 MiB. Reading more
	// fails.
	MaxBody int64
	Handler http.Handler
}

// maxBody is the longest request body of routes that do not say so, in bytes.
const maxBody = 1 << 20

func (r *Route) check() error {
	switch {
	case len(r.Path) < 2 || r.Path[0] != '/' || strings.HasSuffix(r.Path, "/"):
		return fmt.Errorf("api: path %q: must begin with a slash and not end in one", r.Path)
	case len(r.Methods) == 0 || r.Handler == nil:
		return fmt.Errorf("api: path %q: Methods and Handler must be set", r.Path)
	}
	return nil
}

// role returns what a key must have for a method.
func (r *Route) role(method string) keys.Role {
	if role, ok := r.Roles[method]; ok {
		return role
	}
	return r.Role
}

// add makes the server answer a route.
func (s *Server) add(r Route) {
	if slices.Contains(r.Methods, http.MethodGet) && !slices.Contains(r.Methods, http.MethodHead) {
		r.Methods = append(slices.Clone(r.Methods), http.MethodHead)
	}
	if !r.Lasting {
		r.Handler = within(s.http.WriteTimeout, r.Handler)
	}
	h := s.admitted(&r)
	s.mux.Handle(r.Path, h)
	if r.Below {
		s.mux.Handle(r.Path+"/", h)
	} else {
		s.mux.Handle(r.Path+"/{$}", h)
	}
}

// within ends the context of requests after a time: their connections are closed,
// and nobody waits for what is still being done.
func within(limit time.Duration, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		ctx, cancel := context.WithTimeout(req.Context(), limit)
		defer cancel()
		h.ServeHTTP(w, req.WithContext(ctx))
	})
}

// ServeHTTP checks what the route asks of a request and hands it on.
func (r *Route) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	switch {
	case !slices.Contains(r.Methods, req.Method):
		accepted := strings.Join(r.Methods, ", ")
		w.Header().Set("Allow", accepted)
		r.refuse(w, req, http.StatusMethodNotAllowed,
			fmt.Sprintf("method %s is not allowed for %s; accepted: %s", req.Method, r.Path, accepted))
		return
	case r.Loopback && !fromLoopback(req):
		r.refuse(w, req, http.StatusForbidden, r.Path+" only answers clients on this machine")
		return
	}
	limit := r.MaxBody
	if limit == 0 {
		limit = maxBody
	}
	req.Body = http.MaxBytesReader(w, req.Body, limit)
	r.Handler.ServeHTTP(w, req)
}

func (r *Route) refuse(w http.ResponseWriter, req *http.Request, status int, text string) {
	if r.Refuse != nil {
		r.Refuse(w, req, status, text)
		return
	}
	replyError(w, status, text)
}

func fromLoopback(req *http.Request) bool {
	host, _, err := net.SplitHostPort(req.RemoteAddr)
	return err == nil && net.ParseIP(host).IsLoopback()
}

// indexOf returns the route of "/", which lists the others.
func indexOf(routes []Route) Route {
	var b strings.Builder
	b.WriteString("coalesce\n\n")
	width := 0
	for _, r := range routes {
		width = max(width, len(r.Path))
	}
	for _, r := range routes {
		fmt.Fprintf(&b, "%-*s  %-9s  %s\n", width, r.Path, strings.Join(r.Methods, ", "), r.Summary)
	}
	text := b.String()
	return Route{
		Path: "/", Methods: []string{http.MethodGet, http.MethodHead}, Role: keys.Read, Summary: "this list",
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.Write([]byte(text))
		}),
	}
}

// elsewhere answers what no other route answers: "/", and the rest with 404.
func (s *Server) elsewhere(index *Route) http.Handler {
	list := s.admitted(index)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/" {
			list.ServeHTTP(w, req)
			return
		}
		if _, ok := s.identify(w, req, nil); ok {
			replyError(w, http.StatusNotFound, fmt.Sprintf("no route %.300q; / lists those there are", req.URL.Path))
		}
	})
}
