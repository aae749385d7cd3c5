package node

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// sorted returns the groups in the order of the request's lists, else by their
// tag values.
func (res *result) sorted() []*group {
	groups := slices.Collect(maps.Values(res.groups))
	ranks := make([]map[string]int, len(res.request.groupBy))
	for i, tag := range res.request.groupBy {
		for _, f := range res.request.filters {
			if f.tag == tag {
				ranks[i] = f.rank
			}
		}
	}
	slices.SortFunc(groups, func(a, b *group) int {
		for i, rank := range ranks {
			x, y := a.values[i], b.values[i]
			switch {
			case x == y:
			case rank != nil:
				return rank[x] - rank[y]
			case x < y:
				return -1
			default:
				return 1
			}
		}
		return 0
	})
	return groups
}

// missing returns what was asked for by name and has no result.
func (res *result) missing(groups []*group) (names []string) {
	for i, tag := range res.request.groupBy {
		for _, f := range res.request.filters {
			if f.tag != tag {
				continue
			}
			found := make(map[string]bool, len(groups))
			for _, g := range groups {
				found[g.values[i]] = true
			}
			for _, v := range f.values {
				if !found[v] {
					names = append(names, v)
				}
			}
		}
	}
	return names
}

// appendResult appends what follows in_reply_to.
func (n *Node) appendResult(ctx context.Context, dst []byte, res *result) ([]byte, error) {
	r := res.request
	if r.interval > 0 {
		dst = appendText(append(dst, `,"interval":`...), r.width)
	}
	if r.groupBy == nil {
		for _, g := range res.groups { // the only one
			if r.interval > 0 {
				return res.appendBuckets(append(dst, ','), g), ctx.Err()
			}
			return n.appendValue(dst, r, &g.whole), ctx.Err()
		}
	}
	groups := res.sorted()
	dst = append(dst, `,"results":[`...)
	var total samples
	for i, g := range groups {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '{')
		for i, tag := range r.groupBy {
			dst = append(appendText(dst, tag), ':')
			dst = append(appendText(dst, g.values[i]), ',')
		}
		if r.interval > 0 {
			dst = res.appendBuckets(dst, g)
		} else {
			dst = res.appendRead(dst, &g.whole)
			total.cell.Merge(&g.whole.cell)
		}
		dst = append(dst, '}')
	}
	dst = append(dst, ']')
	if a := &r.wanted[0]; r.interval == 0 && (a.name == "sum" || a.name == "count") {
		x, _ := total.value(a)
		dst = appendNumber(append(dst, `,"total":`...), x)
	}
	if names := res.missing(groups); names != nil {
		dst = appendTexts(append(dst, `,"missing":`...), names)
	}
	return dst, nil
}

// appendValue appends the reply without groups or buckets.
func (n *Node) appendValue(dst []byte, r *request, s *samples) []byte {
	a := &r.wanted[0]
	x, approximate := s.value(a)
	dst = appendNumber(append(dst, `,"value":`...), x)
	if a.name != "count" {
		if unit := n.unitOf(r.metric); unit != "" {
			dst = appendText(append(dst, `,"unit":`...), unit)
		}
	}
	dst = fmt.Appendf(dst, `,"sample_count":%d`, s.cell.Count)
	return appendApproximate(dst, approximate)
}

// appendRead appends what was asked for of s: a value, or the values of several
// aggregators.
func (res *result) appendRead(dst []byte, s *samples) []byte {
	wanted, rough := res.request.wanted, false
	if len(wanted) == 1 {
		x, approximate := s.value(&wanted[0])
		dst = appendNumber(append(dst, `"value":`...), x)
		rough = approximate
	} else {
		dst = append(dst, `"values":{`...)
		for i := range wanted {
			if i > 0 {
				dst = append(dst, ',')
			}
			x, approximate := s.value(&wanted[i])
			dst = append(appendText(dst, wanted[i].name), ':')
			dst = appendNumber(dst, x)
			rough = rough || approximate
		}
		dst = append(dst, '}')
	}
	if res.request.interval > 0 {
		dst = fmt.Appendf(dst, `,"sample_count":%d`, s.cell.Count)
	}
	return appendApproximate(dst, rough)
}

func appendApproximate(dst []byte, approximate bool) []byte {
	if approximate {
		return append(dst, `,"approximate":true`...)
	}
	return dst
}

// appendBuckets appends the buckets of a rollup, ascending.
func (res *result) appendBuckets(dst []byte, g *group) []byte {
	dst = append(dst, `"buckets":[`...)
	for i, start := range slices.Sorted(maps.Keys(g.buckets)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = fmt.Appendf(dst, `{"timestamp":%d,`, start)
		dst = append(res.appendRead(dst, g.buckets[start]), '}')
	}
	return append(dst, ']')
}
