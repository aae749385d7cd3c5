package naming

import (
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/coalesce-metrics/coalesce/pyre"
	"github.com/coalesce-metrics/coalesce/rules"
)

// checkDiags compares diagnostics with "LINE:COL: [warning: ]" and the start of the message.
func checkDiags(t *testing.T, name string, diags []rules.Diagnostic, want []string) {
	t.Helper()
	for i, d := range diags {
		text := fmt.Sprintf("%d:%d: %s", d.Line, d.Col, d.Msg)
		if d.Warning {
			text = fmt.Sprintf("%d:%d: warning: %s", d.Line, d.Col, d.Msg)
		}
		if d.File != "f" || i >= len(want) || !strings.HasPrefix(text, want[i]) {
			t.Errorf("%s: got %q, want %q", name, text, want)
		}
	}
	if len(diags) < len(want) {
		t.Errorf("%s: got %d diagnostics, want %q", name, len(diags), want)
	}
}

func TestRewriteDiagnostics(t *testing.T) {
	cases := []struct {
		name, text string
		pre, post  int
		want       []string
	}{
		{"comments and blank lines", "\ufeff# a = b\r\n\r\n[pre]\r\n  # a = b\ra = b\n", 1, 0, nil},
		{"sections in any case", "[PRE]\na=b\n[Post]\na=b\nb=c", 1, 2, nil},
		{"bad expression", "[pre]\n é = x\n (bad = x\ngood = ok", 2, 0, []string{"3:2: group ( is never closed"}},
		{"lookahead", "[pre]\na(?!b) = X", 0, 0, []string{"2:2: lookahead (?! does not exist"}},
		{"= in the pattern", "[pre]\na(?=b) = X", 0, 0, []string{"2:2: group (? is never closed", "2:4: warning: the pattern ends at the first ="}},
		{"unknown group", "[pre]\n é =  x\\2", 0, 0, []string{"2:8: no group 2"}},
		{"unknown escape", "[pre]\na = \\d", 0, 0, []string{"2:5: unknown escape \\d"}},
		{"no rule", "[pre]\n  a b", 0, 0, []string{"2:3: no = in the line"}},
		{"heading again", "[pre]\na = b\n[post]\n[pre]\nc = d", 1, 0, []string{"4:1: warning: heading [pre] comes again and discards the 1 rules"}},
		{"unknown heading", "[pre]\na = b\n[ post ]\na = (", 1, 0, []string{"3:1: warning: the rules under heading [ post ] are never used"}},
		{"rule that is a heading", "[pre]\n[a] = [b]\na = b", 0, 0, []string{"2:1: warning: the rules under heading [a] = [b] are never used: expected [pre] or [post] without blanks inside; a line from [ to ]"}},
		{"before any heading", "a = b\nc = d\n[pre]", 0, 0, []string{"1:1: warning: rules before the first heading are never used"}},
		{"comment behind", "[pre]\na = b # c", 1, 0, []string{"2:6: warning: blank in the replacement"}},
		{"braces", "[pre]\nx{a,b} = b", 1, 0, []string{"2:2: warning: {a,b} is plain text"}},
		{"no UTF-8", "[pre]\na = \xff\nb = c", 1, 0, []string{"2:0: NUL or a byte that is not UTF-8"}},
		{"long line", "[pre]\na = " + strings.Repeat("b", MaxLine), 0, 0, []string{"2:0: the line has 4100 bytes, more than the 4096"}},
		{"many rules", "[pre]\n" + strings.Repeat("a = b\n", MaxRewrites+2), MaxRewrites, 0, []string{"1002:0: more than the 1000 rules in a section"}},
	}
	for _, c := range cases {
		rw, diags := ParseRewrites("f", []byte(c.text))
		checkDiags(t, c.name, diags, c.want)
		if pre, post := rw.Len(); pre != c.pre || post != c.post {
			t.Errorf("%s: got %d and %d rules, want %d and %d", c.name, pre, post, c.pre, c.post)
		}
	}
	if _, diags := ParseRewrites("f", []byte(strings.Repeat("bad\n", MaxDiagnostics+5))); len(diags) != MaxDiagnostics {
		t.Errorf("%d diagnostics", len(diags))
	}
	if pre, post := (*Rewrites)(nil).Len(); pre+post != 0 {
		t.Error("no rewrites have rules")
	}
}

func TestListDiagnostics(t *testing.T) {
	cases := []struct {
		name, text string
		syntax     Syntax
		n          int
		want       []string
	}{
		{"comment in the first column only", "# a\n # b\na # c", Regexps, 2, []string{"2:2: warning: a pattern that begins with #"}},
		{"bad expression", "ok\n  a.(b", Regexps, 1, []string{"2:5: group ( is never closed"}},
		{"glob set open", "a.[b", Globs, 0, []string{"1:3: set [ is never closed"}},
		{"glob range reversed", "a.[z-a]", Globs, 0, []string{"1:4: bad range"}},
		{"glob choice open", " a.{b,c", Globs, 0, []string{"1:8: choice { is never closed"}},
		{"glob backslash", `a\`, Globs, 0, []string{"1:2: backslash at the end"}},
		{"many patterns", strings.Repeat("a\n", MaxPatterns+2), Regexps, MaxPatterns, []string{"10001:0: more than the 10000 patterns"}},
	}
	for _, c := range cases {
		l, diags := ParseList("f", []byte(c.text), c.syntax)
		checkDiags(t, c.name, diags, c.want)
		if l.Len() != c.n {
			t.Errorf("%s: %d patterns, want %d", c.name, l.Len(), c.n)
		}
	}
}

func TestGlobs(t *testing.T) {
	cases := []struct {
		glob    string
		yes, no []string
	}{
		{"a.*.c", []string{"a.b.c", "a..c"}, []string{"a.b.b.c", "xa.b.c", "a.b.cx"}},
		{"a.**.c", []string{"a.b.c", "a.b.b.c"}, []string{"a.c"}},
		{"**", []string{"a", "a.b", ""}, nil},
		{"a?c", []string{"abc", "aéc"}, []string{"a.c", "ac"}},
		{"[a-c]x[!0-9]", []string{"axa", "cx-"}, []string{"dxa", "ax1"}},
		{"[!!]", []string{"a"}, []string{"!"}},
		{"[[!^]", []string{"[", "!", "^"}, []string{"a"}},
		{"{a,b.{c,d}}.x", []string{"a.x", "b.c.x", "b.d.x"}, []string{"b.x", "c.x"}},
		{`a\*\{b,c}+(|)$`, []string{"a*{b,c}+(|)$"}, []string{"ab"}},
		{"a.b", []string{"a.b"}, []string{"axb"}},
	}
	var s Scratch
	for _, c := range cases {
		l := list(t, Globs, c.glob)
		for want, names := range map[bool][]string{true: c.yes, false: c.no} {
			for _, name := range names {
				if l.Match([]byte(name), &s) != want {
					t.Errorf("%s on %q: want %v", c.glob, name, want)
				}
			}
		}
	}
}

// TestGlobsAgainstPath compares with the standard library's patterns, whose separator is /.
func TestGlobsAgainstPath(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	word := func(from ...string) string {
		var b strings.Builder
		for range 1 + r.IntN(6) {
			b.WriteString(from[r.IntN(len(from))])
		}
		return b.String()
	}
	var s Scratch
	matches := 0
	for range 5000 {
		glob := strings.ReplaceAll(word("a", "b", ".", "*", "?", "[ab]", "[!a.]", `\*`, "{", "é")+"", "**", "*")
		name := word("a", "b", ".", "*", "{", "é")
		model := strings.NewReplacer(".", "/", "[!a.]", "[^a/]", "{", `\{`).Replace(glob)
		want, err := path.Match(model, strings.ReplaceAll(name, ".", "/"))
		if err != nil {
			t.Fatal(err)
		}
		l := list(t, Globs, strings.ReplaceAll(glob, "{", `\{`))
		if got := l.Match([]byte(name), &s); got != want {
			t.Errorf("%s on %s: got %v, want %v", glob, name, got, want)
		}
		if want {
			matches++
		}
	}
	if matches < 100 {
		t.Errorf("only %d matches", matches)
	}
}

// FuzzFiles reads arbitrary files and sends a name through them.
func FuzzFiles(f *testing.F) {
	f.Add("[pre]\n(a)|b* = \\1x\n[post]\n^ = x", "a.b\n#c\n[a-c]{2}x", "abcd;k=v")
	f.Add("[pre]\na=\\g<0>\\g<0>\na=\\g<0>\\g<0>", "*.x\n{a,b}", `ab{c="d"}`)
	f.Fuzz(func(t *testing.T, rewriteFile, listFile, name string) {
		if len(rewriteFile) > 300 || len(listFile) > 300 || len(name) > 300 {
			return
		}
		var s Scratch
		rw, _ := ParseRewrites("f", []byte(rewriteFile))
		deny, _ := ParseList("f", []byte(listFile), Regexps)
		allow, _ := ParseList("f", []byte(listFile), Globs)
		for _, p := range []*Policy{{Rewrites: rw, Normalise: true}, {Deny: deny, Rewrites: rw}, {Allow: allow, Normalise: true}} {
			in := []byte(name)
			d := p.Decide(in, &s)
			if string(in) != name {
				t.Fatalf("%q was changed to %q", name, in)
			}
			if (d.Name == nil) == (d.Dropped == Kept) {
				t.Fatalf("%q: name %q, dropped %v", name, d.Name, d.Dropped)
			}
			if d.Name != nil {
				checkName(t, d.Name)
				if out := p.Post(d.Name, &s); out.Name != nil {
					checkName(t, out.Name)
				}
			}
		}
	})
}

func checkName(t *testing.T, name []byte) {
	t.Helper()
	fields := strings.FieldsFunc(string(name), pyre.IsSpace)
	if len(name) > MaxName || !utf8.Valid(name) || len(fields) != 1 || fields[0] != string(name) {
		t.Errorf("%.200q is no name", name)
	}
}

// FuzzList compares the index of a list with trying every pattern.
func FuzzList(f *testing.F) {
	f.Add("abcd\nbcde.\nx.*abcdef\n[a-z]\n", "xxabcdabcdef")
	f.Add("aaaaab\naaaac\n", "aaaaaaaaac")
	f.Fuzz(func(t *testing.T, text, name string) {
		if len(text) > 1000 || len(name) > 300 || !utf8.ValidString(name) {
			return
		}
		l, _ := ParseList("f", []byte(text), Regexps)
		var s Scratch
		want := false
		for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
			alone, _ := ParseList("f", []byte(line), Regexps)
			for _, p := range alone.all() {
				want = want || p.re.Search(&s.vm, []byte(name), 0)
			}
		}
		if got := l.Match([]byte(name), &s); got != want {
			t.Errorf("%q on %q: got %v, want %v", text, name, got, want)
		}
	})
}

// all returns the patterns in no order.
func (l *List) all() []*pattern {
	out := append([]*pattern(nil), l.rest...)
	for _, list := range l.grams {
		for _, f := range list {
			out = append(out, f.p)
		}
	}
	return out
}
