package ingest

import (
	"fmt"
	"sync/atomic"

	"github.com/coalesce-metrics/coalesce/carbonpb"
	"github.com/coalesce-metrics/coalesce/pickle"
	"github.com/coalesce-metrics/coalesce/plaintext"
)

// Reason says why an item was refused, whatever its protocol. The reasons of
// package plaintext have the same numbers here.
type Reason uint8

// The reasons for which an item is refused.
const (
	Blank          Reason = iota // plaintext: no field at all
	BadFields                    // plaintext: not exactly three fields
	BadUTF8                      // plaintext: not valid UTF-8
	BadValue                     // the value is no number
	NaNValue                     // the value is not-a-number
	BadTimestamp                 // the timestamp is no finite number
	LineTooLong                  // plaintext: longer than MaxLine
	BadItem                      // pickle: not (name, (timestamp, value))
	BadName                      // pickle, protobuf: a name that no line could carry, or longer than MaxLine
	Forbidden                    // pickle: the frame asks for an object or a function
	Corrupt                      // pickle, protobuf: what could not be read of a frame
	FrameTooLong                 // pickle, protobuf: longer than MaxFrame; the connection is closed
	NotAFrame                    // pickle, protobuf: plain text or TLS where a frame belongs; the connection is closed
	BadCompression               // the compressed stream is damaged; the connection is closed
	NumReasons
)

// The reasons of each protocol's decoder.
var (
	lineReasons = [plaintext.NumReasons]Reason{
		plaintext.Blank: Blank, plaintext.BadFields: BadFields, plaintext.BadUTF8: BadUTF8, plaintext.BadValue: BadValue,
		plaintext.NaNValue: NaNValue, plaintext.BadTimestamp: BadTimestamp, plaintext.LineTooLong: LineTooLong,
	}
	pickleReasons = [pickle.NumReasons]Reason{
		pickle.BadItem: BadItem, pickle.BadName: BadName, pickle.BadValue: BadValue, pickle.NaNValue: NaNValue,
		pickle.BadTimestamp: BadTimestamp, pickle.Forbidden: Forbidden, pickle.Corrupt: Corrupt,
		pickle.FrameTooLong: FrameTooLong, pickle.NotAFrame: NotAFrame,
	}
	protobufReasons = [carbonpb.NumReasons]Reason{
		carbonpb.BadName: BadName, carbonpb.NaNValue: NaNValue, carbonpb.Corrupt: Corrupt,
	}
)

var reasonNames = [NumReasons]string{"blank", "bad_fields", "bad_utf8", "bad_value", "nan_value", "bad_timestamp", "line_too_long",
	"bad_item", "bad_name", "forbidden", "corrupt", "frame_too_long", "not_a_frame", "bad_compression"}

// String returns the reason as written in metrics and logs.
func (r Reason) String() string {
	if r < NumReasons {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason(%d)", uint8(r))
}

// Reasons returns those for which the listener can refuse an item: by its
// protocol and its compression, without Blank.
func (s *Stats) Reasons() []Reason {
	var reasons []Reason
	switch s.Protocol {
	case Pickle:
		reasons = []Reason{BadItem, BadName, BadValue, NaNValue, BadTimestamp, Forbidden, Corrupt, FrameTooLong, NotAFrame}
	case Protobuf:
		reasons = []Reason{BadName, NaNValue, BadTimestamp, Corrupt, FrameTooLong, NotAFrame}
	default:
		reasons = []Reason{BadFields, BadUTF8, BadValue, NaNValue, BadTimestamp, LineTooLong}
	}
	if s.Compression != "" && s.Compression != Uncompressed {
		reasons = append(reasons, BadCompression)
	}
	return reasons
}

// refusals counts refused items.
type refusals [NumReasons]atomic.Uint64

// move adds what a decoder counted, by its own reasons, and sets that to zero.
func (rs *refusals) move(counted []uint64, reasons []Reason) {
	for i, n := range counted {
		if n > 0 {
			rs[reasons[i]].Add(n)
			counted[i] = 0
		}
	}
}
