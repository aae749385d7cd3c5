package whisper

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// taggedPath returns where carbon has a tagged series, as its documentation says.
func taggedPath(canonical string) string {
	hash := fmt.Sprintf("%x", sha256.Sum256([]byte(canonical)))
	return "_tagged/" + hash[:3] + "/" + hash[3:6] + "/" + hash
}

// Files that carbon has made without TAG_HASH_FILENAMES are written on with.
func TestReadableTaggedFile(t *testing.T) {
	now := time.Now().Unix()
	for name, readable := range map[string]string{
		"fine.a;b=c.d;e=f":                        "fine_DOT_a;b=c_DOT_d;e=f.wsp",
		"fine.a;b=/c":                             "fine_DOT_a;b=/c.wsp",
		"fine.a;b=../../../c":                     "", // would lead away
		"fine.a;b=" + strings.Repeat("long", 300): "", // has no other place
	} {
		w, dir, _ := open(t)
		hashed := filepath.Join(dir, taggedPath(name)) + ".wsp"
		write(t, w, 0, fmt.Appendf(nil, "%s 1 %d\n", name, now))
		if readable != "" {
			path := filepath.Join(filepath.Dir(hashed), readable)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.Rename(hashed, path)); err != nil {
				t.Fatal(err)
			}
			hashed = path
		}
		write(t, w, 0, fmt.Appendf(nil, "%s 2 %d\n", name, now-1))
		sameValues(t, hashed, fetch(t, hashed, now-10, now), map[int64]float64{now: 1, now - 1: 2})
		files := 0
		filepath.WalkDir(dir, func(_ string, d fs.DirEntry, _ error) error {
			if !d.IsDir() {
				files++
			}
			return nil
		})
		if files != 1 {
			t.Errorf("%.40s has %d files", name, files)
		}
	}
}

func TestNamesStayInside(t *testing.T) {
	for _, name := range []string{"../../etc/x", "/etc/x", "..", ".", "a/../../../b", "a;x=../../../../../y", "a;../..=/", "_tagged.a"} {
		path, _, err := pathOf("/data/w", name)
		if err == nil && (filepath.Clean(path) != path || !strings.HasPrefix(path, "/data/w/")) {
			t.Errorf("pathOf(%q) = %q", name, path)
		}
	}
}

func FuzzPathOf(f *testing.F) {
	f.Add("a.b")
	f.Add("../../a;b=c/../..")
	f.Fuzz(func(t *testing.T, name string) {
		path, _, err := pathOf("/data/w", name)
		if err == nil && (filepath.Clean(path) != path || !strings.HasPrefix(path, "/data/w/") || len(path) > maxPath) {
			t.Errorf("pathOf(%q) = %q", name, path)
		}
	})
}
