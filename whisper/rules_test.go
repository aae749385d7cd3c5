package whisper

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadRulesErrors(t *testing.T) {
	good := file(t, schemas)
	missing := filepath.Join(t.TempDir(), "none.conf")
	section := func(retentions string) string { return file(t, "[s]\npattern = .*\nretentions = "+retentions+"\n") }
	for name, tt := range map[string]struct {
		schemas, aggregation string
		want                 string
	}{
		"missing schemas":       {missing, "", "no such file"},
		"missing aggregation":   {good, missing, "no such file"},
		"empty schemas":         {file(t, "\n# nothing\n"), "", "no section"},
		"no section":            {file(t, "pattern = x\n"), "", "line 1: config section not found"},
		"cut section":           {file(t, "\n[x\n"), "", "line 2: unfinished section"},
		"no pattern":            {file(t, "[x]\nretentions = 1s:1m\n"), "", "Empty pattern for [x]"},
		"bad pattern":           {file(t, "[x]\npattern = (\nretentions = 1s:1m\n"), "", `pattern "("`},
		"no retentions":         {file(t, "[x]\npattern = .\n"), "", `retentions ""`},
		"bad retentions":        {section("1s"), "", `bad retentions spec "1s"`},
		"zero seconds":          {section("0s:1d"), "", "divide by zero"},
		"zero points":           {section("60:0"), "", "0 points of 60 s"},
		"negative":              {section("-60:10"), "", "10 points of -60 s"},
		"too long":              {section("60:4000000000"), "", "longer than whisper"},
		"too large":             {section("1s:12y"), "", "bytes"},
		"same precision":        {section("1s:1m,1s:1h"), "", "two archives of 1 s"},
		"not a multiple":        {section("2s:1m,3s:1h"), "", "3 s is not a multiple of 2 s"},
		"coarse is shorter":     {section("1s:1h,60s:10m"), "", "no farther"},
		"too few points":        {section("1s:30s,60s:1h"), "", "fewer than the 60"},
		"compressed":            {file(t, "[x]\npattern = .\nretentions = 1s:1m\ncompressed = true\n"), "", "compressed"},
		"unknown aggregation":   {good, file(t, "[x]\npattern = .\nxFilesFactor = 0\naggregationMethod = most\n"), "most"},
		"bad xFilesFactor":      {good, file(t, "[x]\npattern = .\nxFilesFactor = much\naggregationMethod = sum\n"), "much"},
		"xFilesFactor too high": {good, file(t, "[x]\npattern = .\nxFilesFactor = 2\naggregationMethod = sum\n"), "want 0 to 1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadRules(tt.schemas, tt.aggregation)
			if err == nil {
				t.Fatal("no error")
			}
			named := tt.schemas
			if tt.aggregation != "" {
				named = tt.aggregation
			}
			for _, part := range []string{tt.want, named} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not contain %q", err, part)
				}
			}
			if _, again := Open(t.TempDir(), tt.schemas, tt.aggregation, slog.New(slog.DiscardHandler)); again == nil {
				t.Error("Open returns no error")
			}
		})
	}
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
