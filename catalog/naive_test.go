package catalog

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// naive is what a catalog must answer, worked out by going through all names.
type naive map[string]naiveRow

type naiveRow struct {
	e           Entry
	first, last int64
}

func (n naive) sorted(keep func(name string) bool) []string {
	var names []string
	for name := range n {
		if keep(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func isTagged(name string) bool { return strings.Contains(name, ";") }

// add follows the words of Add.
func (n naive) add(name string, e Entry, first, last int64) {
	old, ok := n[name]
	row := naiveRow{e, first, last}
	if ok {
		row.first, row.last = old.first, max(old.last, last)
		if last > 0 {
			row.first = min(old.first, first)
		}
	}
	n[name] = row
}

var bracesRE = regexp.MustCompile(`\{([^{}]*)\}`)

// expandNaive is graphite-web's expand_braces.
func expandNaive(s string) []string {
	m := bracesRE.FindStringSubmatchIndex(s)
	if m == nil {
		return []string{s}
	}
	var all []string
	for _, part := range strings.Split(s[m[2]:m[3]], ",") {
		all = append(all, expandNaive(s[:m[0]]+part+s[m[1]:])...)
	}
	return all
}

// patternRE is the regular expression for a pattern without escapes, whose sets are simple.
func patternRE(pattern string) *regexp.Regexp {
	var alts []string
	for _, text := range expandNaive(pattern) {
		re := ""
		parts := strings.Split(text, ".")
		for i, part := range parts {
			last := i == len(parts)-1
			switch {
			case part == "**" && last:
				re += `[^.]*(\.[^.]*)*`
				continue
			case part == "**":
				re += `([^.]*\.)*`
				continue
			}
			for j := 0; j < len(part); j++ {
				end := strings.IndexByte(part[min(j+2, len(part)):], ']')
				switch {
				case part[j] == '*':
					re += `[^.]*`
				case part[j] == '?':
					re += `[^.]`
				case part[j] == '[' && end >= 0:
					set := part[j+1 : j+2+end]
					if set[0] == '!' {
						set = "^" + set[1:] + "."
					}
					re += "[" + set + "]"
					j += 2 + end
				default:
					re += regexp.QuoteMeta(part[j : j+1])
				}
			}
			if !last {
				re += `\.`
			}
		}
		alts = append(alts, re)
	}
	return regexp.MustCompile("^(?s:" + strings.Join(alts, "|") + ")$")
}

func (n naive) find(pattern string, from, until int64) []Node {
	re := patternRE(pattern)
	nodes := map[string]Node{}
	for name, row := range n {
		if isTagged(name) {
			continue
		}
		in := (from == 0 || row.last == 0 || from <= row.last) && (until == 0 || row.first <= until)
		if re.MatchString(name) && in {
			node := nodes[name]
			node.Leaf = true
			nodes[name] = node
		}
		for i, c := range name {
			if c == '.' && re.MatchString(name[:i]) {
				node := nodes[name[:i]]
				node.Branch = true
				nodes[name[:i]] = node
			}
		}
	}
	var all []Node
	for _, path := range slices.Sorted(maps.Keys(nodes)) {
		node := nodes[path]
		node.Path = path
		all = append(all, node)
	}
	return all
}

// tagsOf takes a name apart; of a key the last part counts.
func tagsOf(name string) map[string]string {
	metric, rest, _ := strings.Cut(name, ";")
	tags := map[string]string{}
	for _, part := range strings.Split(rest, ";") {
		if k, v, _ := strings.Cut(part, "="); k != "" && v != "" {
			tags[k] = v
		}
	}
	tags[nameTag] = metric
	return tags
}

var exprRE = regexp.MustCompile(`^([^;!=]+)(!?=~?)([^;]*)$`) // graphite-web's

// meetsNaive tells whether the tags meet an expression.
func meetsNaive(tags map[string]string, expr string) bool {
	m := exprRE.FindStringSubmatch(expr)
	value := tags[m[1]]
	switch m[2] {
	case "=":
		return value == m[3]
	case "!=":
		return value != m[3]
	}
	re := regexp.MustCompile("^(" + m[3] + ")")
	return re.MatchString(value) == (m[2] == "=~")
}

// findSeries returns false where no expression needs a value.
func (n naive) findSeries(exprs []string) ([]string, bool) {
	all := func(name string) bool {
		return !slices.ContainsFunc(exprs, func(e string) bool { return !meetsNaive(tagsOf(name), e) })
	}
	if !slices.ContainsFunc(exprs, func(e string) bool { return !meetsNaive(nil, e) }) {
		return nil, false
	}
	return n.sorted(all), true
}

func (n naive) values(names []string, tag, prefix string) []Value {
	counts := map[string]int{}
	for _, name := range names {
		if v := tagsOf(name)[tag]; v != "" && strings.HasPrefix(v, prefix) {
			counts[v]++
		}
	}
	var values []Value
	for _, v := range slices.Sorted(maps.Keys(counts)) {
		values = append(values, Value{v, counts[v]})
	}
	return values
}

func (n naive) tags(names []string, prefix string) []string {
	tags := map[string]bool{}
	for _, name := range names {
		for k := range tagsOf(name) {
			if strings.HasPrefix(k, prefix) {
				tags[k] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(tags))
}
