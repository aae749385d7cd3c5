package upstream

import (
	"context"
	"net"
)

// sink is an open way to a destination, used by its writer alone.
type sink interface {
	// write hands over bufs, which hold whole lines, and returns what was taken of
	// them; after an error no other write follows.
	write(bufs net.Buffers) (progress, error)
	// gone is closed once the other side has closed, of which a write would not
	// tell in time; nil where that cannot be.
	gone() <-chan struct{}
	// close releases the sink.
	close()
}

// progress is what a sink has done with lines.
type progress struct {
	taken int64 // bytes of the lines given
	wire  int64 // bytes that were put on the wire for them
	lost  int64 // lines among those taken whole that cannot be encoded
}

// opener returns what opens a sink for to. The end of life closes the sink.
func opener(life context.Context, cfg *Config, to Destination) func(context.Context) (sink, error) {
	switch to.Scheme {
	case Stdout:
		return (&writerSink{w: cfg.Stdout}).open
	case Whisper:
		return func(context.Context) (sink, error) { return openFiles(life, cfg, to) }
	case UDP:
		return func(ctx context.Context) (sink, error) { return dialDatagrams(ctx, life, cfg, to) }
	case Pickle:
		encode := newPickler(to.MaxDatapoints)
		return func(ctx context.Context) (sink, error) {
			s, err := dialStream(ctx, life, cfg, to)
			if err != nil {
				return nil, err
			}
			return &pickleSink{stream: s, pickler: encode}, nil
		}
	}
	return func(ctx context.Context) (sink, error) {
		s, err := dialStream(ctx, life, cfg, to)
		if err != nil {
			return nil, err // not a nil *stream in a sink
		}
		return s, nil
	}
}
