package pickle

import (
	"bytes"
	"math"
	"strconv"
	"unicode"
	"unicode/utf8"

	"github.com/coalesce-metrics/coalesce/plaintext"
)

// datapoint takes an item of the outer list apart; NumReasons means accepted.
func (d *Decoder) datapoint(v value) (name []byte, time, val float64, r Reason) {
	if v.kind() == point {
		name, time, val = d.bytes(v), v.a, v.b
	} else {
		n, dp, ok := d.two(v)
		if !ok {
			return nil, 0, 0, BadItem
		}
		t, x, ok := d.two(dp)
		if !ok {
			return nil, 0, 0, BadItem
		}
		if n.kind() != text {
			return nil, 0, 0, BadName
		}
		name = d.bytes(n)
		if val, ok = d.float(x); !ok {
			return nil, 0, 0, BadValue
		}
		if time, ok = d.float(t); !ok {
			return nil, 0, 0, BadTimestamp
		}
	}
	switch {
	case len(name) > d.MaxName || !plaintext.ValidName(name):
		return nil, 0, 0, BadName
	case val != val:
		return nil, 0, 0, NaNValue
	case time-time != 0: // infinite or not a number
		return nil, 0, 0, BadTimestamp
	}
	return name, time, val, NumReasons
}

// two unpacks v as Python's x, y = v does.
func (d *Decoder) two(v value) (x, y value, ok bool) {
	switch v.kind() {
	case pair:
		return makeNumber(v.a), makeNumber(v.b), true
	case point:
		return make1(text, int(v.at), v.n()), value{a: v.a, b: v.b, kindN: uint32(pair) << nBits}, true
	case tuple, list, set, dict:
		first, n := d.items(v)
		if n != 2 {
			return x, y, false
		}
		return d.nodes[first].value, d.nodes[d.nodes[first].next].value, true
	case text: // two characters
		s := d.bytes(v)
		_, size := utf8.DecodeRune(s)
		if size == 0 || size == len(s) || utf8.RuneCount(s[size:]) != 1 {
			return x, y, false
		}
		return make1(text, int(v.at), size), make1(text, int(v.at)+size, len(s)-size), true
	case blob: // two bytes, which count as integers
		if s := d.bytes(v); len(s) == 2 {
			return makeNumber(float64(s[0])), makeNumber(float64(s[1])), true
		}
	}
	return x, y, false
}

// maxNumber is how long a number may be that is written as a text or as bytes.
// One such text can be the value of a hundred thousand datapoints.
const maxNumber = 1024

// float converts as Python's float() does.
func (d *Decoder) float(v value) (float64, bool) {
	switch v.kind() {
	case number:
		return v.a, true
	case text:
		s := bytes.TrimFunc(d.bytes(v), func(r rune) bool {
			return unicode.IsSpace(r) && (r < 0x1c || r > 0x1f)
		})
		if len(s) <= maxNumber && utf8.Valid(s) {
			return plaintext.ParseFloat(s)
		}
	case blob:
		s := bytes.Trim(d.bytes(v), " \t\n\v\f\r")
		if len(s) <= maxNumber && bytes.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
			return plaintext.ParseFloat(s)
		}
	}
	return 0, false
}

// AppendRefused appends the item that OnRefuse is called for, as Python would
// write it, cut at about 400 bytes. It must only be called by OnRefuse.
func (d *Decoder) AppendRefused(dst []byte) []byte {
	return d.show(dst, len(dst)+400, 4, d.refused)
}

// show appends v, down to depth levels and until dst is end bytes long.
func (d *Decoder) show(dst []byte, end, depth int, v value) []byte {
	if room := end - len(dst); room <= 0 || depth == 0 {
		return append(dst, "..."...)
	}
	switch k := v.kind(); k {
	case none:
		return append(dst, "None"...)
	case broken:
		return append(dst, "(no number)"...)
	case number:
		if v.a == math.Trunc(v.a) && math.Abs(v.a) < 1e15 {
			return strconv.AppendInt(dst, int64(v.a), 10)
		}
		return plaintext.AppendValue(dst, v.a)
	case text, blob:
		s := d.bytes(v)
		cut := len(s) > end-len(dst)
		if cut {
			s = s[:end-len(dst)]
		}
		if k == blob {
			dst = append(dst, 'b')
		}
		dst = strconv.AppendQuote(dst, string(s))
		if cut {
			dst = append(dst, "..."...)
		}
		return dst
	case pair, point:
		x, y, _ := d.two(v)
		dst = d.show(append(dst, '('), end, depth-1, x)
		dst = d.show(append(dst, ", "...), end, depth-1, y)
		return append(dst, ')')
	}
	open, shut := "(", ")"
	switch v.kind() {
	case list:
		open, shut = "[", "]"
	case set, dict:
		open, shut = "{", "}"
	}
	dst = append(dst, open...)
	at, n := d.items(v)
	for i := range n {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if len(dst) >= end {
			dst = append(dst, "..."...)
			break
		}
		dst = d.show(dst, end, depth-1, d.nodes[at].value)
		at = d.nodes[at].next
	}
	return append(dst, shut...)
}
