package graphite

import (
	"encoding/binary"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Readers of what clients read, by the specifications. They panic at anything
// that those clients do not take.

type (
	object = map[string]any
	array  = []any
)

type reader struct{ b []byte }

func (r *reader) take(n int) []byte {
	head := r.b[:n]
	r.b = r.b[n:]
	return head
}

func (r *reader) byte() byte { return r.take(1)[0] }

// readMsgPack reads MessagePack into objects, arrays, strings, uint64, float64,
// bool and nil.
func readMsgPack(b []byte) any {
	r := &reader{b}
	v := r.msgPack()
	if len(r.b) > 0 {
		panic(fmt.Sprintf("%d bytes too many", len(r.b)))
	}
	return v
}

func (r *reader) msgPack() any {
	switch c := r.byte(); {
	case c < 0x80:
		return uint64(c)
	case c < 0x90:
		m := object{}
		for range c & 0x0f {
			key := r.msgPack().(string)
			m[key] = r.msgPack()
		}
		return m
	case c < 0xa0:
		a := array{}
		for range c & 0x0f {
			a = append(a, r.msgPack())
		}
		return a
	case c < 0xc0:
		return string(r.take(int(c & 0x1f)))
	case c == 0xc0:
		return nil
	case c == 0xc2 || c == 0xc3:
		return c == 0xc3
	case c == 0xcb:
		return math.Float64frombits(binary.BigEndian.Uint64(r.take(8)))
	case c == 0xce:
		return uint64(binary.BigEndian.Uint32(r.take(4)))
	case c == 0xd9:
		return string(r.take(int(r.byte())))
	default:
		panic(fmt.Sprintf("code %#x", c))
	}
}

type mark struct{}

// readPickle reads what graphite-web's unpickler does, which is no classes, into
// objects, arrays, strings, uint64, float64, bool and nil.
func readPickle(b []byte) any {
	r := &reader{b}
	if string(r.take(2)) != "\x80\x02" {
		panic("not of protocol 2")
	}
	var stack []any
	top := func() *any { return &stack[len(stack)-1] }
	marked := func() []any {
		i := len(stack) - 1
		for stack[i] != any(mark{}) {
			i--
		}
		items := stack[i+1:]
		stack = stack[:i]
		return items
	}
	for {
		switch c := r.byte(); c {
		case '(':
			stack = append(stack, mark{})
		case ']':
			stack = append(stack, array{})
		case '}':
			stack = append(stack, object{})
		case 'e':
			items := marked()
			*top() = append((*top()).(array), items...)
		case 'u':
			items := marked()
			for i := 0; i < len(items); i += 2 {
				(*top()).(object)[items[i].(string)] = items[i+1]
			}
		case 'X':
			stack = append(stack, string(r.take(int(binary.LittleEndian.Uint32(r.take(4))))))
		case 'J':
			stack = append(stack, uint64(binary.LittleEndian.Uint32(r.take(4))))
		case 'G':
			stack = append(stack, math.Float64frombits(binary.BigEndian.Uint64(r.take(8))))
		case 0x88, 0x89:
			stack = append(stack, c == 0x88)
		case 'N':
			stack = append(stack, nil)
		case '.':
			if len(stack) != 1 || len(r.b) > 0 {
				panic(fmt.Sprintf("%d values, %d bytes too many", len(stack), len(r.b)))
			}
			return stack[0]
		default:
			panic(fmt.Sprintf("code %q", c))
		}
	}
}

// fields are those of a message of protobuf: texts and messages as string,
// numbers as uint64, and floats of 32 bits as float32.
type fields map[protowire.Number][]any

func readFields(b []byte) fields {
	all := fields{}
	for len(b) > 0 {
		num, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			panic(protowire.ParseError(n))
		}
		b = b[n:]
		var v any
		switch kind {
		case protowire.BytesType:
			var text []byte
			text, n = protowire.ConsumeBytes(b)
			v = string(text)
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var bits uint32
			bits, n = protowire.ConsumeFixed32(b)
			v = math.Float32frombits(bits)
		default:
			panic(fmt.Sprintf("field %d of type %d", num, kind))
		}
		if n < 0 {
			panic(protowire.ParseError(n))
		}
		b = b[n:]
		all[num] = append(all[num], v)
	}
	return all
}

// messages are the fields of each message in a repeated field.
func (f fields) messages(num protowire.Number) []fields {
	var all []fields
	for _, m := range f[num] {
		all = append(all, readFields([]byte(m.(string))))
	}
	return all
}

// text returns a string, or "".
func (f fields) text(num protowire.Number) string {
	if len(f[num]) == 0 {
		return ""
	}
	return f[num][0].(string)
}

// int returns a number, or 0.
func (f fields) int(num protowire.Number) int64 {
	if len(f[num]) == 0 {
		return 0
	}
	return int64(f[num][0].(uint64))
}

// floats returns packed values.
func (f fields) floats(num protowire.Number) []float64 {
	var all []float64
	for b := []byte(f.text(num)); len(b) > 0; b = b[8:] {
		all = append(all, math.Float64frombits(binary.LittleEndian.Uint64(b)))
	}
	return all
}
