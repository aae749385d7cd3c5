package carbonpb

import (
	"encoding/binary"
	"math"
)

// everyday reads the metric that carbon's writers make for one datapoint: name,
// point of timestamp and value, no more and in this order. ok is false for any
// other beginning of a payload, sound or not.
func everyday(b []byte) (name []byte, time uint32, value float64, rest []byte, ok bool) {
	const valueSize = 9 // its tag included
	m, b, ok := lengthOf(b, 1<<3|wireBytes)
	if !ok {
		return nil, 0, 0, nil, false
	}
	b, rest = b[:m], b[m:]
	n, b, ok := lengthOf(b, 1<<3|wireBytes)
	if !ok {
		return nil, 0, 0, nil, false
	}
	name, b = b[:n:n], b[n:]
	p, b, ok := lengthOf(b, 2<<3|wireBytes)
	if !ok || p != len(b) || p <= 1+valueSize || b[0] != 1<<3|wireVarint || b[p-valueSize] != 2<<3|wireFixed64 {
		return nil, 0, 0, nil, false
	}
	t, size := uvarint(b[1 : p-valueSize])
	if size != p-valueSize-1 {
		return nil, 0, 0, nil, false
	}
	return name, uint32(t), math.Float64frombits(binary.LittleEndian.Uint64(b[p-8:])), rest, true
}

// lengthOf reads a tag of one byte and the length of what follows, which b holds.
func lengthOf(b []byte, tag byte) (n int, rest []byte, ok bool) {
	if len(b) < 2 || b[0] != tag {
		return 0, nil, false
	}
	length, size := uvarint(b[1:])
	if size == 0 || length > uint64(len(b)-1-size) {
		return 0, nil, false
	}
	return int(length), b[1+size:], true
}
