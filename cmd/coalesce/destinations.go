package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/coalesce-metrics/coalesce/certs"
	"github.com/coalesce-metrics/coalesce/config"
	"github.com/coalesce-metrics/coalesce/route"
	"github.com/coalesce-metrics/coalesce/rules"
	"github.com/coalesce-metrics/coalesce/upstream"
	"github.com/coalesce-metrics/coalesce/whisper"
)

// spoolDir holds, in the data directory, what waits for destinations.
const spoolDir = "spool"

// destinationsOf returns the destinations and routes of a configuration, with
// every problem that package config could not see.
func destinationsOf(cfg *config.Config) (dests []upstream.Destination, routes []route.Route, problems config.Problems) {
	index := make(map[string]int)
	first := make(map[upstream.Destination]int) // by place, among all
	for i, d := range cfg.AllDestinations() {
		dest, err := upstream.ParseDestination(d.Address)
		if err != nil {
			problems = append(problems, cfg.Problem(cfg.DestinationKey(i), err.Error()))
			continue
		}
		dest.Name = d.Name
		dest.Role, dest.WhenFull = upstream.Role(d.Kind), upstream.WhenFull(d.WhenFull)
		dest.Resend, dest.ResendRaw = time.Duration(d.Resend), d.ResendRaw
		dest.TLS = upstream.TLSOptions{CA: d.TLSCA, Cert: d.TLSCert, Key: d.TLSKey, ServerName: d.TLSServerName}
		dest.MaxDatapoints = d.MaxDatapointsPerMessage
		dest.Schemas, dest.Aggregation = d.Schemas, d.Aggregation
		dest.QueueDatapoints, dest.QueueBytes = d.QueueDatapoints, int64(d.QueueBytes)
		if j, twice := first[dest.Place()]; twice && d.Name != cfg.AllDestinations()[j].Name {
			problems = append(problems, cfg.Problem(cfg.DestinationKey(i), fmt.Sprintf("where %s is already; accepted: a place of its own for each destination", cfg.DestinationKey(j))))
			continue
		}
		first[dest.Place()] = i
		index[d.Name] = len(dests)
		dests = append(dests, dest)
	}
	if len(problems) > 0 {
		return nil, nil, problems
	}
	for i, r := range cfg.Routes {
		rt, err := routeOf(&r, index)
		if err != nil {
			problems = append(problems, cfg.Problem(fmt.Sprintf("route[%d].pattern", i), err.Error()))
			continue
		}
		routes = append(routes, rt)
	}
	return dests, routes, problems
}

// routerOf returns the router of a configuration without problems.
func routerOf(cfg *config.Config, dests []upstream.Destination, routes []route.Route) (*upstream.Router, config.Problems) {
	r, err := upstream.NewRouter(dests, routes)
	var wrong *route.Error
	switch {
	case errors.As(err, &wrong):
		return nil, config.Problems{cfg.Problem(fmt.Sprintf("route[%d].to", wrong.Route), wrong.Err.Error())}
	case err != nil:
		return nil, config.Problems{cfg.Problem("route", err.Error())}
	}
	return r, nil
}

// tlsProblem returns what is wrong with a file of TLS. That it may not be read is a
// warning: a key is often its daemon's alone.
func tlsProblem(cfg *config.Config, key string, err error) config.Problem {
	p := cfg.Problem(key, err.Error())
	if errors.Is(err, fs.ErrPermission) {
		p.Severity = config.Warning
		p.Message += "; accepted: a file that the daemon's user may read"
	}
	return p
}

// tlsProblems returns what is wrong with the files of TLS.
func tlsProblems(cfg *config.Config, dests []upstream.Destination) (problems config.Problems) {
	server := func(key string, f certs.Files) {
		if f.CertFile == "" {
			return
		}
		if _, err := certs.Load(f, func(error) {}); err != nil {
			problems = append(problems, tlsProblem(cfg, key, err))
		}
	}
	if cfg.HTTP.Listen != "" { // else nobody reads them
		server("http.tls_cert", certs.Files{CertFile: cfg.HTTP.TLSCert, KeyFile: cfg.HTTP.TLSKey, ClientCAFile: cfg.HTTP.TLSClientCA})
	}
	for i, l := range cfg.Listeners {
		server(fmt.Sprintf("listener[%d].tls_cert", i), certs.Files{CertFile: l.TLSCert, KeyFile: l.TLSKey, ClientCAFile: l.TLSClientCA})
	}
	for i, d := range dests {
		if err := d.CheckTLS(); err != nil {
			problems = append(problems, tlsProblem(cfg, cfg.DestinationKey(i), err))
		}
	}
	return problems
}

// whisperProblems returns what is wrong with the files that say how whisper files are
// made.
func whisperProblems(cfg *config.Config, dests []upstream.Destination) (problems config.Problems) {
	for i, d := range dests {
		if d.Scheme != upstream.Whisper {
			continue
		}
		var mistakes whisper.Mistakes
		if _, err := whisper.ReadRules(d.Schemas, d.Aggregation); !errors.As(err, &mistakes) {
			continue
		}
		for _, m := range mistakes {
			p := config.Problem{File: m.File, Line: m.Line, Message: m.Err.Error()}
			if m.Line == 0 {
				p = cfg.Problem(cfg.DestinationKey(i), m.Err.Error())
			}
			if !slices.Contains(problems, p) { // of a file that two destinations share
				problems = append(problems, p)
			}
		}
	}
	return problems
}

func routeOf(r *config.Route, index map[string]int) (route.Route, error) {
	out := route.Route{Mode: route.Mode(r.Mode), Stop: r.Stop}
	out.Kinds = map[string]route.Kind{"all": route.Both, "raw": route.Raw, "aggregates": route.Aggregates}[r.Send]
	if r.Pattern != "" {
		re, err := regexp.Compile(r.Pattern)
		if err != nil {
			return out, fmt.Errorf("%q: %w; expected a regular expression in RE2 syntax", r.Pattern, err)
		}
		out.Match = re.Match
	}
	if out.Mode == route.Hash || out.Mode == route.AggregatedHash {
		out.Hash, out.ReplicationFactor, out.DiverseReplicas = route.HashType(r.Hash), r.Replication, r.Diverse
	}
	for _, name := range r.To {
		out.Destinations = append(out.Destinations, index[name])
	}
	return out, nil
}

// placeOf returns this instance's place in the ring of a relay in front of it,
// or nil where it makes every output.
func placeOf(cfg *config.Config) (*route.Place, config.Problems) {
	p := &cfg.Place
	if len(p.Ring) == 0 {
		return nil, nil
	}
	c := route.RingConfig{Hash: route.HashType(p.Hash), ReplicationFactor: p.Replication, DiverseReplicas: p.Diverse}
	for i, text := range p.Ring {
		n, err := route.ParseNode(text)
		if err != nil {
			return nil, config.Problems{cfg.Problem(fmt.Sprintf("place.ring[%d]", i), err.Error())}
		}
		c.Nodes = append(c.Nodes, n)
	}
	place, err := route.NewPlace(c, slices.Index(p.Ring, p.Self))
	if err != nil {
		return nil, config.Problems{cfg.Problem("place.ring", err.Error())}
	}
	return place, nil
}

// newUpstream makes the side to the destinations.
func (d *daemon) newUpstream() error {
	cfg := d.cfg
	dests, routes, problems := destinationsOf(cfg)
	if len(problems) == 0 {
		_, problems = routerOf(cfg, dests, routes)
	}
	if err := problems.Err(); err != nil {
		return err
	}
	c := upstream.Config{
		Destinations: dests, Routes: routes, Outputs: d.outputs,
		QueueDatapoints: cfg.Queue.Datapoints,
		QueueBytes:      int64(cfg.Queue.Bytes),
		Spool:           upstream.SpoolConfig{Bytes: int64(cfg.Spool.Bytes), Age: time.Duration(cfg.Spool.Age), Rate: cfg.Spool.Rate},
		ConnectTimeout:  time.Duration(cfg.Queue.ConnectTimeout),
		WriteTimeout:    time.Duration(cfg.Queue.WriteTimeout),
		ReconnectMin:    time.Duration(cfg.Queue.ReconnectMin),
		ReconnectMax:    time.Duration(cfg.Queue.ReconnectMax),
		DrainTimeout:    time.Duration(cfg.Queue.DrainTimeout),
		Stdout:          d.stdout,
		Logger:          d.log,
	}
	if cfg.Data != "" {
		c.Spool.Dir = filepath.Join(cfg.Data, spoolDir)
	}
	if len(dests) == 0 {
		d.log.Warn("no upstream: aggregates are sent nowhere and only answered over HTTP")
	}
	var err error
	d.up, err = upstream.New(c)
	return err
}

// matchers are the scratch memory of outputs.
var matchers = sync.Pool{New: func() any { return new(rules.Matcher) }}

// outputs appends what a name feeds, by the rules in force, as an instance behind
// a route with mode "aggregated-hash" asks for itself: of several methods the
// first.
func (d *daemon) outputs(dst [][]byte, name []byte) [][]byte {
	return outputsOf(dst, name, d.force.Set())
}

func outputsOf(dst [][]byte, name []byte, set *rules.Set) [][]byte {
	m := matchers.Get().(*rules.Matcher)
	defer matchers.Put(m)
	for _, match := range set.Match(m, name) {
		if match.Rule.View != nil {
			continue // its rows are no series
		}
		dst = append(dst, rules.AppendRow(nil, match.Output, match.Rule.Methods[0]))
	}
	return dst
}
