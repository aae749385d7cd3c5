// Package query turns targets and time ranges into series.
//
// A target is parsed by query/target and evaluated by query/functions; this
// package finds the names that its paths stand for, reads their cells, held ones
// and stored ones, and reads views from them.
package query

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/archive"
	"github.com/coalesce-metrics/coalesce/catalog"
	"github.com/coalesce-metrics/coalesce/query/functions"
	"github.com/coalesce-metrics/coalesce/query/target"
)

// Archive is where closed cells are read from. It is called concurrently.
type Archive interface {
	// Tiers returns the steps at which cells of a period are kept, ascending.
	Tiers(period int64) []archive.Tier
	// Cells returns for each series the cells of a step that start at or after from
	// and before until, ascending, and finer ones where these are not made yet.
	// With an error it may still return what it has.
	Cells(ctx context.Context, series []string, step, from, until int64) ([][]archive.Bucket, error)
}

// Config is what New needs.
type Config struct {
	// Catalog has the names.
	Catalog *catalog.Catalog
	// Held returns copies, which the caller owns, of the buckets of a row that
	// start at or after from and before until, ascending, and whether the row is
	// known at all. It is called concurrently.
	Held func(row string, from, until int64) ([]aggregator.Bucket, bool)
	// Archive has what is no longer held; nil is nothing.
	Archive Archive
	// Now is the clock, in Unix seconds.
	Now func() float64
	// Timeout is when a request is given up.
	Timeout time.Duration
	// MaxTargets, MaxSeries and MaxPoints bound one request: its targets, the
	// series that they are read from, and the points of these together.
	MaxTargets, MaxSeries, MaxPoints int
	// Logger is told when a request is answered in part only.
	Logger *slog.Logger
}

// Engine answers requests. It may be used concurrently.
type Engine struct {
	cfg Config
}

// New returns an engine, or says what is missing in cfg.
func New(cfg Config) (*Engine, error) {
	switch {
	case cfg.Catalog == nil || cfg.Held == nil || cfg.Now == nil || cfg.Logger == nil:
		return nil, errors.New("query: Catalog, Held, Now and Logger must be set")
	case cfg.MaxTargets < 1 || cfg.MaxSeries < 1 || cfg.MaxPoints < 1 || cfg.Timeout <= 0:
		return nil, fmt.Errorf("query: at most %d targets, %d series, %d points, %v; each must be at least 1",
			cfg.MaxTargets, cfg.MaxSeries, cfg.MaxPoints, cfg.Timeout)
	}
	return &Engine{cfg}, nil
}

// Error is what is wrong with a request, written for whoever made it.
type Error struct {
	Msg string
	// Target says that the text of a target is wrong, whatever the range and
	// whatever is held.
	Target bool
}

// Error returns the message.
func (e *Error) Error() string { return e.Msg }

func refuse(format string, args ...any) error { return &Error{Msg: fmt.Sprintf(format, args...)} }

// Request asks for series.
type Request struct {
	// Targets are names, patterns and functions of them.
	Targets []string
	// From is exclusive, Until inclusive, in Unix seconds; see [Grid].
	From, Until int64
	// MaxDataPoints, where above 0, is how many points a series may have. One
	// with more has its cells merged into longer periods, and the view is read
	// from those; the values of functions that look at more than one point are
	// merged as Graphite does.
	MaxDataPoints int
	// XFilesFactor is the part of the points, 0 to 1, that functions need to merge
	// some.
	XFilesFactor float64
	// Location is where days begin. Nil is UTC.
	Location *time.Location
}

// Series is one name with a value for each step. The caller owns it.
type Series = functions.Series

// Fetch returns the series of the targets in their order, those of one target by
// name; targets of which nothing is known give none. What is wrong with the
// request is an *[Error].
func (e *Engine) Fetch(ctx context.Context, r Request) ([]*Series, error) {
	switch {
	case len(r.Targets) > e.cfg.MaxTargets:
		return nil, refuse("%d targets, at most %d are accepted; ask for fewer at a time", len(r.Targets), e.cfg.MaxTargets)
	case r.From < minTime || r.Until > maxTime || r.From >= r.Until:
		return nil, refuse("from %d until %d is no range; accepted: %d to %d in Unix seconds, from before until", r.From, r.Until, minTime, maxTime)
	}
	limited, cancel := context.WithTimeout(ctx, e.cfg.Timeout)
	defer cancel()
	var all []*Series
	f := fetch{engine: e, ctx: limited, request: &r, now: e.cfg.Now()}
	for _, text := range r.Targets {
		series, err := f.target(text)
		if err != nil {
			return nil, clientError(f.overdue(ctx, err))
		}
		for _, s := range series {
			s.Path = text
		}
		all = append(all, series...)
	}
	return all, nil
}

// clientError makes an *Error of what others say is wrong with a request.
func clientError(err error) error {
	var syntax *target.Error
	var function *functions.Error
	var name *catalog.Error
	var limit *catalog.LimitError
	switch {
	case errors.As(err, &syntax) || errors.As(err, &function) || errors.As(err, &name):
		return &Error{Msg: err.Error(), Target: true}
	case errors.As(err, &limit):
		return &Error{Msg: err.Error()}
	}
	return err
}

// fetch is one request under way.
type fetch struct {
	engine  *Engine
	ctx     context.Context
	request *Request
	now     float64

	limit          int  // of the points of a series read, 0 is none
	series, points int  // read so far
	incomplete     bool // the store has not given all that it has
}

// overdue says what an error is about that the end of the time for the request, which
// came with outer, may have caused.
func (f *fetch) overdue(outer context.Context, err error) error {
	if f.ctx.Err() == nil || outer.Err() != nil {
		return err
	}
	return refuse("the query took longer than %v; ask for fewer series, or for a shorter range", f.engine.cfg.Timeout)
}

// target returns the series of one target.
func (f *fetch) target(text string) ([]*Series, error) {
	limit := f.request.MaxDataPoints
	f.limit = limit
	// A name may look like anything.
	if _, known := f.engine.cfg.Catalog.Get(text); known {
		return f.path(text, f.request.From, f.request.Until)
	}
	expr, err := target.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("target %.200q: %w", text, err)
	}
	if expr.Kind == target.Path {
		return f.path(expr.Value, f.request.From, f.request.Until)
	}
	if !pointwise(expr) {
		f.limit = 0
	}
	location := f.request.Location
	if location == nil {
		location = time.UTC
	}
	series, err := functions.Eval(&functions.Context{
		Ctx: f.ctx, From: f.request.From, Until: f.request.Until, Location: location, XFilesFactor: f.request.XFilesFactor,
		Fetch: f.leaf,
		ParseTime: func(text string) (int64, error) {
			return ParseTime(text, time.Unix(int64(f.now), 0).In(location))
		},
		Limit: f.bound,
	}, expr)
	if err != nil {
		return nil, err
	}
	if f.limit == 0 && limit > 0 {
		for _, s := range series {
			narrow(s, limit)
		}
	}
	return series, nil
}

// leaf is path for functions, which merge points as averages unless they are told
// otherwise.
func (f *fetch) leaf(path string, from, until int64) ([]*Series, error) {
	all, err := f.path(path, from, until)
	for _, s := range all {
		s.Consolidate = ""
	}
	return all, err
}

// bound refuses what would take too much memory; see functions.Context.
func (f *fetch) bound(series, points int) error {
	if series > f.engine.cfg.MaxSeries {
		return refuse("more than %d series; narrow the patterns", f.engine.cfg.MaxSeries)
	}
	if points > f.engine.cfg.MaxPoints {
		return refuse("more than %d points; ask for a shorter range, for fewer series, or set maxDataPoints", f.engine.cfg.MaxPoints)
	}
	return nil
}

// narrow merges the values of a series into at most limit points.
func narrow(s *Series, limit int) {
	n := len(s.Values)
	switch {
	case n > 1 && limit == 1: // all of it, wherever it begins
		start := s.Start
		s.Start, s.End = 0, s.End-start
		s.Widen(s.End)
		s.Start, s.End = start, start+s.End
	case n > limit:
		s.Widen(s.Step * int64((n+limit-1)/limit))
	}
	if n := len(s.Values); n > limit { // it began before a multiple of the new step
		s.Values, s.End = s.Values[:limit], s.Start+int64(limit)*s.Step
	}
}

// each names a function that makes each point of its result from the same point
// of what it is given, and so may be given merged cells.
var each = map[string]bool{
	"alias": true, "aliasByNode": true, "aliasByTags": true, "aliasByMetric": true, "aliasSub": true,
	"group": true, "sortByName": true, "limit": true, "exclude": true, "grep": true, "scale": true, "offset": true,
	"absolute": true, "invert": true, "sum": true, "sumSeries": true, "avg": true, "averageSeries": true,
	"minSeries": true, "maxSeries": true, "diffSeries": true, "divideSeries": true, "asPercent": true,
	"groupByNode": true, "groupByNodes": true, "groupByTags": true, "seriesByTag": true, "constantLine": true,
}

// pointwise says whether an expression consists of such functions alone.
func pointwise(e target.Expr) bool {
	if e.Kind != target.Call {
		return true
	}
	if !each[e.Value] {
		return false
	}
	for _, a := range e.Args {
		if !pointwise(a) {
			return false
		}
	}
	for _, a := range e.Named {
		if !pointwise(a.Expr) {
			return false
		}
	}
	return true
}
