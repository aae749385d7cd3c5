package graphite

import (
	"encoding/json"

	"github.com/coalesce-metrics/coalesce/query/functions"
)

// function is the description of one, as JSON has it.
type function struct {
	group string
	json  json.RawMessage
}

// indexFunctions returns the functions by name.
func indexFunctions() map[string]function {
	all := functions.All()
	index := make(map[string]function, len(all))
	for _, f := range all {
		index[f.Name] = function{f.Group, encode(f)}
	}
	return index
}

// listFunctions answers /functions, and /functions/NAME with one of them.
func (h *handler) listFunctions(c *call) error {
	if name := c.below("/functions"); name != "" {
		f, ok := h.functions[name]
		if !ok || c.pie() {
			return &notFound{"function " + name}
		}
		return c.json(f.json)
	}
	grouped, err := c.flag("grouped")
	if err != nil {
		return err
	}
	list := map[string]json.RawMessage{}
	groups := map[string]map[string]json.RawMessage{}
	for name, f := range h.functions {
		if c.pie() || c.has("group") && c.get("group") != f.group {
			continue
		}
		list[name] = f.json
		if groups[f.group] == nil {
			groups[f.group] = map[string]json.RawMessage{}
		}
		groups[f.group][name] = f.json
	}
	if grouped {
		return c.json(encode(groups))
	}
	return c.json(encode(list))
}

// pie tells whether functions for pie charts are asked for, of which there are
// none.
func (c *call) pie() bool { return c.get("type") == "pie" }
