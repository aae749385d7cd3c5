package catalog

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gobwas/glob"
)

// matcher is what a pattern says of one node.
type matcher struct {
	any    bool     // every text matches
	deep   bool     // **: any number of nodes
	plain  []string // texts, sorted
	wild   []wild   // patterns without braces
	prefix string   // of all texts that match
}

// wild is the pieces of a pattern between its stars.
type wild []piece

// piece matches texts of so many characters.
type piece struct {
	text  string        // the only one, if glob is nil; otherwise a part of all
	skip  int           // characters before text
	glob  *glob.Pattern // has no star, so that it takes time linear in the text
	chars int
}

// matcher returns what the pattern of one node matches.
func (x *expansion) matcher(part []char) (*matcher, error) {
	m := &matcher{}
	if len(part) == 2 && part[0].is('*') && part[1].is('*') {
		m.deep, m.any = true, true
		return m, nil
	}
	first := true
	for _, text := range x.expand(part) {
		w, prefix, err := parseWild(text)
		switch {
		case err != nil:
			return nil, err
		case w == nil: // a set without members
			continue
		case len(w) == 1 && w[0].glob == nil:
			m.plain = append(m.plain, w[0].text)
		default:
			m.wild = append(m.wild, w)
			m.any = m.any || isStar(w)
		}
		if first {
			m.prefix, first = prefix, false
		}
		m.prefix = m.prefix[:commonPrefix(m.prefix, prefix)]
	}
	slices.Sort(m.plain)
	m.plain = slices.Compact(m.plain)
	return m, nil
}

// isStar tells whether w is stars alone.
func isStar(w wild) bool {
	return len(w) > 1 && !slices.ContainsFunc(w, func(p piece) bool { return p.glob != nil || p.text != "" })
}

func commonPrefix(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// wildParser takes a pattern without braces apart.
type wildParser struct {
	done wild
	// The piece so far.
	pattern strings.Builder // for glob
	run     strings.Builder // the plain text at its end
	longest string          // plain text before run
	skip    int             // characters before longest
	chars   int
	special bool
}

// parseWild returns the pieces of text, and what every match begins with. The pieces are nil where nothing matches.
func parseWild(text []char) (wild, string, error) {
	var p wildParser
	prefix, begun := "", false
	for i := 0; i < len(text); i++ {
		c := text[i]
		set, next, err := "?", 0, error(nil)
		if c.is('[') {
			if set, next, err = readSet(text, i); err != nil {
				return nil, "", err
			}
		}
		star, char := c.is('*'), next > 0 || c.is('?')
		if (star || char) && !begun {
			prefix, begun = p.run.String(), true
		}
		switch {
		case star:
			err = p.end()
		case char && set == "":
			return nil, "", nil
		case char:
			p.endRun()
			p.pattern.WriteString(set)
			p.chars++
			p.special = true
			i = max(i, next-1)
		default:
			p.run.WriteRune(c.r)
			p.pattern.WriteString(glob.QuoteMeta(string(c.r)))
			p.chars++
		}
		if err != nil {
			return nil, "", err
		}
	}
	if !begun {
		prefix = p.run.String()
	}
	err := p.end()
	return p.done, prefix, err
}

func (p *wildParser) endRun() {
	if p.run.Len() > len(p.longest) {
		p.longest = p.run.String()
		p.skip = p.chars - utf8.RuneCountInString(p.longest)
	}
	p.run.Reset()
}

func (p *wildParser) end() error {
	p.endRun()
	one := piece{text: p.longest, skip: p.skip, chars: p.chars}
	if p.special {
		var err error
		if one.glob, err = glob.Compile(p.pattern.String(), '.'); err != nil {
			return refuse("pattern %s: %v", quoteShort(p.pattern.String()), err)
		}
	}
	*p = wildParser{done: append(p.done, one)}
	return nil
}

// match tells whether text matches, and takes from left what that may have cost. That which stands between two stars
// is looked for once, from the left, where backtracking would take time exponential in the stars.
func (m *matcher) match(text string, left *int) bool {
	if m.any {
		return true
	}
	if _, ok := slices.BinarySearch(m.plain, text); ok {
		return true
	}
	for _, w := range m.wild {
		*left--
		if w.match(text, left) {
			return true
		}
	}
	return false
}

func (w wild) match(s string, left *int) bool {
	n := w[0].at(s, left)
	if len(w) == 1 {
		return n == len(s)
	}
	if n < 0 {
		return false
	}
	s = s[n:]
	last := w[len(w)-1]
	if n = last.atEnd(s, left); n < 0 {
		return false
	}
	s = s[:n]
	for _, p := range w[1 : len(w)-1] {
		n := p.in(s, left)
		if n < 0 {
			return false
		}
		s = s[n:]
	}
	return true
}

const globCost = 4 // of a call, beside comparing text

// run tells whether s, which has p.chars characters, matches.
func (p *piece) run(s string, left *int) bool {
	*left -= globCost + p.chars
	return p.glob.Match(s)
}

// at returns how many bytes of s the piece matches at its beginning, -1 if it does not.
func (p *piece) at(s string, left *int) int {
	if p.glob == nil {
		if strings.HasPrefix(s, p.text) {
			return len(p.text)
		}
		return -1
	}
	if n := firstChars(s, p.chars); n >= 0 && p.run(s[:n], left) {
		return n
	}
	return -1
}

// atEnd returns where in s the piece begins that matches its end, -1 if it does not.
func (p *piece) atEnd(s string, left *int) int {
	if p.glob == nil {
		if strings.HasSuffix(s, p.text) {
			return len(s) - len(p.text)
		}
		return -1
	}
	if n := lastChars(s, p.chars); n >= 0 && p.run(s[n:], left) {
		return n
	}
	return -1
}

// in returns where the first match of the piece in s ends, -1 if there is none.
func (p *piece) in(s string, left *int) int {
	if p.glob == nil {
		if i := strings.Index(s, p.text); i >= 0 {
			return i + len(p.text)
		}
		return -1
	}
	for from := 0; *left > 0; {
		skip := firstChars(s[from:], p.skip)
		if skip < 0 {
			return -1
		}
		i := strings.Index(s[from+skip:], p.text)
		if i < 0 {
			return -1
		}
		begin := max(from, lastChars(s[:from+skip+i], p.skip))
		if n := p.at(s[begin:], left); n >= 0 {
			return begin + n
		}
		if begin == len(s) {
			return -1
		}
		from = begin + firstChars(s[begin:], 1)
	}
	return -1
}

// firstChars returns how many bytes the first n characters of s have, -1 if there are fewer.
func firstChars(s string, n int) int {
	i := 0
	for ; n > 0; n-- {
		if i == len(s) {
			return -1
		}
		_, size := utf8.DecodeRuneInString(s[i:])
		i += size
	}
	return i
}

// lastChars returns where in s the last n characters begin, -1 if there are fewer.
func lastChars(s string, n int) int {
	i := len(s)
	for ; n > 0; n-- {
		if i == 0 {
			return -1
		}
		_, size := utf8.DecodeLastRuneInString(s[:i])
		i -= size
	}
	return i
}
