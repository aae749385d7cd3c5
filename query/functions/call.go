package functions

import (
	"math"

	"github.com/coalesce-metrics/coalesce/query/target"
)

// nan is the value of a point that is missing.
var nan = math.NaN()

// missing reports whether a point has no value. Only NaN differs from itself.
func missing(v float64) bool { return v != v }

// call is one call of a function, with its arguments by parameter.
type call struct {
	ev          *evaluator
	fn          *function
	expr        *target.Expr
	from, until int64
	args        [][]value // for each parameter; more than one where it is multiple
}

// value is one argument. Which fields are set is up to the parameter's type.
type value struct {
	list    []*Series
	number  float64
	integer bool   // number was written as one
	text    string // of a string, or of a number as written
	flag    bool
	kind    valueKind
}

type valueKind int

const (
	isList valueKind = iota
	isNumber
	isText
	isFlag
)

// has reports whether the i-th parameter was given.
func (c *call) has(i int) bool { return len(c.args[i]) > 0 }

// list returns the series of the i-th parameter, all lists of it in a row.
func (c *call) list(i int) []*Series {
	if len(c.args[i]) == 1 {
		return c.args[i][0].list
	}
	var all []*Series
	for _, v := range c.args[i] {
		all = append(all, v.list...)
	}
	return all
}

// number returns the i-th parameter, or what it is when left out.
func (c *call) number(i int, absent float64) float64 {
	if !c.has(i) {
		return absent
	}
	return c.args[i][0].number
}

func (c *call) int(i, absent int) int { return int(c.number(i, float64(absent))) }

func (c *call) text(i int, absent string) string {
	if !c.has(i) {
		return absent
	}
	return c.args[i][0].text
}

func (c *call) flag(i int) bool { return c.has(i) && c.args[i][0].flag }

// again evaluates the first argument over another range.
func (c *call) again(from, until int64) ([]*Series, error) {
	if len(c.expr.Args) > 0 {
		return c.ev.eval(&c.expr.Args[0], from, until)
	}
	for i := range c.expr.Named {
		if named := &c.expr.Named[i]; named.Name == c.fn.params[0].Name {
			return c.ev.eval(&named.Expr, from, until)
		}
	}
	panic("BUG: " + c.fn.name + " was bound without its first argument")
}

// values returns n missing values.
func (c *call) values(n int) ([]float64, error) {
	if err := c.ev.done(); err != nil {
		return nil, err
	}
	if err := c.ev.grow(0, n); err != nil {
		return nil, err
	}
	values := make([]float64, n)
	for i := range values {
		values[i] = nan
	}
	return values, nil
}

// series returns a new one that goes by its name in names, too.
func (c *call) series(name string, start, step int64, values []float64) (*Series, error) {
	if err := c.ev.grow(1, 0); err != nil {
		return nil, err
	}
	return &Series{
		Name: name, Path: name, Tags: tagsOf(name),
		Start: start, End: start + int64(len(values))*step, Step: step, Values: values,
		Consolidate: "average", XFilesFactor: c.ev.xff,
	}, nil
}

// rename gives s a name that it goes by in other names, too.
func (s *Series) rename(name string) { s.Name, s.Path = name, name }

// place gives s other values, which begin at start.
func (s *Series) place(start, step int64, values []float64) {
	s.Start, s.Step, s.Values = start, step, values
	s.End = start + int64(len(values))*step
}

// tag notes what was done to s, as Graphite does.
func (s *Series) tag(key, value string) { s.Tags[key] = value }

// mapValues returns the run of a function that turns each value into another.
// label is called first.
func mapValues(label func(c *call, s *Series), convert func(c *call, s *Series) func(v float64) float64) func(c *call) ([]*Series, error) {
	return func(c *call) ([]*Series, error) {
		list := c.list(0)
		for _, s := range list {
			label(c, s)
			f := convert(c, s)
			for i, v := range s.Values {
				if !missing(v) {
					s.Values[i] = f(v)
				}
			}
		}
		return list, c.ev.done()
	}
}
