package rules

// Delta is what a reload changes.
type Delta struct {
	// Merged is the new list in its order. A rule that was there before is the old *Rule, so that pointers to it stay
	// good; its File, Line and Text are those of its first loading, those of new[i] are current.
	Merged []*Rule

	Added     []*Rule // from the new list
	Removed   []*Rule // from the old list
	Unchanged []*Rule // from the old list, in new order

	// Reordered tells that rules in Unchanged stand in another order than before, by which the first of two that
	// give one output may have become another.
	Reordered bool
}

// Diff compares two rule lists by ID. A rule that stands in a list several times is as many rules.
func Diff(old, new []*Rule) Delta {
	places := make(map[string][]int, len(old)) // ID to indexes in old, first first
	for i, r := range old {
		places[r.ID] = append(places[r.ID], i)
	}
	var d Delta
	kept := make([]bool, len(old))
	last := -1
	for _, r := range new {
		p := places[r.ID]
		if len(p) == 0 {
			d.Merged, d.Added = append(d.Merged, r), append(d.Added, r)
			continue
		}
		i := p[0]
		places[r.ID] = p[1:]
		kept[i] = true
		d.Reordered = d.Reordered || i < last
		last = max(last, i)
		d.Merged, d.Unchanged = append(d.Merged, old[i]), append(d.Unchanged, old[i])
	}
	for i, r := range old {
		if !kept[i] {
			d.Removed = append(d.Removed, r)
		}
	}
	return d
}
