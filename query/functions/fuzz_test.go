package functions

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/query/target"
)

// choices turns the bytes of the fuzzer into decisions.
type choices struct{ data []byte }

func (c *choices) of(n int) int {
	if len(c.data) == 0 {
		return 0
	}
	v := int(c.data[0]) % n
	c.data = c.data[1:]
	return v
}

var leaves = []string{
	"a.*.cpu", "a.x.cpu", "m.*", "c.*", "nothing.*", "d.*", `seriesByTag("name=disk")`, "constantLine(5)", "a.none.cpu",
}

var literals = map[string][]string{
	typeFloat:         {"0", "1", "-1", "0.5", "1e300", "-1e-300", "95", "100", `"2"`, "1e18"},
	typeInteger:       {"0", "1", "-1", "2", "5", "-5", "100", "1000000", "9007199254740991", "-9007199254740991"},
	typeIntOrInf:      {"0", "1", "inf", "3", "-1"},
	typeIntOrInterval: {"1", "3", "100", "1048576", `"1min"`, `"1s"`, `"1h"`, `"-3min"`, `"100y"`},
	typeInterval:      {`"1min"`, `"1s"`, `"1h"`, `"-3min"`, `"7d"`, `"+90s"`, `"100y"`, `"1h1min1s"`},
	typeDate:          {`"now"`, `"5"`},
	typeBoolean:       {"true", "false", "1", "0"},
	typeNode:          {"0", "1", "-1", "7", "-9007199254740991", "9007199254740991"},
	typeNodeOrTag:     {"0", "1", "-1", "7", `"name"`, `"dc"`, `"1"`},
	typeTag:           {`"name"`, `"dc"`, `"host"`, `"="`, `";"`},
	typeString:        {`"x"`, `""`, `"(^.*$)"`, `"\1 A"`, `"[a-c]*"`, `"1h"`, `"sum"`, `"("`},
	typeAny:           {"5", "0", "-1.5"},
}

// expression writes a target that is mostly right.
func (c *choices) expression(b *strings.Builder, depth int) {
	all := len(registry)
	if depth == 0 || c.of(4) == 0 {
		b.WriteString(leaves[c.of(len(leaves))])
		return
	}
	f := &registry[c.of(all)]
	b.WriteString(f.name)
	b.WriteByte('(')
	for i, p := range f.params {
		if !p.Required && c.of(2) == 0 {
			break
		}
		for n := 0; n == 0 || p.Multiple && n < 3 && c.of(2) == 0; n++ {
			if i > 0 || n > 0 {
				b.WriteByte(',')
			}
			options := literals[p.Type]
			switch {
			case p.Options != nil:
				options = p.Options
			case p.Type == typeAggFunc || p.Type == typeAggOrSeries:
				options = aggNames
			case p.Type == typeSeriesList || p.Type == typeAny && c.of(2) == 0:
				c.expression(b, depth-1)
				continue
			}
			text := options[c.of(len(options))]
			if p.Options != nil || p.Type == typeAggFunc || p.Type == typeAggOrSeries {
				text = `"` + text + `"`
			}
			b.WriteString(text)
		}
	}
	b.WriteByte(')')
}

var errLimit = errors.New("limit")

// check evaluates a target and looks at what comes out.
func check(t *testing.T, v *vectors, text string) {
	e, err := target.Parse(text)
	if err != nil {
		return
	}
	Paths(e)
	ctx := &Context{From: 1700000400, Until: 1700004000,
		Fetch: func(path string, from, until int64) ([]*Series, error) {
			if until-from > 1e6 {
				return nil, errLimit
			}
			if v.Paths[path] == nil {
				path = "a.x.cpu"
			}
			return v.fetch(path, from, until)
		},
		ParseTime: func(string) (int64, error) { return 1700001000, nil },
		Limit: func(series, points int) error {
			if series > 10000 || points > 1e6 {
				return errLimit
			}
			return nil
		},
	}
	list, err := Eval(ctx, e)
	var wrong *Error
	if err != nil && !errors.As(err, &wrong) && !errors.Is(err, errLimit) {
		t.Fatalf("%s: error %v", text, err)
	}
	if err != nil {
		return
	}
	for _, s := range list {
		if s == nil || s.Step < 1 || s.Tags == nil || s.End != s.Start+int64(len(s.Values))*s.Step {
			t.Fatalf("%s: %s", text, fmt.Sprintf("%+v", s))
		}
	}
}

func FuzzEval(f *testing.F) {
	v := readVectors(f)
	f.Add([]byte{})
	for i := range 256 {
		f.Add([]byte{1, byte(i), 1, byte(i * 7), 2, 3, byte(i), 1, 1, 1})
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := choices{data}
		var b strings.Builder
		c.expression(&b, 4)
		check(t, v, b.String())
	})
}

func FuzzEvalText(f *testing.F) {
	v := readVectors(f)
	for _, c := range v.Cases {
		f.Add(c.Target)
	}
	f.Fuzz(func(t *testing.T, text string) { check(t, v, text) })
}
