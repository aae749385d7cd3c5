// Package carbonpb turns carbon's protobuf payloads into datapoints and back.
//
//	message Payload { repeated Metric metrics = 1; }
//	message Metric  { string metric = 1; repeated Point points = 2; }
//	message Point   { uint32 timestamp = 1; double value = 2; }
//
// The payloads are framed as pickles are, see pickle.Splitter. What is accepted
// is what carbon accepts, with two exceptions: a damaged metric costs only
// itself where carbon drops the payload, and a name that a plaintext line could
// not carry (empty, with white space, not UTF-8) is refused.
package carbonpb

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/coalesce-metrics/coalesce/plaintext"
)

// Reason says why something was refused.
type Reason uint8

// The reasons for which something is refused: one datapoint by the first two,
// one metric or the rest of a payload by Corrupt.
const (
	BadName  Reason = iota // the name is none that a plaintext line could carry, or too long
	NaNValue               // the value is not-a-number
	Corrupt                // not a message of this kind, or broken off
	NumReasons
)

var reasonNames = [NumReasons]string{"bad_name", "nan_value", "corrupt"}

// String returns the reason as written in metrics and logs.
func (r Reason) String() string {
	if r < NumReasons {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason(%d)", uint8(r))
}

// A Decoder reads payloads. It belongs to one goroutine, takes no memory of its
// own and holds nothing of a payload once Fill has returned false.
type Decoder struct {
	// MaxName is the longest name accepted, in bytes.
	MaxName int
	// OnRefuse, where set, is called for everything refused, for a whole metric
	// once. AppendRefused shows it during the call.
	OnRefuse func(r Reason)
	// Refused counts by reason: datapoints, and under Corrupt metrics and payloads.
	Refused [NumReasons]uint64

	payload []byte // what is left of it
	name    []byte // of the metric at hand
	points  []byte // what is left of that metric, known to be sound
	refused []byte
	slowly  bool // without the fast path, for tests
}

// NewDecoder returns a decoder for names of up to maxName bytes.
func NewDecoder(maxName int) *Decoder { return &Decoder{MaxName: maxName} }

// Decode reads one payload, which must not change until Fill has returned false
// or the next Decode. The error says where it is no Payload message; it has been
// counted as Corrupt, and Fill hands out the metrics before that place. Other
// damage is found by Fill.
func (d *Decoder) Decode(payload []byte) error {
	d.payload, d.name, d.points = payload, nil, nil
	for rest := payload; len(rest) > 0; {
		_, next, ok := readField(rest)
		if !ok {
			at := len(payload) - len(rest)
			d.payload = payload[:at]
			d.Refused[Corrupt]++
			return fmt.Errorf("protobuf, byte %d, %q: no field of carbon's Payload, or it reaches beyond the payload's %d bytes",
				at, rest[:min(len(rest), 40)], len(payload))
		}
		rest = next
	}
	return nil
}

// Fill empties b and fills it with the next datapoints of the payload, names
// copied. It returns false when there are none left.
func (d *Decoder) Fill(b *plaintext.Batch) bool {
	b.Reset()
	for b.N < plaintext.BatchSize {
		if len(d.points) == 0 {
			if name, time, value, rest, ok := everyday(d.payload); ok && !d.slowly {
				d.payload = rest
				if d.nameOK(name, 1) {
					d.add(b, name, value, time)
				}
				continue
			}
			if !d.nextMetric() {
				break
			}
		}
		var f field
		f, d.points, _ = readField(d.points)
		if f.is(2, wireBytes) {
			time, value, _ := readPoint(f.bytes)
			d.add(b, d.name, value, time)
		}
	}
	if b.N == 0 {
		d.payload, d.name, d.points = nil, nil, nil
	}
	return b.N > 0
}

func (d *Decoder) add(b *plaintext.Batch, name []byte, value float64, time uint32) {
	if value != value {
		d.refuse(NaNValue, 1, name)
		return
	}
	b.Add(name, value, float64(time))
}

// nameOK refuses a metric's points if its name is bad.
func (d *Decoder) nameOK(name []byte, points int) bool {
	if len(name) <= d.MaxName && plaintext.ValidName(name) {
		return true
	}
	d.refuse(BadName, points, name)
	return false
}

// AppendRefused appends the name of what OnRefuse is called for, or the
// beginning of the bytes that are no metric, quoted and cut at 400 bytes. It
// must only be called by OnRefuse.
func (d *Decoder) AppendRefused(dst []byte) []byte {
	const shown = 400
	if len(d.refused) > shown {
		return fmt.Appendf(dst, "%q...", d.refused[:shown])
	}
	return fmt.Appendf(dst, "%q", d.refused)
}

func (d *Decoder) refuse(r Reason, n int, what []byte) {
	d.Refused[r] += uint64(n)
	if d.OnRefuse != nil {
		d.refused = what
		d.OnRefuse(r)
		d.refused = nil
	}
}

// nextMetric makes the next sound metric that has points the one at hand. The
// fields of a metric may come in any order, so it is read once for its name and
// for damage, then by Fill for its points.
func (d *Decoder) nextMetric() bool {
	for len(d.payload) > 0 {
		var f field
		f, d.payload, _ = readField(d.payload)
		if !f.is(1, wireBytes) {
			continue
		}
		name, points, ok := readMetric(f.bytes)
		switch {
		case !ok:
			d.refuse(Corrupt, 1, f.bytes)
		case points == 0:
		case d.nameOK(name, points):
			d.name, d.points = name, f.bytes
			return true
		}
	}
	return false
}

// readMetric returns a metric's name, the number of its points and whether all
// of it is sound. As everywhere in protobuf, the last of several names counts.
func readMetric(b []byte) (name []byte, points int, ok bool) {
	for len(b) > 0 {
		f, next, ok := readField(b)
		if !ok {
			return nil, 0, false
		}
		switch {
		case f.is(1, wireBytes):
			name = f.bytes
		case f.is(2, wireBytes):
			if _, _, ok := readPoint(f.bytes); !ok {
				return nil, 0, false
			}
			points++
		}
		b = next
	}
	return name, points, true
}

func readPoint(b []byte) (time uint32, value float64, ok bool) {
	for len(b) > 0 {
		f, next, ok := readField(b)
		if !ok {
			return 0, 0, false
		}
		switch {
		case f.is(1, wireVarint):
			time = uint32(f.number) // cut to 32 bits, as protobuf says
		case f.is(2, wireFixed64):
			value = math.Float64frombits(binary.LittleEndian.Uint64(f.bytes))
		}
		b = next
	}
	return time, value, true
}
