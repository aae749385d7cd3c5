package config

import (
	"strings"
	"unicode/utf8"
)

// source is a config file's text with the places of its keys.
type source struct {
	name   string
	text   string
	places map[string]place
}

// position returns the line and column, in bytes from 1, of a byte offset.
func (s *source) position(offset int) (line, col int) {
	offset = max(0, min(offset, len(s.text)))
	before := s.text[:offset]
	start := strings.LastIndexByte(before, '\n') + 1
	if start == 0 {
		start = min(bomLen(s.text), offset)
	}
	return 1 + strings.Count(before, "\n"), 1 + offset - start
}

// line returns the line that holds a byte offset.
func (s *source) line(offset int) string {
	offset = max(0, min(offset, len(s.text)))
	start := strings.LastIndexByte(s.text[:offset], '\n') + 1
	rest, _, _ := strings.Cut(s.text[start:], "\n")
	if start == 0 {
		rest = rest[bomLen(rest):]
	}
	return rest
}

// excerptMax bounds how much of a file one message quotes.
const excerptMax = 80

// oneLine returns text with every run of blanks and line ends as one blank.
func oneLine(text string) string {
	return strings.Join(strings.Fields(text), " ")
}

// excerpt returns text as one short line.
func excerpt(text string) string {
	text = oneLine(text)
	if len(text) <= excerptMax {
		return text
	}
	cut := excerptMax
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}
