package memory

import "context"

// sweepAtOnce is how many series lose their cells while the lock is held.
const sweepAtOnce = 256

// Drop implements store.Store.
func (s *Store) Drop(ctx context.Context, names []string) error {
	if err := s.gate.Enter(); err != nil {
		return err
	}
	defer s.gate.Leave()
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		if e := s.series[name]; e != nil {
			delete(s.series, name)
			s.bytes -= sizeOfSeries(name)
			s.dropped = append(s.dropped, e)
		}
	}
	return nil
}

// Sweep implements store.Store.
func (s *Store) Sweep(ctx context.Context) (more bool, err error) {
	if err := s.gate.Enter(); err != nil {
		return false, err
	}
	defer s.gate.Leave()
	if err := ctx.Err(); err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	some := s.dropped[:min(sweepAtOnce, len(s.dropped))]
	for _, e := range some {
		for _, tier := range s.tiers {
			for _, sl := range tier {
				s.bytes -= size(sl.runs[e])
				delete(sl.runs, e)
			}
		}
	}
	clear(some)
	if s.dropped = s.dropped[len(some):]; len(s.dropped) == 0 {
		s.dropped = nil
	}
	return s.dropped != nil, nil
}
