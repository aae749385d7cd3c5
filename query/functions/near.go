package functions

import (
	"slices"
	"strings"
)

// hint names up to three functions that are spelled like one that is unknown.
func (ev *evaluator) hint(name string) string {
	if len(name) > 64 {
		return ""
	}
	type candidate struct {
		name string
		away int
	}
	var near []candidate
	for known := range ev.functions {
		away := distance(strings.ToLower(name), strings.ToLower(known))
		if away <= max(1, len(name)/3) {
			near = append(near, candidate{known, away})
		}
	}
	if len(near) == 0 {
		return ""
	}
	slices.SortFunc(near, func(a, b candidate) int {
		if a.away != b.away {
			return a.away - b.away
		}
		return strings.Compare(a.name, b.name)
	})
	names := make([]string, 0, 3)
	for _, n := range near[:min(3, len(near))] {
		names = append(names, n.name)
	}
	return "; did you mean " + strings.Join(names, " or ") + "?"
}

// distance counts the letters to insert, delete or replace to get from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost++
			}
			before = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
