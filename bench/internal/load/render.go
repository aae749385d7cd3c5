// Package load sends a workload over TCP at the least possible cost per datapoint.
package load

import (
	"strconv"

	"github.com/coalesce-metrics/coalesce/bench/internal/workload"
)

// A Script is a rendered workload: the bytes of each connection, in chunks.
// It can be sent many times, but only by one Send at a time.
type Script struct {
	conns [][]*chunk
	once  bool
}

// A chunk is what one write sends: lines, or a frame of pickle. Its lines first,
// first+stride, first+2*stride… of the workload differ from one sending to the next
// in their timestamps only.
type chunk struct {
	buf           []byte
	pickle        bool
	stamps        []int32 // where in buf the timestamp of each line begins
	second        int64   // the timestamp that buf carries now
	first, stride int
}

// longest is the bytes of a line, in either form, generously.
const longest = 128

// Render renders the first lines of the workload, dealt out over conns connections
// in chunks of about chunkBytes bytes; a frame of pickle is as large as it is.
func Render(w *workload.Workload, lines, conns, chunkBytes int) *Script {
	s := &Script{conns: make([][]*chunk, conns), once: w.Once}
	lines = min(lines, w.Lines())
	for c := range conns {
		var cur *chunk
		for i := c; i < lines; i += conns {
			if cur == nil || cur.full(chunkBytes) {
				cur = newChunk(w.Pickle, chunkBytes)
				cur.first, cur.stride = i, conns
				s.conns[c] = append(s.conns[c], cur)
			}
			if w.Pickle {
				cur.addPickled(w, i)
			} else {
				cur.add(w, i)
			}
		}
		if w.Pickle {
			for _, frame := range s.conns[c] {
				frame.endFrame()
			}
		}
	}
	return s
}

func newChunk(pickle bool, chunkBytes int) *chunk {
	if pickle {
		return &chunk{pickle: true, buf: beginFrame(nil)}
	}
	return &chunk{buf: make([]byte, 0, chunkBytes+longest)}
}

func (c *chunk) full(chunkBytes int) bool {
	if c.pickle {
		return len(c.stamps) == framePoints
	}
	return len(c.buf) > 0 && len(c.buf)+longest > chunkBytes
}

func (c *chunk) add(w *workload.Workload, i int) {
	c.buf = w.AppendMetric(c.buf, w.Metric(i))
	c.buf = append(c.buf, ' ')
	c.buf = strconv.AppendFloat(c.buf, w.Value(i), 'f', -1, 64)
	c.buf = append(c.buf, ' ')
	c.stamps = append(c.stamps, int32(len(c.buf)))
	c.buf = append(c.buf, "0000000000\n"...) // its digits until the year 2286
}

// stamp makes second the timestamp of every line.
func (c *chunk) stamp(second int64) {
	if c.second == second {
		return
	}
	c.second = second
	var buf [20]byte
	text := strconv.AppendInt(buf[:0], second, 10)
	if c.pickle {
		text = appendFloat(buf[:0], float64(second))
	}
	for _, at := range c.stamps {
		copy(c.buf[at:], text)
	}
}
