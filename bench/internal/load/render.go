// Package load sends a workload over TCP at the least possible cost per datapoint.
package load

import (
	"strconv"

	"github.com/coalesce-metrics/coalesce/bench/internal/workload"
)

const stampDigits = 10 // of a Unix timestamp in seconds, until the year 2286

// A Script is a rendered workload: the bytes of each connection, in chunks.
// It can be sent many times, but only by one Send at a time.
type Script struct {
	conns [][]*chunk
	once  bool
}

// A chunk is what one write sends. Its lines first, first+stride, first+2*stride…
// of the workload differ from one sending to the next in their timestamps only.
type chunk struct {
	buf           []byte
	stamps        []int32 // where in buf the timestamp of each line begins
	second        int64   // the timestamp that buf carries now
	first, stride int
}

// Render renders the first lines of the workload, dealt out over conns connections
// in chunks of about chunkBytes bytes.
func Render(w *workload.Workload, lines, conns, chunkBytes int) *Script {
	s := &Script{conns: make([][]*chunk, conns), once: w.Once}
	lines = min(lines, w.Lines())
	const longest = 128 // bytes of a line, generously
	for c := range conns {
		var cur *chunk
		for i := c; i < lines; i += conns {
			if cur == nil || len(cur.buf)+longest > chunkBytes && len(cur.buf) > 0 {
				cur = &chunk{buf: make([]byte, 0, chunkBytes+longest), first: i, stride: conns}
				s.conns[c] = append(s.conns[c], cur)
			}
			cur.add(w, i)
		}
	}
	return s
}

func (c *chunk) add(w *workload.Workload, i int) {
	c.buf = w.AppendMetric(c.buf, w.Metric(i))
	c.buf = append(c.buf, ' ')
	c.buf = strconv.AppendFloat(c.buf, w.Value(i), 'f', -1, 64)
	c.buf = append(c.buf, ' ')
	c.stamps = append(c.stamps, int32(len(c.buf)))
	c.buf = append(c.buf, "0000000000\n"...)
}

// stamp makes second the timestamp of every line.
func (c *chunk) stamp(second int64) {
	if c.second == second {
		return
	}
	c.second = second
	var digits [20]byte
	text := strconv.AppendInt(digits[:0], second, 10)
	for _, at := range c.stamps {
		copy(c.buf[at:at+stampDigits], text)
	}
}
