package catalog

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/rules"
)

var (
	genNode = rapid.OneOf(
		rapid.SampledFrom([]string{"a", "b", "a-b", "a-", "ab", "web1", "web2", "", "a!", "x"}),
		rapid.StringMatching(`[ab]{1,3}`))
	genMetric = rapid.Custom(func(t *rapid.T) string {
		s := strings.Join(rapid.SliceOfN(genNode, 1, 4).Draw(t, "nodes"), ".")
		if s == "" {
			return "a"
		}
		return s
	})
	genTag    = rapid.SampledFrom([]string{"dc", "host", "d", "role"})
	genValue  = rapid.SampledFrom([]string{"x", "y", "xy", "web1", "web2", "a=b", "=", "a.b"})
	genTagged = rapid.Custom(func(t *rapid.T) string {
		s := genMetric.Draw(t, "metric")
		for range rapid.IntRange(1, 3).Draw(t, "tags") {
			s += ";" + genTag.Draw(t, "tag") + "=" + genValue.Draw(t, "value")
		}
		return s + rapid.SampledFrom([]string{"", "", "", ";", ";loose", ";=v", ";dc=", ";role"}).Draw(t, "end")
	})
	genName = rapid.OneOf(genMetric, genTagged)

	genPatternNode = rapid.OneOf(genNode, rapid.SampledFrom([]string{
		"*", "?", "a*", "*b", "*a*", "web?", "[ab]*", "[!b]*", "*[ab1-2]", "{a,b}", "{web1,a*}", "a{,b,{-,-b}}", "**", "{a.b,*}", "*[!-b]*", "{x",
	}))
	genPattern = rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(genPatternNode, 1, 4).Draw(t, "nodes"), ".")
	})
	genExpr = rapid.Custom(func(t *rapid.T) string {
		tag := rapid.OneOf(genTag, rapid.Just(nameTag)).Draw(t, "tag")
		op := rapid.SampledFrom([]string{"=", "!="}).Draw(t, "op")
		if rapid.Bool().Draw(t, "regexp") {
			return tag + op + "~" + rapid.SampledFrom([]string{"x", "^x", "x|y", ".*", ".+", "web[12]$", "", "a|", "(?i)X", "a.b", "a$", "^$", "(a.)?b"}).Draw(t, "re")
		}
		return tag + op + rapid.OneOf(genValue, genMetric, rapid.Just("")).Draw(t, "value")
	})
	genTime  = rapid.SampledFrom([]int64{0, 100, 150, 200, 300})
	genEntry = rapid.Custom(func(t *rapid.T) Entry {
		m, err := cell.ParseMethod(rapid.SampledFrom([]string{"sum", "max", "p99.9"}).Draw(t, "method"))
		if err != nil {
			t.Fatal(err)
		}
		return Entry{Method: m, Period: rapid.Int64Range(1, 3).Draw(t, "period"), Input: rapid.Bool().Draw(t, "input")}
	})
)

var sameNil = cmpopts.EquateEmpty()

// TestModel does to a catalog and to a list of names the same, and asks both.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const most = 30
		c, n := New(most), naive{}
		refused := uint64(0)
		anyName := func(t *rapid.T) string {
			if names := n.sorted(func(string) bool { return true }); len(names) > 0 && rapid.IntRange(0, 3).Draw(t, "known") > 0 {
				return rapid.SampledFrom(names).Draw(t, "name")
			}
			return genName.Draw(t, "name")
		}
		equal := func(t *rapid.T, what string, got, want any) {
			t.Helper()
			if d := cmp.Diff(want, got, sameNil); d != "" {
				t.Fatalf("%s (-want +got):\n%s", what, d)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				name, e := anyName(t), genEntry.Draw(t, "entry")
				e.Series = rapid.SampledFrom([]string{name, name, "other", "o\x00ther", strings.Replace(name, "a", "\x00", 1), ""}).Draw(t, "series")
				first, last := genTime.Draw(t, "first"), genTime.Draw(t, "last")
				if first > last && last != 0 {
					first = last
				}
				_, known := n[name]
				ok := known || len(n) < most
				if got := c.AddRange(name, e, first, last); got != ok {
					t.Fatalf("AddRange(%q): %v, want %v", name, got, ok)
				}
				if ok {
					n.add(name, e, first, last)
				} else {
					refused++
				}
			},
			"addRow": func(t *rapid.T) {
				e := genEntry.Draw(t, "entry")
				e.Series = genMetric.Draw(t, "before") + ".\x00" + rapid.SampledFrom([]string{"", ".b", ".\x00"}).Draw(t, "after")
				name := string(rules.AppendRow(nil, []byte(e.Series), e.Method))
				seen := genTime.Draw(t, "seen")
				if c.Add(name, e, seen) {
					n.add(name, e, seen, seen)
				} else {
					refused++
				}
			},
			"remove": func(t *rapid.T) {
				name := anyName(t)
				c.Remove(name)
				delete(n, name)
			},
			"get": func(t *rapid.T) {
				name := anyName(t)
				e, ok := c.Get(name)
				first, last := c.Interval(name)
				want, known := n[name]
				equal(t, "Get "+name, []any{e, ok, first, last}, []any{want.e, known, want.first, want.last})
			},
			"find": func(t *rapid.T) {
				pattern, from, until := genPattern.Draw(t, "pattern"), genTime.Draw(t, "from"), genTime.Draw(t, "until")
				want := n.find(pattern, from, until)
				got, err := c.Find(pattern, from, until, 0)
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "Find "+pattern, got, want)
				limit := rapid.IntRange(1, 5).Draw(t, "limit")
				got, err = c.Find(pattern, from, until, limit)
				if limited := (*LimitError)(nil); errors.As(err, &limited) != (len(want) > limit) {
					t.Fatalf("Find %q with limit %d: %d nodes, %v", pattern, limit, len(got), err)
				}
				var leaves []string
				for _, node := range want {
					if node.Leaf {
						leaves = append(leaves, node.Path)
					}
				}
				names, err := c.Leaves(pattern, from, until, 0)
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "Leaves "+pattern, names, leaves)
			},
			"series": func(t *rapid.T) {
				exprs := rapid.SliceOfN(genExpr, 1, 3).Draw(t, "exprs")
				want, valid := n.findSeries(exprs)
				got, err := c.FindSeries(t.Context(), exprs, 0)
				if bad := (*Error)(nil); errors.As(err, &bad) == valid {
					t.Fatalf("FindSeries %q: %v", exprs, err)
				}
				equal(t, "FindSeries "+strings.Join(exprs, " "), got, want)
				if !valid {
					return
				}
				limit := rapid.IntRange(1, 5).Draw(t, "limit")
				if _, err = c.FindSeries(t.Context(), exprs, limit); (err != nil) != (len(want) > limit) {
					t.Fatalf("FindSeries %q with limit %d: %v", exprs, limit, err)
				}
				prefix := rapid.SampledFrom([]string{"", "d", "n", "x"}).Draw(t, "prefix")
				tags, err := c.CompleteTags(t.Context(), exprs, prefix, limit)
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "CompleteTags", tags, cut(slices.DeleteFunc(n.tags(want, prefix), func(tag string) bool {
					return slices.ContainsFunc(exprs, func(e string) bool { return exprRE.FindStringSubmatch(e)[1] == tag })
				}), limit))
				tag := rapid.SampledFrom([]string{"dc", "host", nameTag}).Draw(t, "tag")
				values, err := c.CompleteValues(t.Context(), exprs, tag, prefix, limit)
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "CompleteValues", values, cut(plainValues(n.values(want, tag, prefix)), limit))
			},
			"lists": func(t *rapid.T) {
				all := n.sorted(func(string) bool { return true })
				limit := rapid.IntRange(0, 5).Draw(t, "limit")
				prefix := rapid.SampledFrom([]string{"", "a", "d", "n", "x"}).Draw(t, "prefix")
				tags, err := c.Tags(t.Context(), prefix, limit)
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "Tags", tags, cut(n.tags(all, prefix), limit))
				tags, _ = c.CompleteTags(t.Context(), nil, prefix, limit)
				equal(t, "CompleteTags", tags, cut(n.tags(all, prefix), limit))
				tag := rapid.SampledFrom([]string{"dc", "role", nameTag}).Draw(t, "tag")
				values, err := c.TagValues(t.Context(), tag, prefix, limit)
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "TagValues", values, cut(n.values(all, tag, prefix), limit))
				completed, _ := c.CompleteValues(t.Context(), nil, tag, prefix, limit)
				equal(t, "CompleteValues", completed, cut(plainValues(n.values(all, tag, prefix)), limit))
				metric, _, _ := strings.Cut(anyName(t), ";")
				equal(t, "ByName "+metric, c.ByName(metric), n.sorted(func(name string) bool { return tagsOf(name)[nameTag] == metric }))
			},
			"": func(t *rapid.T) {
				equal(t, "Index", slices.Collect(c.Index), n.sorted(func(name string) bool { return !isTagged(name) }))
				equal(t, "Len", []any{c.Len(), c.Refused()}, []any{len(n), refused})
				low := genName.Draw(t, "low")
				equal(t, "batch from "+low, c.batch(make([]string, 0, 3), "", low),
					cut(n.sorted(func(name string) bool { return !isTagged(name) && name >= low }), 3))
			},
		})
		for name := range n {
			c.Remove(name)
		}
		checkEmpty(t, c)
	})
}

func plainValues(values []Value) []string {
	var texts []string
	for _, v := range values {
		texts = append(texts, v.Value)
	}
	return texts
}

// checkEmpty checks that nothing is left where there is no name.
func checkEmpty(t interface{ Fatalf(string, ...any) }, c *Catalog) {
	used := map[string]int{
		"rows": int(c.rows.next) - len(c.rows.free), "names": c.names.n, "labels": int(c.labels.next) - len(c.labels.free), "texts": c.texts.n,
		"nodes": int(c.nodes.next) - len(c.nodes.free) - 1, "dirs": int(c.dirs.next) - len(c.dirs.free), "kids": int(c.nodes.at(c.root).kids),
		"pairs": int(c.pairs.next) - len(c.pairs.free), "tags": len(c.tags), "loose": c.loose.values.len(),
	}
	for what, n := range used {
		if n != 0 {
			t.Fatalf("%d %s are left: %v", n, what, used)
		}
	}
}
