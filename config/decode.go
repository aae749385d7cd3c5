package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// listMax bounds every list: destinations, networks, and tables such as
// [[listener]].
const listMax = 256

// setting is a field of a config struct that is a key of the file.
type setting struct {
	key, flag, accept string
	index             int
}

// settings lists the keys of a config struct in the order of its fields.
func settings(t reflect.Type) []setting {
	list := make([]setting, 0, t.NumField())
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() {
			list = append(list, setting{f.Tag.Get("toml"), f.Tag.Get("flag"), f.Tag.Get("accept"), i})
		}
	}
	return list
}

// isTables reports whether a field is a list of tables, written [[key]].
func isTables(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct
}

// decode puts the values of a parsed file into c.
func (k *checker) decode(c *Config, tree map[string]any) {
	k.config = c
	k.table(reflect.ValueOf(c).Elem(), tree, "")
	for i := range c.Destinations {
		d := &c.Destinations[i]
		if !d.resends() && k.defaulted(join(element("destination", i), "resend")) {
			d.Resend = 0
		}
	}
}

// table decodes one table. Fields are taken in their order, so that the limits
// are known when the listeners inherit them, and the queue when destinations
// do.
func (k *checker) table(dst reflect.Value, tree map[string]any, path string) {
	known := settings(dst.Type())
	for _, s := range known {
		if raw, ok := tree[s.key]; ok {
			k.value(dst.Field(s.index), raw, join(path, s.key))
			delete(tree, s.key)
		}
	}
	for key := range tree {
		k.unknown(known, key, path)
	}
}

// value decodes one value into a field, which an error leaves as it is.
func (k *checker) value(dst reflect.Value, raw any, path string) {
	ok, want := false, ""
	switch p := dst.Addr().Interface().(type) {
	case toml.Unmarshaler:
		if err := p.UnmarshalTOML(raw); err != nil {
			k.errorf(path, raw, "%s", err)
		}
		return
	case *[]string:
		k.strings(p, raw, path)
		return
	case *[]float64:
		k.numbers(p, raw, path)
		return
	case **bool:
		var b bool
		if b, ok = raw.(bool); ok {
			*p = &b
		}
		want = "not a truth value; accepted: true or false, without quotes"
	case *bool:
		if b, is := raw.(bool); is {
			*p, ok = b, true
		}
		want = "not a truth value; accepted: true or false, without quotes"
	case *int:
		n, is := raw.(int64)
		if ok = is && int64(int(n)) == n; ok {
			*p = int(n)
		}
		want = "not a whole number; accepted: digits without quotes, fraction or exponent"
	case *string:
		if s, is := raw.(string); is {
			*p, ok = s, true
		}
		want = "not a text; accepted: a text in quotes"
	default:
		if isTables(dst.Type()) {
			k.tables(dst, raw, path)
			return
		}
		if s, is := p.(interface{ short() *string }); is {
			if text, is := raw.(string); is {
				*s.short() = text
				return
			}
		}
		if tree, is := raw.(map[string]any); is {
			k.table(dst, tree, path)
			return
		}
		want = fmt.Sprintf("not a table; accepted: keys under [%s]", path)
	}
	if !ok {
		k.errorf(path, raw, "%s", want)
	}
}

// strings decodes an array of texts, whose outer blanks have no meaning.
func (k *checker) strings(dst *[]string, raw any, path string) {
	const want = `accepted: an array of texts, such as ["127.0.0.1:2003"]`
	array, ok := raw.([]any)
	if !ok {
		k.errorf(path, raw, "not an array; %s", want)
		return
	}
	list := make([]string, 0, len(array))
	for i, e := range array {
		s, ok := e.(string)
		if !ok {
			k.errorf(element(path, i), e, "not a text; %s", want)
			return
		}
		list = append(list, strings.TrimSpace(s))
	}
	*dst = list
}

// numbers decodes an array of numbers.
func (k *checker) numbers(dst *[]float64, raw any, path string) {
	const want = "accepted: an array of numbers, such as [1, 10]"
	array, ok := raw.([]any)
	if !ok {
		k.errorf(path, raw, "not an array; %s", want)
		return
	}
	list := make([]float64, 0, len(array))
	for i, e := range array {
		switch x := e.(type) {
		case float64:
			list = append(list, x)
		case int64:
			list = append(list, float64(x))
		default:
			k.errorf(element(path, i), e, "not a number; %s", want)
			return
		}
	}
	*dst = list
}

// tables decodes a list of tables such as [[listener]].
func (k *checker) tables(dst reflect.Value, raw any, path string) {
	trees, ok := raw.([]map[string]any)
	if array, is := raw.([]any); is { // listener = [{...}]
		ok = true
		for _, e := range array {
			tree, is := e.(map[string]any)
			ok = ok && is
			trees = append(trees, tree)
		}
	}
	if !ok {
		k.errorf(path, raw, "not a list of tables; accepted: keys under [[%s]], once for each %s", path, path)
		return
	}
	if len(trees) > listMax {
		k.errorf(element(path, listMax), len(trees), "too many %ss; accepted: at most %d", path, listMax)
		return
	}
	for i, tree := range trees {
		e := k.newElement(dst.Type().Elem())
		k.table(e, tree, element(path, i))
		dst.Set(reflect.Append(dst, e))
	}
}

// newElement returns a table of a list with its defaults.
func (k *checker) newElement(t reflect.Type) reflect.Value {
	e := reflect.New(t).Elem()
	switch p := e.Addr().Interface().(type) {
	case *Listener:
		*p = k.config.newListener()
	case *Destination:
		*p = k.config.newDestination()
	case *Route:
		*p = newRoute()
	case *Keep:
		*p = newKeep()
	case *Measure:
		*p = newMeasure()
	}
	return e
}

// override puts a flag's value over the file's.
func (k *checker) override(c *Config, o Override) {
	dst, key, names := flagField(reflect.ValueOf(c).Elem(), "", o.Flag)
	if key == "" {
		k.problems = append(k.problems, Problem{File: "--" + o.Flag,
			Message: fmt.Sprintf("no such flag; accepted: --%s", strings.Join(names, ", --"))})
		return
	}
	k.flags[key] = "--" + o.Flag
	switch p := dst.Addr().Interface().(type) {
	case *string:
		*p = o.Value
	case *[]string:
		*p = nil
		if strings.TrimSpace(o.Value) != "" {
			for s := range strings.SplitSeq(o.Value, ",") {
				*p = append(*p, strings.TrimSpace(s))
			}
		}
	case **bool:
		b, err := strconv.ParseBool(o.Value)
		if err != nil {
			k.errorf(key, o.Value, "not a truth value; accepted: true or false")
			return
		}
		*p = &b
	}
}

// flagField finds the field and key that a flag sets. When there is none it
// returns the flags that there are.
func flagField(v reflect.Value, path, flag string) (dst reflect.Value, key string, names []string) {
	for _, s := range settings(v.Type()) {
		field, sub := v.Field(s.index), join(path, s.key)
		if s.flag == flag && flag != "" {
			return field, sub, nil
		}
		if s.flag != "" {
			names = append(names, s.flag)
		}
		if field.Kind() == reflect.Struct {
			dst, key, more := flagField(field, sub, flag)
			if key != "" {
				return dst, key, nil
			}
			names = append(names, more...)
		}
	}
	return v, "", names
}
