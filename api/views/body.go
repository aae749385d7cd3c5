package views

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/views"
)

// What bodies may look like, for messages.
const (
	viewExample    = `{"name":"latency","measure":"rpc.ms","columns":["method"],"aggregation":{"type":"distribution","bounds":[1,10]}}`
	measureExample = `{"name":"rpc.ms","description":"","unit":"ms","type":"double"}`
)

// object is a JSON object whose keys are taken out one by one.
type object map[string]json.RawMessage

// asked reads the definitions in a body: one object, or an array of some.
func asked[T any](r *http.Request, example string, parse func(object) (T, error)) (list []T, single bool, err error) {
	body, err := new(api.Body).Read(r, maxBody)
	if err != nil {
		return nil, false, err
	}
	return parseBody(body, example, parse)
}

func parseBody[T any](body []byte, example string, parse func(object) (T, error)) (list []T, single bool, err error) {
	accepted := "accepted: a JSON object such as " + example + ", or an array of such"
	if !utf8.Valid(body) {
		return nil, false, api.BadRequest("body: not UTF-8; %s", accepted)
	}
	if err := json.Unmarshal(body, new(json.RawMessage)); err != nil {
		return nil, false, api.BadRequest("body: not JSON: %s; %s", err, accepted)
	}
	var elements []json.RawMessage
	if text := bytes.TrimSpace(body); text[0] != '[' {
		single, elements = true, []json.RawMessage{text}
	} else if err := json.Unmarshal(body, &elements); err != nil {
		return nil, false, api.BadRequest("body: %s; %s", err, accepted)
	}
	if len(elements) == 0 {
		return nil, false, api.BadRequest("body: an empty array; %s", accepted)
	}
	for i, e := range elements {
		where := "body"
		if !single {
			where = fmt.Sprintf("element %d", i)
		}
		var o object
		if json.Unmarshal(e, &o) != nil || o == nil {
			return nil, false, api.BadRequest("%s: %.100s is no object; %s", where, e, accepted)
		}
		x, err := parse(o)
		if err != nil && !single {
			err = api.BadRequest("%s: %s", where, err)
		}
		if err != nil {
			return nil, false, err
		}
		list = append(list, x)
	}
	return list, single, nil
}

func parseMeasure(o object) (m views.Measure, err error) {
	m.Unit, m.Type = "1", views.Double
	return m, cmp.Or(o.need("name"), o.text("name", &m.Name), o.text("description", &m.Description),
		o.text("unit", &m.Unit), o.text("type", &m.Type), o.nothing("name, description, unit, type"))
}

func parseView(o object) (d views.Definition, err error) {
	var description string
	given := o.has("description")
	named := o.has("name")
	err = cmp.Or(o.need("measure"), o.need("aggregation"), o.text("name", &d.Name), o.text("description", &description), o.text("measure", &d.Measure),
		o.texts("columns", &d.Columns), o.aggregation(&d.Aggregation), o.nothing("name, description, measure, columns, aggregation"))
	switch {
	case err != nil:
		return d, err
	case named && d.Name == "":
		return d, api.BadRequest("name is empty; accepted: a name, or leaving it out, so that it is that of the measure")
	}
	if given {
		d.Description = &description
	}
	return d, nil
}

// has reports whether a key has a value; null is none.
func (o object) has(key string) bool {
	raw, ok := o[key]
	if ok && string(raw) == "null" {
		delete(o, key)
		ok = false
	}
	return ok
}

func (o object) need(key string) error {
	if !o.has(key) {
		return api.BadRequest("%s is missing", key)
	}
	return nil
}

// text takes a text out, where there is one.
func (o object) text(key string, dst *string) error {
	if !o.has(key) {
		return nil
	}
	raw := o[key]
	delete(o, key)
	if json.Unmarshal(raw, dst) != nil {
		return api.BadRequest("%s is %.100s; accepted: a text", key, raw)
	}
	return nil
}

func (o object) texts(key string, dst *[]string) error {
	if !o.has(key) {
		return nil
	}
	raw := o[key]
	delete(o, key)
	var list []*string
	err := json.Unmarshal(raw, &list)
	if err != nil || slices.Contains(list, nil) {
		return api.BadRequest("%s is %.100s; accepted: an array of texts", key, raw)
	}
	for _, s := range list {
		*dst = append(*dst, *s)
	}
	return nil
}

func (o object) aggregation(dst *views.Aggregation) error {
	raw := o["aggregation"]
	delete(o, "aggregation")
	const accepted = `accepted: an object such as {"type":"count"} or {"type":"distribution","bounds":[1,10]}`
	var inner object
	if json.Unmarshal(raw, &inner) != nil || inner == nil {
		return api.BadRequest("aggregation is %.100s; %s", raw, accepted)
	}
	if !inner.has("type") {
		return api.BadRequest("aggregation has no type; %s", accepted)
	}
	if err := inner.text("type", &dst.Type); err != nil {
		return api.BadRequest("aggregation: %s", err)
	}
	if inner.has("bounds") {
		bounds := inner["bounds"]
		delete(inner, "bounds")
		var list []json.RawMessage
		if json.Unmarshal(bounds, &list) != nil {
			return api.BadRequest("bounds is %.100s; accepted: an array of numbers", bounds)
		}
		for _, b := range list {
			x, err := strconv.ParseFloat(string(b), 64)
			if err != nil && !errors.Is(err, strconv.ErrRange) { // which the registry refuses, as it is infinite
				return api.BadRequest("bounds: %.100s is no number; accepted: an array of numbers", b)
			}
			dst.Bounds = append(dst.Bounds, x)
		}
	}
	if err := inner.nothing("type, bounds"); err != nil {
		return api.BadRequest("aggregation: %s", err)
	}
	return nil
}

// nothing refuses what is left, as what a mistyped key asks for is not registered.
func (o object) nothing(accepted string) error {
	if len(o) == 0 {
		return nil
	}
	return api.BadRequest("unknown key %.100q; accepted: %s", slices.Sorted(maps.Keys(o))[0], accepted)
}
