package wire

import (
	"encoding/binary"
	"math"

	"github.com/coalesce-metrics/coalesce/query/functions"
)

// AppendRenderMsgPack appends the series as MessagePack of the structure of
// AppendRenderPickle. Every value is a 64 bit float or nil, since carbonapi
// takes an integer for a gap, and times are unsigned, since it takes no others;
// a time before 1970 is signed.
func AppendRenderMsgPack(dst []byte, series []*functions.Series) []byte {
	w := msgpacker{dst}
	writeSeries(&w, series)
	return w.b
}

// AppendFindMsgPack appends the nodes as MessagePack of the structure of
// AppendFindPickle.
func AppendFindMsgPack(dst []byte, nodes []Node) []byte {
	w := msgpacker{dst}
	writeNodes(&w, nodes)
	return w.b
}

type msgpacker struct{ b []byte }

func (m *msgpacker) room() *[]byte { return &m.b }
func (m *msgpacker) list(n int)    { m.head(n, 0x90, 15, 0xdc) }
func (m *msgpacker) endList()      {}
func (m *msgpacker) dict(n int)    { m.head(n, 0x80, 15, 0xde) }
func (m *msgpacker) endDict()      {}

// head writes a length of up to short in the byte fix, a longer one after wide
// (16 bits) or the code that follows it (32 bits).
func (m *msgpacker) head(n int, fix byte, short int, wide byte) {
	switch {
	case n <= short:
		m.b = append(m.b, fix|byte(n))
	case n <= math.MaxUint16:
		m.b = binary.BigEndian.AppendUint16(append(m.b, wide), uint16(n))
	default:
		m.b = binary.BigEndian.AppendUint32(append(m.b, wide+1), uint32(n))
	}
}

func (m *msgpacker) str(s string) {
	s = valid(s)
	n := len(s)
	if n > 31 && n <= math.MaxUint8 {
		m.b = append(m.b, 0xd9, byte(n))
	} else {
		m.head(n, 0xa0, 31, 0xda)
	}
	m.b = append(m.b, s...)
}

func (m *msgpacker) int(n int64) {
	switch {
	case n < 0:
		m.b = binary.BigEndian.AppendUint64(append(m.b, 0xd3), uint64(n))
	case n < 1<<7:
		m.b = append(m.b, byte(n))
	case n <= math.MaxUint32:
		m.b = binary.BigEndian.AppendUint32(append(m.b, 0xce), uint32(n))
	default:
		m.b = binary.BigEndian.AppendUint64(append(m.b, 0xcf), uint64(n))
	}
}

func (m *msgpacker) float(v float64) {
	m.b = binary.BigEndian.AppendUint64(append(m.b, 0xcb), math.Float64bits(v))
}

func (m *msgpacker) bool(v bool) {
	if v {
		m.b = append(m.b, 0xc3)
	} else {
		m.b = append(m.b, 0xc2)
	}
}

func (m *msgpacker) floats(values []float64) {
	m.list(len(values))
	for _, v := range values {
		if math.IsNaN(v) {
			m.b = append(m.b, 0xc0)
		} else {
			m.float(v)
		}
	}
}
