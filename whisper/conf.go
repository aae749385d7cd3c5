package whisper

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// maxConf bounds a file of rules, in bytes.
const maxConf = 1 << 20

// Mistake is one thing that is wrong with a file of rules.
type Mistake struct {
	File string
	Line int   // from 1; 0 where it is the file as a whole, which may not be there
	Err  error // names the file where there is no line
}

// Mistakes are what is wrong with files of rules, for each in the order of its lines.
type Mistakes []Mistake

// Error returns one mistake a line.
func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i, x := range m {
		if lines[i] = x.Err.Error(); x.Line > 0 {
			lines[i] = fmt.Sprintf("%s:%d: %v", x.File, x.Line, x.Err)
		}
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the errors without their places.
func (m Mistakes) Unwrap() []error {
	errs := make([]error, len(m))
	for i, x := range m {
		errs[i] = x.Err
	}
	return errs
}

// conf is a file of rules while it is read.
type conf struct {
	what     string // for people
	file     string
	mistakes Mistakes
}

// fail adds what is wrong with the file as a whole.
func (c *conf) fail(err error) {
	c.mistakes = append(c.mistakes, Mistake{c.file, 0, fmt.Errorf("%s %q: %w", c.what, c.file, err)})
}

func (c *conf) errorf(line int, format string, args ...any) {
	c.mistakes = append(c.mistakes, Mistake{c.file, line, fmt.Errorf(format, args...)})
}

// sorted returns what is wrong, by lines.
func (c *conf) sorted() Mistakes {
	slices.SortStableFunc(c.mistakes, func(a, b Mistake) int { return a.Line - b.Line })
	return c.mistakes
}

// section is what stands under one heading.
type section struct {
	name string
	line int
	keys map[string]entry // in lower case
}

type entry struct {
	value string
	line  int
}

// at returns where a key stands, or its section where it is left out.
func (s *section) at(key string) int {
	if e, ok := s.keys[key]; ok {
		return e.line
	}
	return s.line
}

// sections reads the file. Keys before the first heading are a mistake, unknown
// ones are not: carbon's files have had more.
func (c *conf) sections() (found []*section) {
	text, err := readConf(c.file)
	if err != nil {
		c.fail(err)
		return nil
	}
	var in *section
	for i, line := range bytes.Split(text, []byte{'\n'}) {
		switch line, n := strings.TrimSpace(string(line)), i+1; {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[':
			name, closed := strings.CutSuffix(line[1:], "]")
			in = &section{name: strings.TrimSpace(name), line: n, keys: make(map[string]entry)}
			if closed && in.name != "" {
				found = append(found, in)
			} else {
				c.errorf(n, "unfinished section %q; want a heading like [name]", excerpt(line))
			}
		default:
			at := strings.IndexAny(line, "=:")
			key := strings.ToLower(strings.TrimSpace(line[:max(at, 0)]))
			switch {
			case key == "":
				c.errorf(n, "%q is no setting; want one like key = value", excerpt(line))
			case in == nil:
				c.errorf(n, "%s stands before the first heading; want one like [name] above it", excerpt(key))
			default:
				in.keys[key] = entry{strings.Trim(strings.TrimSpace(line[at+1:]), `"'`), n}
			}
		}
	}
	return found
}

func readConf(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, errors.Unwrap(err) // fail has the path
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConf+1))
	if err == nil && len(text) > maxConf {
		err = fmt.Errorf("larger than %d bytes", maxConf)
	}
	return text, err
}

// excerpt cuts what is quoted in messages.
func excerpt(text string) string { return text[:min(len(text), 200)] }
