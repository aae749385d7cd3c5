package ask

import (
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
)

// A Names question asks for the names that a pattern matches, of those that each
// yields. Patterns may have * and ? and character classes.
func Names(pattern string, each func(yield func(name string) bool)) *Question {
	want := expand(pattern, each)
	return &Question{
		What:   "find " + pattern,
		Path:   "/metrics/find?" + url.Values{"query": {pattern}, "format": {"json"}}.Encode(),
		Answer: fmt.Sprintf("%d names", len(want)),
		Check:  func(body []byte) error { return checkNames(body, want) },
	}
}

// expand returns what a pattern matches: names and the branches above them, sorted.
func expand(pattern string, each func(yield func(name string) bool)) []string {
	depth := strings.Count(pattern, ".") + 1
	var found []string
	last := ""
	each(func(name string) bool {
		branch := name
		if nodes := strings.SplitN(name, ".", depth+1); len(nodes) > depth {
			branch = strings.Join(nodes[:depth], ".")
		} else if len(nodes) < depth {
			return true
		}
		// Neighbours are often below one branch.
		if branch != last && matches(pattern, branch) {
			found = append(found, branch)
		}
		last = branch
		return true
	})
	slices.Sort(found)
	return slices.Compact(found)
}

// matches has each node match by itself, as dots are no slashes.
func matches(pattern, name string) bool {
	ok, err := path.Match(strings.ReplaceAll(pattern, ".", "/"), strings.ReplaceAll(name, ".", "/"))
	if err != nil {
		panic("BUG: pattern " + pattern + ": " + err.Error())
	}
	return ok
}

func checkNames(body []byte, want []string) error {
	var nodes []struct{ Path string }
	if err := json.Unmarshal(body, &nodes); err != nil {
		return err
	}
	if len(nodes) != len(want) {
		return fmt.Errorf("%d names, want %d", len(nodes), len(want))
	}
	got := make([]string, len(nodes))
	for i, n := range nodes {
		got[i] = n.Path
	}
	slices.Sort(got)
	for i := range got {
		if got[i] != want[i] {
			return fmt.Errorf("name %q, want %q", got[i], want[i])
		}
	}
	return nil
}
