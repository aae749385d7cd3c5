package measurements

import (
	"hash/maphash"
	"maps"
	"sync"

	"github.com/coalesce-metrics/coalesce/attributes"
)

// tagSets bounds how many series each metric may have in an hour.
type tagSets struct {
	perMetric, total int
	seed             maphash.Seed

	mu    sync.Mutex        // guards all below
	hour  int64             // that they were seen in
	seen  map[uint64]string // the metric of each series, by its hash
	count map[string]int    // by metric
}

func newTagSets(perMetric, total int) *tagSets {
	return &tagSets{perMetric: perMetric, total: total, seed: maphash.MakeSeed(), seen: map[uint64]string{}, count: map[string]int{}}
}

// secondsPerHour is how long a series counts, at most.
const secondsPerHour = 60 * 60

// admit counts the series of a batch. If one is too many it counts none, and
// returns its metric.
func (s *tagSets) admit(b *batch, now int64) (full *attributes.Metric) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if hour := now / secondsPerHour; hour != s.hour {
		s.hour = hour
		s.seen, s.count = map[uint64]string{}, map[string]int{}
	}
	for i := range b.ready {
		h := maphash.Bytes(s.seed, b.ready[i].Name)
		if _, ok := s.seen[h]; ok {
			continue
		}
		m := b.metrics[i]
		if s.count[m.Name] >= s.perMetric || len(s.seen) >= s.total {
			s.remove(b)
			return m
		}
		s.seen[h] = m.Name
		s.count[m.Name]++
		b.added = append(b.added, i)
	}
	return nil
}

// withdraw takes back what admit has counted of a batch.
func (s *tagSets) withdraw(b *batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(b)
}

func (s *tagSets) remove(b *batch) {
	for _, i := range b.added {
		h, name := maphash.Bytes(s.seed, b.ready[i].Name), b.metrics[i].Name
		if _, ok := s.seen[h]; !ok {
			continue // the hour is over
		}
		delete(s.seen, h)
		if s.count[name]--; s.count[name] <= 0 {
			delete(s.count, name)
		}
	}
	b.added = b.added[:0]
}

// forget makes room for what comes of metrics once they have been deleted.
func (s *tagSets) forget(metrics []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	some := false
	for _, name := range metrics {
		some = some || s.count[name] > 0
		delete(s.count, name)
	}
	if some {
		maps.DeleteFunc(s.seen, func(_ uint64, name string) bool { return s.count[name] == 0 })
	}
}

// size returns how many series were seen in the last hour that anything came in.
func (s *tagSets) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen)
}
