package measured

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// Filter says which streams are taken, by their tags. A nil Filter takes all.
type Filter func(tags map[string]string) bool

// Bounds of what filters are made of.
const (
	maxConditions = 100
	maxPattern    = 256 // bytes
	maxTagName    = 64  // bytes
)

const (
	tagNames = "names of 1 to 64 of A-Z a-z 0-9 - . : _"
	tagForms = "tags=*, tags[NAME]=PATTERN, tags[NAME]=!PATTERN and tags[!NAME]"
)

func validTag(name string) bool {
	const chars = "-.:_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	return name != "" && len(name) <= maxTagName && strings.Trim(name, chars) == ""
}

// ParseTags reads those parameters of a request that are called tags: all streams
// that one of the patterns of each name takes are taken. * in a pattern stands for
// any text; one that begins with ! takes values that it does not match. A name that
// begins with ! is one that streams must not have. Parameters with other names are
// not looked at.
func ParseTags(params url.Values) (Filter, error) {
	names := map[string][]Filter{} // any of which is to be met
	absent := map[string]bool{}
	conditions := 0
	for _, param := range slices.Sorted(maps.Keys(params)) {
		values := params[param]
		inner, ok := strings.CutPrefix(param, "tags")
		if !ok || inner != "" && inner[0] != '[' {
			continue
		}
		if inner == "" {
			for _, value := range values {
				if value != "*" {
					return nil, fmt.Errorf("tags %.100q; accepted: %s", value, tagForms)
				}
			}
			continue
		}
		inner, not := strings.CutPrefix(inner[1:], "!")
		name, closed := strings.CutSuffix(inner, "]")
		if !closed || !validTag(name) {
			return nil, fmt.Errorf("%.100q; accepted: %s, with %s", param, tagForms, tagNames)
		}
		name = strings.ToLower(name)
		if not {
			absent[name] = true
			conditions++
			continue
		}
		for _, pattern := range values {
			f, err := tagFilter(name, pattern)
			if err != nil {
				return nil, err
			}
			names[name] = append(names[name], f)
			conditions++
		}
	}
	if conditions > maxConditions {
		return nil, fmt.Errorf("%d conditions; accepted: at most %d", conditions, maxConditions)
	}
	var all []Filter
	for name := range absent {
		all = append(all, lacks(name))
	}
	for _, patterns := range names {
		all = append(all, anyOf(patterns))
	}
	return allOf(all), nil
}

// tagFilter takes streams whose tag has a value that a pattern accepts.
func tagFilter(name, pattern string) (Filter, error) {
	text, not := strings.CutPrefix(pattern, "!")
	if text == "" || len(text) > maxPattern {
		return nil, fmt.Errorf("tags[%s] %.100q; accepted: a pattern of 1 to %d bytes, with ! before it to negate it", name, pattern, maxPattern)
	}
	return matches(name, text, not), nil
}

// matches takes streams that have the tag, with a value that matches, or does not.
func matches(name, pattern string, not bool) Filter {
	g := newGlob(pattern)
	return func(tags map[string]string) bool {
		value, ok := tags[name]
		return ok && g.match(value) != not
	}
}

func lacks(name string) Filter {
	return func(tags map[string]string) bool {
		_, ok := tags[name]
		return !ok
	}
}

func allOf(all []Filter) Filter {
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return func(tags map[string]string) bool {
		return !slices.ContainsFunc(all, func(f Filter) bool { return !f(tags) })
	}
}

func anyOf(all []Filter) Filter {
	if len(all) == 1 {
		return all[0]
	}
	return func(tags map[string]string) bool {
		return slices.ContainsFunc(all, func(f Filter) bool { return f(tags) })
	}
}
