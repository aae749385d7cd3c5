package carbonpb

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// HeaderSize is the length of a frame's header in bytes.
const HeaderSize = 4

// BeginFrame appends the beginning of a frame. AppendPoint appends its
// datapoints, EndFrame ends it.
func BeginFrame(dst []byte) []byte { return append(dst, 0, 0, 0, 0) }

// PointSize is how many bytes AppendPoint appends at most, besides the name's.
const PointSize = 29

// AppendPoint appends a datapoint to a frame, its time cut to whole seconds, as
// carbon does. The name must be valid UTF-8. ok is false, and nothing appended,
// when the time does not fit the format's 32 bits.
func AppendPoint(dst, name []byte, value, time float64) (_ []byte, ok bool) {
	if !(time > -1 && time < 1<<32) {
		return dst, false
	}
	t, v := uint32(time), math.Float64bits(value)
	// Zeroes are left out, as every writer of proto3 does.
	point := 0
	if t != 0 {
		point += 1 + varintSize(uint64(t))
	}
	if v != 0 {
		point += 1 + 8
	}
	metric := 1 + varintSize(uint64(len(name))) + len(name) + 1 + 1 + point
	dst = binary.AppendUvarint(append(dst, 1<<3|wireBytes), uint64(metric))
	dst = binary.AppendUvarint(append(dst, 1<<3|wireBytes), uint64(len(name)))
	dst = append(dst, name...)
	dst = append(dst, 2<<3|wireBytes, byte(point))
	if t != 0 {
		dst = binary.AppendUvarint(append(dst, 1<<3|wireVarint), uint64(t))
	}
	if v != 0 {
		dst = binary.LittleEndian.AppendUint64(append(dst, 2<<3|wireFixed64), v)
	}
	return dst, true
}

// EndFrame completes the frame that began at dst[start].
func EndFrame(dst []byte, start int) []byte {
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-HeaderSize))
	return dst
}

func varintSize(x uint64) int { return (bits.Len64(x|1) + 6) / 7 }
