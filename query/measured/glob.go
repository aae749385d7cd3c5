package measured

import (
	"strings"
	"unicode"
)

// glob is a pattern in which * stands for any text. The zero glob matches the empty
// text alone.
type glob struct {
	prefix string
	open   bool // there is a *
	middle []string
	suffix string
}

// newGlob reads a pattern as values of tags are kept: in lower case, and _ for what
// a series' name cannot carry.
func newGlob(pattern string) glob {
	parts := strings.Split(fold(pattern), "*")
	g := glob{prefix: parts[0]}
	if len(parts) == 1 {
		return g
	}
	g.open = true
	for _, p := range parts[1 : len(parts)-1] {
		if p != "" {
			g.middle = append(g.middle, p)
		}
	}
	g.suffix = parts[len(parts)-1]
	return g
}

func fold(text string) string {
	return strings.Map(func(r rune) rune {
		if r == ';' || unicode.IsSpace(r) || unicode.IsControl(r) {
			return '_'
		}
		return unicode.ToLower(r)
	}, text)
}

// match takes time in proportion to the length of the text: what stands between two
// stars is best found as early as possible, so that nothing is tried again.
func (g *glob) match(text string) bool {
	text = strings.ToLower(text)
	if !g.open {
		return text == g.prefix
	}
	if len(text) < len(g.prefix)+len(g.suffix) || !strings.HasPrefix(text, g.prefix) || !strings.HasSuffix(text, g.suffix) {
		return false
	}
	text = text[len(g.prefix) : len(text)-len(g.suffix)]
	for _, part := range g.middle {
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return true
}
