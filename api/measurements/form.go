package measurements

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/coalesce-metrics/coalesce/attributes"
)

// eachPair calls f for each pair of a form in its order, with the parts of its key:
// a[b][c] has three. f must not keep them. A pair without = has no value.
func eachPair(form string, f func(path []string, value string)) error {
	var path []string
	for form != "" {
		var pair string
		pair, form, _ = strings.Cut(form, "&")
		if pair == "" {
			continue
		}
		key, text, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(key)
		if err == nil {
			text, err = url.QueryUnescape(text)
		}
		if err != nil {
			return fmt.Errorf("%.100q: %w", pair, err)
		}
		if path, err = split(path[:0], key); err != nil {
			return err
		}
		f(path, text)
	}
	return nil
}

// maxPath is how many parts a key may have.
const maxPath = 8

// split appends the parts of a key to path.
func split(path []string, key string) ([]string, error) {
	first, rest, nested := strings.Cut(key, "[")
	path = append(path, first)
	for nested {
		part, after, closed := strings.Cut(rest, "]")
		if !closed || after != "" && after[0] != '[' || len(path) == maxPath {
			return nil, fmt.Errorf("key %.100q; accepted: such as name, gauges[0][name] or attributes[color]", key)
		}
		path = append(path, part)
		rest, nested = strings.CutPrefix(after, "[")
	}
	return path, nil
}

// parseForm reads the legacy form of a request, sent as a form. As with parseJSON,
// an error says that it is not well-formed.
func (b *batch) parseForm(limit int) error {
	type place struct {
		group group
		key   string
	}
	items := map[place]int{}
	return eachPair(string(b.body), func(path []string, text string) {
		g := gauges
		switch {
		case path[0] == "counters":
			g = counters
		case path[0] != "gauges":
			b.formField(&b.top, path, text)
			return
		}
		if len(path) < 3 || path[1] == "" {
			b.refuse(&b.top, groupNames[g], "has no fields of a numbered element; accepted: such as gauges[0][name]=cpu")
			return
		}
		i, ok := items[place{g, path[1]}]
		if !ok {
			i = len(b.items)
			key := strings.Clone(path[1])
			items[place{g, key}] = i
			if it := b.next(g, i, limit); it != nil {
				it.key, it.name = []byte(key), []byte(key)
			}
		}
		if i < len(b.items) {
			b.formField(&b.items[i], path[2:], text)
		}
	})
}

// formField sets one field of an item; unknown ones are ignored.
func (b *batch) formField(it *item, path []string, text string) {
	switch key := path[0]; {
	case len(path) == 2 && key == "attributes":
		if it.change == nil {
			it.change = attributes.Change{}
		}
		it.change["attributes."+path[1]] = text
	case len(path) > 1:
	case key == "name":
		it.name = []byte(text)
	case key == "source":
		it.source = []byte(text)
	default:
		for f, name := range fieldNames {
			if field(f) == at {
				name = "measure_time"
			}
			if name == key {
				b.formNumber(it, field(f), text)
			}
		}
	}
}

func (b *batch) formNumber(it *item, f field, text string) {
	if text == "" {
		return // as null
	}
	x, err := strconv.ParseFloat(text, 64)
	if _, notRange := err.(*strconv.NumError); notRange && x == 0 || strings.Trim(text, "+-.0123456789eE") != "" {
		name := fieldNames[f]
		if f == at {
			name = "measure_time"
		}
		b.refuse(it, name, "is no number: %.100q", text)
		return
	}
	it.set(f, x)
}

// formProperties reads a form into a change. names and exclude go to other, with
// each of their values.
func formProperties(form string, c attributes.Change, other func(key, name string)) error {
	return eachPair(form, func(path []string, text string) {
		switch key := path[0]; {
		case other != nil && (key == "names" || key == "exclude") && len(path) <= 2:
			other(key, text)
		case len(path) <= 2:
			c[strings.Join(path, ".")] = text
		}
	})
}
