package catalog

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits on tag expressions.
const (
	MaxExprs   = 100   // expressions of one request
	MaxExpr    = 16384 // bytes
	MaxProgram = 20000 // instructions of a regular expression, roughly
)

// expr is a condition on a tag.
type expr struct {
	tag   string
	value string  // to be equal to, unless re is set
	re    *filter // to match
	not   bool    // to be or do neither
	empty bool    // a series without the tag meets it
}

// parseExprs reads expressions, of which at least one must not be met by a series without tags.
func parseExprs(texts []string) ([]*expr, error) {
	if len(texts) > MaxExprs {
		return nil, refuse("%d expressions, at most %d are accepted", len(texts), MaxExprs)
	}
	var all []*expr
	for _, text := range texts {
		e, err := parseExpr(text)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	if !slices.ContainsFunc(all, func(e *expr) bool { return !e.empty }) {
		return nil, refuse("expressions %s: at least one must need a tag that is not empty, as in dc=london or host=~.+",
			quoteShort(strings.Join(texts, ", ")))
	}
	return all, nil
}

func parseExpr(text string) (*expr, error) {
	if len(text) > MaxExpr {
		return nil, refuse("expression %s has %d bytes, at most %d are accepted", quoteShort(text), len(text), MaxExpr)
	}
	i := strings.IndexAny(text, ";!=")
	bad := func() (*expr, error) {
		return nil, refuse("expression %s: expected a tag, one of = != =~ !=~, and a value without ;", quoteShort(text))
	}
	if i <= 0 || !utf8.ValidString(text) {
		return bad()
	}
	e := &expr{tag: text[:i]}
	rest, not := strings.CutPrefix(text[i:], "!")
	rest, ok := strings.CutPrefix(rest, "=")
	if !ok || strings.IndexByte(rest, ';') >= 0 {
		return bad()
	}
	e.not = not
	var err error
	if rest, ok = strings.CutPrefix(rest, "~"); ok {
		if e.re, err = newFilter(rest); err != nil {
			return nil, err
		}
		e.empty = e.re.match("") != not
	} else {
		e.value = rest
		e.empty = (rest == "") != not
	}
	return e, nil
}

// plain tells whether one value that is not empty is asked for.
func (e *expr) plain() bool { return e.re == nil && !e.not && e.value != "" }

// prefix returns what all values begin with that meet the expression.
func (e *expr) prefix() string {
	switch {
	case e.not:
		return ""
	case e.re != nil:
		return e.re.prefix
	}
	return e.value
}

// test tells whether a value, empty where there is no tag, meets the expression.
func (e *expr) test(value string) bool {
	if e.re == nil {
		return (value == e.value) != e.not
	}
	return e.re.match(value) != e.not
}

// meets is test for values that come again.
func (e *expr) meets(value string) bool {
	if e.re == nil {
		return e.test(value)
	}
	return e.re.remember(value) != e.not
}

// known returns what meets would without running a regular expression, if it can.
func (e *expr) known(value string) (meets, known bool) {
	if e.re == nil {
		return e.test(value), true
	}
	if e.re.re == nil {
		return e.test(value), true
	}
	m, ok := e.re.seen[value]
	return m != e.not, ok
}

// filter is a regular expression that is matched with the beginning of texts.
type filter struct {
	re     *regexp.Regexp // nil: all texts match
	prefix string
	seen   map[string]bool
}

func newFilter(text string) (*filter, error) {
	bad := func(err error) (*filter, error) {
		return nil, refuse("bad regular expression %s: %v; the syntax is that of RE2", quoteShort(text), err)
	}
	if text == "" {
		return &filter{}, nil
	}
	if len(text) > MaxExpr {
		return nil, refuse("regular expression %s has %d bytes, at most %d are accepted", quoteShort(text), len(text), MaxExpr)
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return bad(err)
	}
	if size := programSize(tree); size > MaxProgram {
		return nil, refuse("regular expression %s takes %d instructions, at most %d are accepted", quoteShort(text), size, MaxProgram)
	}
	re, err := regexp.Compile("^(?:" + text + ")")
	if err != nil {
		return bad(err)
	}
	return &filter{re: re, prefix: literalPrefix(tree), seen: map[string]bool{}}, nil
}

func (f *filter) match(text string) bool { return f.re == nil || f.re.MatchString(text) }

// remember is match for texts that may come again.
func (f *filter) remember(text string) bool {
	if f.re == nil {
		return true
	}
	m, ok := f.seen[text]
	if !ok {
		m = f.match(text)
		f.seen[text] = m
	}
	return m
}

// programSize returns about how many instructions the tree compiles to.
func programSize(re *syntax.Regexp) int {
	n := 1
	for _, sub := range re.Sub {
		n = min(n+programSize(sub), MaxProgram+1)
	}
	switch re.Op {
	case syntax.OpLiteral:
		return n + len(re.Rune)
	case syntax.OpCharClass:
		return n + len(re.Rune)/16
	case syntax.OpRepeat:
		return min(n*max(re.Min+1, re.Max), MaxProgram+1)
	}
	return n
}

// literalPrefix returns what all texts begin with that begin with a match.
func literalPrefix(re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase == 0 {
			return string(re.Rune)
		}
	case syntax.OpCapture:
		return literalPrefix(re.Sub[0])
	case syntax.OpConcat:
		sub := re.Sub
		for len(sub) > 0 && (sub[0].Op == syntax.OpBeginText || sub[0].Op == syntax.OpBeginLine) {
			sub = sub[1:]
		}
		if len(sub) > 0 {
			return literalPrefix(sub[0])
		}
	case syntax.OpAlternate:
		prefix := literalPrefix(re.Sub[0])
		for _, sub := range re.Sub[1:] {
			prefix = prefix[:commonPrefix(prefix, literalPrefix(sub))]
		}
		return prefix
	}
	return ""
}
