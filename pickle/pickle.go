// Package pickle turns carbon's pickle frames into datapoints and back.
//
// A frame is a length of four bytes, most significant first, and a pickle of a
// list of (name, (timestamp, value)). Splitter finds the frames of a stream,
// Decoder reads one with a small stack machine that knows data only: there is
// nothing in it that could look up a name, call or build an object. What is
// accepted is what carbon accepts, apart from the table in DESIGN.md.
package pickle

import (
	"fmt"

	"github.com/coalesce-metrics/coalesce/plaintext"
)

// Reason says why a datapoint or the rest of a frame was refused.
type Reason uint8

// The reasons for which something is refused. The first five each cost one
// datapoint, the next two what could not be read of a frame, the last two the
// connection.
const (
	BadItem      Reason = iota // not (name, (timestamp, value))
	BadName                    // the name is no text that a plaintext line could carry, or too long
	BadValue                   // the value is no number
	NaNValue                   // the value is not-a-number
	BadTimestamp               // the timestamp is no finite number
	Forbidden                  // the pickle asks for an object or a function
	Corrupt                    // no pickle, or broken off, or more than a frame of its length may hold
	FrameTooLong               // longer than Splitter.MaxFrame
	NotAFrame                  // plain text or TLS where a frame's length belongs
	NumReasons
)

var reasonNames = [NumReasons]string{"bad_item", "bad_name", "bad_value", "nan_value", "bad_timestamp", "forbidden", "corrupt", "frame_too_long", "not_a_frame"}

// String returns the reason as written in metrics and logs.
func (r Reason) String() string {
	if r < NumReasons {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason(%d)", uint8(r))
}

// An Error is why a frame or a stream of frames is read no further.
type Error struct {
	Reason Reason
	Offset int // in the frame's payload; 0 for the errors of ParseHeader
	text   string
}

func (e *Error) Error() string { return e.text }

// MaxPayload is the longest payload that a Decoder reads, in bytes.
const MaxPayload = 1 << 26

// keep is how many values of each kind a Decoder keeps memory for between frames.
const keep = 1 << 16

// A Decoder reads pickles. It belongs to one goroutine and holds nothing of a
// frame once Fill has returned false. Its memory is at most about 40 bytes for
// each byte of the frame, whatever the frame claims, and does not grow with
// nesting: nothing here is recursive but AppendRefused, which has a limit.
type Decoder struct {
	// MaxName is the longest name accepted, in bytes.
	MaxName int
	// OnRefuse, where set, is called for each refused datapoint. AppendRefused
	// shows it during the call.
	OnRefuse func(r Reason)
	// Refused counts datapoints by reason and, under Forbidden and Corrupt, frames.
	Refused [NumReasons]uint64

	frame   []byte
	scratch []byte // texts that stand in the frame in another form

	stack []value
	marks []int // lengths of stack, one for each open mark
	fence int   // the last mark, 0 without: an opcode must not reach below it
	nodes []node
	lists []listHead
	memo  []value
	// sparse is the memo beyond what a frame of this length needs.
	sparse   map[int]value
	memoized int
	err      *Error

	maxStack, maxNodes int
	slowly             bool // without the fast path, for tests

	// What Fill hands out: left nodes, the next one being at.
	at, left uint32
	refused  value
}

// NewDecoder returns a decoder for names of up to maxName bytes.
func NewDecoder(maxName int) *Decoder { return &Decoder{MaxName: maxName} }

// Decode reads the payload of one frame. Fill hands out its datapoints until
// the next Decode; the payload must not change before. An error is an *Error
// and has been counted: after Corrupt, Fill hands out the datapoints that were
// complete before the damage, after Forbidden none.
func (d *Decoder) Decode(payload []byte) error {
	d.release()
	d.frame = payload
	// An element takes eleven bytes or more, or two where it is a reference to
	// an earlier one.
	d.maxStack, d.maxNodes = 1024+len(payload)/4, 1024+len(payload)/2
	var top value
	if len(payload) > MaxPayload {
		d.fail(0, Corrupt, "%d bytes are too many, accepted are %d", len(payload), MaxPayload)
	} else {
		top = d.run()
	}
	if d.err == nil {
		d.top(top)
	} else {
		d.Refused[d.err.Reason]++
		if d.err.Reason == Corrupt {
			d.salvage()
		}
	}
	d.stack, d.marks, d.fence = d.stack[:0], d.marks[:0], 0
	if d.err != nil {
		return d.err
	}
	return nil
}

// Fill empties b and fills it with the next datapoints of the frame, names
// copied. It returns false when there are none left. Timestamps are as
// received, so that -1, carbon's word for now, is left to the caller.
func (d *Decoder) Fill(b *plaintext.Batch) bool {
	b.Reset()
	for d.left > 0 && b.N < plaintext.BatchSize {
		n := &d.nodes[d.at]
		d.at = n.next
		d.left--
		name, time, value, reason := d.datapoint(n.value)
		if reason == NumReasons {
			b.Add(name, value, time)
			continue
		}
		d.Refused[reason]++
		if d.OnRefuse != nil {
			d.refused = n.value
			d.OnRefuse(reason)
		}
	}
	if b.N == 0 {
		d.release()
	}
	return b.N > 0
}

// top makes the items of the frame's value those that Fill hands out.
func (d *Decoder) top(v value) {
	switch v = d.spread(v); v.kind() {
	case tuple, list, set, dict:
		d.at, d.left = d.items(v)
	default:
		d.left = 1
		d.nodes = append(d.nodes[:0], node{value: v}) // one item, of the wrong shape
	}
}

// salvage makes the datapoints that were complete when the frame broke those
// that Fill hands out: the list at the bottom of the stack, which is the outer
// one of every pickle that has one, then whatever waited to be appended to it.
func (d *Decoder) salvage() {
	stack := d.stack
	if len(stack) > 0 && stack[0].kind() == list {
		d.at, d.left = d.items(stack[0])
		stack = stack[1:]
	}
	var last uint32
	if d.left > 0 {
		last = d.lists[d.stack[0].at].last
	}
	for _, v := range stack {
		if _, _, _, r := d.datapoint(v); r != NumReasons {
			continue
		}
		next := uint32(len(d.nodes))
		d.nodes = append(d.nodes, node{value: v})
		if d.left == 0 {
			d.at = next
		} else {
			d.nodes[last].next = next
		}
		last = next
		d.left++
	}
}

// release forgets the frame and keeps memory for the next ones.
func (d *Decoder) release() {
	d.frame, d.err, d.sparse, d.memoized, d.at, d.left, d.fence = nil, nil, nil, 0, 0, 0, 0
	d.scratch = shrink(d.scratch, 16*keep)
	d.stack = shrink(d.stack, keep)
	d.marks = shrink(d.marks, keep)
	d.nodes = shrink(d.nodes, keep)
	d.lists = shrink(d.lists, keep)
	d.memo = shrink(d.memo, keep)
}

func shrink[T any](s []T, most int) []T {
	if cap(s) > most {
		return nil
	}
	return s[:0]
}
