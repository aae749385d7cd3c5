package whisper

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/go-graphite/go-carbon/tags"
)

const (
	suffix = ".wsp"
	// unfinished ends the name of a file that is being made.
	unfinished = ".new"

	maxPath     = 4095
	maxFilename = 255
)

// pathOf returns the file of a series below dir, where carbon and go-carbon have it,
// and the name that rules are matched against. Every dot of a name separates
// directories or is spelt out, so that no name leads out of dir.
func pathOf(dir, name string) (path, metric string, err error) {
	if strings.IndexByte(name, 0) >= 0 {
		return "", "", errors.New("the name contains a zero byte")
	}
	if metric, err = tags.Normalize(name); err != nil {
		return "", "", err
	}
	if strings.IndexByte(metric, ';') >= 0 {
		path = tags.FilePath(dir, metric, true) + suffix
	} else {
		path = filepath.Join(dir, strings.ReplaceAll(metric, ".", "/")+suffix)
	}
	rel, err := filepath.Rel(dir, path)
	if err != nil || !filepath.IsLocal(rel) {
		return "", "", errors.New("the name leads out of the directory")
	}
	if n := len(path) + len(unfinished); n > maxPath {
		return "", "", fmt.Errorf("its path would have %d bytes, at most %d are possible", n, maxPath)
	}
	for part := range strings.SplitSeq(rel, "/") {
		if n := len(part) + len(unfinished); n > maxFilename {
			return "", "", fmt.Errorf("a part of its path would have %d bytes, at most %d are possible", n, maxFilename)
		}
	}
	return path, metric, nil
}

// readablePath returns where carbon has the file of a tagged series without
// TAG_HASH_FILENAMES, beside path, or "".
func readablePath(path, metric string) string {
	name := strings.ReplaceAll(metric, ".", "_DOT_") + suffix
	if strings.IndexByte(metric, ';') < 0 || !filepath.IsLocal(name) {
		return ""
	}
	return filepath.Join(filepath.Dir(path), name)
}
