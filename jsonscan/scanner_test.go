package jsonscan

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// read makes of the next value what encoding/json would make of it.
func read(s *Scanner, depth int) any {
	if depth == 0 {
		s.fail("less")
		return nil
	}
	switch s.Kind() {
	case Object:
		m := map[string]any{}
		var key []byte
		for s.Object(); s.Key(&key); {
			name := string(key)
			m[name] = read(s, depth-1)
		}
		return m
	case Array:
		a := []any{}
		for s.Array(); s.More(); {
			a = append(a, read(s, depth-1))
		}
		return a
	case Text:
		return string(s.Text())
	case Number:
		return s.Float()
	case Bool:
		return s.Bool()
	case Null:
		s.Null()
		return nil
	}
	s.fail("a value")
	return nil
}

func decode(text []byte) (any, error) {
	var s Scanner
	s.Reset(text)
	v := read(&s, maxDepth)
	return v, s.End()
}

// check compares the scanner with encoding/json.
func check(t *testing.T, text []byte) {
	t.Helper()
	before := bytes.Clone(text)
	got, err := decode(text)
	if !bytes.Equal(before, text) {
		t.Fatalf("%q was changed to %q", before, text)
	}
	var want any
	wantErr := json.Unmarshal(text, &want)
	var large *json.UnmarshalTypeError
	switch {
	case errors.As(wantErr, &large): // a number that is too large
		return
	case !utf8.Valid(text):
		if err == nil && wantErr != nil {
			t.Fatalf("%q: %v is accepted; encoding/json: %v", text, got, wantErr)
		}
		return
	case bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{")) >= maxDepth:
		return
	case (err == nil) != (wantErr == nil):
		t.Fatalf("%q: %v; encoding/json: %v", text, err, wantErr)
	case err == nil && !reflect.DeepEqual(got, want):
		t.Fatalf("%q: %s", text, cmp.Diff(want, got))
	}
	var s Scanner
	s.Reset(text)
	raw := s.Skip()
	if skipped := s.End(); (skipped == nil) != (err == nil) {
		t.Fatalf("%q: skipped with %v, read with %v", text, skipped, err)
	}
	if err == nil && !bytes.Equal(raw, bytes.Trim(text, " \t\r\n")) {
		t.Fatalf("%q: skipped %q", text, raw)
	}
	var e *Error
	if err != nil && (!errors.As(err, &e) || e.Offset > len(text) || e.Want == "") {
		t.Fatalf("%q: %#v", text, err)
	}
}

var texts = []string{
	"", " ", "{}", "[]", "[1,2,3]", "[1,]", "[,1]", "[1 2]", "{,}", `{"a":1,}`, `{"a"}`, `{"a":}`, `{a:1}`, `{"a":1 "b":2}`,
	`{"a":{"b":[{},[],{"c":null}]}}`, `"a`, `"a\`, `"a\"`, `"\u00e4\n\/\\\"\b\f\r\t"`, `"\u12"`, `"\x"`, `"\ud83d\ude00"`, `"\ud83d"`,
	`"\ud83dx"`, `"\ud83d\u0041"`, `"\ude00\ud83d"`, "\"\x01\"", "\"\x7fä€😀\"", "\"\xff\"", "\"\\n\xff\"",
	"0", "-0", "-", "01", "1.", ".5", "1.5e", "1e+5", "1E-5", "-1.25e2", "1e400", "-1e400", "123456789012345", "1234567890123456789", "0.1", "1e5x",
	"999999999999999999999999999999999999999999999999999999999999999", "5e-324", "2e-324",
	"true", "false", "null", "tru", "nul", "True", "truex", "[true,false,null]", "1 2", "{} {}", "]", "}", "[}", "{]", "\ufeff{}", "[\v]", "[\x00]",
	strings.Repeat("[", 99) + strings.Repeat("]", 99),
}

func TestAgainstStandardLibrary(t *testing.T) {
	for _, text := range texts {
		check(t, []byte(text))
		check(t, []byte("\r\n\t "+text+" \n"))
		check(t, []byte(`{"k":`+text+`,"l":[`+text+`]}`))
	}
}

func FuzzScanner(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	f.Fuzz(check)
}

func TestErrors(t *testing.T) {
	cases := []struct{ name, text, want string }{
		{"nothing", "", "byte 0: the end; expected a value"},
		{"no comma", `{"a":1 "b":2}`, `byte 7: "\"b\":2}"; expected a comma or }`},
		{"after the end", `{} x`, `byte 3: "x"; expected the end`},
		{"not UTF-8", "\"a\xff\"", `byte 0: "\"a\xff\""; expected UTF-8`},
		{"too deep", strings.Repeat("[", 101), `byte 100: "["; expected less`},
	}
	for _, c := range cases {
		if _, err := decode([]byte(c.text)); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

// What was returned before an error, or before another text with escapes, stays.
func TestTextsStay(t *testing.T) {
	var s Scanner
	s.Reset([]byte(`["a\nb",{"x":"\t"},"c\nd","e"]`))
	s.Array()
	s.More()
	first := s.Text()
	s.More()
	s.Skip()
	s.More()
	second := s.Text()
	if string(first) != "a\nb" || string(second) != "c\nd" {
		t.Errorf("%q, %q", first, second)
	}
}

func TestWrongKinds(t *testing.T) {
	for name, read := range map[string]func(*Scanner){
		"object": (*Scanner).Object, "array": (*Scanner).Array, "null": (*Scanner).Null,
		"text":   func(s *Scanner) { s.Text() },
		"bool":   func(s *Scanner) { s.Bool() },
		"number": func(s *Scanner) { s.Number() },
		"float": func(s *Scanner) {
			if x := s.Float(); x != 0 || math.Signbit(x) {
				t.Error(x)
			}
		},
	} {
		for _, text := range []string{"", "x", "}"} {
			var s Scanner
			s.Reset([]byte(text))
			if read(&s); s.Err() == nil || s.End() == nil {
				t.Errorf("%s: %q is accepted", name, text)
			}
		}
	}
}

const sample = `{"time":1476218700,"tags":{"region":"us-east","az":"a"},"measurements":[{"name":"cpu.temp","value":47.25,"count":null},{"name":"cpu\u002etemp","value":-1e-3,"tags":{}}]}`

func TestNoAllocation(t *testing.T) {
	var s Scanner
	text := []byte(sample)
	if n := testing.AllocsPerRun(100, func() {
		s.Reset(text)
		walk(&s)
		if s.End() != nil {
			t.Error(s.Err())
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// walk reads a value and forgets it.
func walk(s *Scanner) {
	switch s.Kind() {
	case Object:
		var key []byte
		for s.Object(); s.Key(&key); {
			walk(s)
		}
	case Array:
		for s.Array(); s.More(); {
			walk(s)
		}
	case Number:
		s.Float()
	default:
		s.Skip()
	}
}

func BenchmarkScanner(b *testing.B) {
	text := []byte(sample)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	var s Scanner
	for b.Loop() {
		s.Reset(text)
		walk(&s)
		if s.End() != nil {
			b.Fatal(s.Err())
		}
	}
}
