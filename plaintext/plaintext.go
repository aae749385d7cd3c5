// Package plaintext turns Graphite's plaintext lines into datapoints and back, on bytes.
//
// A line is `name value timestamp` ended by a newline. What is accepted is what
// carbon's line receiver accepts (Python's float syntax, any Unicode white space
// between the fields); what carbon answers with a closed connection costs only
// the one bad line here.
package plaintext

import "fmt"

// Pad is how many bytes must be readable behind the last line of a Batch's Buf,
// so that eight bytes can be loaded at once anywhere in a line.
const Pad = 16

// BatchSize is how many datapoints one Scan fills at most. The stages that work
// on a batch (scan, look up, add) overlap their waits for memory best with a few
// dozen datapoints.
const BatchSize = 64

// Point is one datapoint of a Batch; the offsets are into the Batch's Buf.
type Point struct {
	Value float64
	Time  float64 // Unix seconds
	// Start and NameEnd enclose the name; End is behind the line's newline.
	Start, NameEnd, End uint32
	// Verbatim says that Buf[Start:End] is itself a well-formed line with the
	// Point's name, value and time, so that it can be passed on as it is.
	Verbatim bool
}

// Batch is a caller-owned, reusable set of datapoints scanned out of Buf. It is
// valid until Buf is written to or the next Scan.
type Batch struct {
	Buf    []byte
	Points [BatchSize]Point
	N      int // Points[:N] are set
}

// Name returns the name of Points[i], a part of Buf.
func (b *Batch) Name(i int) []byte {
	p := &b.Points[i]
	return b.Buf[p.Start:p.NameEnd:p.NameEnd]
}

// Add appends a datapoint whose name is appended to Buf. It is how decoders of
// other formats fill a Batch; it must not be called on a full one.
func (b *Batch) Add(name []byte, value, time float64) {
	start := len(b.Buf)
	b.Buf = append(b.Buf, name...)
	end := uint32(len(b.Buf))
	b.Points[b.N] = Point{Value: value, Time: time, Start: uint32(start), NameEnd: end, End: end}
	b.N++
}

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() { b.Buf, b.N = b.Buf[:0], 0 }

// Reason says why a line was refused.
type Reason uint8

// The reasons for which a line is refused. Blank lines are told apart from bad
// ones, because they carry nothing that could be lost.
const (
	Blank        Reason = iota // no field at all
	BadFields                  // not exactly three fields
	BadUTF8                    // not valid UTF-8
	BadValue                   // the value is no number
	NaNValue                   // the value is not-a-number
	BadTimestamp               // the timestamp is no finite number, or -1 where that has no meaning
	LineTooLong                // longer than Scanner.MaxLine
	NumReasons
)

var reasonNames = [NumReasons]string{"blank", "bad_fields", "bad_utf8", "bad_value", "nan_value", "bad_timestamp", "line_too_long"}

// String returns the reason as written in metrics and logs.
func (r Reason) String() string {
	if r < NumReasons {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason(%d)", uint8(r))
}
