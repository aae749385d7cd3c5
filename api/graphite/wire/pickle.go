package wire

import (
	"encoding/binary"
	"math"

	"github.com/coalesce-metrics/coalesce/query/functions"
)

// AppendRenderPickle appends the series as graphite-web's own pickle of them
// reads: a list of dicts.
func AppendRenderPickle(dst []byte, series []*functions.Series) []byte {
	w := pickler{append(dst, "\x80\x02"...)} // protocol 2
	writeSeries(&w, series)
	return append(w.b, '.')
}

// AppendFindPickle appends the nodes as a pickle: a list of dicts.
func AppendFindPickle(dst []byte, nodes []Node) []byte {
	w := pickler{append(dst, "\x80\x02"...)}
	writeNodes(&w, nodes)
	return append(w.b, '.')
}

// A pickler writes what Python reads as dict, list, str, int, float, bool and
// None. There is no memo: it would save bytes, not time.
type pickler struct{ b []byte }

func (p *pickler) room() *[]byte { return &p.b }
func (p *pickler) list(int)      { p.b = append(p.b, "]("...) }
func (p *pickler) endList()      { p.b = append(p.b, 'e') }
func (p *pickler) dict(int)      { p.b = append(p.b, "}("...) }
func (p *pickler) endDict()      { p.b = append(p.b, 'u') }

func (p *pickler) str(s string) {
	s = valid(s)
	p.b = binary.LittleEndian.AppendUint32(append(p.b, 'X'), uint32(len(s)))
	p.b = append(p.b, s...)
}

func (p *pickler) int(n int64) {
	if int64(int32(n)) == n {
		p.b = binary.LittleEndian.AppendUint32(append(p.b, 'J'), uint32(n))
		return
	}
	p.b = binary.LittleEndian.AppendUint64(append(p.b, 0x8a, 8), uint64(n))
}

func (p *pickler) float(v float64) {
	p.b = binary.BigEndian.AppendUint64(append(p.b, 'G'), math.Float64bits(v))
}

func (p *pickler) bool(v bool) {
	if v {
		p.b = append(p.b, 0x88)
	} else {
		p.b = append(p.b, 0x89)
	}
}

func (p *pickler) floats(values []float64) {
	p.list(len(values))
	for _, v := range values {
		if math.IsNaN(v) {
			p.b = append(p.b, 'N')
		} else {
			p.float(v)
		}
	}
	p.endList()
}
