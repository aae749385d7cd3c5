package pickle

import (
	"encoding/binary"
	"math"
)

// BeginFrame appends the beginning of a frame. AppendPoint appends its
// datapoints, EndFrame ends it.
func BeginFrame(dst []byte) []byte {
	return append(dst, 0, 0, 0, 0, opProto, 2, opEmptyList, opMark)
}

// PointSize is how many bytes AppendPoint appends at most, besides the name's.
const PointSize = 26

// AppendPoint appends a datapoint to a frame. The name must be valid UTF-8;
// whole timestamps are written as integers.
func AppendPoint(dst, name []byte, value, time float64) []byte {
	dst = append(dst, opBinUnicode)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(name)))
	dst = append(dst, name...)
	if math.Trunc(time) == time && math.Abs(time) < 1<<62 {
		dst = appendInt(dst, int64(time))
	} else {
		dst = appendFloat(dst, time)
	}
	return append(appendFloat(dst, value), opTuple2, opTuple2)
}

// EndFrame appends the end of the frame that began at dst[start].
func EndFrame(dst []byte, start int) []byte {
	dst = append(dst, opAppends, opStop)
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-HeaderSize))
	return dst
}

func appendInt(dst []byte, n int64) []byte {
	if n == int64(int32(n)) {
		return binary.LittleEndian.AppendUint32(append(dst, opBinInt), uint32(n))
	}
	return binary.LittleEndian.AppendUint64(append(dst, opLong1, 8), uint64(n))
}

func appendFloat(dst []byte, f float64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, opBinFloat), math.Float64bits(f))
}
