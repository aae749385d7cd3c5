package attributes

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/coalesce-metrics/coalesce/ledger"
)

// Kind is what kind of error a call ends with, beside [Problems].
type Kind int

// The kinds that there are.
const (
	Unknown  Kind = iota // there is no such metric
	Conflict             // there is one, and it is of another type
	Full                 // there are as many as there may be
	Unsaved              // it could not be made durable
)

// Error is why a call has changed nothing.
type Error struct {
	Kind Kind
	text string
}

// Error says it for people.
func (e *Error) Error() string { return e.text }

// Config is what Open needs.
type Config struct {
	// Path is the file that holds the metrics; empty keeps them in memory only.
	Path string
	// MaxMetrics is how many there may be.
	MaxMetrics int
	// Period is that of metrics that are given none, in seconds, from MinAggregated
	// to MaxAggregated.
	Period int64
	// Logger is told of damage.
	Logger *slog.Logger
}

// Book holds the metrics. Its methods may be called concurrently.
type Book struct {
	cfg Config

	changing sync.Mutex // held by whoever changes something; guards file and closed
	file     *ledger.File
	closed   bool

	mu      sync.RWMutex       // guards all below
	metrics map[string]*Metric // by folded name
	order   []string           // folded names, sorted; nil where they must be sorted anew
}

// Open reads the metrics from their file.
func Open(cfg Config) (*Book, error) {
	if cfg.MaxMetrics < 1 || cfg.Period < MinAggregated || cfg.Period > MaxAggregated {
		return nil, fmt.Errorf("attributes: MaxMetrics %d, Period %d; accepted: from 1, from %d to %d", cfg.MaxMetrics, cfg.Period, MinAggregated, MaxAggregated)
	}
	b := &Book{cfg: cfg, metrics: map[string]*Metric{}}
	if cfg.Path == "" {
		return b, nil
	}
	var err error
	b.file, err = ledger.Open(ledger.Config{Path: cfg.Path, What: "metrics", Take: b.read, All: b.all, Len: b.Len, Logger: cfg.Logger})
	if err != nil {
		return nil, fmt.Errorf("metrics that measurements were sent for: %w", err)
	}
	return b, nil
}

// record is one change in the file: of one metric, which is put or deleted.
type record struct {
	Put    *Metric `json:"put,omitempty"`
	Delete string  `json:"delete,omitempty"`
}

// read takes a change of the file.
func (b *Book) read(change []byte) bool {
	var r record
	if json.Unmarshal(change, &r) != nil || (r.Put == nil) == (r.Delete == "") {
		return false
	}
	if m := r.Put; m != nil && (!ValidName(m.Name) || m.Period < 1 || m.Period > MaxPeriod || m.check() != nil) {
		return false
	}
	b.do([]record{r})
	return true
}

// all returns the changes that make the metrics as they are.
func (b *Book) all() []any {
	b.mu.RLock()
	defer b.mu.RUnlock()
	all := make([]any, 0, len(b.metrics))
	for _, m := range b.metrics {
		all = append(all, record{Put: m})
	}
	return all
}

// do makes changes in memory.
func (b *Book) do(changes []record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range changes {
		if r.Put == nil {
			delete(b.metrics, fold(r.Delete))
			b.order = nil
			continue
		}
		key := fold(r.Put.Name)
		if b.metrics[key] == nil {
			b.order = nil
		}
		b.metrics[key] = r.Put
	}
}

// save makes changes durable, and then in memory. The caller holds b.changing.
func (b *Book) save(changes []record) error {
	if b.closed {
		return &Error{Unsaved, "the daemon is stopping"}
	}
	if len(changes) == 0 {
		return nil
	}
	if b.file != nil {
		all := make([]any, len(changes))
		for i := range changes {
			all[i] = changes[i]
		}
		if err := b.file.Append(all...); err != nil {
			b.cfg.Logger.Error("a change of metrics could not be saved", "file", b.cfg.Path, "err", err)
			return &Error{Unsaved, "the metrics could not be saved; the log of the daemon has more"}
		}
	}
	b.do(changes)
	return nil
}

// Get returns the metric of a name, whatever its case, or nil.
func (b *Book) Get(name string) *Metric {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.metrics[fold(name)]
}

// Find appends the metrics of names to dst, nil where there is none. It allocates
// nothing but what dst needs.
func (b *Book) Find(dst []*Metric, names [][]byte) []*Metric {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var buf [MaxName]byte
	for _, name := range names {
		var m *Metric
		if len(name) <= MaxName {
			m = b.metrics[string(foldInto(buf[:], name))]
		}
		dst = append(dst, m)
	}
	return dst
}

// Len returns how many metrics there are.
func (b *Book) Len() int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return len(b.metrics)
}

// fold returns what names that differ in case alone have in common.
func fold(name string) string { return strings.ToLower(name) }

// foldInto is fold for the names that metrics have.
func foldInto(dst, name []byte) []byte {
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst[i] = c
	}
	return dst[:len(name)]
}

// List is what to list.
type List struct {
	Contains       string // in names, whatever its case
	Offset, Length int
	Descending     bool // by name
}

// Page is a part of the metrics.
type Page struct {
	Metrics []*Metric
	// Found is how many there would be without offset and length, Total how many
	// metrics there are.
	Found, Total int
}

// List returns metrics in the order of their names.
func (b *Book) List(l List) Page {
	order := b.sorted()
	contains := fold(l.Contains)
	b.mu.RLock()
	defer b.mu.RUnlock()
	p := Page{Total: len(b.metrics)}
	for i := range order {
		if l.Descending {
			i = len(order) - 1 - i
		}
		m := b.metrics[order[i]]
		if m == nil || !strings.Contains(order[i], contains) {
			continue
		}
		if p.Found++; p.Found > l.Offset && len(p.Metrics) < l.Length {
			p.Metrics = append(p.Metrics, m)
		}
	}
	return p
}

// sorted returns the folded names in order. Nobody may change them.
func (b *Book) sorted() []string {
	b.mu.RLock()
	order := b.order
	b.mu.RUnlock()
	if order != nil {
		return order
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.order == nil {
		b.order = make([]string, 0, len(b.metrics))
		for name := range b.metrics {
			b.order = append(b.order, name)
		}
		slices.Sort(b.order)
	}
	return b.order
}

// Match returns the metrics that a name with any number of * stands for, whatever
// its case, in the order of their names.
func (b *Book) Match(pattern string) []*Metric {
	pattern = fold(pattern)
	if !strings.Contains(pattern, "*") {
		if m := b.Get(pattern); m != nil {
			return []*Metric{m}
		}
		return nil
	}
	parts := strings.Split(pattern, "*")
	b.mu.RLock()
	defer b.mu.RUnlock()
	var found []*Metric
	for name, m := range b.metrics {
		if matches(name, parts) {
			found = append(found, m)
		}
	}
	slices.SortFunc(found, func(x, y *Metric) int { return cmp.Compare(fold(x.Name), fold(y.Name)) })
	return found
}

// matches reports whether a name is the parts with anything between them. There
// are two at least.
func matches(name string, parts []string) bool {
	name, ok := strings.CutPrefix(name, parts[0])
	for _, part := range parts[1 : len(parts)-1] {
		var found bool
		if _, name, found = strings.Cut(name, part); !found {
			return false
		}
	}
	return ok && strings.HasSuffix(name, parts[len(parts)-1])
}

// Close ends changes.
func (b *Book) Close() error {
	b.changing.Lock()
	defer b.changing.Unlock()
	if b.closed || b.file == nil {
		b.closed = true
		return nil
	}
	b.closed = true
	return b.file.Close()
}
