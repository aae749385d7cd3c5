package upstream

import (
	"math"
	"net"

	"github.com/coalesce-metrics/coalesce/pickle"
	"github.com/coalesce-metrics/coalesce/plaintext"
)

const (
	defaultMaxDatapoints = 500 // as in carbon
	maxDatapoints        = 100_000
	// frameBytes is where a frame ends before it has all its datapoints: carbon
	// refuses frames above 1 MiB.
	frameBytes = 512 << 10
	// pickleBytes is how much is encoded before it is written.
	pickleBytes = 256 << 10
	// scanBytes is how much is read of a buffer at once: the scanner needs room behind
	// the lines, which a buffer may not have.
	scanBytes = 16 << 10
)

// pickleSink sends lines as carbon's pickle frames.
type pickleSink struct {
	*stream
	*pickler
}

func (s *pickleSink) write(bufs net.Buffers) (sum progress, err error) {
	s.rest = nil
	for {
		more := s.encode(&bufs)
		n, err := s.send(net.Buffers{s.out})
		p := s.through(n)
		sum.taken += p.taken
		sum.lost += p.lost
		sum.wire += n
		if err != nil || !more {
			return sum, err
		}
	}
}

// pickler makes frames of lines. It is kept over connections for its buffers.
type pickler struct {
	most    int // datapoints in a frame
	scanner *plaintext.Scanner
	batch   plaintext.Batch
	refused [plaintext.BatchSize + 1]int64 // by the points of batch before them
	rest    []byte                         // of the buffer that is being read

	out    []byte
	ends   []progress // what is done when a frame has been taken
	done   progress
	start  int // of the frame being made, in out
	points int // in it
}

func newPickler(most int) *pickler {
	p := &pickler{most: most, scanner: plaintext.NewScanner(math.MaxInt32)}
	p.scanner.OnRefuse = func(plaintext.Reason, []byte) { p.refused[p.batch.N]++ }
	return p
}

// encode fills out with frames of the lines in rest and bufs. It returns false when
// that was all of them.
func (p *pickler) encode(bufs *net.Buffers) (more bool) {
	p.out, p.ends, p.done = p.out[:0], p.ends[:0], progress{}
	for len(p.out) < pickleBytes {
		if len(p.rest) == 0 {
			if len(*bufs) == 0 {
				break
			}
			p.rest, *bufs = (*bufs)[0], (*bufs)[1:]
		}
		p.read()
	}
	p.end()
	return len(p.rest) > 0 || len(*bufs) > 0
}

// read encodes some lines of rest.
func (p *pickler) read() {
	n := fit(p.rest, scanBytes)
	if n == 0 {
		n = lineLen(p.rest)
	}
	var pad [plaintext.Pad]byte
	b := append(append(p.batch.Buf[:0], p.rest[:n]...), pad[:]...)
	p.batch.Buf, p.rest = b[:n], p.rest[n:]
	begin := p.done.taken
	for at := 0; at < n; {
		at = p.scanner.Scan(&p.batch, at, n)
		p.add(begin)
		p.done.taken = begin + int64(at)
	}
}

// add encodes the points of the batch, whose Buf begins behind begin bytes of lines.
func (p *pickler) add(begin int64) {
	for i := range p.batch.N {
		if p.points == 0 {
			p.start = len(p.out)
			p.out = pickle.BeginFrame(p.out)
		}
		pt := &p.batch.Points[i]
		p.out = pickle.AppendPoint(p.out, p.batch.Name(i), pt.Value, pt.Time)
		p.points++
		p.done.taken = begin + int64(pt.End)
		p.done.lost += p.refused[i]
		if p.points == p.most || len(p.out)-p.start > frameBytes {
			p.end()
		}
	}
	p.done.lost += p.refused[p.batch.N]
	clear(p.refused[:])
}

// end ends the frame being made.
func (p *pickler) end() {
	if p.points > 0 {
		p.out, p.points = pickle.EndFrame(p.out, p.start), 0
	}
	p.done.wire = int64(len(p.out))
	p.ends = append(p.ends, p.done)
}

// through returns what is done when n bytes of out have been taken: a frame that was
// cut is worth nothing.
func (p *pickler) through(n int64) (done progress) {
	for _, e := range p.ends {
		if e.wire > n {
			break
		}
		done = e
	}
	return done
}
