package ingest

import (
	"errors"

	"github.com/coalesce-metrics/coalesce/carbonpb"
	"github.com/coalesce-metrics/coalesce/pickle"
	"github.com/coalesce-metrics/coalesce/plaintext"
)

// frames decodes the frames of pickle or protobuf.
type frames struct {
	listener *listener
	from     sender
	splitter pickle.Splitter
}

func (d *frames) feed(w *worker, n int) bool {
	w.from = d.from
	w.frames.begin(d.listener)
	data := w.buf[w.head : w.head+n]
	for {
		payload, rest, whole, err := d.splitter.Next(data)
		if err != nil {
			d.splitter.Reset()
			w.frames.refuseStream(err)
		}
		if !whole {
			w.frames.finish()
			return err == nil
		}
		w.frames.decode(payload)
		data = rest
	}
}

func (d *frames) end(*worker) int { return d.cut() }

func (d *frames) cut() int {
	items := 0
	if d.splitter.Pending() > 0 {
		items = 1
	}
	d.splitter.Reset()
	return items
}

// A framer is a worker's part for frames.
type framer struct {
	worker   *worker
	listener *listener

	pickles  *pickle.Decoder // both made on first use
	payloads *carbonpb.Decoder

	// names is where the batch's names go. A lane may look at them until it is
	// released, so they go one behind the other until there is too little room.
	names    []byte
	lane     Lane // held from the first datapoint on
	now      float64
	accepted int
}

const (
	nameRoom = 64 << 10
	// leastRoom is what a batch with names of usual length takes.
	leastRoom = 128 * plaintext.BatchSize
)

// begin prepares for the frames of one buffer.
func (f *framer) begin(l *listener) {
	f.listener = l
	if f.names == nil {
		f.names = make([]byte, 0, nameRoom)
	}
	f.worker.batch.Buf = f.names
	f.now = f.worker.in.cfg.Now()
	switch {
	case l.Protocol == Protobuf && f.payloads == nil:
		f.payloads = carbonpb.NewDecoder(0)
		f.payloads.OnRefuse = func(r carbonpb.Reason) {
			f.sample(protobufReasons[r], f.payloads.AppendRefused)
		}
	case l.Protocol == Pickle && f.pickles == nil:
		f.pickles = pickle.NewDecoder(0)
		f.pickles.OnRefuse = func(r pickle.Reason) {
			f.sample(pickleReasons[r], f.pickles.AppendRefused)
		}
	}
}

// A payloadDecoder is what the decoders of both protocols have in common.
type payloadDecoder interface {
	Decode(payload []byte) error
	Fill(b *plaintext.Batch) bool
}

// decode hands a frame's datapoints to a lane.
func (f *framer) decode(payload []byte) {
	if len(payload) > nameRoom {
		f.release() // it takes a while to take this one apart
	}
	if f.listener.Protocol == Pickle {
		f.pickles.MaxName = f.listener.MaxLine
		f.take(f.pickles, payload)
	} else {
		f.payloads.MaxName = f.listener.MaxLine
		f.take(f.payloads, payload)
	}
}

func (f *framer) take(d payloadDecoder, payload []byte) {
	if err := d.Decode(payload); err != nil && f.worker.sampled() {
		f.worker.sample("frame", frameReason(err), 0, err.Error())
	}
	b := &f.worker.batch
	for d.Fill(b) {
		if f.stamp(b); b.N == 0 {
			continue
		}
		if f.lane == nil {
			f.lane = f.worker.in.cfg.Acquire()
		}
		f.lane.Add(b)
		f.accepted += b.N
		// Fill begins at the start of Buf.
		b.Buf = b.Buf[len(b.Buf):]
		if cap(b.Buf) < leastRoom {
			f.release()
		}
	}
}

// frameReason returns why a frame, or the stream of frames, is read no further.
func frameReason(err error) Reason {
	if e, ok := errors.AsType[*pickle.Error](err); ok {
		return pickleReasons[e.Reason]
	}
	return Corrupt
}

// stamp gives b's datapoints the time under which they count, as the scanner
// does for lines.
func (f *framer) stamp(b *plaintext.Batch) {
	kept := 0
	for i := range b.N {
		p := &b.Points[i]
		t, ok := plaintext.Stamp(p.Time, f.now, f.worker.in.cfg.Resolution)
		if !ok {
			f.listener.counts.refused[BadTimestamp].Add(1)
			f.sample(BadTimestamp, func(dst []byte) []byte { return append(dst, b.Name(i)...) })
			continue
		}
		p.Time = t
		if kept < i {
			b.Points[kept] = *p
		}
		kept++
	}
	b.N = kept
}

// sample keeps a refused datapoint for the log.
func (f *framer) sample(r Reason, show func(dst []byte) []byte) {
	if f.worker.sampled() {
		f.worker.sample("datapoint", r, 0, string(show(nil)))
	}
}

// refuseStream counts why nothing can be found in the stream any more.
func (f *framer) refuseStream(err error) {
	r := frameReason(err)
	f.listener.counts.refused[r].Add(1)
	if f.worker.sampled() {
		f.worker.sample("frame", r, 0, err.Error())
	}
}

// release lets the lane go, after which the room for names is free again.
func (f *framer) release() {
	if f.lane != nil {
		f.lane.Release()
		f.lane = nil
	}
	f.worker.batch.Buf = f.names
}

// finish ends what begin began.
func (f *framer) finish() {
	f.release()
	l := f.listener
	f.listener = nil
	l.counts.accepted.Add(uint64(f.accepted))
	f.accepted = 0
	if f.pickles != nil {
		l.counts.refused.move(f.pickles.Refused[:], pickleReasons[:])
	}
	if f.payloads != nil {
		l.counts.refused.move(f.payloads.Refused[:], protobufReasons[:])
	}
	f.worker.settle(l)
}
