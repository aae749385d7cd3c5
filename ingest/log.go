package ingest

import (
	"log/slog"
	"sync"
	"time"
)

// oncePerMinute keeps a log line that can repeat from filling the log.
type oncePerMinute struct {
	mu   sync.Mutex // guards last
	last time.Time
}

func (o *oncePerMinute) due() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.last.IsZero() && time.Since(o.last) < time.Minute {
		return false
	}
	o.last = time.Now()
	return true
}

// sample is something refused as the log shows it.
type sample struct {
	what   string // "line", "datapoint", "frame" or "stream"
	reason Reason
	sender string
	text   string // a line or datapoint, cut where it is long, or an error
}

// sampler lets the first few refused items of each interval into the log. An
// interval begins with a refused item.
type sampler struct {
	log      *slog.Logger
	lines    int
	interval time.Duration

	mu         sync.Mutex // guards the fields below
	timer      *time.Timer
	left       int // how many more the interval may log
	suppressed uint64
}

// take reports whether one more item may be logged.
func (s *sampler) take() bool {
	if s.lines == 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begin()
	if s.left == 0 {
		return false
	}
	s.left--
	return true
}

// begin opens an interval where none is open. s.mu is held.
func (s *sampler) begin() {
	if s.timer == nil {
		s.left = s.lines
		s.timer = time.AfterFunc(s.interval, s.end)
	}
}

// end closes the interval, if one is open, and logs how many items it hid.
func (s *sampler) end() {
	s.mu.Lock()
	n := s.suppressed
	s.timer, s.suppressed = nil, 0
	s.mu.Unlock()
	if n > 0 {
		s.log.Warn("more refused items suppressed", "items", n)
	}
}

// close ends the interval at once.
func (s *sampler) close() {
	s.mu.Lock()
	if s.timer != nil {
		s.timer.Stop()
	}
	s.mu.Unlock()
	s.end()
}

// report logs samples for which take said yes and notes how many it refused.
func (s *sampler) report(listener string, samples []sample, suppressed uint64) {
	for _, it := range samples {
		s.log.Warn("refused "+it.what, "listener", listener, "sender", it.sender, "reason", it.reason.String(), it.what, it.text)
	}
	if suppressed > 0 && s.lines > 0 {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.begin()
		s.suppressed += suppressed
	}
}
