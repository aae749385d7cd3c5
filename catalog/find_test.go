package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/glob"
	"github.com/google/go-cmp/cmp"

	"github.com/coalesce-metrics/coalesce/cell"
)

// hold returns a catalog with names.
func hold(tb testing.TB, names ...string) *Catalog {
	tb.Helper()
	c := New(1 << 20)
	for _, name := range names {
		if !c.Add(name, Entry{Series: name, Method: cell.Sum, Period: 60}, 0) {
			tb.Fatalf("%q was not taken", name)
		}
	}
	return c
}

// TestPatterns compares with what graphite-web 1.2.0 (match_entries, under CPython 3.11) found.
func TestPatterns(t *testing.T) {
	data, err := os.ReadFile("testdata/patterns.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Names    []string
		Patterns [][2]any
	}
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	c := hold(t, vectors.Names...)
	for _, p := range vectors.Patterns {
		want := []string{}
		for _, name := range p[1].([]any) {
			want = append(want, name.(string))
		}
		got, err := c.Leaves(p[0].(string), 0, 0, 0)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: got %q, %v, want %q", p[0], got, err, want)
		}
	}
}

func TestFind(t *testing.T) {
	names := []string{
		"a", "a.b", "a.b.c", "a.b-x.c", "a-b", "b.c", "web1.cpu.user", "web2.cpu.user", "web2.cpu.idle", "db1.cpu.user",
		"x.x", "x._.x", "x._._.x", "x.x.o", "o.x.x", "x._.x._.o", "o._.x._.x", "star*.q?", `back\slash`, "é.ü", "cpu;dc=x",
	}
	c := hold(t, names...)
	cases := []struct {
		name, pattern string
		want          string // a path is followed by ! as a leaf, by / as a branch
	}{
		{"leaf and branch", "a", "a!/"},
		{"all at the top", "*", "a!/ a-b! b/ back\\slash! db1/ o/ star*/ web1/ web2/ x/ é/"},
		{"whole name", "a.b.c", "a.b.c!"},
		{"order of bytes", "a.b*.c", "a.b-x.c! a.b.c!"},
		{"not there", "a.nope", ""},
		{"below a leaf", "a-b.c", ""},
		{"empty pattern", "", ""},
		{"empty node", "a..b", ""},
		{"dot at the end", "a.", ""},
		{"choice", "{web1,db1}.cpu.{user,idle}", "db1.cpu.user! web1.cpu.user!"},
		{"choice within a choice", "{db1,web{1,2}}.cpu", "db1.cpu/ web1.cpu/ web2.cpu/"},
		{"choice of nodes", "{web1.cpu,a}.{user,b}", "a.b!/ web1.cpu.user!"},
		{"choice with a node twice", "{a.b,a.*}", "a.b!/ a.b-x/"},
		{"set", "web[1-3].cpu.user", "web1.cpu.user! web2.cpu.user!"},
		{"other set", "web[!2].cpu.user", "web1.cpu.user!"},
		{"one character", "?.b", "a.b!/"},
		{"one character of two bytes", "?.?", "a.b!/ b.c! x._/ x.x!/ é.ü! o._/ o.x/"},
		{"any depth", "x.**.x", "x._._.x! x._.x!/ x.x!/"},
		{"any depth at the end", "x.**", "x._/ x._._/ x._._.x! x._.x!/ x._.x._/ x._.x._.o! x.x!/ x.x.o!"},
		{"any depth twice", "**.x.**.x", "o._.x._.x! o.x.x! x._._.x! x._.x!/ x.x!/"},
		{"any depth first", "**.user", "db1.cpu.user! web1.cpu.user! web2.cpu.user!"},
		{"two stars in a node", "w**1", "web1/"},
		{"star as it is", `star\*`, `star*/`},
		{"stars and more as they are", `star\*.q\?`, `star*.q?!`},
		{"backslash", `back\slash`, `back\slash!`},
		{"two backslashes", `back\\slash`, `back\slash!`},
		{"backslash before a dot", `a\.b`, "a.b!/"},
		{"set in brackets that are none", `[a\]`, ""},
		{"name with tags", "cpu;dc=x", "cpu;dc=x!"},
		{"name with tags in part", "cpu*", ""},
		{"other name with tags", "cpu;dc=*", ""},
	}
	for _, tc := range cases {
		nodes, err := c.Find(tc.pattern, 0, 0, 0)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		var got []string
		for _, n := range nodes {
			s := n.Path
			if n.Leaf {
				s += "!"
			}
			if n.Branch {
				s += "/"
			}
			got = append(got, s)
		}
		want := strings.Fields(tc.want)
		slices.SortFunc(want, func(a, b string) int { return strings.Compare(strings.TrimRight(a, "!/"), strings.TrimRight(b, "!/")) })
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q: got %q, want %q", tc.name, tc.pattern, got, want)
		}
	}
}

func TestFindTime(t *testing.T) {
	c := New(10)
	for name, span := range map[string][2]int64{
		"a.old": {100, 200}, "a.new": {300, 400}, "a.since": {0, 200}, "a.unknown": {0, 0}, "b.old.x": {100, 200}, "far": {1 << 40, 1 << 40},
	} {
		c.AddRange(name, Entry{Series: name}, span[0], span[1])
	}
	c.Add("a.new", Entry{Series: "a.new"}, 350)
	c.Add("a.new", Entry{Series: "a.new"}, 500)
	if first, last := c.Interval("a.new"); first != 300 || last != 500 {
		t.Errorf("a.new was seen %d to %d", first, last)
	}
	cases := []struct {
		name, pattern string
		from, until   int64
		want          []string
	}{
		{"no bounds", "a.*", 0, 0, []string{"a.new", "a.old", "a.since", "a.unknown"}},
		{"from the end on", "a.*", 200, 0, []string{"a.new", "a.old", "a.since", "a.unknown"}},
		{"after the end", "a.*", 201, 0, []string{"a.new", "a.unknown"}},
		{"until the beginning", "a.*", 0, 100, []string{"a.old", "a.since", "a.unknown"}},
		{"before the beginning", "a.*", 0, 99, []string{"a.since", "a.unknown"}},
		{"between", "a.*", 210, 290, []string{"a.unknown"}},
		{"branch", "b.*", 300, 0, []string{"b.old"}},
		{"beyond what is kept", "far", 1 << 35, 0, nil},
	}
	for _, tc := range cases {
		nodes, err := c.Find(tc.pattern, tc.from, tc.until, 0)
		var got []string
		for _, n := range nodes {
			got = append(got, n.Path)
		}
		if err != nil || !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %q, %v, want %q", tc.name, got, err, tc.want)
		}
	}
}

func TestPatternErrors(t *testing.T) {
	c := hold(t, "a.b")
	scattered := "["
	for r := 'Ā'; r < 'Ā'+200; r += 2 {
		scattered += string(r)
	}
	cases := []struct{ name, pattern, want string }{
		{"too long", strings.Repeat("a", MaxPattern+1), "has 16385 bytes, at most 16384"},
		{"not UTF-8", "a\xff", "is not UTF-8"},
		{"too many texts", strings.Repeat("{a,b}", 20), "too many texts"},
		{"too many alternatives", strings.Repeat("{a.b,c}", 15), "too many texts"},
		{"too many braces", strings.Repeat("{a}", 5000), "too many texts"},
		{"too deep", strings.Repeat("a.", MaxDepth) + "**", "at most 62 are accepted with **"},
		{"scattered set", scattered + "]", "100 ranges"},
	}
	for _, tc := range cases {
		nodes, err := c.Find(tc.pattern, 0, 0, 0)
		var bad *Error
		if !errors.As(err, &bad) || !strings.Contains(bad.Msg, tc.want) || nodes != nil {
			t.Errorf("%s: got %v, %v, want an error with %q", tc.name, nodes, err, tc.want)
		}
		if err != nil && len(err.Error()) > 500 {
			t.Errorf("%s: the error has %d bytes", tc.name, len(err.Error()))
		}
	}
}

func TestLimit(t *testing.T) {
	c := hold(t, "a.a", "a.b", "a.c", "b.a")
	for _, pattern := range []string{"a.*", "{a.a,a.b,a.c}", "{a.*,a.b}", "a.**"} {
		if nodes, err := c.Find(pattern, 0, 0, 3); err != nil || len(nodes) != 3 {
			t.Errorf("%s within the limit: %v, %v", pattern, nodes, err)
		}
		nodes, err := c.Find(pattern, 0, 0, 2)
		var limit *LimitError
		if !errors.As(err, &limit) || *limit != (LimitError{2, pattern}) || nodes != nil {
			t.Errorf("%s beyond the limit: %v, %v", pattern, nodes, err)
		}
		if err == nil || !strings.Contains(err.Error(), `more than 2 names match "`+pattern+`"; narrow it`) {
			t.Errorf("%s: %v", pattern, err)
		}
	}
}

// TestHostilePatterns has patterns that take matchers that go back for ever.
func TestHostilePatterns(t *testing.T) {
	long := strings.Repeat("a", 10000)
	c := hold(t, long, "x."+long, strings.Repeat("x.", 500)+"y")
	for _, pattern := range []string{
		strings.Repeat("*a", 1000) + "*b*",
		strings.Repeat("*[a-c0]", 1000) + "*b*",
		strings.Repeat("[a-c0-9]", 1000) + "b",
		"*" + strings.Repeat("[a-c0-9]", 1000) + "b*",
		"*" + strings.Repeat("?", 5000) + "b*",
		strings.Repeat("**.", 60) + "z",
		strings.Repeat("**.x.", 30) + "z",
		"{" + strings.Repeat("*a*b*,", 2000) + "}",
	} {
		if names, err := c.Leaves(pattern, 0, 0, 0); len(names) > 0 {
			t.Errorf("%s: %d names, %v", quoteShort(pattern), len(names), err)
		}
	}
}

func TestCostlyPattern(t *testing.T) {
	c := New(1 << 20)
	for i := range 1000 {
		c.Add(fmt.Sprintf("a.n%d", i), Entry{}, 0)
	}
	for _, pattern := range []string{"*.*5*", "**", "a.*[0-9]*x*", "a.{" + strings.Repeat("n,", 1000) + "*x*}", strings.Repeat("{a.n1,", 9) + "*.*5" + strings.Repeat("}", 9)} {
		f := finder{c: c, pattern: pattern, work: 500}
		nodes, err := f.find()
		var bad *Error
		if !errors.As(err, &bad) || !strings.Contains(bad.Msg, "takes too long with so many names") || nodes != nil {
			t.Errorf("%s: got %v, %v", pattern, nodes, err)
		}
	}
}

// FuzzPattern looks for names by patterns, of which those in the dialect of package glob must match as there.
func FuzzPattern(f *testing.F) {
	for _, s := range [][2]string{
		{"a.b", "a.b"}, {"a.{b,c}*", "a.cd"}, {"[a-c]?.*", "bx.y"}, {"{a.b,c}.d", "a.b.d"}, {"[!a-z0-9]*", "-é"}, {"{a,{b,}}", "a"},
		{"**.x.**", "x.y"}, {`\*[\]]`, "*]"}, {"[]-a]", "^"}, {"{[a,b]}", "a"}, {"*?*[é-ü]*", "aéb"}, {"[\U0010ffff-é", "["}, {"[!\ufffd]", "\ufffd"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		c := New(1)
		if strings.IndexByte(name, ';') >= 0 || !c.Add(name, Entry{Series: name}, 0) {
			return
		}
		quoted := strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`, "]", `\]`, "{", `\{`, "}", `\}`, ",", `\,`).Replace(name)
		if names, err := c.Leaves(quoted, 0, 0, 1); len(quoted) <= MaxPattern && strings.ToValidUTF8(name, "") == name &&
			(err != nil || !slices.Equal(names, []string{name})) {
			t.Errorf("%q does not find %q: %q, %v", quoted, name, names, err)
		}
		names, err := c.Leaves(pattern, 0, 0, 1)
		if err != nil {
			return
		}
		if strings.Trim(pattern, "abcxyz.*?{},é") != "" || strings.Count(pattern, "*") > 2 || strings.Contains(pattern, "**") || !balanced(pattern) {
			return
		}
		p, err := glob.Compile(pattern, '.')
		if err != nil {
			return
		}
		if want := p.Match(name); want != (len(names) == 1) {
			t.Errorf("%q finds %q: %v, want %v", pattern, name, !want, want)
		}
	})
}

func balanced(pattern string) bool {
	depth := 0
	for _, r := range pattern {
		switch r {
		case '{':
			depth++
		case '}':
			if depth--; depth < 0 {
				return false
			}
		}
	}
	return depth == 0
}

// TestManyNames has more names than fit a block or a batch, in one node and under one tag, and takes them away again.
func TestManyNames(t *testing.T) {
	c, n := New(1<<20), naive{}
	add := func(name string) {
		c.Add(name, Entry{Series: name}, 1)
		n.add(name, Entry{Series: name}, 1, 1)
	}
	for i := range 2500 {
		i = i * 1777 % 2500
		add(fmt.Sprintf("all.n%04d", i))
		add(fmt.Sprintf("all.n%04d-x.y", i))
		add(fmt.Sprintf("m;dc=x;host=h%04d", i))
		add(fmt.Sprintf("m%d;dc=y", i))
	}
	check := func() {
		t.Helper()
		for _, pattern := range []string{"all.*", "all.n12*", "all.*7", "all.n[0-2]?[!3-9]*.y", "all.{n0001,n0002,n2499}", "*.n14*.*", "all.n0500-x.y"} {
			got, err := c.Find(pattern, 0, 0, 0)
			if d := cmp.Diff(n.find(pattern, 0, 0), got, sameNil); err != nil || d != "" {
				t.Errorf("%s: %v\n%s", pattern, err, d)
			}
		}
		for _, exprs := range [][]string{
			{"dc=x"}, {"host=~h1"}, {"host=~.*9", "dc=x"}, {"dc!=x", "name=~m"}, {"name=~all.n1"}, {"name!=m", "dc=~."}, {"name=m", "host!=h0001"},
		} {
			got, err := c.FindSeries(t.Context(), exprs, 0)
			want, _ := n.findSeries(exprs)
			if d := cmp.Diff(want, got, sameNil); err != nil || d != "" {
				t.Errorf("%s: %v\n%s", exprs, err, d)
			}
		}
		for _, tag := range []string{"host", nameTag} {
			got, err := c.TagValues(t.Context(), tag, "h|m|a", 0)
			want := n.values(n.sorted(func(string) bool { return true }), tag, "")
			if d := cmp.Diff(want, got, sameNil); err != nil || d != "" {
				t.Errorf("%s: %v\n%s", tag, err, d)
			}
		}
		if d := cmp.Diff(n.sorted(func(name string) bool { return !isTagged(name) }), slices.Collect(c.Index), sameNil); d != "" {
			t.Errorf("Index:\n%s", d)
		}
	}
	check()
	for i, name := range n.sorted(func(string) bool { return true }) {
		if i%7 != 0 {
			c.Remove(name)
			delete(n, name)
		}
	}
	check()
	for i := range 2000 {
		add(fmt.Sprintf("m;dc=x;host=h%04d", i))
		add(fmt.Sprintf("all.n%04d", i))
	}
	check()
	for name := range n {
		c.Remove(name)
	}
	checkEmpty(t, c)
}
