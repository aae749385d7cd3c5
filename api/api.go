// Package api serves the routes that it is given over HTTP.
//
// It knows none of them: each family of routes is a package of its own that
// returns [Route] values. What they share is here: who may ask, limits, timeouts, methods,
// panics, the log, and the counts.
package api

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/coalesce-metrics/coalesce/keys"
)

// What a client may take. A handler that needs longer to answer, as profiles
// do, moves its own deadline, and its route is [Route.Lasting].
const (
	headerTimeout  = 10 * time.Second
	readTimeout    = 30 * time.Second
	writeTimeout   = time.Minute
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 256 << 10 // a GET of /render may name many targets
	maxConnections = 1024
)

// Config is what New needs. All but Logger may be left zero.
type Config struct {
	Routes []Route
	// Logger is told of panics, and of each request at debug.
	Logger *slog.Logger
	// Keys are those that clients must present, but for open routes. Without any,
	// everybody may ask for everything, but must name this host by an IP address
	// or as localhost, so that pages in a browser cannot.
	Keys *keys.Set
	// TLS makes every connection one of TLS. It speaks HTTP/1.1 only, so that
	// MaxConnections bounds the requests as well.
	TLS *tls.Config
	// MaxConnections is how many are open at once; further ones wait in the
	// kernel's backlog. 0 is 1024.
	MaxConnections int
	// RequestTimeout is how long a request may take until it is read, no more
	// than 30 s of it, and answered. 0 is a minute.
	RequestTimeout time.Duration
	// Rate is how many requests a second each key may make, or each address where
	// there is no key that is known; 0 is any number. Burst is how many at once; 0
	// is as many as Rate. Open routes are not counted.
	Rate, Burst int
}

// Server answers the routes. Its methods may be called concurrently.
type Server struct {
	mux    *http.ServeMux
	log    *slog.Logger
	http   *http.Server
	routes []Route

	keys             *keys.Set
	sites            http.CrossOriginProtection
	byKey, byAddress *limiter // nil where there is no limit
	tls              *tls.Config
	connections      int

	refused  [NumRefusals]atomic.Uint64
	requests [5]atomic.Uint64 // by class of status
	broken   atomic.Uint64
	panics   atomic.Uint64
	inFlight atomic.Int64
}

// Stats is what the server has counted since its start.
type Stats struct {
	// Requests counts those answered, by status: 1xx, 2xx and so on. Broken counts
	// those that were broken off before the end of the answer, mostly as the client
	// had gone. Panics counts handlers that panicked; they are among these as well.
	Requests [5]uint64
	Broken   uint64
	Panics   uint64
	// Refused counts those of Requests that were not admitted, by reason.
	Refused [NumRefusals]uint64
	// InFlight is how many are being answered now.
	InFlight int64
}

// New returns a server that has started nothing.
func New(cfg Config) (*Server, error) {
	if cfg.Logger == nil {
		return nil, errors.New("api: Logger must be set")
	}
	s := &Server{
		mux: http.NewServeMux(), log: cfg.Logger, keys: cfg.Keys, tls: cfg.TLS,
		connections: cmp.Or(cfg.MaxConnections, maxConnections),
		byKey:       newLimiter(cfg.Rate, cfg.Burst, cfg.Keys.Len()),
		byAddress:   newLimiter(cfg.Rate, cfg.Burst, maxClients),
	}
	timeout := cmp.Or(cfg.RequestTimeout, writeTimeout)
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: min(headerTimeout, timeout),
		ReadTimeout:       min(readTimeout, timeout),
		WriteTimeout:      timeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          log.New(complaints{cfg.Logger}, "", 0),
	}
	seen := make(map[string]bool)
	for _, r := range cfg.Routes {
		if err := r.check(); err != nil {
			return nil, err
		}
		if seen[r.Path] {
			return nil, fmt.Errorf("api: two routes for %q", r.Path)
		}
		seen[r.Path] = true
		s.add(r)
	}
	index := indexOf(cfg.Routes)
	s.routes = append(slices.Clone(cfg.Routes), index)
	s.mux.Handle("/", s.elsewhere(&index))
	return s, nil
}

// Serve answers on ln until Shutdown, and then returns nil. It closes ln.
func (s *Server) Serve(ln net.Listener) error {
	address := ln.Addr()
	ln = newLimitListener(ln, s.connections)
	if s.tls != nil {
		ln = tls.NewListener(ln, s.tls)
	}
	err := s.http.Serve(ln)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("HTTP on %s: %w", address, err)
}

// complaints is where package http writes what goes wrong with connections.
type complaints struct{ log *slog.Logger }

// Write logs a line. A client that cannot agree on a session of TLS is its own
// affair, and anybody may fill the log with such.
func (c complaints) Write(line []byte) (int, error) {
	level := slog.LevelWarn
	if bytes.HasPrefix(line, []byte("http: TLS handshake error")) {
		level = slog.LevelDebug
	}
	c.log.Log(context.Background(), level, string(bytes.TrimSpace(line)))
	return len(line), nil
}

// Shutdown accepts no more and waits for the requests under way. Those that are
// not answered when ctx ends are broken off, and ctx's error returned. Further
// calls do no harm.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		s.http.Close()
	}
	return err
}

// Routes returns the routes that are answered, "/" with the list of them included.
func (s *Server) Routes() []Route { return slices.Clone(s.routes) }

// Stats returns the counts.
func (s *Server) Stats() Stats {
	stats := Stats{Broken: s.broken.Load(), Panics: s.panics.Load(), InFlight: s.inFlight.Load()}
	for i := range s.requests {
		stats.Requests[i] = s.requests[i].Load()
	}
	for i := range s.refused {
		stats.Refused[i] = s.refused[i].Load()
	}
	return stats
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	s.inFlight.Add(1)
	answer := &response{ResponseWriter: w}
	defer func() {
		p := recover()
		if p != nil && p != http.ErrAbortHandler {
			p = s.panicked(answer, r, p)
		}
		s.inFlight.Add(-1)
		status := answer.code()
		if p == nil {
			s.requests[min(max(status, 100), 599)/100-1].Add(1)
		} else {
			status = answer.status
			s.broken.Add(1)
		}
		s.log.Debug("request", "method", r.Method, "path", r.URL.Path, "client", r.RemoteAddr,
			"status", status, "bytes", answer.bytes, "took", time.Since(start), "key", answer.key)
		if p != nil {
			panic(p)
		}
	}()
	if s.keys.Len() == 0 && !plainHost(r.Host) {
		s.refuse(answer, r, nil, Forbidden, fmt.Sprintf("Host %.100q; accepted without keys: an IP address or localhost", r.Host))
		return
	}
	s.mux.ServeHTTP(answer, r)
}

// panicked answers 500, or returns what breaks the connection off where the
// answer has begun, so that half of it is not taken for all.
func (s *Server) panicked(answer *response, r *http.Request, p any) any {
	s.panics.Add(1)
	s.log.Error("a request failed because of a mistake in the program", "method", r.Method, "path", r.URL.Path,
		"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	if answer.status != 0 {
		return http.ErrAbortHandler
	}
	clear(answer.Header())
	replyError(answer, http.StatusInternalServerError, "internal error; the log of the daemon has more")
	return nil
}

// response remembers what was answered.
type response struct {
	http.ResponseWriter
	status int // 0 until the answer begins
	bytes  int64
	key    string // name of the key that was presented
}

// code is the status that the client sees.
func (w *response) code() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}

func (w *response) WriteHeader(status int) {
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(b []byte) (int, error) {
	w.status = w.code()
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection's deadlines.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }
