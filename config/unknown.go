package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// unknown reports a key that the table at path does not have, with those that
// may be meant.
func (k *checker) unknown(known []setting, key, path string) {
	full := join(path, key)
	keys := make([]string, len(known))
	for i, s := range known {
		keys[i] = s.key
	}
	hint := ""
	if near := nearest(key, keys); len(near) > 0 {
		for i := range near {
			near[i] = strconv.Quote(near[i])
		}
		hint = fmt.Sprintf("; did you mean %s?", orList(near))
	} else if tables := tablesWith(key); len(tables) > 0 {
		hint = fmt.Sprintf("; it belongs under %s", strings.Join(tables, " or "))
	}
	where := "at the top of the file"
	if path != "" {
		where = "under " + tableName(path)
	}
	k.at(k.src.places[full].key, "unknown key %s%s; accepted %s: %s", excerpt(full), hint, where, strings.Join(keys, ", "))
}

// tableName returns the heading of the table at path.
func tableName(path string) string {
	if array, _, ok := strings.Cut(path, "["); ok {
		return "[[" + array + "]]"
	}
	return "[" + path + "]"
}

// tablesWith returns the headings of the tables that have a key.
func tablesWith(key string) []string {
	var tables []string
	config := reflect.TypeFor[Config]()
	for _, s := range settings(config) {
		t, name := config.Field(s.index).Type, "["+s.key+"]"
		if isTables(t) {
			t, name = t.Elem(), "[["+s.key+"]]"
		}
		if t.Kind() != reflect.Struct {
			continue
		}
		if slices.ContainsFunc(settings(t), func(s setting) bool { return s.key == key }) {
			tables = append(tables, name)
		}
	}
	return tables
}

// nearest returns the at most three keys that differ least from a mistyped one,
// the nearest first.
func nearest(key string, keys []string) []string {
	fold := func(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "_") }
	typed := fold(key)
	limit := max(1, len(typed)/3)
	byDistance := make([][]string, limit+1)
	for _, candidate := range keys {
		if diff := len(typed) - len(candidate); diff > limit || -diff > limit {
			continue
		}
		if d := distance(typed, fold(candidate)); d <= limit {
			byDistance[d] = append(byDistance[d], candidate)
		}
	}
	near := slices.Concat(byDistance...)
	return near[:min(3, len(near))]
}

// distance returns how many bytes must be inserted, deleted, replaced or
// swapped with their neighbour to make a into b.
func distance(a, b string) int {
	var before []int // the row above the last
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

// orList joins one or more items to a list that ends in "or".
func orList(items []string) string {
	last := len(items) - 1
	if last == 0 {
		return items[0]
	}
	return strings.Join(items[:last], ", ") + " or " + items[last]
}
