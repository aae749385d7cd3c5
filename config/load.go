package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// fileMax bounds the config file, in bytes: several times what a full one needs.
const fileMax = 64 << 10

// candidates are the config files looked for when none is named, in this order.
var candidates = []string{"coalesce.toml", "/etc/coalesce/coalesce.toml"}

// Find returns the config file to use: explicit where it is not empty, whether
// or not it exists, otherwise coalesce.toml in the working directory, otherwise
// /etc/coalesce/coalesce.toml. When there is none it returns "", for which
// [Load] gives the defaults. The error tells of a file that may exist but
// cannot be looked at.
func Find(explicit string) (path string, err error) {
	return find(explicit, candidates)
}

func find(explicit string, candidates []string) (string, error) {
	if explicit != "" {
		return explicit, nil
	}
	for _, path := range candidates {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("looking for a config file: %w; name one with --config", err)
		}
	}
	return "", nil
}

// Override is a value from a command line flag that replaces the file's.
type Override struct {
	// Flag is the flag's name without dashes, such as "log-level".
	Flag string
	// Value is the flag's text: a comma-separated list for "upstream", "true"
	// or "false" for "forward-all", otherwise the value itself.
	Value string
}

// Load reads the file at path, puts the overrides over its values and checks
// the result. An empty path gives the defaults with the overrides.
//
// A relative path in the file (rules, data, names.rewrite_rules and the like,
// files of TLS, the address of a unix listener), and one that is there by
// default, is relative to the directory of the file. A relative path in an
// override, or without a file, is relative to the working directory.
//
// The config is never nil, but must only be run when [Problems.Err] is nil: a
// setting that could not be read has its default. Problems of the file come in
// its order, all of them unless its syntax is wrong.
func Load(path string, overrides ...Override) (*Config, Problems) {
	if path == "" {
		return parse(&source{}, overrides)
	}
	text, err := readFile(path)
	if err != nil {
		c := Default()
		return &c, Problems{{File: path, Message: err.Error()}}
	}
	return Parse(path, text, overrides...)
}

// readFile reads a file of at most fileMax bytes.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the config: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, fileMax+1))
	if err != nil {
		return nil, fmt.Errorf("reading the config: %w", err)
	}
	return text, nil
}

// Parse is [Load] for a text at hand. The name stands for the file in problems
// and gives the directory of relative paths.
func Parse(name string, text []byte, overrides ...Override) (*Config, Problems) {
	return parse(&source{name: name, text: string(text)}, overrides)
}

func parse(src *source, overrides []Override) (*Config, Problems) {
	c := Default()
	k := &checker{src: src, flags: map[string]string{}}
	tree, syntax := decodeSyntax(src)
	if syntax != nil {
		return &c, Problems{*syntax}
	}
	c.origin = k
	var again map[string]place
	src.places, again = locate(src.text)
	for path, p := range again {
		k.at(p.key, "%s: already has a value; accepted: each key once", excerpt(path))
	}
	k.decode(&c, tree)
	c.resolve(filepath.Dir(src.name))
	for _, o := range overrides {
		k.override(&c, o)
	}
	k.check(&c)
	slices.SortStableFunc(k.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return &c, k.problems
}

// decodeSyntax reads the text into maps, or tells where its syntax is wrong.
func decodeSyntax(src *source) (map[string]any, *Problem) {
	if len(src.text) > fileMax {
		return nil, &Problem{File: src.name, Message: fmt.Sprintf("the config is too long; accepted: at most %s", Size(fileMax))}
	}
	var tree map[string]any
	_, err := toml.Decode(src.text, &tree)
	if err == nil {
		return tree, nil
	}
	var syntax toml.ParseError
	if !errors.As(err, &syntax) {
		return nil, &Problem{File: src.name, Message: err.Error()}
	}
	// The parser counts from behind the byte order mark. Its columns are wrong
	// at the start of a line, its offsets are right.
	offset := syntax.Position.Start + bomLen(src.text)
	p := &Problem{File: src.name, Message: fmt.Sprintf("%s, in the line %q", strings.TrimSuffix(oneLine(syntax.Message), "."), excerpt(src.line(offset)))}
	p.Line, p.Col = src.position(offset)
	if strings.HasPrefix(syntax.Message, "expected value") || strings.HasPrefix(syntax.Message, "expected a top-level item") {
		p.Message += `; text, durations and sizes are written in quotes, such as key = "5s"`
	}
	return nil, p
}

// resolve makes the relative paths of c relative to dir.
func (c *Config) resolve(dir string) {
	n := &c.Names
	resolve(dir, &c.Rules, &c.Data, &n.RewriteRules, &n.AllowList, &n.DenyList,
		&c.HTTP.TLSCert, &c.HTTP.TLSKey, &c.HTTP.TLSClientCA)
	for i := range c.Listeners {
		l := &c.Listeners[i]
		resolve(dir, &l.TLSCert, &l.TLSKey, &l.TLSClientCA)
		// A name that begins with @ is of Linux's abstract namespace.
		if l.Transport == "unix" && !strings.HasPrefix(l.Address, "@") {
			resolve(dir, &l.Address)
		}
	}
	for i := range c.Destinations {
		c.Destinations[i].resolve(dir)
	}
}

// resolve makes the relative paths of d relative to dir.
func (d *Destination) resolve(dir string) {
	resolve(dir, &d.TLSCA, &d.TLSCert, &d.TLSKey, &d.Schemas, &d.Aggregation)
}

// resolve makes relative paths relative to dir. An empty path stays empty.
func resolve(dir string, paths ...*string) {
	for _, p := range paths {
		if *p != "" && !filepath.IsAbs(*p) && dir != "." {
			*p = filepath.Join(dir, *p)
		}
	}
}

// Given reports whether a key such as "listen_pickle" has a value in the file or
// by a flag, and so is not a default.
func (c *Config) Given(key string) bool {
	if c.origin == nil {
		return false
	}
	_, byFlag := c.origin.flags[key]
	if c.origin.src == nil {
		return byFlag
	}
	_, inFile := c.origin.src.places[key]
	return byFlag || inFile
}
