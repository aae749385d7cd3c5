package aggregator

import "github.com/coalesce-metrics/coalesce/plaintext"

// run is a stretch of the read buffer whose lines are passed on as they are.
type run struct {
	buf      []byte
	from, to uint32
	n        int
}

// forward passes a datapoint on, as it came where it is well-formed.
func (l *Lane) forward(b *plaintext.Batch, i int) {
	p := &b.Points[i]
	l.count.forwarded++
	if !p.Verbatim {
		l.send(b.Name(i), p)
		return
	}
	if l.run.n == 0 || l.run.to != p.Start || &l.run.buf[0] != &b.Buf[0] {
		l.flushRun()
		l.run = run{buf: b.Buf, from: p.Start}
	}
	l.run.to = p.End
	l.run.n++
}

// send passes a datapoint on in a line of its own.
func (l *Lane) send(name []byte, p *plaintext.Point) {
	l.flushRun()
	l.scratch = plaintext.Append(l.scratch[:0], name, p.Value, p.Time)
	l.agg.cfg.Forward(l.scratch, 1)
}

func (l *Lane) flushRun() {
	if l.run.n > 0 {
		l.agg.cfg.Forward(l.run.buf[l.run.from:l.run.to], l.run.n)
		l.run = run{}
	}
}
