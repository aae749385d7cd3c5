package attributes

import (
	"strings"
	"sync"
)

// Book holds the metrics. Its methods may be called concurrently.
type Book struct {
	mu      sync.RWMutex
	metrics map[string]*Metric // by folded name
}

// Config is what Open needs.
type Config struct{}

// Open returns an empty book.
func Open(Config) (*Book, error) { return &Book{metrics: map[string]*Metric{}}, nil }

// Get returns the metric of a name, whatever its case, or nil.
func (b *Book) Get(name string) *Metric {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.metrics[strings.ToLower(name)]
}
