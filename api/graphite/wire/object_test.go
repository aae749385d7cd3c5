package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coalesce-metrics/coalesce/query/functions"
)

// A reader reads pickles and MessagePack into maps, lists, strings, int64 (of
// pickles) or uint64, float64, bool and nil, by what their specifications say.
type reader struct{ b []byte }

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		panic(fmt.Sprintf("%d bytes of %d", n, len(r.b)))
	}
	head := r.b[:n]
	r.b = r.b[n:]
	return head
}

func (r *reader) code() byte  { return r.take(1)[0] }
func (r *reader) u16() int    { return int(binary.BigEndian.Uint16(r.take(2))) }
func (r *reader) u32() int    { return int(binary.BigEndian.Uint32(r.take(4))) }
func (r *reader) u64() uint64 { return binary.BigEndian.Uint64(r.take(8)) }

func readMsgPack(b []byte) any {
	r := &reader{b}
	v := r.msgpack()
	if len(r.b) > 0 {
		panic(fmt.Sprintf("%d bytes after the end", len(r.b)))
	}
	return v
}

func (r *reader) msgpack() any {
	switch c := r.code(); {
	case c < 0x80:
		return uint64(c)
	case c < 0x90:
		return r.object(int(c & 0x0f))
	case c < 0xa0:
		return r.array(int(c & 0x0f))
	case c < 0xc0:
		return string(r.take(int(c & 0x1f)))
	case c == 0xc0:
		return nil
	case c == 0xc2 || c == 0xc3:
		return c == 0xc3
	case c == 0xcb:
		return math.Float64frombits(r.u64())
	case c == 0xce:
		return uint64(r.u32())
	case c == 0xcf:
		return r.u64()
	case c == 0xd3:
		return int64(r.u64())
	case c == 0xd9:
		return string(r.take(int(r.code())))
	case c == 0xda:
		return string(r.take(r.u16()))
	case c == 0xdb:
		return string(r.take(r.u32()))
	case c == 0xdc:
		return r.array(r.u16())
	case c == 0xdd:
		return r.array(r.u32())
	default:
		panic(fmt.Sprintf("code %#x", c))
	}
}

func (r *reader) object(n int) any {
	m := object{}
	for range n {
		key := r.msgpack().(string)
		m[key] = r.msgpack()
	}
	return m
}

func (r *reader) array(n int) any {
	a := array{}
	for range n {
		a = append(a, r.msgpack())
	}
	return a
}

type mark struct{}

func readPickle(b []byte) any {
	r := &reader{b}
	var stack []any
	push := func(v any) { stack = append(stack, v) }
	items := func() []any {
		for i := len(stack) - 1; ; i-- {
			if stack[i] == (mark{}) {
				items := stack[i+1:]
				stack = stack[:i]
				return items
			}
		}
	}
	for {
		switch c := r.code(); c {
		case 0x80:
			if p := r.code(); p != 2 {
				panic(fmt.Sprintf("protocol %d", p))
			}
		case ']':
			push(array{})
		case '}':
			push(object{})
		case '(':
			push(mark{})
		case 'e':
			v := items()
			stack[len(stack)-1] = append(stack[len(stack)-1].(array), v...)
		case 'u':
			v := items()
			for i := 0; i < len(v); i += 2 {
				stack[len(stack)-1].(object)[v[i].(string)] = v[i+1]
			}
		case 'X':
			push(string(r.take(int(binary.LittleEndian.Uint32(r.take(4))))))
		case 'J':
			push(int64(int32(binary.LittleEndian.Uint32(r.take(4)))))
		case 0x8a:
			if n := r.code(); n != 8 {
				panic(fmt.Sprintf("a long of %d bytes", n))
			}
			push(int64(binary.LittleEndian.Uint64(r.take(8))))
		case 'G':
			push(math.Float64frombits(r.u64()))
		case 'N':
			push(nil)
		case 0x88, 0x89:
			push(c == 0x88)
		case '.':
			if len(stack) != 1 || len(r.b) > 0 {
				panic(fmt.Sprintf("%d values and %d bytes at the end", len(stack), len(r.b)))
			}
			return stack[0]
		default:
			panic(fmt.Sprintf("opcode %q", c))
		}
	}
}

// unpacked is what a reader gets of series; integer turns an integer into what
// the format reads it as.
func unpacked(series []*functions.Series, integer func(int64) any) any {
	all := array{}
	for _, s := range series {
		values := array{}
		for _, v := range s.Values {
			if math.IsNaN(v) {
				values = append(values, nil)
			} else {
				values = append(values, v)
			}
		}
		all = append(all, object{
			"name": strings.ToValidUTF8(s.Name, "\uFFFD"), "pathExpression": strings.ToValidUTF8(cmpOr(s.Path, s.Name), "\uFFFD"),
			"consolidationFunc": strings.ToValidUTF8(cmpOr(s.Consolidate, "average"), "\uFFFD"),
			"start":             integer(s.Start), "end": integer(s.End), "step": integer(s.Step),
			"valuesPerPoint": integer(1), "xFilesFactor": s.XFilesFactor, "values": values,
		})
	}
	return all
}

func signed(n int64) any { return n }

func unsigned(n int64) any {
	if n < 0 {
		return n
	}
	return uint64(n)
}

func checkObjects(t testing.TB, series []*functions.Series) {
	t.Helper()
	if got, want := readPickle(AppendRenderPickle(nil, series)), unpacked(series, signed); !reflect.DeepEqual(got, want) {
		t.Fatalf("pickle: %s", cmp.Diff(want, got))
	}
	if got, want := readMsgPack(AppendRenderMsgPack(nil, series)), unpacked(series, unsigned); !reflect.DeepEqual(got, want) {
		t.Fatalf("msgpack: %s", cmp.Diff(want, got))
	}
}

// Around the lengths and numbers at which the encoding changes.
func TestObjectBounds(t *testing.T) {
	for _, n := range []int{0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			s := &functions.Series{Name: strings.Repeat("x", n), Path: "p", Step: int64(n), Values: make([]float64, n)}
			for i := range s.Values {
				s.Values[i] = float64(i)
			}
			checkObjects(t, []*functions.Series{s})
		})
	}
	for _, n := range []int64{-1, 127, 128, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, math.MaxInt64, math.MinInt64, -1 << 31, -1<<31 - 1} {
		checkObjects(t, []*functions.Series{{Name: "a", Path: "p", Start: n, End: n, Step: 1}})
	}
	many := make([]*functions.Series, 70_000)
	for i := range many {
		many[i] = twoSeries[1]
	}
	checkObjects(t, many)
}

func FuzzObjects(f *testing.F) {
	f.Add("a.b", "sum(a.*)", "max", int64(1_700_000_000), int64(60), []byte("12345678abcdefgh\x7f\xf8\x00\x00\x00\x00\x00\x00"))
	f.Add("\xff", "", "", int64(-1), int64(1<<40), []byte{})
	f.Fuzz(func(t *testing.T, name, path, consolidate string, start, step int64, raw []byte) {
		s := &functions.Series{Name: name, Path: path, Consolidate: consolidate, Start: start, Step: step, End: start + step}
		for ; len(raw) >= 8; raw = raw[8:] {
			s.Values = append(s.Values, math.Float64frombits(binary.BigEndian.Uint64(raw)))
		}
		checkObjects(t, []*functions.Series{s})
	})
}
