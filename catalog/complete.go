package catalog

import (
	"context"
	"maps"
	"slices"
	"strings"
)

// Value is a value of a tag.
type Value struct {
	Value string
	Count int // of series that have it
}

// Tags returns the tags that series have, sorted, of which filter, a regular expression or empty, matches the
// beginning. There are at most limit (below 1: no limit). The error of ctx ends it.
func (c *Catalog) Tags(ctx context.Context, filter string, limit int) ([]string, error) {
	f, err := newFilter(filter)
	if err != nil {
		return nil, err
	}
	var tags []string
	for _, tag := range c.tagsWith("") {
		if f.match(tag) {
			tags = append(tags, tag)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return cut(tags, limit), nil
}

// TagValues returns the values of a tag, sorted, of which filter, a regular expression or empty, matches the
// beginning. There are at most limit (below 1: no limit). A name without tags is a value of the tag name.
// The error of ctx ends it.
func (c *Catalog) TagValues(ctx context.Context, tag, filter string, limit int) ([]Value, error) {
	f, err := newFilter(filter)
	if err != nil {
		return nil, err
	}
	return c.listValues(ctx, tag, f, limit)
}

// CompleteTags returns the tags, sorted, of the series that meet all expressions, under the rules of FindSeries; of
// all series if there is no expression. Tags that are in an expression, or do not begin with prefix, are left out.
// There are at most limit (below 1: no limit).
func (c *Catalog) CompleteTags(ctx context.Context, exprs []string, prefix string, limit int) ([]string, error) {
	if len(exprs) == 0 {
		return cut(c.tagsWith(prefix), limit), nil
	}
	s, err := c.search(ctx, exprs)
	if err != nil {
		return nil, err
	}
	tags := map[string]struct{}{}
	// Names without tags are found by an expression with their only tag.
	err = s.tagged(func(id uint32) error {
		for _, p := range c.parts(id) {
			if t := c.pairs.at(p).tag; t != c.loose && strings.HasPrefix(t.key, prefix) {
				tags[t.key] = struct{}{}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, e := range s.exprs {
		delete(tags, e.tag)
	}
	return cut(slices.Sorted(maps.Keys(tags)), limit), nil
}

// CompleteValues returns the values of a tag, sorted, of the series that meet all expressions, under the rules of
// FindSeries; of all series if there is no expression. Values that do not begin with prefix are left out. There are at
// most limit (below 1: no limit).
func (c *Catalog) CompleteValues(ctx context.Context, exprs []string, tag, prefix string, limit int) ([]string, error) {
	if len(exprs) == 0 {
		var values []string
		list, err := c.listValues(ctx, tag, &filter{prefix: prefix}, limit)
		for _, v := range list {
			values = append(values, v.Value)
		}
		return values, err
	}
	s, err := c.search(ctx, exprs)
	if err != nil {
		return nil, err
	}
	values := map[string]struct{}{}
	err = s.tagged(func(id uint32) error {
		for _, p := range c.parts(id) {
			if pair := c.pairs.at(p); pair.tag != c.loose && pair.tag.key == tag && strings.HasPrefix(c.value(p), prefix) {
				values[c.value(p)] = struct{}{}
			}
		}
		return nil
	})
	if err == nil && tag == nameTag {
		err = s.untagged(func(name string) error {
			if strings.HasPrefix(name, prefix) {
				values[name] = struct{}{}
			}
			return nil
		})
	}
	if err != nil {
		return nil, err
	}
	return cut(slices.Sorted(maps.Keys(values)), limit), nil
}

// tagsWith returns the tags that begin with prefix, sorted.
func (c *Catalog) tagsWith(prefix string) []string {
	c.mu.RLock()
	var tags []string
	for key := range c.tags {
		if strings.HasPrefix(key, prefix) {
			tags = append(tags, key)
		}
	}
	if c.names.n > 0 && c.tags[nameTag] == nil && strings.HasPrefix(nameTag, prefix) {
		tags = append(tags, nameTag)
	}
	c.mu.RUnlock()
	slices.Sort(tags)
	return tags
}

// listValues returns the values of a tag that f matches, sorted, at most limit.
func (c *Catalog) listValues(ctx context.Context, tag string, f *filter, limit int) ([]Value, error) {
	var list []Value
	c.eachValue(tag, f.prefix, func(v Value) bool {
		if f.match(v.Value) {
			list = append(list, v)
		}
		return len(list) != limit && ctx.Err() == nil
	})
	if tag == nameTag {
		n := len(list)
		c.withPrefix(f.prefix, func(name string) bool {
			if f.match(name) {
				list = append(list, Value{name, 1})
			}
			return len(list)-n != limit && ctx.Err() == nil
		})
		list = mergeValues(list)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return cut(list, limit), nil
}

// mergeValues sorts the list and adds up the counts of what is there twice.
func mergeValues(list []Value) []Value {
	slices.SortFunc(list, func(a, b Value) int { return strings.Compare(a.Value, b.Value) })
	merged := list[:0]
	for _, v := range list {
		if n := len(merged); n > 0 && merged[n-1].Value == v.Value {
			merged[n-1].Count += v.Count
			continue
		}
		merged = append(merged, v)
	}
	return merged
}

// cut returns the first elements of list, at most limit (below 1: no limit).
func cut[T any](list []T, limit int) []T {
	if limit > 0 && len(list) > limit {
		return list[:limit]
	}
	return list
}
