package load

import (
	"encoding/binary"
	"math"

	"github.com/coalesce-metrics/coalesce/bench/internal/workload"
)

// framePoints is how many datapoints carbon's relay puts into a frame.
const framePoints = 500

// appendMemo appends "remember this as number n", for which there are two forms.
func appendMemo(dst []byte, n int) []byte {
	if n < 256 {
		return append(dst, 'q', byte(n))
	}
	return binary.LittleEndian.AppendUint32(append(dst, 'r'), uint32(n))
}

// beginFrame appends what is before the datapoints of a frame: room for its length,
// protocol 2, a list, and the mark that its elements follow.
func beginFrame(dst []byte) []byte {
	dst = append(dst, 0, 0, 0, 0, 0x80, 2, ']')
	return append(appendMemo(dst, 0), '(')
}

// addPickled adds (name, (timestamp, value)) to a frame, byte by byte as Python's
// pickle.dumps does: it remembers every text and tuple. Carbon's timestamps are floats.
func (c *chunk) addPickled(w *workload.Workload, i int) {
	memo := 1 + 3*len(c.stamps) // the list is number 0
	c.buf = append(c.buf, 'X', 0, 0, 0, 0)
	at := len(c.buf)
	c.buf = w.AppendMetric(c.buf, w.Metric(i))
	binary.LittleEndian.PutUint32(c.buf[at-4:], uint32(len(c.buf)-at))
	c.buf = appendMemo(c.buf, memo)
	c.buf = append(c.buf, 'G')
	c.stamps = append(c.stamps, int32(len(c.buf)))
	c.buf = appendFloat(c.buf, 0)
	c.buf = appendFloat(append(c.buf, 'G'), w.Value(i))
	c.buf = appendMemo(append(c.buf, 0x86), memo+1)
	c.buf = appendMemo(append(c.buf, 0x86), memo+2)
}

// endFrame ends the list and the frame, and enters its length.
func (c *chunk) endFrame() {
	c.buf = append(c.buf, 'e', '.')
	binary.BigEndian.PutUint32(c.buf, uint32(len(c.buf)-4))
}

func appendFloat(dst []byte, f float64) []byte {
	return binary.BigEndian.AppendUint64(dst, math.Float64bits(f))
}
