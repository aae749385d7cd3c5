package functions

import (
	"errors"
	"strings"

	"github.com/coalesce-metrics/coalesce/pyre"
)

// compile reads the i-th parameter as a Python regular expression.
func (c *call) compile(i int) (*pyre.Pattern, error) {
	p, err := pyre.Compile(pyre.NewSource(c.text(i, ""), 1), pyre.Options{})
	if err != nil {
		return nil, c.misspelt(i, err)
	}
	return p, nil
}

func (c *call) misspelt(i int, err *pyre.Error) error {
	return refuse("%s: %s %q: character %d: %s", c.fn.name, c.fn.params[i].Name, shorten(c.text(i, "")), err.Col, err.Msg)
}

// match keeps the series in whose names the expression of the parameter 1 is
// found, or else the others.
func (c *call) match(found bool) ([]*Series, error) {
	p, err := c.compile(1)
	if err != nil {
		return nil, err
	}
	var m pyre.Machine
	var kept []*Series
	for _, s := range c.list(0) {
		if p.Search(&m, matchable(s.Name), 0) == found {
			kept = append(kept, s)
		}
	}
	return kept, c.ev.done()
}

// matchable returns a name as pyre wants it.
func matchable(name string) []byte { return []byte(strings.ToValidUTF8(name, "\uFFFD")) }

// substitute replaces what an expression matches in the names of series.
func (c *call) substitute(list []*Series) error {
	p, err := c.compile(1)
	if err != nil {
		return err
	}
	r, perr := p.Replacement(pyre.NewSource(c.text(2, ""), 1))
	if perr != nil {
		return c.misspelt(2, perr)
	}
	var m pyre.Machine
	for _, s := range list {
		name, found, err := r.Append(nil, &m, matchable(s.Name), maxName)
		if errors.Is(err, pyre.ErrTooLong) {
			return refuse("%s: a name grows beyond %d bytes", c.fn.name, maxName)
		}
		if err != nil {
			return err
		}
		if found {
			s.Name = string(name)
		}
	}
	return c.ev.done()
}
