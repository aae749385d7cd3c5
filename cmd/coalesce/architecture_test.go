package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The table of packages has every folder, with what it imports.
func TestArchitecture(t *testing.T) {
	doc, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(doc), "| folder | the one thing it does | imports |")
	table, _, _ = strings.Cut(table, "\n\n")
	quoted := regexp.MustCompile("`([^`]+)`")
	names := func(text string) (all []string) {
		for _, m := range quoted.FindAllStringSubmatch(text, -1) {
			all = append(all, m[1])
		}
		slices.Sort(all)
		return all
	}
	found := importsOf(t)
	for row := range strings.SplitSeq(table, "\n") {
		column := strings.Split(row, "|")
		if len(column) < 4 || !strings.Contains(column[1], "`") {
			continue
		}
		is := make(map[string]bool)
		for _, folder := range names(column[1]) {
			if found[folder] == nil {
				t.Errorf("there is no package %s", folder)
			}
			maps.Copy(is, found[folder])
			delete(found, folder)
		}
		if told := column[3]; !strings.Contains(told, "all") && !strings.Contains(told, "what it") {
			if diff := cmp.Diff(names(told), slices.Sorted(maps.Keys(is))); diff != "" {
				t.Errorf("%s: the imports that are told -, that are +:\n%s", column[1], diff)
			}
		}
	}
	for folder := range found {
		t.Errorf("%s is not in the table", folder)
	}
}

// importsOf returns what the packages in each folder of the table import of others,
// tests aside.
func importsOf(t *testing.T) map[string]map[string]bool {
	t.Helper()
	folderOf := func(path string) string {
		if path == "cmd/coalesce" || strings.HasPrefix(path, "api/openapi") {
			return strings.TrimSuffix(path, "/openapitest")
		}
		first, _, _ := strings.Cut(path, "/")
		return first
	}
	const module = "github.com/coalesce-metrics/coalesce/"
	found := make(map[string]map[string]bool)
	err := filepath.WalkDir("../..", func(path string, e fs.DirEntry, err error) error {
		switch name := e.Name(); {
		case err != nil:
			return err
		case e.IsDir() && name != ".." && (strings.HasPrefix(name, ".") || name == "testdata"):
			return filepath.SkipDir
		case e.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		dir, err := filepath.Rel("../..", filepath.Dir(path))
		if err != nil {
			return err
		}
		folder := folderOf(filepath.ToSlash(dir))
		if found[folder] == nil {
			found[folder] = make(map[string]bool)
		}
		if strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, i := range f.Imports {
			whole, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			if own, ok := strings.CutPrefix(whole, module); ok && folderOf(own) != folder {
				found[folder][folderOf(own)] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
