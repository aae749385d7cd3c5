package metrics

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coalesce-metrics/coalesce/plaintext"
)

// ReporterConfig says where the daemon's own series go and what they are
// called: PREFIX.aggregator.HOST-INSTANCE.NAME. Every field but Sources is
// needed.
type ReporterConfig struct {
	Sources Sources
	// Prefix is one or more nodes, Host the name of this machine, and Instance
	// tells daemons on it apart.
	Prefix, Host, Instance string
	// Interval is the time between two reports; 0 is never.
	Interval time.Duration
	// Now is the clock, in Unix seconds.
	Now func() float64
	// Send takes n whole lines, only valid during the call.
	Send func(lines []byte, n int)
}

// Reporter sends the daemon's own numbers as Graphite series. A counter is sent
// as its increase since the report before, as carbon does.
type Reporter struct {
	cfg   ReporterConfig
	base  string             // up to the dot before NAME
	sent  map[string]float64 // counters as of the last report
	usage func() (usage, bool)

	last    usage
	lastAt  time.Time
	lines   []byte
	n       int
	now     float64
	ordered []point // of the report under way
}

// point is one series in a report.
type point struct {
	name    string
	value   float64
	counter bool
}

// usage is what the process takes of the machine.
type usage struct {
	cpu      float64 // seconds since its start
	resident float64 // bytes
}

// NewReporter returns a reporter that has sent nothing: its first report holds
// what was counted since the start of the daemon.
func NewReporter(cfg ReporterConfig) (*Reporter, error) {
	switch {
	case cfg.Prefix == "" || cfg.Host == "" || cfg.Instance == "":
		return nil, fmt.Errorf("metrics: prefix %q, host %q, instance %q: none may be empty", cfg.Prefix, cfg.Host, cfg.Instance)
	case cfg.Interval < 0:
		return nil, fmt.Errorf("metrics: interval %v: must be above 0, or 0 for no reports", cfg.Interval)
	case cfg.Now == nil || cfg.Send == nil:
		return nil, fmt.Errorf("metrics: Now and Send must be set")
	}
	return &Reporter{
		cfg:   cfg,
		base:  cfg.Prefix + ".aggregator." + node(cfg.Host) + "-" + cfg.Instance + ".",
		sent:  make(map[string]float64),
		usage: processUsage,
	}, nil
}

// Run sends a report after each interval until ctx is done.
func (r *Reporter) Run(ctx context.Context) {
	if r.cfg.Interval == 0 {
		return
	}
	r.last, _ = r.usage()
	r.lastAt = time.Now()
	tick := time.NewTicker(r.cfg.Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.report()
		}
	}
}

func (r *Reporter) report() {
	r.lines, r.n, r.now = r.lines[:0], 0, r.cfg.Now()
	r.collect()
	for _, p := range r.ordered {
		value := p.value
		if p.counter {
			value -= r.sent[p.name]
			r.sent[p.name] = p.value
			// As in carbon, a destination says nothing where nothing happened.
			if value == 0 && strings.HasPrefix(p.name, destinationsNode) {
				continue
			}
		}
		r.add(p.name, value)
	}
	r.addUsage()
	r.cfg.Send(r.lines, r.n)
}

// collect reads the sources into r.ordered, adding up what shares a name.
func (r *Reporter) collect() {
	r.ordered = r.ordered[:0]
	s := r.cfg.Sources.read()
	for _, f := range families {
		if f.series == nil {
			continue
		}
		first := len(r.ordered)
		f.read(s, func(value float64, labels ...string) {
			name := f.series(labels)
			if i := slices.IndexFunc(r.ordered[first:], func(p point) bool { return p.name == name }); i >= 0 {
				r.ordered[first+i].value += value
				return
			}
			r.ordered = append(r.ordered, point{name, value, f.kind == counter})
		})
	}
}

func (r *Reporter) add(name string, value float64) {
	r.lines = plaintext.Append(r.lines, append([]byte(r.base), name...), value, float64(int64(r.now)))
	r.n++
}

// addUsage adds carbon's cpuUsage, in percent of one core since the last
// report, and memUsage, in bytes.
func (r *Reporter) addUsage() {
	u, ok := r.usage()
	if !ok {
		return
	}
	now := time.Now() // monotonic, so that setting the clock changes no rate
	if elapsed := now.Sub(r.lastAt).Seconds(); elapsed > 0 {
		r.add("cpuUsage", (u.cpu-r.last.cpu)/elapsed*100)
	}
	r.add("memUsage", u.resident)
	r.last, r.lastAt = u, now
}
