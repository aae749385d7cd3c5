package catalog

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits on patterns.
const (
	MaxPattern  = 16384 // bytes
	MaxDepth    = 62    // nodes of a pattern with **
	MaxVariants = 10000 // texts that the braces of a node, or of a pattern, make
	maxExpand   = 1 << 20
)

// Error is what is wrong with a request, written for whoever made it.
type Error struct {
	Msg string
}

// Error returns the message.
func (e *Error) Error() string { return e.Msg }

func refuse(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// LimitError says that more was found than was asked for.
type LimitError struct {
	Limit int
	Query string // what was asked
}

// Error quotes the query and says what to do.
func (e *LimitError) Error() string {
	return fmt.Sprintf("more than %d names match %s; narrow it", e.Limit, quoteShort(e.Query))
}

// quoteShort quotes a text, of which a long one loses its end.
func quoteShort(s string) string {
	const most = 200
	if len(s) <= most {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q…", strings.ToValidUTF8(s[:most], ""))
}

// char is one character of a pattern; a plain one stands for itself.
type char struct {
	r     rune
	plain bool
}

// is tells whether the character has its special meaning r.
func (c char) is(r rune) bool { return c.r == r && !c.plain }

// parsePattern returns the alternatives of a pattern, each with a matcher for each node. There are several only where
// braces hold a dot.
func parsePattern(pattern string) ([][]*matcher, error) {
	switch {
	case len(pattern) > MaxPattern:
		return nil, refuse("pattern %s has %d bytes, at most %d are accepted", quoteShort(pattern), len(pattern), MaxPattern)
	case !utf8.ValidString(pattern):
		return nil, refuse("pattern %s is not UTF-8", quoteShort(pattern))
	}
	texts := [][]char{readChars(pattern)}
	work := &expansion{left: maxExpand}
	if dotInBraces(texts[0]) {
		texts = work.expand(texts[0])
	}
	var all [][]*matcher
	for _, text := range texts {
		var nodes []*matcher
		for _, part := range splitChars(text, '.', true) {
			m, err := work.matcher(part)
			if err != nil {
				return nil, err
			}
			nodes = append(nodes, m)
		}
		if nodes[len(nodes)-1].deep {
			nodes = append(nodes, &matcher{any: true}) // as in graphite-web
		}
		if len(nodes) > MaxDepth+1 && slices.ContainsFunc(nodes, func(m *matcher) bool { return m.deep }) {
			return nil, refuse("pattern %s has %d nodes, at most %d are accepted with **", quoteShort(pattern), len(nodes), MaxDepth)
		}
		all = append(all, nodes)
	}
	if work.left < 0 {
		return nil, refuse("the braces of pattern %s stand for too many texts, at most %d are accepted; narrow it", quoteShort(pattern), MaxVariants)
	}
	return all, nil
}

// readChars takes the backslashes away from what they make plain. Before any other character a backslash is one.
func readChars(pattern string) []char {
	chars := make([]char, 0, len(pattern))
	escaped := false
	for _, r := range pattern {
		switch {
		case escaped && strings.ContainsRune(`*?[]{},!-\.`, r):
			chars[len(chars)-1] = char{r, true}
			escaped = false
			continue
		case r == '\\':
			escaped = true
		default:
			escaped = false
		}
		chars = append(chars, char{r, r == '\\'})
	}
	return chars
}

// splitChars cuts text at the special character sep, or at any sep.
func splitChars(text []char, sep rune, plain bool) [][]char {
	var parts [][]char
	start := 0
	for i, c := range text {
		if c.is(sep) || plain && c.r == sep {
			parts = append(parts, text[start:i])
			start = i + 1
		}
	}
	return append(parts, text[start:])
}

// dotInBraces tells whether an alternative has several nodes.
func dotInBraces(text []char) bool {
	var open []int // where a brace is, or the last dot behind it
	for i, c := range text {
		switch {
		case c.is('{'):
			open = append(open, i)
		case c.is('}') && len(open) > 0:
			if slices.ContainsFunc(text[open[len(open)-1]:i], func(c char) bool { return c.r == '.' }) {
				return true
			}
			open = open[:len(open)-1]
		}
	}
	return false
}

// expansion makes texts without braces, as long as there is work left: in characters copied.
type expansion struct {
	left int
}

// expand returns the texts that the braces of text stand for. As in graphite-web, inner braces come first and one
// without its partner stands for itself.
func (x *expansion) expand(text []char) [][]char {
	var done [][]char
	todo := [][]char{text}
	for len(todo) > 0 && x.left >= 0 {
		text := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		open, end := innermost(text)
		if end < 0 {
			if done = append(done, text); len(done) > MaxVariants {
				x.left = -1
			}
			continue
		}
		for _, part := range splitChars(text[open+1:end], ',', false) {
			one := slices.Concat(text[:open], part, text[end+1:])
			todo = append(todo, one)
			if x.left -= len(one) + 1; x.left < 0 {
				return nil
			}
		}
	}
	return done
}

// innermost returns where the first braces are that hold no others; end is -1 if there are none.
func innermost(text []char) (open, end int) {
	open = -1
	for i, c := range text {
		switch {
		case c.is('{'):
			open = i
		case c.is('}') && open >= 0:
			return open, i
		}
	}
	return -1, -1
}
