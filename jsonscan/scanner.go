// Package jsonscan reads JSON one value after the other without allocating.
//
// A [Scanner] is told what is expected next:
//
//	s.Reset(text)
//	for s.Object(); s.Key(&key); {
//		switch string(key) {
//		case "name":
//			name = s.Text()
//		default:
//			s.Skip()
//		}
//	}
//	err := s.End()
//
// It is stricter than encoding/json where that mends: text must be UTF-8.
package jsonscan

import (
	"fmt"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Kind is what kind of value comes next.
type Kind byte

// The kinds that there are.
const (
	Invalid Kind = iota // no value
	Object
	Array
	Text
	Number
	Bool
	Null
)

var kinds = func() (k [256]Kind) {
	k['{'], k['['], k['"'], k['t'], k['f'], k['n'] = Object, Array, Text, Bool, Bool, Null
	for _, c := range "-0123456789" {
		k[c] = Number
	}
	return k
}()

// special are the bytes of a text that do not simply stand for themselves.
var special = func() (set [256]bool) {
	for c := range set {
		set[c] = c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf
	}
	return set
}()

// maxDepth bounds how deep values that are skipped may be nested.
const maxDepth = 100

// Scanner reads one text. The first error sticks: from then on nothing more is
// read and every loop ends. It is used by one goroutine at a time.
type Scanner struct {
	data  []byte
	pos   int
	fresh bool // an object or an array has just begun
	err   error
	text  []byte // where texts with escapes are written
}

// Error is where a text is not what was expected.
type Error struct {
	Offset int // in bytes
	Want   string
	Got    string // what stands there, cut short; "" at the end
}

// Error quotes what stands there.
func (e *Error) Error() string {
	if e.Got == "" {
		return fmt.Sprintf("byte %d: the end; expected %s", e.Offset, e.Want)
	}
	return fmt.Sprintf("byte %d: %q; expected %s", e.Offset, e.Got, e.Want)
}

// Reset makes s read data, which it does not change. What the methods return lies
// in data, or in s until the next Reset.
func (s *Scanner) Reset(data []byte) { *s = Scanner{data: data, text: s.text[:0]} }

// Err returns the first error, an *Error, or nil.
func (s *Scanner) Err() error { return s.err }

// fail notes that something else was expected here.
func (s *Scanner) fail(want string) {
	if s.err == nil {
		s.err = &Error{s.pos, want, string(s.data[s.pos:min(len(s.data), s.pos+20)])}
		s.pos = len(s.data)
	}
}

// peek skips blanks and returns the byte after them, 0 at the end.
func (s *Scanner) peek() byte {
	for s.pos < len(s.data) {
		c := s.data[s.pos]
		if c > ' ' || c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c
		}
		s.pos++
	}
	return 0
}

// Kind returns the kind of the next value, as its first byte tells.
func (s *Scanner) Kind() Kind { return kinds[s.peek()] }

// End returns the first error, which is one also where anything but blanks follows.
func (s *Scanner) End() error {
	if s.peek(); s.pos < len(s.data) {
		s.fail("the end")
	}
	return s.err
}

// Object begins to read an object, whose members Key then yields.
func (s *Scanner) Object() { s.begin('{', "an object") }

// Array begins to read an array, whose elements More then announces.
func (s *Scanner) Array() { s.begin('[', "an array") }

func (s *Scanner) begin(c byte, want string) {
	if s.peek() != c {
		s.fail(want)
		return
	}
	s.pos++
	s.fresh = true
}

// Key sets key to the key of the next member of an object, whose value is to be
// read then. It returns false at the object's end, or on an error.
func (s *Scanner) Key(key *[]byte) bool {
	if !s.next('}', "a comma or }") {
		return false
	}
	if s.peek() != '"' {
		s.fail("a key in quotes")
		return false
	}
	*key = s.Text()
	if s.peek() != ':' {
		s.fail("a colon")
		return false
	}
	s.pos++
	return true
}

// More reports whether the array has one more element, which is to be read then.
func (s *Scanner) More() bool { return s.next(']', "a comma or ]") }

// next goes to the next part, or behind the end.
func (s *Scanner) next(end byte, want string) bool {
	c := s.peek()
	switch fresh := s.fresh; {
	case s.err != nil:
		return false
	case c == end:
		s.pos++
		s.fresh = false
		return false
	case fresh:
		s.fresh = false
		return true
	case c != ',':
		s.fail(want)
		return false
	}
	s.pos++
	return true
}

// Text reads a text.
func (s *Scanner) Text() []byte {
	if s.peek() != '"' {
		s.fail("a text")
		return nil
	}
	start, ascii := s.pos+1, true
	for i := start; i < len(s.data); i++ {
		c := s.data[i]
		if !special[c] {
			continue
		}
		switch {
		case c == '"':
			text := s.data[start:i]
			if !ascii && !utf8.Valid(text) {
				s.fail("UTF-8")
				return nil
			}
			s.pos = i + 1
			return text
		case c == '\\':
			return s.escaped(start, i)
		case c < ' ':
			s.pos = i
			s.fail("no control character in a text")
			return nil
		}
		ascii = false
	}
	s.pos = len(s.data)
	s.fail("the end of a text")
	return nil
}

// escaped reads a text that has its first escape at i.
func (s *Scanner) escaped(start, i int) []byte {
	from := len(s.text)
	s.text = append(s.text, s.data[start:i]...)
	for s.pos = i; s.pos < len(s.data); {
		c := s.data[s.pos]
		switch {
		case c == '"':
			s.pos++
			text := s.text[from:len(s.text):len(s.text)]
			if !utf8.Valid(text) {
				s.fail("UTF-8")
				return nil
			}
			return text
		case c == '\\':
			if !s.escape() {
				return nil
			}
			continue
		case c < ' ':
			s.fail("no control character in a text")
			return nil
		}
		s.text = append(s.text, c)
		s.pos++
	}
	s.fail("the end of a text")
	return nil
}

var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape reads what begins with a backslash.
func (s *Scanner) escape() bool {
	if s.pos+1 < len(s.data) {
		if c := escapes[s.data[s.pos+1]]; c != 0 {
			s.text = append(s.text, c)
			s.pos += 2
			return true
		}
	}
	r, ok := s.hex(s.pos)
	if !ok {
		s.fail("an escape of JSON")
		return false
	}
	s.pos += 6
	if utf16.IsSurrogate(r) {
		low, _ := s.hex(s.pos) // 0 makes no pair
		if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
			s.pos += 6
		}
	}
	s.text = utf8.AppendRune(s.text, r)
	return true
}

// hex reads \uXXXX at i.
func (s *Scanner) hex(i int) (r rune, ok bool) {
	if i+6 > len(s.data) || s.data[i] != '\\' || s.data[i+1] != 'u' {
		return 0, false
	}
	for _, c := range s.data[i+2 : i+6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// Number reads a number as it is written.
func (s *Scanner) Number() []byte {
	if s.Kind() != Number {
		s.fail("a number")
		return nil
	}
	start := s.pos
	if s.data[s.pos] == '-' {
		s.pos++
	}
	whole := s.pos
	ok := s.digits() && (s.data[whole] != '0' || s.pos == whole+1)
	if ok && s.pos < len(s.data) && s.data[s.pos] == '.' {
		s.pos++
		ok = s.digits()
	}
	if ok && s.pos < len(s.data) && s.data[s.pos]|0x20 == 'e' {
		s.pos++
		if s.pos < len(s.data) && (s.data[s.pos] == '+' || s.data[s.pos] == '-') {
			s.pos++
		}
		ok = s.digits()
	}
	if !ok {
		s.pos = start
		s.fail("a number of JSON")
		return nil
	}
	return s.data[start:s.pos]
}

// digits reads one digit or more.
func (s *Scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.data) && s.data[s.pos]-'0' < 10 {
		s.pos++
	}
	return s.pos > start
}

// Float reads a number. One too large for a float64 is infinite.
func (s *Scanner) Float() float64 {
	text := s.Number()
	// Up to 15 digits are exact. Most numbers are short and whole.
	if n := len(text); n > 0 && n <= 15 {
		var x int64
		for _, c := range text {
			if c-'0' > 9 {
				return parse(text)
			}
			x = x*10 + int64(c-'0')
		}
		return float64(x)
	}
	return parse(text)
}

func parse(text []byte) float64 {
	x, err := strconv.ParseFloat(string(text), 64) // no copy is made on the heap
	if err != nil && !math.IsInf(x, 0) {
		return 0 // after an error of the scanner
	}
	return x
}

// Bool reads true or false.
func (s *Scanner) Bool() bool {
	if s.peek() == 't' {
		s.word("true")
		return s.err == nil
	}
	s.word("false")
	return false
}

// Null reads null.
func (s *Scanner) Null() { s.word("null") }

func (s *Scanner) word(want string) {
	s.peek()
	if end := s.pos + len(want); end > len(s.data) || string(s.data[s.pos:end]) != want {
		s.fail(want)
		return
	}
	s.pos += len(want)
}

// Skip reads a value of any kind and returns how it is written.
func (s *Scanner) Skip() []byte {
	s.peek()
	start := s.pos
	s.skip(maxDepth)
	if s.err != nil {
		return nil
	}
	return s.data[start:s.pos]
}

func (s *Scanner) skip(depth int) {
	if depth == 0 {
		s.fail("fewer values inside each other")
		return
	}
	mark := len(s.text)
	switch s.Kind() {
	case Object:
		var key []byte
		for s.Object(); s.Key(&key); {
			s.skip(depth - 1)
		}
	case Array:
		for s.Array(); s.More(); {
			s.skip(depth - 1)
		}
	case Text:
		s.Text()
	case Number:
		s.Number()
	case Bool:
		s.Bool()
	case Null:
		s.Null()
	default:
		s.fail("a value")
	}
	s.text = s.text[:mark]
}
