package functions

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/coalesce-metrics/coalesce/query/target"
)

// bind evaluates the arguments of c and sorts them by parameter.
func (c *call) bind() error {
	params := c.fn.params
	c.args = make([][]value, len(params))
	for i := range c.expr.Args {
		at := i
		if at >= len(params) {
			if at = len(params) - 1; at < 0 || !params[at].Multiple {
				return refuse("%s takes %d arguments at most, got %d: %s", c.fn.name, len(params), len(c.expr.Args), c.fn.signature())
			}
		}
		if err := c.add(at, &c.expr.Args[i]); err != nil {
			return err
		}
	}
	for i := range c.expr.Named {
		named := &c.expr.Named[i]
		at := slices.IndexFunc(params, func(p Param) bool { return p.Name == named.Name })
		switch {
		case at < 0:
			return refuse("%s has no parameter %s; accepted: %s", c.fn.name, named.Name, c.fn.signature())
		case at < len(c.expr.Args) || c.has(at):
			return refuse("%s: %s is given twice", c.fn.name, named.Name)
		}
		if err := c.add(at, &named.Expr); err != nil {
			return err
		}
	}
	for i, p := range params {
		if p.Required && !c.has(i) {
			return refuse("%s: %s is missing, %s; accepted: %s", c.fn.name, p.Name, p.wants(), c.fn.signature())
		}
	}
	return nil
}

// add makes e the next value of the parameter at.
func (c *call) add(at int, e *target.Expr) error {
	p := &c.fn.params[at]
	if e.Kind == target.None && !p.Required {
		return nil
	}
	series := e.Kind == target.Path || e.Kind == target.Call
	if series && (p.Type == typeSeriesList || p.Type == typeAny) {
		if c.fn.lazy && at == 0 {
			c.args[at] = append(c.args[at], value{})
			return nil
		}
		found, err := c.ev.eval(e, c.from, c.until)
		if err != nil {
			return err
		}
		c.args[at] = append(c.args[at], value{list: found})
		return nil
	}
	v, ok := p.convert(e)
	if !ok || len(p.Options) > 0 && !slices.Contains(p.Options, v.option()) {
		hint := ""
		if e.Kind == target.Path && p.Type != typeSeriesList {
			hint = " without quotes"
		}
		return refuse("%s: %s must be %s, got %s%s", c.fn.name, p.Name, p.wants(), shorten(e.Text), hint)
	}
	if p.Type == typeAggOrSeries && c.ev.combiner(v.text) == nil {
		return refuse("%s: %s must be %s, got %s", c.fn.name, p.Name, p.wants(), shorten(e.Text))
	}
	c.args[at] = append(c.args[at], v)
	return nil
}

// option returns v as Options spell it.
func (v *value) option() string {
	if v.kind == isFlag {
		return strconv.FormatBool(v.flag)
	}
	return v.text
}

// convert reads a literal as the type of p.
func (p *Param) convert(e *target.Expr) (value, bool) {
	v := value{text: e.Text, number: e.Number, integer: e.Integer, kind: isNumber}
	number, text := e.Kind == target.Number, e.Kind == target.String
	if text {
		v.text, v.kind = e.Value, isText
	}
	switch p.Type {
	case typeAny:
		return v, number && finite(e.Number)
	case typeFloat:
		return v, (number || text && v.parse()) && finite(v.number)
	case typeInteger, typeNode:
		return v, number && e.Integer && v.small() || text && v.parse() && v.integer && v.small()
	case typeIntOrInf:
		return v, number && (math.IsInf(e.Number, 1) || e.Integer && v.small())
	case typeNodeOrTag:
		return v, text || number && e.Integer && v.small()
	case typeIntOrInterval:
		if number {
			return v, e.Integer && v.small()
		}
		_, err := parseInterval(v.text)
		return v, text && err == nil
	case typeInterval:
		_, err := parseInterval(v.text)
		return v, text && err == nil
	case typeString, typeDate:
		// An option may be a boolean; it is told by its text.
		if e.Kind == target.Bool && len(p.Options) > 0 {
			v.text = strings.ToLower(v.text)
			return v, true
		}
		return v, text || number && finite(e.Number)
	case typeTag, typeAggOrSeries:
		return v, text
	case typeAggFunc:
		return v, text && aggFuncs[v.text] != nil
	case typeBoolean:
		return v, v.parseFlag(e)
	}
	return v, false
}

func finite(v float64) bool { return !missing(v) && !math.IsInf(v, 0) }

// small reports whether an integer is one that float64 and int hold exactly.
func (v *value) small() bool { return math.Abs(v.number) < 1<<53 }

// parse reads the number in a string.
func (v *value) parse() bool {
	text := strings.TrimSpace(v.text)
	n, err := strconv.ParseFloat(text, 64)
	v.number = n
	_, notInteger := strconv.ParseInt(text, 10, 64)
	v.integer = notInteger == nil
	return err == nil
}

func (v *value) parseFlag(e *target.Expr) bool {
	v.kind = isFlag
	switch {
	case e.Kind == target.Bool:
		v.flag = e.Bool
	case e.Kind == target.Number:
		v.flag = e.Number == 1
		return e.Number == 0 || e.Number == 1
	default:
		v.flag = strings.EqualFold(v.text, "true")
		return e.Kind == target.String && (v.flag || strings.EqualFold(v.text, "false"))
	}
	return true
}

// wants says what is accepted for p.
func (p *Param) wants() string {
	if len(p.Options) > 0 {
		return "one of " + strings.Join(p.Options, ", ")
	}
	switch p.Type {
	case typeAny:
		return "a number, a path or a function"
	case typeSeriesList:
		return "a path or a function"
	case typeFloat:
		return "a number"
	case typeIntOrInf:
		return "a whole number or inf"
	case typeInteger, typeNode:
		return "a whole number"
	case typeNodeOrTag:
		return "a whole number, or a tag in quotes"
	case typeIntOrInterval:
		return "a whole number, or a time in quotes (" + acceptedIntervals + ")"
	case typeInterval:
		return "a time in quotes (" + acceptedIntervals + ")"
	case typeDate:
		return "a time in quotes"
	case typeBoolean:
		return "true or false"
	case typeAggFunc:
		return "one of " + strings.Join(aggNames, ", ") + " in quotes"
	case typeAggOrSeries:
		return "one of " + strings.Join(aggNames, ", ") + " in quotes, or a function that combines series"
	}
	return "text in quotes"
}

// shorten keeps what was given from making a message long.
func shorten(text string) string {
	const most = 80
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}
