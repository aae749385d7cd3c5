package pyre

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestErrors(t *testing.T) {
	// The source text stands at column 10.
	cases := []struct{ name, pattern, replacement, want string }{
		{"lookahead", "a(?=b)", "", "column 11: lookahead (?= does not exist in RE2"},
		{"negative lookahead", "a(?!b)", "", "column 11: lookahead (?! does not exist in RE2"},
		{"back-reference", `(.)\1`, "", `column 13: back-reference \1 does not exist in RE2`},
		{"possessive", "a*+", "", "column 12: possessive repetition *+ does not exist in RE2"},
		{"group closed twice", "a)", "", "column 11: this ) closes no group"},
		{"name twice", "(?P<a>x)(?P<a>y)", "", "column 22: group <a> is captured twice"},
		{"flag a", "(?a)x", "", "column 10: flag a is not accepted; accepted are i, m, s, u and x"},
		{"flag on and off", "(?i-i:x)", "", "column 10: malformed flags"},
		{"comment to the end", "(?x)(a # b)", "", "column 14: group ( is never closed"},
		{"too large", "(ab|cd){900}", "", "column 10: too expensive: the pattern compiles to more than 2000 instructions"},
		{"no such group", "(a)", `x\2`, "column 11: no group 2: the pattern has 1"},
		{"two digits", "(a)", `\11`, "column 10: no group 11: the pattern has 1"},
		{"no such name", "(?P<a>x)", `\g<b>`, `column 10: no group named "b" in the pattern`},
		{"no group number", "(a)", `\g<9>`, "column 10: no group 9: the pattern has 1"},
		{"odd group", "(a)", `\g<a-b>`, `column 10: group "a-b": expected a number or a name`},
		{"huge group", "(a)", `\g<99999999999>`, `column 10: group "99999999999": expected a number or a name`},
		{"no bracket", "(a)", `\g1`, `column 10: \g needs a group`},
		{"bracket open", "(a)", `\g<1`, `column 10: \g<1 is never closed`},
		{"unknown escape", "a", `\d`, `column 10: unknown escape \d in the replacement`},
		{"octal", "a", `\400`, `column 10: octal escape \400 is above \377`},
		{"backslash at the end", "a", `b\`, "column 11: backslash at the end of the replacement"},
	}
	for _, c := range cases {
		p, err := Compile(NewSource(c.pattern, 10), Options{Verbose: true})
		if err == nil {
			_, err = p.Replacement(NewSource(c.replacement, 10))
		}
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}

func TestOptions(t *testing.T) {
	names := &Names{List: []string{"first"}}
	var hints []string
	o := Options{Names: names, Noun: "field", Whole: true, Hint: func(h Hint, col int) { hints = append(hints, fmt.Sprint(h, col)) }}
	tree, err := Parse(NewSource("(a)(?P<x>b){a,b}|c|d", 5), o)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(names.List, []string{"first", "x"}) || !slices.Equal(tree.Groups, []int{1}) {
		t.Errorf("names %q, groups %v", names.List, tree.Groups)
	}
	if want := []string{fmt.Sprint(HintBraces, 16), fmt.Sprint(HintChoice, 21)}; !slices.Equal(hints, want) {
		t.Errorf("hints %q, want %q", hints, want)
	}
	if !strings.HasSuffix(tree.Text, `\z`) {
		t.Errorf("text %q does not end where the text does", tree.Text)
	}
	if _, err := Parse(NewSource("(?x)(?P<x>a)", 1), Options{}); err == nil || !strings.Contains(err.Msg, "flag x") {
		t.Errorf("flag x without Verbose: %v", err)
	}
	if _, err := Parse(NewSource("(?P<x>a)", 1), o); err == nil || err.Msg != "field <x> is captured twice" {
		t.Errorf("a name of an earlier piece: %v", err)
	}
	if tree, err = Parse(NewSource("(a)(?P<x>b)", 1), Options{Numbered: true}); err != nil || !slices.Equal(tree.Groups, []int{-1, 0}) {
		t.Errorf("numbered: %v %v", tree, err)
	}
}

// TestSizeIsAnUpperBound compares the estimate that limits patterns with what compiling gives.
func TestSizeIsAnUpperBound(t *testing.T) {
	for _, c := range pythonCases(t) {
		tree, perr := Parse(NewSource(c.Pattern, 1), Options{Verbose: true})
		if perr != nil {
			continue
		}
		prog, err := syntax.Compile(tree.Re.Simplify())
		if err != nil {
			t.Fatal(err)
		}
		// The program also has an instruction that fails and one that matches.
		if tree.Size+2 < len(prog.Inst) {
			t.Errorf("%s: estimated %d, compiled to %d", c.Pattern, tree.Size, len(prog.Inst))
		}
	}
}

func TestNeed(t *testing.T) {
	for pattern, want := range map[string]string{
		"abc":               "abc",
		"^a.bcd(ef)+g$":     "bcd",
		"(abc){2,}x":        "abc",
		"(abc){0,2}x":       "x",
		"(abc)*|x":          "",
		"(?i)abc":           "",
		`\.count$`:          ".count",
		"(?:a(?:bb(ccc)))x": "ccc",
	} {
		p, err := Compile(NewSource(pattern, 1), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if string(p.Need()) != want {
			t.Errorf("%s: got %q, want %q", pattern, p.Need(), want)
		}
	}
}

// TestSearchFrom looks from places inside a text, where positions see what stands before.
func TestSearchFrom(t *testing.T) {
	cases := []struct {
		pattern, text string
		from, lo, hi  int // lo -1: none
	}{
		{"^a", "aa", 0, 0, 1},
		{"^a", "aa", 1, -1, -1},
		{"a", "aba", 1, 2, 3},
		{"a", "aba", 4, -1, -1},
		{"a.", "ab", 4, -1, -1},
		{`\ba`, "aa", 1, -1, -1},
		{`\Ba`, "aa", 1, 1, 2},
		{"x*", "ab", 2, 2, 2},
		{".", "éa", 1, 2, 3},
	}
	var m Machine
	for _, c := range cases {
		p, err := Compile(NewSource(c.pattern, 1), Options{})
		if err != nil {
			t.Fatal(err)
		}
		lo, hi := -1, -1
		if p.Search(&m, []byte(c.text), c.from) {
			lo, hi = m.Group(0)
		}
		if lo != c.lo || hi != c.hi {
			t.Errorf("%s in %q from %d: got %d, %d, want %d, %d", c.pattern, c.text, c.from, lo, hi, c.lo, c.hi)
		}
	}
}

func TestAppendLimit(t *testing.T) {
	cases := []struct {
		pattern, replacement, text string
		want                       error
	}{
		{"a", "bb", "aaaaa", nil},
		{"a", "bbb", "aaaaa", ErrTooLong},
		{"^a", "b", "a1234567890", ErrTooLong},
		{"(.)", `\1\1\1`, "aaaa", ErrTooLong},
		{"x*", "-", "abcd", nil},
		{"x*", "-", "abcde", ErrTooLong},
		{"y", "-", "01234567890", nil},
	}
	var m Machine
	for _, c := range cases {
		_, r, perr := compile(c.pattern, c.replacement)
		if perr != nil {
			t.Fatal(perr)
		}
		out, _, err := r.Append([]byte(">"), &m, []byte(c.text), 10)
		if err != c.want || len(out) > 11 || err != nil && string(out) != ">" {
			t.Errorf("%s to %s in %q: got %q %v, want %v", c.pattern, c.replacement, c.text, out, err, c.want)
		}
	}
}

// TestAppendIsLinear would not end in hours if every match cleared or tried again what the ones before did.
func TestAppendIsLinear(t *testing.T) {
	text := []byte(strings.Repeat("ab", 1<<15))
	var m Machine
	for _, pattern := range []string{"x*", "(a|b)*?c|a", "(?:a?b?){20}c|[ab]", strings.Repeat("a?", 40) + strings.Repeat("b?", 40) + "c|b"} {
		_, r, perr := compile(pattern, "-")
		if perr != nil {
			t.Fatal(perr)
		}
		if _, found, err := r.Append(nil, &m, text, 1<<20); !found || err != nil {
			t.Errorf("%s: %v %v", pattern, found, err)
		}
	}
	m.Shrink()
	if len(m.visited) > maxScratch/8 || cap(m.jobs) > maxScratch {
		t.Errorf("%d words and %d jobs are kept", cap(m.visited), cap(m.jobs))
	}
}

// naiveAppend replaces matches as Append does, but clears the record of what was tried before each search.
func naiveAppend(r *Replacement, m *Machine, text []byte) []byte {
	p := r.pattern
	var out []byte
	s := span{hi: len(text)}
	done := 0
	for from := 0; from <= len(text); {
		p.begin(m, s)
		if !p.search(m, text, from, s) {
			break
		}
		lo, hi := m.Group(0)
		out = r.expand(append(out, text[done:lo]...), m, text, 1<<30)
		done, from, s.least = hi, hi, hi
		if lo == hi {
			s.least++
		}
	}
	return append(out, text[done:]...)
}

// FuzzPattern compares searching with the standard library where both mean the same, and replacing with a naive loop.
func FuzzPattern(f *testing.F) {
	f.Add("(a|b)+?c*|^x", `[\1]\g<0>`, "abcabx")
	f.Add(`(?x) (?P<n>\d{1,2}) \b # digits`, `\g<n>\60`, "a1.22.b")
	f.Add("(a*)*|(b|)+", "-", "aabb")
	f.Fuzz(func(t *testing.T, pattern, replacement, text string) {
		if len(pattern) > 200 || len(text) > 200 || !utf8.ValidString(text) || !utf8.ValidString(pattern) {
			return
		}
		tree, perr := Parse(NewSource(pattern, 1), Options{Numbered: true, Verbose: true})
		if perr != nil {
			return
		}
		p, perr := Compile(NewSource(pattern, 1), Options{Verbose: true})
		if perr != nil {
			t.Fatalf("parses, but does not compile: %v", perr)
		}
		var m Machine
		found := p.Search(&m, []byte(text), 0)
		ascii := strings.IndexFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
		if ascii && text != "" {
			want := regexp.MustCompile(tree.Text).FindStringSubmatchIndex(text)
			var got []int
			for g := range p.groups + 1 {
				if found {
					lo, hi := m.Group(g)
					got = append(got, lo, hi)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%q in %q: got %v, want %v", pattern, text, got, want)
			}
		}
		if found && !strings.Contains(text, string(p.Need())) {
			t.Errorf("%q matches %q without %q", pattern, text, p.Need())
		}
		r, perr := p.Replacement(NewSource(replacement, 1))
		if perr != nil {
			return
		}
		const limit = 1 << 10
		out, found, err := r.Append(nil, &m, []byte(text), limit)
		want := naiveAppend(r, &m, []byte(text))
		if errors.Is(err, ErrTooLong) != (found && len(want) > limit) || err == nil && found && string(out) != string(want) {
			t.Errorf("%q to %q in %q: got %q %v, want %q", pattern, replacement, text, out, err, want)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	text := []byte("collectd.web01_example_com.cpu-0.cpu-user.value")
	for _, c := range []struct{ name, pattern, replacement string }{
		{"text missing", `^statsd\.`, "x."},
		{"text found", `^collectd\.`, "servers."},
		{"groups", `^collectd\.([^.]+)_example_com\.`, `servers.\1.`},
		{"many matches", `_`, "."},
		{"set", `[^a-z0-9._-]+`, "_"},
		{"any case", `(?i)CPU-(\d+)`, `cpu.\1`},
	} {
		_, r, err := compile(c.pattern, c.replacement)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.name, func(b *testing.B) {
			var m Machine
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				dst, _, _ = r.Append(dst[:0], &m, text, 1000)
			}
		})
	}
}
