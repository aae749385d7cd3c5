package metrics

import (
	"strings"
	"unicode"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/ingest"
	"github.com/coalesce-metrics/coalesce/upstream"
)

// family is one number of the daemon, once for each set of label values.
type family struct {
	name   string // for Prometheus, without the namespace
	help   string
	kind   prometheus.ValueType
	labels []string
	// series names the Graphite series of a set of label values; those of one
	// name are added up. "" is none, and so is a nil function.
	series func(labels []string) string
	read   func(s *snapshot, emit sample)
}

// sample takes one value with its label values.
type sample func(value float64, labels ...string)

const (
	namespace = "coalesce_"
	counter   = prometheus.CounterValue
	gauge     = prometheus.GaugeValue
)

var (
	listenerLabels    = []string{"listener", "protocol"}
	destinationLabels = []string{"destination"}
	ruleLabels        = []string{"rule", "file", "line"}
)

// with returns labels and one more.
func with(labels []string, label string) []string {
	return append(labels[:len(labels):len(labels)], label)
}

// as is the name of a family that is one Graphite series.
func as(name string) func([]string) string {
	return func([]string) string { return name }
}

// byReason names one series for each value of the last label: too_old is tooOld.
func byReason(labels []string) string {
	head, rest, _ := strings.Cut(labels[len(labels)-1], "_")
	for word := range strings.SplitSeq(rest, "_") {
		if word != "" {
			head += strings.ToUpper(word[:1]) + word[1:]
		}
	}
	return head
}

const destinationsNode = "destinations."

// perDestination names one series for each destination, as carbon does.
func perDestination(name string) func([]string) string {
	return func(labels []string) string {
		return destinationsNode + destinationNode(labels[0]) + "." + name
	}
}

// destinationNode returns the node of carbon's names that stands for a
// destination: "127_0_0_1:2004:None". One with a name of its own goes by that.
func destinationNode(name string) string {
	d, err := upstream.ParseDestination(name)
	if err != nil || d.Host == "" {
		return node(name)
	}
	if !d.HasInstance {
		d.HasInstance, d.Instance = true, "None" // as Python prints it
	}
	d.Scheme = upstream.Plaintext // carbon's names do not tell protocols apart
	return node(strings.NewReplacer("[", "", "]", "").Replace(d.String()))
}

// node replaces what must not stand within one node of a series name.
func node(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("./;", r) || unicode.IsSpace(r) || unicode.IsControl(r) {
			return '_'
		}
		return r
	}, s)
}

func total[T uint64 | int64 | int](value func(a *aggregator.Stats) T) func(*snapshot, sample) {
	return func(s *snapshot, emit sample) {
		if s.Aggregator != nil {
			emit(float64(value(&s.agg)))
		}
	}
}

// listeners reads a number of those listeners that have it.
func listeners(have func(l *ingest.Stats) bool, value func(l *ingest.Stats) uint64) func(*snapshot, sample) {
	return func(s *snapshot, emit sample) {
		for i := range s.ingest {
			if l := &s.ingest[i]; have(l) {
				emit(float64(value(l)), l.Name, l.Protocol)
			}
		}
	}
}

func eachListener(value func(l *ingest.Stats) uint64) func(*snapshot, sample) {
	return listeners(func(*ingest.Stats) bool { return true }, value)
}

func eachPacket(value func(l *ingest.Stats) uint64) func(*snapshot, sample) {
	return listeners(func(l *ingest.Stats) bool { return l.Transport == "udp" }, value)
}

// eachStream leaves out the listeners that know no connections.
func eachStream(value func(l *ingest.Stats) uint64) func(*snapshot, sample) {
	return listeners(func(l *ingest.Stats) bool { return l.Transport != "udp" }, value)
}

func eachTLS(value func(l *ingest.Stats) uint64) func(*snapshot, sample) {
	return listeners(func(l *ingest.Stats) bool { return l.TLS }, value)
}

// eachSource adds the values that come in messages to those of the listeners.
func eachSource(value func(l *ingest.Stats) uint64, collected func(c *Collected) uint64) func(*snapshot, sample) {
	each := eachListener(value)
	return func(s *snapshot, emit sample) {
		each(s, emit)
		for i := range s.collected {
			c := &s.collected[i]
			emit(float64(collected(c)), c.Listener, c.Protocol)
		}
	}
}

func eachDestination(value func(d *upstream.DestinationStats) int64) func(*snapshot, sample) {
	return func(s *snapshot, emit sample) {
		for i := range s.dests {
			d := &s.dests[i]
			emit(float64(value(d)), d.Name)
		}
	}
}

// flag is 1 for what is so, else 0.
func flag[N uint64 | int64 | float64](b bool) N {
	if b {
		return 1
	}
	return 0
}
