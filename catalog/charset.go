package catalog

import (
	"slices"
	"strings"
	"unicode/utf8"
)

const maxSpans = 64 // of characters in a set

// charSpan is the characters from lo to hi.
type charSpan struct{ lo, hi rune }

// readSet reads the set that begins at text[i] as Python's fnmatch does, and returns it as package glob reads it,
// which knows neither [a-z0-9] nor [!a-z0-9], and what follows it. next is 0 where the bracket is never closed and so
// stands for itself. The set is empty where no character is in it.
func readSet(text []char, i int) (set string, next int, err error) {
	i++
	not := i < len(text) && text[i].is('!')
	if not {
		i++
	}
	end := i
	if end < len(text) && text[end].is(']') { // a member
		end++
	}
	for end < len(text) && !text[end].is(']') {
		end++
	}
	if end >= len(text) {
		return "", 0, nil
	}
	var spans []charSpan
	for ; i < end; i++ {
		lo, hi := text[i].r, text[i].r
		if i+2 < end && text[i+1].is('-') {
			hi = text[i+2].r
			i += 2
		}
		if lo <= hi {
			spans = append(spans, charSpan{lo, hi})
		}
	}
	spans = joinSpans(spans)
	if not {
		spans = otherSpans(spans)
	}
	if len(spans) > maxSpans {
		return "", 0, refuse("a set of the pattern has %d ranges of characters, at most %d are accepted", len(spans), maxSpans)
	}
	return writeSet(spans), end + 1, nil
}

// joinSpans sorts spans and joins those that touch.
func joinSpans(spans []charSpan) []charSpan {
	slices.SortFunc(spans, func(a, b charSpan) int { return int(a.lo - b.lo) })
	joined := spans[:0]
	for _, s := range spans {
		if n := len(joined); n > 0 && s.lo <= joined[n-1].hi+1 {
			joined[n-1].hi = max(joined[n-1].hi, s.hi)
			continue
		}
		joined = append(joined, s)
	}
	return joined
}

// otherSpans returns the characters that are in none of the spans, which are joined.
func otherSpans(spans []charSpan) []charSpan {
	var others []charSpan
	lo := rune(0)
	for _, s := range append(spans, charSpan{utf8.MaxRune + 1, 0}) {
		if hi := s.lo - 1; lo <= hi {
			others = append(others, charSpan{lo, hi})
		}
		lo = s.hi + 1
	}
	return others
}

const surrogateMin, surrogateMax = 0xD800, 0xDFFF // cannot be written in UTF-8

// writeSet writes spans for package glob: no two hold the same character, so that there is one way to match.
func writeSet(spans []charSpan) string {
	var alts []string
	for _, s := range spans {
		if surrogateMin <= s.lo && s.lo <= surrogateMax {
			s.lo = surrogateMax + 1
		}
		if surrogateMin <= s.hi && s.hi <= surrogateMax {
			s.hi = surrogateMin - 1
		}
		if s.lo == '!' && s.hi > '!' { // would negate
			alts = append(alts, "!")
			s.lo++
		}
		switch {
		case s.lo < s.hi:
			alts = append(alts, "["+string(s.lo)+"-"+string(s.hi)+"]")
		case s.lo == s.hi:
			alts = append(alts, `\`+string(s.lo))
		}
	}
	if len(alts) == 1 {
		return alts[0]
	}
	if len(alts) == 0 {
		return ""
	}
	return "{" + strings.Join(alts, ",") + "}"
}
