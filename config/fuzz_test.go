package config

import (
	"os"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

func addSeeds(f *testing.F) {
	text, err := os.ReadFile(shipped)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	for _, seed := range []string{
		"", "\ufeffa=1", "[[listener]]\naddress=\":1\"\n[[listener]]\naddress=\":1\"", "a.b=1\na=2", "[a]\n[[a.b]]\n[a.b.c]\nd=1",
		"upstream = [\"a\", 'b', \"\"\"c\\\"\"\"\"\"]", "limits = {max_line = \"1MiB\", }", "x = [{a=1},{a.b=2}]\n\"y z\" = 1979-05-27 07:32:00",
		"[limits]\nmax_line=16777216\nmax_lines = 3\r\n# c\r\n[log]\nlevel='x'", "upstream=['a:1']\n[[destination]]\nname='n'\naddress='tls://b:1:i'\nkind='aggregator'\n[[route]]\nto=['a:1','n']\nmode='hash'\n[place]\nring=['x:1']\nself='x:1'",
		"[[listener]]\naddress=':1'\nprotocol='pickle'\nallow=['::/0']\nreuse_port=true\n[names]\npoll='0s'\n[spool]\nrate=1", "listener = [{}, {transport=\"unix\", address=\"@\"}]",
	} {
		f.Add([]byte(seed))
	}
}

// Whatever the text: no panic, a config, problems of one line each with a place
// inside the text, and a config without problems is valid by itself.
func FuzzParse(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		c, problems := Parse("f", text)
		if c == nil {
			t.Fatal("no config")
		}
		rows := strings.Count(string(text), "\n") + 1
		for _, p := range problems {
			if p.Line < 0 || p.Line > rows || p.Col < 0 || p.Col > len(text)+1 || strings.ContainsAny(p.String(), "\n\r") {
				t.Errorf("problem %q of %d lines", p, rows)
			}
		}
		if problems.Err() == nil {
			if err := c.Validate().Err(); err != nil {
				t.Errorf("valid as a file, but: %v", err)
			}
		}
	})
}

// Where the parser finds a key, the locator finds the same and no other.
func FuzzLocate(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		var tree map[string]any
		if len(text) > 1000 { // paths stay below pathMax
			return
		}
		if _, err := toml.Decode(string(text), &tree); err != nil {
			return
		}
		places, again := locate(string(text))
		if _, deep := places[tooDeep]; deep || len(again) > 0 {
			return
		}
		want := map[string]bool{}
		addPaths(want, tree, "")
		for path := range want {
			if _, ok := places[path]; !ok && path != tooDeep {
				t.Errorf("%s has no place in %q", path, text)
			}
		}
		for path, p := range places {
			if !want[path] || p.key > p.val || p.val > p.end || p.end > len(text) {
				t.Errorf("%s at %v is not in %q", path, p, text)
			}
		}
	})
}

// addPaths adds the paths of all that a parsed value holds.
func addPaths(paths map[string]bool, value any, path string) {
	switch v := value.(type) {
	case map[string]any:
		for key, e := range v {
			sub := join(path, key)
			paths[sub] = true
			addPaths(paths, e, sub)
		}
	case []map[string]any:
		for i, e := range v {
			paths[element(path, i)] = true
			addPaths(paths, e, element(path, i))
		}
	case []any:
		for i, e := range v {
			paths[element(path, i)] = true
			addPaths(paths, e, element(path, i))
		}
	}
}
