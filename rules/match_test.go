package rules

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/pyre"
)

// naiveRule matches by the standard library's regexp over whole texts, with none of the index.
type naiveRule struct {
	rule   *Rule
	name   *regexp.Regexp
	values map[string]*regexp.Regexp // by tag key; nil: the name is the whole series
	groups map[*regexp.Regexp][]int
}

func naive(r *Rule) *naiveRule {
	n := &naiveRule{rule: r, groups: map[*regexp.Regexp][]int{}}
	fields := &pyre.Names{}
	compile := func(s pyre.Source, format string) *regexp.Regexp {
		tree, err := pyre.Parse(s, pyre.Options{Names: fields})
		if err != nil {
			panic(err)
		}
		re := regexp.MustCompile(fmt.Sprintf(format, tree.Text))
		n.groups[re] = tree.Groups
		return re
	}
	quiet := func(int, string) {}
	name, tags, tagged := strings.Cut(r.Pattern, ";")
	n.name = compile(nameSource([]rune(name), quiet), `\A(?:%s)`)
	if tagged {
		n.values = map[string]*regexp.Regexp{}
		for tag := range strings.SplitSeq(tags, ";") {
			key, value, _ := strings.Cut(tag, "=")
			n.values[key] = compile(valueSource([]rune(value), 1), `\A(?:%s)\z`)
		}
	}
	return n
}

// match returns the output for name, or false.
func (n *naiveRule) match(name string) (string, bool) {
	values := map[int]string{}
	take := func(re *regexp.Regexp, text string) bool {
		at := re.FindStringSubmatchIndex(text)
		for i, field := range n.groups[re] {
			if at != nil && at[2*i+2] >= 0 {
				values[field] = text[at[2*i+2]:at[2*i+3]]
			}
		}
		return at != nil
	}
	if n.values != nil {
		head, rest, tagged := strings.Cut(name, ";")
		tags := map[string]string{}
		for tag := range strings.SplitSeq(rest, ";") {
			if key, value, ok := strings.Cut(tag, "="); ok && tagged {
				tags[key] = value
			}
		}
		for key, re := range n.values {
			value, ok := tags[key]
			if !ok || !take(re, value) {
				return "", false
			}
		}
		name = head
	}
	if !take(n.name, name) {
		return "", false
	}
	out := n.rule.Output
	for i, f := range n.rule.Fields {
		value, ok := values[i]
		if !ok {
			value = "None"
		}
		out = strings.ReplaceAll(out, "<"+f+">", value)
	}
	return out, true
}

// generator makes rules and names out of few characters, so that they often meet.
type generator struct {
	*rand.Rand
	fields int
	// narrow makes patterns with few nodes, so that many meet at one node of the index.
	narrow bool
}

func (g *generator) pick(from ...string) string { return from[g.IntN(len(from))] }

func (g *generator) word() string {
	var b strings.Builder
	for range 1 + g.IntN(2) {
		b.WriteString(g.pick("a", "b", "1", "a", "b", "1", "abab1", "1aab", "abab"))
	}
	return b.String()
}

func (g *generator) field(open, end string) string {
	g.fields++
	return fmt.Sprintf("%sf%d%s", open, g.fields, end)
}

func (g *generator) node() string {
	switch g.IntN(14) {
	case 12:
		return "*" + g.word() + "*"
	case 13:
		return g.regex() + g.word() + g.regex()
	case 0, 1:
		return "*"
	case 2, 3:
		return g.field("<", ">")
	case 4:
		return g.field("<<", ">>")
	case 5:
		return g.pick("", "a", "b") + g.field("<", ">") + g.pick("", "a", "1")
	case 6:
		return g.pick("", "a", "b") + g.field("<<", ">>") + g.pick("", "a", "1")
	case 7:
		return g.pick("a*", "*b", "a*b", "*a*", "**", "1*a*")
	case 8:
		return g.regex() + g.field("<", ">") + g.regex()
	case 9:
		return g.regex() + g.word()
	}
	return g.word()
}

func (g *generator) regex() string {
	return g.pick("", "", "a?", "b+", `\d`, "[ab]", "[^a]", "(a|b1)", "(a|)", `\S`, "a{1,2}", "?", "(a", "b)", "|", "$", "^", `\b`, "*", "(?i:A)", "(ab|a)")
}

func (g *generator) rule() string {
	g.fields = 0
	nodes := []string{g.node()}
	for range g.IntN(4) {
		nodes = append(nodes, g.node())
	}
	switch {
	case g.narrow && g.IntN(3) == 0:
		nodes = []string{g.field("<<", ">>"), g.word(), g.field("<<", ">>")}
	case g.narrow:
		nodes = nodes[:1]
	}
	pattern := strings.Join(nodes, ".")
	if g.IntN(4) == 0 {
		keys := []string{"k", "l", "m"}
		g.Shuffle(3, func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		for _, key := range keys[:1+g.IntN(2)] {
			pattern += ";" + key + "=" + g.pick("a", "b", "a.b", "*", "a*", g.field("<", ">"), "a"+g.field("<", ">"), "a|b", g.regex()+"1")
		}
	}
	output := "o"
	for i := range g.fields {
		if field := fmt.Sprintf("<f%d>", i+1); strings.Contains(pattern, field) {
			output += "." + field
		}
	}
	return output + " (10) = sum " + pattern
}

func (g *generator) name() string {
	var nodes []string
	most := 5
	if g.narrow {
		most = 3
	}
	for range 1 + g.IntN(most) {
		nodes = append(nodes, g.pick("", g.word(), g.word(), g.word()+g.word()))
	}
	name := strings.Join(nodes, ".")
	for range g.IntN(4) * g.IntN(2) {
		name += ";" + g.pick("k", "l", "m", "k") + g.pick("=", "=", "=", "") + g.pick("a", "b", "a.b", "1", "a1", "b1", "", "=a")
	}
	return name
}

// checkIndex compares the index with trying every rule alone.
func checkIndex(t *testing.T, seed uint64) (matches int) {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 1)), narrow: seed%2 == 0}
	var text strings.Builder
	for range 1 + g.IntN(80) {
		text.WriteString(g.rule() + "\n")
	}
	list, _ := Parse("f", []byte(text.String()), Options{})
	var naives []*naiveRule
	for _, r := range list {
		naives = append(naives, naive(r))
	}
	set := NewSet(list)
	var m Matcher
	for range 60 {
		name := g.name()
		var want []string
		for i, n := range naives {
			if out, ok := n.match(name); ok {
				want = append(want, fmt.Sprintf("%d %s", i, out))
			}
		}
		var got []string
		for _, match := range set.Match(&m, []byte(name)) {
			got = append(got, fmt.Sprintf("%d %s", match.Pos, match.Output))
			if match.Rule != set.Rules()[match.Pos] {
				t.Fatalf("seed %d: rule and position disagree", seed)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d, name %q\nindex: %q\nalone: %q\nrules:\n%s", seed, name, got, want, ids(list))
		}
		if set.Any(&m, []byte(name)) != (len(want) > 0) {
			t.Fatalf("seed %d, name %q: Any disagrees with Match", seed, name)
		}
		matches += len(want)
	}
	return matches
}

func ids(list []*Rule) string {
	var b strings.Builder
	for i, r := range list {
		fmt.Fprintf(&b, "%d: %s\n", i, r.ID)
	}
	return b.String()
}

func TestIndexAgainstEveryRule(t *testing.T) {
	matches := 0
	for seed := range uint64(150) {
		matches += checkIndex(t, seed)
	}
	if matches < 10_000 {
		t.Errorf("only %d matches: the names and rules hardly meet", matches)
	}
}

func FuzzIndexAgainstEveryRule(f *testing.F) {
	f.Add(uint64(1000))
	f.Fuzz(func(t *testing.T, seed uint64) { checkIndex(t, seed) })
}

func mustParse(t testing.TB, text string, o Options) []*Rule {
	t.Helper()
	list, diags := Parse("f", []byte(text), o)
	for _, d := range diags {
		if !d.Warning {
			t.Fatal(d)
		}
	}
	return list
}

func outputs(matches []Match) []string {
	out := []string{}
	for _, m := range matches {
		out = append(out, string(m.Output))
	}
	return out
}

func TestMatch(t *testing.T) {
	const tags = "t.<m>.<h> (10) = sum <m>;host=<h>;dc=e*"
	long := strings.Repeat("a", MaxName)
	manyTags := "cpu;host=a;dc=e" + strings.Repeat(";x=1", MaxTags)
	cases := []struct {
		name, rules, metric string
		prefix              string
		want                []string
	}{
		{"all rules in file order", "c (10) = sum *\nb (10) = max <x>\na (10) = min x", "x", "", []string{"c", "b", "a"}},
		{"method in the output", "t.<method> (10) = p99.9 a", "a", "", []string{"t.p999"}},
		{"several methods", "t.<method>.<method> (10) = sum,p99 a", "a", "", []string{"t.\x00.\x00"}},
		{"captured field named method", "t.<method> (10) = sum a.<method>", "a.get", "", []string{"t.get"}},
		{"prefix added", "t (10) = sum a", "a", "aggregates.", []string{"aggregates.t"}},
		{"prefix not doubled", "aggregates.t (10) = sum a", "a", "aggregates.", []string{"aggregates.t"}},
		{"dot added to the prefix", "t (10) = sum a", "a", "agg", []string{"agg.t"}},
		{"prefix on a tagged output", "t;h=<x> (10) = sum a;h=<x>", "a;h=1", "agg.", []string{"agg.t;h=1"}},
		{"tags in any order, others ignored", tags, "cpu;dc=eu;a=1;host=b.c", "", []string{"t.cpu.b.c"}},
		{"a tag is missing", tags, "cpu;host=b", "", []string{}},
		{"a tag has another value", tags, "cpu;dc=us;host=b", "", []string{}},
		{"no tags", tags, "cpu", "", []string{}},
		{"empty tag value", tags, "cpu;dc=eu;host=", "", []string{}},
		{"of repeated tags the last counts", tags, "cpu;host=a;dc=us;dc=eu;host=b", "", []string{"t.cpu.b"}},
		{"part without = is no tag", tags, "cpu;host=a;host;dc=e", "", []string{"t.cpu.a"}},
		{"too many tags", tags, manyTags, "", []string{}},
		{"value with =", "t.<h> (10) = sum a;h=<h>", "a;h=b=c", "", []string{"t.b=c"}},
		{"dot in a value pattern is a dot", "t (10) = sum a;h=b.c", "a;h=bxc", "", []string{}},
		{"escaped dot in a value pattern", `t (10) = sum a;h=b\.c`, "a;h=b.c", "", []string{"t"}},
		{"alternatives in a value are anchored", `t (10) = sum a;h=b|c`, "a;h=bx", "", []string{}},
		{"percent sign", "t.100%% (10) = sum a", "a", "", []string{"t.100%"}},
		{"name with a line feed", "t (10) = sum <<x>>", "a\n", "", []string{}},
		{"name with NUL", "t (10) = sum <x>", "a\x00", "", []string{}},
		{"name that is no UTF-8", "t (10) = sum <x>", "a\xff", "", []string{}},
		{"longest name", "t (10) = sum *", long, "", []string{"t"}},
		{"output too long", "t.<x><x> (10) = sum <x>\nt (10) = sum *", long, "", []string{"t"}},
		{"name too long", "t (10) = sum *", long + "a", "", []string{}},
		{"word boundary beyond ASCII", `t (10) = sum a\bé`, "aé", "", []string{}},
		{"options after the pattern", "t (10) = sum a=b keep=3", "a=b", "", []string{"t"}},
		{"no rules", "", "a", "", []string{}},
	}
	var m Matcher
	for _, c := range cases {
		set := NewSet(mustParse(t, c.rules, Options{Prefix: c.prefix}))
		if got := outputs(set.Match(&m, []byte(c.metric))); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestAppendRow(t *testing.T) {
	m, err := cell.ParseMethod("p99.9")
	if err != nil {
		t.Fatal(err)
	}
	dst := AppendRow([]byte("> "), []byte("a.\x00.b.\x00"), m)
	if want := "> a.p999.b.p999"; string(dst) != want {
		t.Errorf("got %q, want %q", dst, want)
	}
	if dst = AppendRow(nil, []byte("a.b"), m); !bytes.Equal(dst, []byte("a.b")) {
		t.Errorf("got %q, want a.b", dst)
	}
}

func TestFields(t *testing.T) {
	r := mustParse(t, `t.<a> (10) = sum <a>.<b>\d.x<c>*.<<d>>;host=<e>`, Options{})[0]
	got, ok := Fields(r, []byte("p.q1.x.r.s;dc=1;host=h"))
	want := map[string]string{"a": "p", "b": "q", "c": "None", "d": "r.s", "e": "h"}
	if !ok || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v %v, want %v", got, ok, want)
	}
	if got, ok := Fields(r, []byte("p")); ok {
		t.Errorf("got %v for a name that does not match", got)
	}
}

// TestMatchAllocations matches names of every kind of pattern.
func TestMatchAllocations(t *testing.T) {
	set := NewSet(mustParse(t, strings.Join([]string{
		"<env>.all (10) = sum <env>.app.*.count",
		"<x>.g (10) = sum prod.<<x>>.count",
		`<d>.r (10) = sum prod.app.<d>\d{2}.count`,
		`<x>.s (10) = sum prod.<<x>>.mid.<<y>>`,
		`s (10) = sum prod.\S+`,
		"<h>.t.<method> (10) = sum,p99 prod.app.www01.count;host=<h>;dc=*",
		"<h>.v (10) = sum prod.app.www01.count;averylongkeythatexceedsthirtytwobytes=x<h>",
	}, "\n"), Options{Prefix: "aggregates"}))
	names := [][]byte{
		[]byte("prod.app.www01.count"),
		[]byte("prod.app.www01.count;averylongkeythatexceedsthirtytwobytes=xlonglonglonglonglonglonglong;dc=eu;host=a"),
		[]byte("prod.a.mid.b"),
		[]byte("none"),
	}
	var m Matcher
	total := 0
	run := func() {
		for _, name := range names {
			total += len(set.Match(&m, name))
			set.Any(&m, name)
		}
	}
	run()
	if total != 9 {
		t.Fatalf("%d matches, want 9", total)
	}
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
