package whisper

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestReadRulesErrors(t *testing.T) {
	good := file(t, schemas)
	missing := filepath.Join(t.TempDir(), "none.conf")
	section := func(retentions string) string {
		return file(t, "# s\n[s]\npattern = .*\nretentions = "+retentions+"\n")
	}
	rollup := func(text string) string { return file(t, "[x]\npattern = .\n"+text+"\n") }
	for name, tt := range map[string]struct {
		schemas, aggregation string
		line                 int
		want                 string
	}{
		"missing schemas":       {missing, "", 0, "no such file"},
		"missing aggregation":   {good, missing, 0, "no such file"},
		"directory":             {t.TempDir(), "", 0, "is a directory"},
		"huge":                  {file(t, strings.Repeat("#\n", maxConf)), "", 0, "larger than"},
		"empty schemas":         {file(t, "\n# nothing\n; here\n"), "", 0, "no section"},
		"no section":            {file(t, "pattern = x\n"), "", 1, "before the first heading"},
		"cut section":           {file(t, "\n[x\n"), "", 2, `unfinished section "[x"`},
		"unnamed section":       {file(t, "[ ]\n"), "", 1, `unfinished section "[ ]"`},
		"no key":                {file(t, "[x]\npattern = .\nretentions = 1s:1m\n= 3\n"), "", 4, `"= 3" is no setting`},
		"no value":              {file(t, "[x]\npattern = .\npriority\nretentions = 1s:1m\n"), "", 3, `"priority" is no setting`},
		"no pattern":            {file(t, "\n[x]\nretentions = 1s:1m\n"), "", 2, `[x]: pattern "": empty`},
		"bad pattern":           {file(t, "[x]\npattern = (\nretentions = 1s:1m\n"), "", 2, `pattern "("`},
		"no retentions":         {file(t, "\n\n[x]\npattern = .\n"), "", 3, `retentions ""`},
		"bad retentions":        {section("1s"), "", 4, `bad retentions spec "1s"`},
		"zero seconds":          {section("0s:1d"), "", 4, "divide by zero"},
		"zero points":           {section("60:0"), "", 4, "0 points of 60 s"},
		"negative":              {section("-60:10"), "", 4, "10 points of -60 s"},
		"too long":              {section("60:4000000000"), "", 4, "longer than whisper"},
		"too large":             {section("1s:12y"), "", 4, "bytes"},
		"same precision":        {section("1s:1m,1s:1h"), "", 4, "two archives of 1 s"},
		"not a multiple":        {section("2s:1m,3s:1h"), "", 4, "3 s is not a multiple of 2 s"},
		"coarse is shorter":     {section("1s:1h,60s:10m"), "", 4, "no farther"},
		"too few points":        {section("1s:30s,60s:1h"), "", 4, "fewer than the 60"},
		"compressed":            {file(t, "[x]\npattern = .\nretentions = 1s:1m\ncompressed = true\n"), "", 4, "compressed"},
		"bad priority":          {file(t, "[x]\npattern = .\nretentions = 1s:1m\npriority = high\n"), "", 4, `priority "high"`},
		"no pattern to roll up": {good, file(t, "[x]\nxFilesFactor = 0\n"), 1, `pattern ""`},
		"unknown aggregation":   {good, rollup("xFilesFactor = 0\naggregationMethod = most"), 4, `aggregationMethod "most"`},
		"bad xFilesFactor":      {good, rollup("xFilesFactor = much\naggregationMethod = sum"), 3, `xFilesFactor "much"`},
		"xFilesFactor too high": {good, rollup("xFilesFactor = 2\naggregationMethod = sum"), 3, "want 0 to 1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadRules(tt.schemas, tt.aggregation)
			var mistakes Mistakes
			if !errors.As(err, &mistakes) || len(mistakes) != 1 {
				t.Fatalf("error %v, want one mistake", err)
			}
			named := tt.schemas
			if tt.aggregation != "" {
				named = tt.aggregation
			}
			if m := mistakes[0]; m.File != named || m.Line != tt.line || !strings.Contains(m.Err.Error(), tt.want) {
				t.Errorf("%q, want %s:%d: …%s", err, named, tt.line, tt.want)
			}
			if _, again := Open(t.TempDir(), tt.schemas, tt.aggregation, slog.New(slog.DiscardHandler)); again == nil {
				t.Error("Open returns no error")
			}
		})
	}
}

// Every mistake of both files is found at once.
func TestAllMistakes(t *testing.T) {
	schemas := file(t, "[a]\npattern = (\nretentions = x\n[b\npattern = (\n[c]\npattern = .\nretentions = 60s:1d\n")
	aggregation := file(t, "rubbish\n[a]\npattern = .\nxfilesfactor = -1\naggregationmethod = none\n")
	_, err := ReadRules(schemas, aggregation)
	var mistakes Mistakes
	errors.As(err, &mistakes)
	var got []string
	for _, m := range mistakes {
		got = append(got, fmt.Sprintf("%s:%d", m.File, m.Line))
	}
	want := []string{schemas + ":2", schemas + ":3", schemas + ":4", aggregation + ":1", aggregation + ":4", aggregation + ":5"}
	if !slices.Equal(got, want) {
		t.Errorf("mistakes at %q, want %q", got, want)
	}
	if n := strings.Count(err.Error(), "\n"); n != len(want)-1 {
		t.Errorf("the error has %d line ends, want one between two mistakes: %v", n, err)
	}
}

// What carbon reads: its example's forms, colons, any case, quotes, what is left out,
// the first section that takes a name.
func TestReadRules(t *testing.T) {
	r, err := ReadRules(file(t, `[carbon]
pattern = ^carbon\.
retentions = 60:90d
; later, but of a higher priority
[a]
Pattern: "^a[:=]"
RETENTIONS: 5m:30d, 10s:6h
unknown = 1
priority = 0
[b]
pattern = ^carbon\.b
retentions = 1s:1h
priority = 10
compressed = false
`), file(t, `[min]
pattern = \.min$
xFilesFactor = 0.1
aggregationMethod = min
[method alone]
pattern = \.count$
aggregationMethod = sum
[factor alone]
pattern = \.x$
xFilesFactor = 1
`))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"carbon.a.min":   "[1m:90d] min 0.1",
		"carbon.b.count": "[1s:1h] sum 0.5",
		"a:x.x":          "[10s:6h 5m:30d] average 1",
		"a=x":            "[10s:6h 5m:30d] average 0.5",
		"other":          "[1m:7d] average 0.5",
	} {
		s, a := r.of(name)
		if got := fmt.Sprint(s.archives, a.method, a.xFilesFactor); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// No text makes reading it panic, and what is accepted makes a file.
func FuzzReadRules(f *testing.F) {
	f.Add(schemas, aggregation)
	f.Add("[a]\npattern=.\nretentions=0s:1d", "[")
	f.Add("=\n[]", "[x]\npattern:.\nxfilesfactor:nan")
	f.Fuzz(func(t *testing.T, schemas, aggregation string) {
		r, err := ReadRules(file(t, schemas), file(t, aggregation))
		if err != nil {
			return
		}
		for _, s := range r.schemas {
			if err := checkRetentions(s.archives); err != nil {
				t.Error(err)
			}
		}
		if _, a := r.of("a.b"); !(a.xFilesFactor >= 0 && a.xFilesFactor <= 1) {
			t.Errorf("xFilesFactor %v", a.xFilesFactor)
		}
	})
}

func TestOpenErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, file(t, schemas), "", slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Open = %v, want an error that names %q", err, path)
	}
}
