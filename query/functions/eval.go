package functions

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coalesce-metrics/coalesce/query/target"
)

// Context is what a target is evaluated in. It is not modified.
type Context struct {
	// Ctx ends the evaluation when it is done. Nil never does.
	Ctx context.Context
	// From and Until are the range that is asked for, in Unix seconds, From
	// exclusive and Until inclusive.
	From, Until int64
	// Location is where days and summer time are taken from. Nil is UTC.
	Location *time.Location
	// XFilesFactor is the part of the points, 0 to 1, that must be there where
	// a function combines some and is not told otherwise.
	XFilesFactor float64
	// Fetch returns the series of a path, or of a call of seriesByTag as it was
	// written, over a range, which may be another than the one asked for. Their
	// order is kept; the series with their values and tags are the evaluation's
	// own from then on.
	Fetch func(path string, from, until int64) ([]*Series, error)
	// ParseTime reads a time such as 10:00_yesterday, for functions with times
	// among their arguments. Nil has these refused.
	ParseTime func(text string) (int64, error)
	// Limit is told how many series and points were fetched and made so far,
	// before the memory for more of them is taken; its error ends the
	// evaluation. Nil sets no limit.
	Limit func(series, points int) error
}

// maxCalls bounds the work of one evaluation: functions such as timeShift
// evaluate their argument more than once, and may stand in each other.
const maxCalls = 10_000

// Eval returns the series that an expression stands for. What is wrong with the
// expression is an *[Error]; errors of the Context's functions come back as
// they are.
func Eval(ctx *Context, e target.Expr) ([]*Series, error) {
	if ctx.Fetch == nil {
		return nil, errors.New("functions: Fetch must be set")
	}
	if ctx.Until <= ctx.From {
		return nil, refuse("from %d until %d is no range; from must be before until", ctx.From, ctx.Until)
	}
	ev := &evaluator{ctx: ctx, functions: byName, xff: ctx.XFilesFactor}
	return ev.eval(&e, ctx.From, ctx.Until)
}

// evaluator is one evaluation. It has the registry as a field, because the
// functions in the registry evaluate, too.
type evaluator struct {
	ctx       *Context
	functions map[string]*function
	xff       float64 // setXFilesFactor changes it for what is evaluated later

	series, points, calls int // made so far
}

func (ev *evaluator) eval(e *target.Expr, from, until int64) ([]*Series, error) {
	if err := ev.done(); err != nil {
		return nil, err
	}
	if ev.calls++; ev.calls > maxCalls {
		return nil, refuse("the target takes more than %d steps, as functions that shift or widen the range stand in each other", maxCalls)
	}
	switch e.Kind {
	case target.Path:
		return ev.fetch(e.Value, from, until)
	case target.Call:
		fn := ev.functions[e.Value]
		if fn == nil {
			return nil, refuse("unknown function %s%s", e.Value, ev.hint(e.Value))
		}
		c := &call{ev: ev, fn: fn, expr: e, from: from, until: until}
		if err := c.bind(); err != nil {
			return nil, err
		}
		return fn.run(c)
	}
	return nil, refuse("%s is %s; a target must be a path or a function", e.Text, e.Kind)
}

func (ev *evaluator) done() error {
	if ev.ctx.Ctx == nil {
		return nil
	}
	return ev.ctx.Ctx.Err()
}

func (ev *evaluator) fetch(path string, from, until int64) ([]*Series, error) {
	if from < 0 {
		return nil, refuse("%s is asked for from %d s before 1970 on; shift or widen the range by less", path, -from)
	}
	list, err := ev.ctx.Fetch(path, from, until)
	if err != nil {
		return nil, err
	}
	points := 0
	for _, s := range list {
		if s.Step < 1 {
			return nil, fmt.Errorf("functions: series %q was fetched with a step of %d s", s.Name, s.Step)
		}
		s.Path = path
		s.End = s.Start + int64(len(s.Values))*s.Step
		if s.Tags == nil {
			s.Tags = tagsOf(s.Name)
		}
		points += len(s.Values)
	}
	return list, ev.grow(len(list), points)
}

// grow counts series and points that are about to be made.
func (ev *evaluator) grow(series, points int) error {
	ev.series += series
	ev.points += points
	if ev.ctx.Limit == nil {
		return nil
	}
	return ev.ctx.Limit(ev.series, ev.points)
}

// Paths returns the paths that an expression names, and its calls of
// seriesByTag as written, each once and in their order.
func Paths(e target.Expr) []string {
	var paths []string
	seen := map[string]bool{}
	var walk func(e *target.Expr)
	walk = func(e *target.Expr) {
		path := ""
		switch {
		case e.Kind == target.Path:
			path = e.Value
		case e.Kind == target.Call && e.Value == target.SeriesByTag:
			path = e.Text
		}
		if path != "" {
			if !seen[path] {
				seen[path] = true
				paths = append(paths, path)
			}
			return
		}
		for i := range e.Args {
			walk(&e.Args[i])
		}
		for i := range e.Named {
			walk(&e.Named[i].Expr)
		}
	}
	walk(&e)
	return paths
}
