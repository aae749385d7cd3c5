package upstream

import (
	"context"
	"net"

	"github.com/coalesce-metrics/coalesce/whisper"
)

// filesSink is a directory of whisper files. What a write has taken is in them, so
// that there is nothing to lose between two.
type filesSink struct {
	life   context.Context // its end breaks a write off, between two files
	writer *whisper.Writer
}

func openFiles(life context.Context, cfg *Config, to Destination) (sink, error) {
	w, err := whisper.Open(to.Path, to.Schemas, to.Aggregation, cfg.Logger.With("destination", to.Name))
	if err != nil {
		return nil, err
	}
	return &filesSink{life: life, writer: w}, nil
}

func (s *filesSink) write(bufs net.Buffers) (progress, error) {
	done, refused, err := s.writer.Write(s.life, bufs...)
	return progress{taken: int64(done), wire: int64(done), lost: int64(refused)}, err
}

func (s *filesSink) gone() <-chan struct{} { return nil }

func (s *filesSink) close() {}
