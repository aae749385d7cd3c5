package api

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/coalesce-metrics/coalesce/keys"
)

// Refusal is why a request was refused before its handler saw it.
type Refusal uint8

const (
	// Unauthorized is a request without a key that is known.
	Unauthorized Refusal = iota
	// Forbidden is a request whose key lacks the role, or that a page of another
	// site has made.
	Forbidden
	// RateLimited is a request beyond the rate.
	RateLimited
	// NumRefusals is how many there are.
	NumRefusals
)

var refusals = [NumRefusals]struct {
	name   string
	status int
}{{"unauthorized", http.StatusUnauthorized}, {"forbidden", http.StatusForbidden}, {"rate", http.StatusTooManyRequests}}

// String returns the name of the reason in metrics.
func (r Refusal) String() string { return refusals[r].name }

// caller is who asks. It is in the context of every request that is admitted.
type caller struct {
	name  string // of the key; "" where there are no keys
	roles keys.Roles
	rate  Allowance
}

type callerKey struct{}

// KeyName returns the name of the key that a request has presented, or "" where
// no key is needed.
func KeyName(ctx context.Context) string {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c.name
}

// Allowed reports whether a request may do what needs a role, for handlers that
// do more than their route says. What is no request over HTTP may do all.
func Allowed(ctx context.Context, role keys.Role) bool {
	c, ok := ctx.Value(callerKey{}).(caller)
	return !ok || c.roles.Has(role)
}

// Allowance is how many requests a client may make at once, and how many of them
// are left to it; 0 and 0 where there is no limit.
type Allowance struct{ Limit, Left int }

// AllowanceOf returns what is left to the client of a request, also of one that
// was refused.
func AllowanceOf(ctx context.Context) Allowance {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c.rate
}

// maxClients is how many clients the rate is counted for one by one.
const maxClients = 4096

// admitted returns a route's handler behind its check.
func (s *Server) admitted(r *Route) http.Handler {
	if r.Open {
		return r
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req, ok := s.admit(w, req, r); ok {
			r.ServeHTTP(w, req)
		}
	})
}

// admit returns a request with its caller, or refuses it.
func (s *Server) admit(w http.ResponseWriter, req *http.Request, r *Route) (*http.Request, bool) {
	who, ok := s.identify(w, req, r)
	if !ok {
		return nil, false
	}
	role := r.role(req.Method)
	if !who.roles.Has(role) {
		s.refuse(w, by(req, who), r, Forbidden, fmt.Sprintf("key %q does not have the role %q, which this needs", who.name, role))
		return nil, false
	}
	// A browser lets any page send a request, with the key that it remembers,
	// but not read the answer.
	if s.sites.Check(req) != nil {
		who.roles = who.roles.And(keys.Roles(0).With(keys.Read))
	}
	if !who.roles.Has(role) {
		s.refuse(w, by(req, who), r, Forbidden, "a page of another site cannot ask for this")
		return nil, false
	}
	return by(req, who), true
}

// by returns a request with its caller.
func by(req *http.Request, who caller) *http.Request {
	return req.WithContext(context.WithValue(req.Context(), callerKey{}, who))
}

// identify says who asks, or refuses those who ask too often or are not known. r is
// nil for what no route answers.
func (s *Server) identify(w http.ResponseWriter, req *http.Request, r *Route) (caller, bool) {
	key, known := s.keys.Identify(req)
	rate, wait := s.wait(req, key, known)
	if wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		s.refuse(w, by(req, caller{rate: rate}), r, RateLimited, "too many requests; wait for as long as Retry-After says")
		return caller{}, false
	}
	if s.keys.Len() == 0 {
		return caller{roles: keys.All, rate: rate}, true
	}
	if !known {
		s.unauthorized(w, by(req, caller{rate: rate}), r)
		return caller{}, false
	}
	if answer, ok := w.(*response); ok {
		answer.key = key.Name
	}
	return caller{key.Name, key.Roles, rate}, true
}

// wait counts a request to the rate of its key, or of its address where it has
// none.
func (s *Server) wait(req *http.Request, key keys.Key, known bool) (Allowance, time.Duration) {
	if s.byKey == nil {
		return Allowance{}, 0
	}
	l, client := s.byAddress, network(req.RemoteAddr)
	if known {
		l, client = s.byKey, key.Name
	}
	left, wait := l.take(client, time.Now())
	return Allowance{int(l.burst), left}, wait
}

// network returns what of a client's address stands for the client: whoever has
// one address of IPv6 has all of its /64.
func network(remote string) string {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	ip := at.Addr().Unmap()
	if ip.Is4() {
		return ip.String()
	}
	p, _ := ip.WithZone("").Prefix(64)
	return p.String()
}

func (s *Server) unauthorized(w http.ResponseWriter, req *http.Request, r *Route) {
	w.Header().Set("WWW-Authenticate", `Basic realm="coalesce"`)
	text := "the key is not known here"
	if req.Header.Get("Authorization") == "" {
		text = "a key is needed, as the user of basic authentication or as a bearer token"
	}
	s.refuse(w, req, r, Unauthorized, text)
}

// refuse answers a request that is not admitted. r is nil where no route is known.
func (s *Server) refuse(w http.ResponseWriter, req *http.Request, r *Route, why Refusal, text string) {
	s.refused[why].Add(1)
	if r != nil && r.Refuse != nil {
		r.Refuse(w, req, refusals[why].status, text)
		return
	}
	replyError(w, refusals[why].status, text)
}

// replyError answers what the server says itself, for whatever route it is.
func replyError(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Cache-Control", "no-store")
	Reply(w, status, map[string]string{"error": text})
}

// plainHost reports whether a request names this host by an IP address or as
// localhost, or not at all. Where no key is needed, others are refused: a page
// may make its own name lead to the address that it is to be read from, so that
// the browser takes it for the page's own.
func plainHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	_, err := netip.ParseAddr(host)
	return err == nil || host == "" || strings.EqualFold(host, "localhost")
}
