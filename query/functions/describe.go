package functions

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Description says what a function is for. In JSON it has the shape that
// Graphite's clients know.
type Description struct {
	Name        string  `json:"name"`
	Function    string  `json:"function"` // with its parameters
	Description string  `json:"description"`
	Module      string  `json:"module"`
	Group       string  `json:"group"`
	Params      []Param `json:"params"`
}

// module is where Graphite has its functions; clients show it to nobody.
const module = "graphite.render.functions"

// infinity is how JSON is told about it: a number too large to be anything else.
const infinity = json.Number("1e9999")

// All describes the functions, by name. The caller must not modify what it
// points to.
func All() []Description {
	all := make([]Description, 0, len(byName))
	for name, f := range byName {
		params := slices.Clone(f.params)
		for i := range params {
			if params[i].Options == nil {
				params[i].Options = typeOptions(params[i].Type)
			}
		}
		all = append(all, Description{
			Name: name, Function: f.named(name), Description: f.doc, Module: module, Group: f.group, Params: params,
		})
	}
	slices.SortFunc(all, func(a, b Description) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// typeOptions are those of a type rather than of a parameter.
func typeOptions(typ string) []string {
	switch typ {
	case typeAggFunc:
		return aggNames
	case typeAggOrSeries:
		options := slices.Clone(aggNames)
		for name, f := range byName {
			if f.combines {
				options = append(options, name)
			}
		}
		slices.Sort(options)
		return slices.Compact(options)
	}
	return nil
}

func pythonDefault(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return strings.ToUpper(fmt.Sprint(v)[:1]) + fmt.Sprint(v)[1:]
	case string:
		return "'" + v + "'"
	case json.Number:
		return "inf"
	}
	return fmt.Sprint(v)
}
