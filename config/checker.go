package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// checker gathers the problems of one config.
type checker struct {
	src      *source           // the file, or nil for a config made by hand
	flags    map[string]string // keys that a flag has set, with the flag
	config   *Config           // what is decoded and checked
	problems Problems
}

// at reports an error at a byte offset of the file.
func (k *checker) at(offset int, format string, args ...any) {
	p := Problem{File: k.src.name, Message: fmt.Sprintf(format, args...)}
	p.Line, p.Col = k.src.position(offset)
	k.problems = append(k.problems, p)
}

// errorf reports what is wrong with the value of a key.
func (k *checker) errorf(key string, value any, format string, args ...any) {
	k.report(Error, []string{key}, value, format, args...)
}

// report adds a problem of keys[0]. Its place is that of the first of the keys
// that stands on the command line or in the file.
func (k *checker) report(severity Severity, keys []string, value any, format string, args ...any) {
	message := keys[0]
	if text := k.valueText(keys[0], value); text != "" {
		message += " = " + text
	}
	k.add(severity, keys, message+": "+fmt.Sprintf(format, args...))
}

// secret is report for an error of a value that must not be shown.
func (k *checker) secret(keys []string, format string, args ...any) {
	k.add(Error, keys, keys[0]+": "+fmt.Sprintf(format, args...))
}

// add adds a problem at the place of the first key that has one.
func (k *checker) add(severity Severity, keys []string, message string) {
	p := Problem{Severity: severity, Message: message}
	if k.src != nil {
		p.File = k.src.name
	}
	for _, key := range keys {
		if flag, ok := k.flag(key); ok {
			p.File = flag
			break
		}
		if pl, ok := k.place(key); ok {
			p.Line, p.Col = k.src.position(pl.val)
			break
		}
	}
	k.problems = append(k.problems, p)
}

// checkWholeSeconds refuses parts of a second. such is an example, and what else is
// accepted.
func (k *checker) checkWholeSeconds(keys []string, d Duration, such string) {
	if d%Second != 0 {
		k.report(Error, keys, d, "not whole seconds; accepted: whole seconds such as %s", such)
	}
}

// flag returns the flag that set a key or the list that it is an element of.
func (k *checker) flag(key string) (string, bool) {
	list, _, _ := strings.Cut(key, "[")
	flag, ok := k.flags[list]
	return flag, ok
}

// place returns where the file gives a key.
func (k *checker) place(key string) (place, bool) {
	if k.src == nil {
		return place{}, false
	}
	p, ok := k.src.places[key]
	return p, ok
}

// valueText returns a value as the file writes it or, where it is not from the
// file, would write it. It is empty for tables.
func (k *checker) valueText(key string, value any) string {
	if _, ok := k.flag(key); !ok {
		if p, ok := k.place(key); ok {
			return excerpt(k.src.text[p.val:p.end])
		}
	}
	switch v := value.(type) {
	case string:
		return excerpt(strconv.Quote(v))
	case Duration, Size:
		return fmt.Sprintf("%q", v)
	case int, bool:
		return fmt.Sprint(v)
	}
	return ""
}

// ranges checks the values of a config struct against their accept tags. Where
// there is a file, only what it or a flag gives needs checking.
func (k *checker) ranges(v reflect.Value, path string) {
	for _, s := range settings(v.Type()) {
		key, field := join(path, s.key), v.Field(s.index)
		if isTables(field.Type()) {
			for i := range field.Len() {
				k.ranges(field.Index(i), element(key, i))
			}
		}
		if field.Kind() == reflect.Struct {
			k.ranges(field, key)
		}
		if s.accept == "" || k.defaulted(key) {
			continue
		}
		if value := field.Interface(); !accepts(s.accept, value) {
			k.errorf(key, value, "not accepted; accepted: %s", acceptText(s.accept, value))
		}
	}
}

// defaulted reports whether a key has its default, or inherits its value.
func (k *checker) defaulted(key string) bool {
	_, flag := k.flag(key)
	_, file := k.place(key)
	return k.src != nil && !flag && !file
}

// given reports whether the file has a key.
func (k *checker) given(key string) bool {
	_, ok := k.place(key)
	return ok
}

// accepts reports whether an accept tag admits a value.
func accepts(tag string, value any) bool {
	if text, ok := value.(string); ok {
		for alternative := range strings.SplitSeq(tag, "|") {
			if text == alternative {
				return true
			}
		}
		return false
	}
	n := number(value)
	for alternative := range strings.SplitSeq(tag, "|") {
		low, high, isRange := strings.Cut(alternative, "..")
		if !isRange {
			high = low
		}
		if bound(low, value) <= n && n <= bound(high, value) {
			return true
		}
	}
	return false
}

// number returns a numeric setting in its smallest unit.
func number(value any) int64 {
	return reflect.ValueOf(value).Int()
}

// bound returns a number of an accept tag, read as the value's type.
func bound(text string, value any) int64 {
	var err error
	var n int64
	switch value.(type) {
	case Duration:
		var d Duration
		err = d.UnmarshalText([]byte(text))
		n = int64(d)
	case Size:
		var s Size
		err = s.UnmarshalText([]byte(text))
		n = int64(s)
	default:
		n, err = strconv.ParseInt(text, 10, 64)
	}
	if err != nil {
		panic("BUG: accept tag " + strconv.Quote(text) + ": " + err.Error())
	}
	return n
}

// acceptText writes an accept tag for people, with values as in the file.
func acceptText(tag string, value any) string {
	quote := strconv.Quote
	if _, ok := value.(int); ok {
		quote = func(s string) string { return s }
	}
	alternatives := strings.Split(tag, "|")
	for i, a := range alternatives {
		if low, high, ok := strings.Cut(a, ".."); ok {
			alternatives[i] = quote(low) + " to " + quote(high)
		} else {
			alternatives[i] = quote(a)
		}
	}
	return orList(alternatives)
}
