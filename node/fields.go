package node

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
)

// fields are the members of an object. Of equal names the last holds, and null
// is the same as being absent. The readers below return whether the member is
// there; one of another type is a fault.
type fields map[string]json.RawMessage

// fieldsOf reads an object; raw is valid JSON.
func fieldsOf(raw []byte) (fields, bool) {
	if len(raw) == 0 || raw[0] != '{' {
		return nil, false
	}
	var f fields
	return f, json.Unmarshal(raw, &f) == nil
}

func (f fields) get(key string) (json.RawMessage, bool) {
	raw, ok := f[key]
	return raw, ok && !bytes.Equal(raw, null)
}

var null = []byte("null")

func (f fields) text(key string) (string, bool, error) {
	raw, ok := f.get(key)
	if !ok {
		return "", false, nil
	}
	s, ok := text(raw)
	if !ok {
		return "", false, bad("%s is %s; it must be a string", key, clip(raw))
	}
	return s, true, nil
}

func text(raw json.RawMessage) (string, bool) {
	var s string
	return s, raw[0] == '"' && json.Unmarshal(raw, &s) == nil
}

func (f fields) number(key string) (float64, bool, error) {
	raw, ok := f.get(key)
	if !ok {
		return 0, false, nil
	}
	x, err := number(raw)
	if err != nil {
		return 0, false, bad("%s %s", key, err)
	}
	return x, true, nil
}

// number reads a number. What the error says follows the name of what it is.
func number(raw []byte) (float64, error) {
	if raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		return 0, bad("is %s; it must be a number", clip(raw))
	}
	x, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return 0, bad("is %s; it must lie within the range of a float64", clip(raw))
	}
	return x, nil
}

// texts reads an array of strings that is not empty.
func (f fields) texts(key string) ([]string, bool, error) {
	raw, ok := f.get(key)
	if !ok {
		return nil, false, nil
	}
	var list []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &list) != nil {
		return nil, false, bad("%s is %s; it must be an array of strings", key, clip(raw))
	}
	if len(list) == 0 {
		return nil, false, bad("%s is an empty array; leave it out, or name at least one", key)
	}
	texts := make([]string, len(list))
	for i, raw := range list {
		if texts[i], ok = text(raw); !ok {
			return nil, false, bad("%s[%d] is %s; it must be a string", key, i, clip(raw))
		}
	}
	return texts, true, nil
}

// textMap reads an object of strings.
func (f fields) textMap(key string) (map[string]string, error) {
	raw, ok := f.get(key)
	if !ok {
		return nil, nil
	}
	members, ok := fieldsOf(raw)
	if !ok {
		return nil, bad("%s is %s; it must be an object of strings", key, clip(raw))
	}
	m := make(map[string]string, len(members))
	for k, raw := range members {
		if m[k], ok = text(raw); !ok {
			return nil, bad("%s: %q is %s; it must be a string", key, clip([]byte(k)), clip(raw))
		}
	}
	return m, nil
}

// numbers reads an array of numbers that is not empty.
func (f fields) numbers(key string) ([]float64, bool, error) {
	raw, ok := f.get(key)
	if !ok {
		return nil, false, nil
	}
	if raw[0] != '[' {
		return nil, false, bad("%s is %s; it must be an array of numbers", key, clip(raw))
	}
	rest := skipSpace(raw[1:])
	if rest[0] == ']' {
		return nil, false, bad("%s is empty; it must hold at least one number", key)
	}
	xs := make([]float64, 0, bytes.Count(rest, []byte(","))+1)
	for {
		// raw is valid JSON: a number ends before one of these.
		end := max(bytes.IndexAny(rest, ",] \t\r\n"), 1)
		x, err := number(rest[:end])
		if err != nil {
			return nil, false, bad("%s[%d] %s", key, len(xs), err)
		}
		xs = append(xs, x)
		if rest = skipSpace(rest[end:]); rest[0] == ']' {
			return xs, true, nil
		}
		rest = skipSpace(rest[1:])
	}
}

// objects reads an array of objects that is not empty.
func (f fields) objects(key string) ([]fields, bool, error) {
	raw, ok := f.get(key)
	if !ok {
		return nil, false, nil
	}
	var list []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &list) != nil {
		return nil, false, bad("%s is %s; it must be an array of objects", key, clip(raw))
	}
	if len(list) == 0 {
		return nil, false, bad("%s is empty; it must hold at least one object", key)
	}
	objects := make([]fields, len(list))
	for i, raw := range list {
		if objects[i], ok = fieldsOf(raw); !ok {
			return nil, false, bad("%s[%d] is %s; it must be an object", key, i, clip(raw))
		}
	}
	return objects, true, nil
}

func skipSpace(b []byte) []byte {
	for len(b) > 0 && space(b[0]) {
		b = b[1:]
	}
	return b
}

// maxSeconds bounds timestamps: whole seconds up to it are exact.
const maxSeconds = 1 << 53

// seconds reads a time in Unix seconds.
func (f fields) seconds(key string) (float64, bool, error) {
	t, ok, err := f.number(key)
	if err == nil && math.Abs(t) > maxSeconds {
		return 0, false, bad("%s is %s; it must be Unix seconds", key, clip(f[key]))
	}
	return t, ok, err
}

// appendNumber appends x as JSON: null when it is not finite, and without a
// fraction or exponent when it is a whole number of up to 2^53.
func appendNumber(dst []byte, x float64) []byte {
	abs := math.Abs(x)
	switch {
	case math.IsNaN(x) || math.IsInf(x, 0):
		return append(dst, "null"...)
	case x == 0:
		return append(dst, '0') // -0, too
	case abs < 1e-6 || abs >= 1e21:
		return strconv.AppendFloat(dst, x, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, x, 'f', -1, 64)
}

// appendText appends s as a JSON string.
func appendText(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil {
				panic("BUG: a string has no JSON form: " + err.Error())
			}
			return append(dst, quoted...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

func appendTexts(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendText(dst, s)
	}
	return append(dst, ']')
}
