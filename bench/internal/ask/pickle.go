package ask

import (
	"encoding/binary"
	"fmt"
	"math"
)

// mark stands on the stack where a list or dict begins to be filled.
type mark struct{}

// list and dict are what Python has as such; those on the stack may still grow.
type (
	list struct{ items []any }
	dict map[string]any
)

// unpickle reads the small part of pickle that answers are made of: lists, dicts with
// keys of text, text, numbers, booleans and None.
func unpickle(b []byte) (any, error) {
	u := unpickler{b: b}
	for {
		if len(u.b) == 0 {
			return nil, fmt.Errorf("the pickle ends early")
		}
		op := u.b[0]
		u.b = u.b[1:]
		if op == '.' {
			if len(u.stack) != 1 || len(u.b) > 0 {
				return nil, fmt.Errorf("the pickle leaves %d objects and %d bytes", len(u.stack), len(u.b))
			}
			return u.stack[0], nil
		}
		if err := u.step(op); err != nil {
			return nil, err
		}
	}
}

type unpickler struct {
	b     []byte
	stack []any
}

// take returns the next n bytes.
func (u *unpickler) take(n int) ([]byte, error) {
	if n < 0 || n > len(u.b) {
		return nil, fmt.Errorf("the pickle has %d bytes where %d are announced", len(u.b), n)
	}
	taken := u.b[:n]
	u.b = u.b[n:]
	return taken, nil
}

// sizes are the bytes that follow an opcode.
var sizes = map[byte]int{0x80: 1, 'X': 4, 'J': 4, 0x8a: 1, 'G': 8}

func (u *unpickler) step(op byte) error {
	arg, err := u.take(sizes[op])
	if err != nil {
		return err
	}
	push := func(x any) { u.stack = append(u.stack, x) }
	switch op {
	case 0x80: // the protocol
	case ']':
		push(new(list))
	case '}':
		push(dict{})
	case '(':
		push(mark{})
	case 'N':
		push(nil)
	case 0x88, 0x89:
		push(op == 0x88)
	case 'J':
		push(int64(int32(binary.LittleEndian.Uint32(arg))))
	case 'G':
		push(math.Float64frombits(binary.BigEndian.Uint64(arg)))
	case 'X':
		text, err := u.take(int(binary.LittleEndian.Uint32(arg)))
		push(string(text))
		return err
	case 0x8a:
		number, err := u.take(int(arg[0]))
		if len(number) != 8 {
			return fmt.Errorf("an integer of %d bytes (%v)", len(number), err)
		}
		push(int64(binary.LittleEndian.Uint64(number)))
	case 'e', 'u':
		return u.fill(op)
	default:
		return fmt.Errorf("opcode %q, which no answer needs", op)
	}
	return nil
}

// fill adds what is above the last mark to what is below it.
func (u *unpickler) fill(op byte) error {
	at := len(u.stack) - 1
	for at >= 0 && u.stack[at] != any(mark{}) {
		at--
	}
	if at < 1 {
		return fmt.Errorf("opcode %q without a mark", op)
	}
	items := u.stack[at+1:]
	switch into := u.stack[at-1].(type) {
	case *list:
		if op != 'e' {
			return fmt.Errorf("opcode %q for a list", op)
		}
		into.items = append(into.items, items...)
	case dict:
		if op != 'u' || len(items)%2 != 0 {
			return fmt.Errorf("opcode %q with %d objects for a dict", op, len(items))
		}
		for i := 0; i < len(items); i += 2 {
			key, ok := items[i].(string)
			if !ok {
				return fmt.Errorf("key %v is no text", items[i])
			}
			into[key] = items[i+1]
		}
	default:
		return fmt.Errorf("opcode %q for %T", op, into)
	}
	u.stack = u.stack[:at]
	return nil
}
