// Package query turns names and time ranges into series.
package query

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/coalesce-metrics/coalesce/aggregator"
)

// Source returns copies, which the caller owns, of the buckets of a row that
// start at or after from and before until, ascending, and whether the row is
// known at all. It is called concurrently.
type Source func(row string, from, until int64) ([]aggregator.Bucket, bool)

// Config is what New needs.
type Config struct {
	Source Source
	// MaxTargets and MaxPoints bound one request: its targets, and the points
	// of all its series together.
	MaxTargets, MaxPoints int
}

// Engine answers requests. It may be used concurrently.
type Engine struct {
	cfg Config
}

// New returns an engine, or says what is missing in cfg.
func New(cfg Config) (*Engine, error) {
	switch {
	case cfg.Source == nil:
		return nil, errors.New("query: Source must be set")
	case cfg.MaxTargets < 1 || cfg.MaxPoints < 1:
		return nil, fmt.Errorf("query: at most %d targets and %d points; each must be at least 1", cfg.MaxTargets, cfg.MaxPoints)
	}
	return &Engine{cfg}, nil
}

// Error is what is wrong with a request, written for whoever made it.
type Error struct {
	Msg string
}

// Error returns the message.
func (e *Error) Error() string { return e.Msg }

func refuse(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// Request asks for series.
type Request struct {
	// Targets are names of outputs.
	Targets []string
	// From is exclusive, Until inclusive, in Unix seconds; see [Grid].
	From, Until int64
	// MaxDataPoints, where above 0, is how many points a series may have. One
	// with more has its cells merged into longer periods, and the output's
	// method is read from those.
	MaxDataPoints int
}

// Series is one name with a value for each step. The caller owns it.
type Series struct {
	Name string
	// Tags are those of the name, and "name" with what stands before them.
	Tags map[string]string
	// Start is the time of the first value, End that of the last plus Step, in
	// Unix seconds; Step is in seconds.
	Start, End, Step int64
	Values           []float64 // NaN is missing
}

// Fetch returns the series of the targets in their order; targets of which
// nothing is held give none. What is wrong with the request is an *[Error].
func (e *Engine) Fetch(ctx context.Context, r Request) ([]Series, error) {
	switch {
	case len(r.Targets) > e.cfg.MaxTargets:
		return nil, refuse("%d targets, at most %d are accepted; ask for fewer at a time", len(r.Targets), e.cfg.MaxTargets)
	case r.From < minTime || r.Until > maxTime || r.From >= r.Until:
		return nil, refuse("from %d until %d is no range; accepted: %d to %d in Unix seconds, from before until", r.From, r.Until, minTime, maxTime)
	}
	var all []Series
	points := 0
	for _, target := range r.Targets {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		buckets, step, known := e.buckets(target, r.From, r.Until)
		switch {
		case !known && strings.ContainsAny(target, "*?[]{}()"):
			return nil, refuse("target %q is not the name of an output; patterns and functions are not supported", target)
		case len(buckets) == 0:
			continue
		}
		g := newGrid(r.From, r.Until, step, r.MaxDataPoints)
		if points += g.points(); points > e.cfg.MaxPoints {
			return nil, refuse("more than %d points, with %d of %q at %d s each; ask for a shorter range, for fewer targets, or set maxDataPoints",
				e.cfg.MaxPoints, g.points(), target, g.step)
		}
		all = append(all, Series{
			Name: target, Tags: tags(target),
			Start: g.first, End: g.end, Step: g.step, Values: g.values(buckets),
		})
	}
	return all, nil
}

// buckets returns at least the buckets that a grid over the range needs, and
// the period of the newest.
func (e *Engine) buckets(row string, from, until int64) ([]aggregator.Bucket, int64, bool) {
	buckets, known := e.cfg.Source(row, from+1, until+1)
	if known && len(buckets) == 0 {
		// The period is only known from buckets, and the only point of a range
		// within one period lies behind it.
		buckets, known = e.cfg.Source(row, math.MinInt64, math.MaxInt64)
	}
	if len(buckets) == 0 {
		return nil, 0, known
	}
	return buckets, buckets[len(buckets)-1].Period, known
}

// tags takes a name "name;key=value;…" apart.
func tags(name string) map[string]string {
	first, rest, _ := strings.Cut(name, ";")
	tags := map[string]string{}
	for pair := range strings.SplitSeq(rest, ";") {
		if key, value, ok := strings.Cut(pair, "="); ok {
			tags[key] = value
		}
	}
	tags["name"] = first
	return tags
}
