package carbonpb

import "encoding/binary"

// protobuf's wire types.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireGroup   = 3
	wireEnd     = 4
	wireFixed32 = 5
)

// A field is one of a message, known or not.
type field struct {
	num, wire int
	number    uint64 // a varint's
	bytes     []byte // a string's or message's, or of a fixed size
}

// is says that f is the field that the schema means: one with another wire type
// is skipped like an unknown one.
func (f *field) is(num, wire int) bool { return f.num == num && f.wire == wire }

// maxGroups is how deep groups may be nested, which is protobuf's own limit.
const maxGroups = 100

// readField returns the first field of a message and what is behind it; of a
// group, only its number.
func readField(b []byte) (f field, rest []byte, ok bool) {
	f, rest, ok = readOne(b)
	if !ok || f.wire != wireGroup {
		return f, rest, ok && f.wire != wireEnd
	}
	rest, ok = skipGroup(f, rest)
	return f, rest, ok
}

// skipGroup returns what is behind the group that f began.
func skipGroup(f field, rest []byte) ([]byte, bool) {
	var open [maxGroups]int
	open[0] = f.num
	for depth := 1; depth > 0; {
		g, next, ok := readOne(rest)
		rest = next
		switch {
		case !ok:
			return nil, false
		case g.wire == wireGroup:
			if depth == maxGroups {
				return nil, false
			}
			open[depth] = g.num
			depth++
		case g.wire == wireEnd:
			depth--
			if open[depth] != g.num {
				return nil, false
			}
		}
	}
	return rest, true
}

// readOne reads a field that is no group, or a group's beginning or end.
func readOne(b []byte) (f field, rest []byte, ok bool) {
	tag, n := uvarint(b)
	if n == 0 || tag>>3 == 0 || tag > 1<<32-1 {
		return f, nil, false
	}
	f.num, f.wire = int(tag>>3), int(tag&7)
	b = b[n:]
	size := 0
	switch f.wire {
	case wireVarint:
		if f.number, size = uvarint(b); size == 0 {
			return f, nil, false
		}
	case wireFixed64:
		size = 8
	case wireFixed32:
		size = 4
	case wireBytes:
		length, n := uvarint(b)
		if n == 0 || length > uint64(len(b)-n) {
			return f, nil, false
		}
		b, size = b[n:], int(length)
	case wireGroup, wireEnd:
	default:
		return f, nil, false
	}
	if size > len(b) {
		return f, nil, false
	}
	f.bytes = b[:size:size]
	return f, b[size:], true
}

// uvarint returns the varint that b begins with and its length, 0 when it is
// broken off or longer than ten bytes. Bits above 64 are ignored.
func uvarint(b []byte) (uint64, int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	var x uint64
	for i, c := range b[:min(len(b), binary.MaxVarintLen64)] {
		x |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			return x, i + 1
		}
	}
	return 0, 0
}
