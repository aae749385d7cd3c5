package measured

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// tagsOf reads "a=1 b=2".
func tagsOf(text string) map[string]string {
	tags := map[string]string{}
	for pair := range strings.FieldsSeq(text) {
		key, value, _ := strings.Cut(pair, "=")
		tags[key] = value
	}
	return tags
}

func TestTags(t *testing.T) {
	for name, c := range map[string]struct {
		params string
		takes  []string
		leaves []string
	}{
		"none":               {"", []string{"", "region=us-east"}, nil},
		"all":                {"tags=*", []string{"", "region=us-east"}, nil},
		"a value":            {"tags[region]=us-east", []string{"region=us-east", "region=us-east db=x"}, []string{"", "region=us-east-1", "db=us-east"}},
		"a pattern":          {"tags[region]=us-*", []string{"region=us-east", "region=us-"}, []string{"region=us", "region=eu-us-east", ""}},
		"any value":          {"tags[region]=*", []string{"region=us"}, []string{"", "db=us"}},
		"repeated is or":     {"tags[region]=us-*&tags[region]=eu", []string{"region=us-east", "region=eu"}, []string{"region=ap", ""}},
		"several are and":    {"tags[region]=us&tags[db]=*prod*", []string{"region=us db=my-prod-1"}, []string{"region=us", "db=prod", "region=us db=test"}},
		"negated":            {"tags[region]=!us*", []string{"region=eu"}, []string{"region=us", "region=us-east", ""}},
		"negated or another": {"tags[region]=!us*&tags[region]=us-east", []string{"region=eu", "region=us-east"}, []string{"region=us-west", ""}},
		"absent":             {"tags[!region]=", []string{"", "db=x"}, []string{"region=us"}},
		"absent, bare":       {"tags[!region]", []string{"", "db=x"}, []string{"region=us"}},
		"absent beside one":  {"tags[!region]&tags[db]=x", []string{"db=x"}, []string{"db=x region=us", ""}},
		"case is folded":     {"tags[Region]=US-East", []string{"region=us-east", "region=Us-east"}, nil},
		"blanks":             {"tags[city]=new%20york", []string{"city=new_york"}, []string{"city=newyork"}},
		"escaped brackets":   {"tags%5Bregion%5D=us", []string{"region=us"}, []string{"region=eu"}},
		"other parameters":   {"tagsearch=x&tag[region]=eu&tags_search=y", []string{"", "region=us"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			params, err := url.ParseQuery(c.params)
			if err != nil {
				t.Fatal(err)
			}
			f, err := ParseTags(params)
			if err != nil {
				t.Fatal(err)
			}
			for _, tags := range c.takes {
				if f != nil && !f(tagsOf(tags)) {
					t.Errorf("%q is left", tags)
				}
			}
			for _, tags := range c.leaves {
				if f == nil || f(tagsOf(tags)) {
					t.Errorf("%q is taken", tags)
				}
			}
		})
	}
}

func TestTagErrors(t *testing.T) {
	for params, want := range map[string]string{
		"tags=region":                     `tags "region"; accepted: tags=*, tags[NAME]=PATTERN`,
		"tags[region=us":                  `"tags[region"; accepted`,
		"tags[]=us":                       `"tags[]"; accepted`,
		"tags[a b]=us":                    "names of 1 to 64 of",
		"tags[" + long(65) + "]=us":       "names of 1 to 64 of",
		"tags[region]=":                   "a pattern of 1 to 256 bytes",
		"tags[region]=!":                  `tags[region] "!"; accepted`,
		"tags[region]=" + long(257):       "a pattern of 1 to 256 bytes",
		strings.Repeat("tags[a]=b&", 101): "101 conditions; accepted: at most 100",
	} {
		values, err := url.ParseQuery(params)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseTags(values); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v; want %s", params, err, want)
		}
	}
}

func long(n int) string { return strings.Repeat("x", n) }

func TestSearch(t *testing.T) {
	for text, c := range map[string]struct{ takes, leaves []string }{
		"region=us-east* and db=*prod*": {[]string{"region=us-east-1 db=a-prod-b"}, []string{"region=us-east-1", "region=us-west db=prod", "db=prod"}},
		"region=us or db=prod":          {[]string{"region=us", "db=prod"}, []string{"region=eu db=test", ""}},
		"not region=us":                 {[]string{"region=eu", "", "db=us"}, []string{"region=us"}},
		"region=* and not region=us":    {[]string{"region=eu"}, []string{"", "region=us"}},
		// and binds closer than or.
		"a=1 or b=1 and c=1":     {[]string{"a=1", "b=1 c=1"}, []string{"b=1", "c=1"}},
		"(a=1 or b=1) and c=1":   {[]string{"a=1 c=1", "b=1 c=1"}, []string{"a=1", "c=1"}},
		"not a=1 and b=1":        {[]string{"b=1", "a=2 b=1"}, []string{"a=1 b=1", "a=2"}},
		"not (a=1 and b=1)":      {[]string{"a=1", "b=1", ""}, []string{"a=1 b=1"}},
		"not not a=1":            {[]string{"a=1"}, []string{"", "a=2"}},
		"((a=1))":                {[]string{"a=1"}, []string{""}},
		"A=X AND NOT b=1 Or c=1": {[]string{"a=x", "c=1 b=1"}, []string{"a=x b=1"}},
		` a = "new york" `:       {[]string{"a=new_york"}, []string{"a=new"}},
		strings.Repeat("(not a=1) and ", 60) + "b=1": {[]string{"b=1"}, []string{"a=1 b=1"}},
		`a="x*"`:                 {[]string{"a=xy"}, []string{"a=y"}},
		"not=1 and and=2":        {[]string{"not=1 and=2"}, []string{"not=1"}},
		"a=not or a=and":         {[]string{"a=not", "a=and"}, []string{"a=1"}},
		"path=/var/log\tor\na=?": {[]string{"path=/var/log", "a=?"}, []string{"a=x"}},
	} {
		t.Run(text, func(t *testing.T) {
			f, err := ParseSearch(text)
			if err != nil {
				t.Fatal(err)
			}
			for _, tags := range c.takes {
				if !f(tagsOf(tags)) {
					t.Errorf("%q is left", tags)
				}
			}
			for _, tags := range c.leaves {
				if f(tagsOf(tags)) {
					t.Errorf("%q is taken", tags)
				}
			}
		})
	}
}

func TestSearchErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "character 1: found the end, expected a condition",
		"region":                               "character 7: found the end, expected =",
		"region us":                            `character 8: found "us", expected =`,
		"region=":                              "character 8: found the end, expected a pattern",
		"region==us":                           `character 8: found "=", expected a pattern`,
		`region=""`:                            "character 8: found \"\", expected a pattern",
		`region="us`:                           "character 8: found a quote that is not closed",
		"a=1 b=2":                              `character 5: found "b", expected and, or, or the end`,
		"a=1 and":                              "character 8: found the end, expected a condition",
		"a=1 or or b=1":                        `character 8: found "or", expected a condition`,
		"(a=1":                                 "character 5: found the end, expected and, or, or )",
		"(a=1 b=1)":                            `character 6: found "b", expected and, or, or )`,
		"a=1)":                                 `character 4: found ")"`,
		"()":                                   `character 2: found ")", expected a condition`,
		"not":                                  "character 4: found the end",
		"größe=1 x":                            `character 1: found "größe", expected a condition`,
		`a="ß" x`:                              `character 7: found "x"`,
		"a!=1":                                 `character 1: found "a!", expected a condition`,
		"a=" + long(257):                       "a pattern of 1 to 256 bytes",
		strings.Repeat("(", 51):                "character 51: found \"(\", expected at most 50 parentheses and nots",
		strings.Repeat("not ", 1000):           "character 201: found \"not\", expected at most 50",
		long(4097):                             "4097 bytes; accepted: at most 4096",
		"a=\xff":                               "is not UTF-8",
		strings.Repeat("a=1 or ", 101) + "a=1": "at most 100 conditions",
	} {
		_, err := ParseSearch(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v; want %s", text, err, want)
		}
	}
}

// A pattern matches what the regular expression matches in which each star is .*.
func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{{"a*a", "a", false}, {"a*a", "aa", true}, {"ab*ba", "aba", false}, {"*ab*ab*", "xabab", true}, {"*ab*ab*", "xab", false}, {"", "", true}, {"*", "", true}} {
		g := newGlob(c.pattern)
		if got := g.match(c.text); got != c.want {
			t.Errorf("%q matches %q: %v", c.pattern, c.text, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab*.]{0,8}`).Draw(t, "pattern")
		text := rapid.StringMatching(`[ab.]{0,10}`).Draw(t, "text")
		want := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$").MatchString(text)
		g := newGlob(pattern)
		if got := g.match(text); got != want {
			t.Fatalf("%q matches %q: %v", pattern, text, got)
		}
	})
	// What would take for ever if every way to match were tried.
	g := newGlob(strings.Repeat("a*", 128) + "b")
	if g.match(strings.Repeat("a", 10_000)) {
		t.Error("matches")
	}
}

// FuzzSearch reads any text, and reads it again with all space around its parts
// doubled.
func FuzzSearch(f *testing.F) {
	f.Add("region=us-east* and db=*prod*")
	f.Add(`not (a="x y" or not=1)`)
	f.Add("((((a=1))))")
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := ParseSearch(text)
		if err != nil {
			if len(err.Error()) > 1000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		again, err := ParseSearch(strings.ReplaceAll(" ("+text+") ", "\t", " "))
		if err != nil {
			if strings.Contains(err.Error(), "at most") {
				return
			}
			t.Fatal(err)
		}
		for _, tags := range []map[string]string{{}, {"a": "1"}, {"region": "us-east", "db": "prod"}, {"a": "x_y", "not": "1"}} {
			if filter(tags) != again(tags) {
				t.Errorf("%q in parentheses means something else for %v", text, tags)
			}
		}
	})
}
