package config

import (
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// place is where a key stands in the text, in byte offsets. A table has no
// value of its own: val and end then equal key.
type place struct {
	key, val, end int
}

// locate finds every key and array element of a text that the TOML parser has
// accepted. Paths are joined as in "queue.bytes", "listener[0].address" and
// "upstream[1]". again holds the paths that a "key = value" gives a second
// time, which the parser lets pass in silence where the first mention was a
// table made by a dotted key.
func locate(text string) (places map[string]place, again map[string]place) {
	s := scanner{text: text, pos: bomLen(text), places: map[string]place{}, again: map[string]place{}, counts: map[string]int{}}
	table := ""
	for {
		s.skipBlank()
		switch {
		case s.pos >= len(text):
			return s.places, s.again
		case text[s.pos] == '[':
			table = s.header()
		default:
			s.assignment(table)
		}
	}
}

// bomLen returns the length of the byte order mark at the start of text. The
// parser skips those of UTF-16 too, before what must be UTF-8.
func bomLen(text string) int {
	for _, mark := range []string{"\ufeff", "\xff\xfe", "\xfe\xff"} {
		if strings.HasPrefix(text, mark) {
			return len(mark)
		}
	}
	return 0
}

// Paths longer than pathMax are of no setting and end in tooDeep, which has no
// place, so that nesting costs no more than its length.
const pathMax = 512

var tooDeep = strings.Repeat(".", pathMax+1)

// scanner walks over a valid text. It checks nothing, but always advances.
type scanner struct {
	text   string
	pos    int
	places map[string]place
	again  map[string]place
	counts map[string]int // elements of each array of tables so far
}

// peek returns the next byte, or 0 at the end.
func (s *scanner) peek() byte {
	if s.pos < len(s.text) {
		return s.text[s.pos]
	}
	return 0
}

// skipBlank moves over blanks, line ends and comments.
func (s *scanner) skipBlank() {
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		case '#':
			s.skipUntil("\n")
		default:
			return
		}
	}
}

// skipUntil moves to the next of the given bytes, or to the end.
func (s *scanner) skipUntil(stops string) {
	if i := strings.IndexAny(s.text[s.pos:], stops); i >= 0 {
		s.pos += i
	} else {
		s.pos = len(s.text)
	}
}

// header reads [table] or [[table]] and returns the table's path.
func (s *scanner) header() string {
	s.pos++
	array := s.peek() == '['
	if array {
		s.pos++
	}
	parts := s.key()
	for s.peek() == ']' {
		s.pos++
	}
	path := s.enter("", parts[:len(parts)-1])
	last := parts[len(parts)-1]
	path = join(path, last.name)
	s.note(path, last.pos)
	if array {
		i := s.counts[path]
		s.counts[path]++
		path = element(path, i)
		s.note(path, last.pos)
	}
	return path
}

// assignment reads key = value inside the table at path.
func (s *scanner) assignment(path string) {
	parts := s.key()
	if s.peek() == '=' {
		s.pos++
	}
	s.skipBlank()
	last := parts[len(parts)-1]
	path = join(s.enter(path, parts[:len(parts)-1]), last.name)
	into := s.places
	if _, taken := s.places[path]; taken {
		into = s.again
	}
	start := s.pos
	s.value(path)
	if path != tooDeep {
		into[path] = place{last.pos, start, s.pos}
	}
}

// enter goes down from path, into the last element of an array of tables.
func (s *scanner) enter(path string, parts []part) string {
	for _, part := range parts {
		path = join(path, part.name)
		s.note(path, part.pos)
		if n := s.counts[path]; n > 0 {
			path = element(path, n-1)
		}
	}
	return path
}

// note records the first mention of a table.
func (s *scanner) note(path string, pos int) {
	if _, ok := s.places[path]; !ok && path != tooDeep {
		s.places[path] = place{pos, pos, pos}
	}
}

// value moves over one value and records what it holds.
func (s *scanner) value(path string) {
	switch c := s.peek(); c {
	case '"', '\'':
		s.skipString(c)
	case '[':
		s.pos++
		for i := 0; s.next(']'); i++ {
			start, elem := s.pos, element(path, i)
			s.value(elem)
			if elem != tooDeep {
				s.places[elem] = place{start, start, s.pos}
			}
		}
	case '{':
		s.pos++
		for s.next('}') {
			s.assignment(path)
		}
	default:
		start := s.pos
		s.skipUntil(",]}#\r\n")
		if s.pos == start { // impossible in a valid text; never stand still
			s.pos = min(s.pos+1, len(s.text))
			return
		}
		s.pos = start + len(strings.TrimRight(s.text[start:s.pos], " \t"))
	}
}

// next moves to the next element of an array or inline table. At the closing
// bracket, which it moves over, it returns false.
func (s *scanner) next(closing byte) bool {
	for {
		s.skipBlank()
		switch s.peek() {
		case ',':
			s.pos++
		case closing:
			s.pos++
			return false
		default:
			return s.pos < len(s.text)
		}
	}
}

// skipString moves over a string in one or three of the given quotes.
func (s *scanner) skipString(quote byte) {
	triple := strings.Repeat(string(quote), 3)
	if !strings.HasPrefix(s.text[s.pos:], triple) {
		s.skipLine(quote)
		return
	}
	for s.pos += 3; s.pos < len(s.text); s.pos++ {
		switch {
		case quote == '"' && s.text[s.pos] == '\\':
			s.pos++
		case strings.HasPrefix(s.text[s.pos:], triple):
			s.pos += 3
			// Up to two quotes before the closing three belong to the string.
			for n := 0; n < 2 && s.peek() == quote; n++ {
				s.pos++
			}
			return
		}
	}
	s.pos = len(s.text)
}

// skipLine moves over a string in single quotes of the given kind.
func (s *scanner) skipLine(quote byte) {
	for s.pos++; s.pos < len(s.text); s.pos++ {
		switch s.text[s.pos] {
		case '\\':
			if quote == '"' {
				s.pos++
			}
		case quote:
			s.pos++
			return
		}
	}
	s.pos = len(s.text)
}

// part is one part of a dotted key.
type part struct {
	name string
	pos  int
}

// key reads a dotted key and the blanks after it. It returns at least one part.
func (s *scanner) key() []part {
	var parts []part
	for {
		s.skipBlank()
		start := s.pos
		if c := s.peek(); c == '"' || c == '\'' {
			s.skipLine(c)
		} else {
			s.skipUntil(" \t.=]")
		}
		parts = append(parts, part{unquote(s.text[start:s.pos]), start})
		s.skipBlank()
		if s.peek() != '.' {
			return parts
		}
		s.pos++
	}
}

// unquote returns the name that a key part stands for.
func unquote(raw string) string {
	if raw == "" || raw[0] != '"' && raw[0] != '\'' {
		return raw
	}
	var v struct{ K string }
	if _, err := toml.Decode("K="+raw, &v); err != nil {
		return raw
	}
	return v.K
}

// join appends a key to a path, in quotes where it is not a bare key.
func join(path, key string) string {
	bare := key != ""
	for _, c := range []byte(key) {
		bare = bare && (c == '_' || c == '-' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z')
	}
	if !bare {
		key = strconv.Quote(key)
	}
	switch {
	case path == "":
		return key
	case len(path) > pathMax:
		return tooDeep
	}
	return path + "." + key
}

// element appends an array index to a path.
func element(path string, i int) string {
	if len(path) > pathMax {
		return tooDeep
	}
	return path + "[" + strconv.Itoa(i) + "]"
}
