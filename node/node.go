// Package node answers aggregate_metric messages.
//
// A message is a JSON object, bare or in an envelope with src and dest, as in
// the Maelstrom node protocol. [Node.Serve] answers a stream of them, and
// [Node.Answer] the body of a request. What is stored comes from a [Source].
//
// # Ranges
//
// Stored samples are known by their bucket only, so a bucket counts whole or
// not at all. A range from..to holds the buckets of each series whose start
// lies in [from, to), where both ends are first rounded down to the step of the
// bucket: ranges that lie side by side share no bucket and leave none out.
// Buckets that have not ended yet count in every range that reaches into them,
// so that a value is found as soon as it is received. A range such as "1h" ends
// with the present second. A range within one bucket that has ended is empty.
//
// # Percentiles
//
// pNN is the value of rank floor(n*NN/100), never interpolated. It is exact as
// long as the buckets hold all of their values, however many that are together
// (up to 4 million); otherwise it is read from a sketch and marked approximate.
package node

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/coalesce-metrics/coalesce/cell"
)

// ErrLoading is the error of a [Source] that is not ready yet; it may be
// wrapped. The reply is error 11.
var ErrLoading = errors.New("data is still loading")

// ErrRefused is the error, wrapped with the reason, of a [Source] that has not
// recorded a value and never will. The reply is error 12 with the error's text.
var ErrRefused = errors.New("refused")

// Source is what is stored. Its methods may be called concurrently, and return
// promptly with an error when their ctx ends.
type Source interface {
	// Cells returns the series of a metric, tagged or not, each with the cells
	// that overlap from..until, in Unix seconds and half-open; more cells do no
	// harm. The cells of a series are the finest that cover the range, and do
	// not overlap one another. Open ones are among them. known tells whether the
	// metric exists at all. What is returned is read, and not changed, until the
	// reply is made.
	Cells(ctx context.Context, metric string, from, until int64) (series []Series, known bool, err error)
	// Record adds a value at a time in Unix seconds. tags is the Source's to
	// keep; metric and tags can be written as a series name. Without an error
	// the value is visible to the next Cells.
	Record(ctx context.Context, metric string, value float64, tags map[string]string, at float64) error
	// Retention is how long cells are kept at most, in seconds. Ranges are cut
	// to it.
	Retention() int64
	// Unit returns the declared unit of a metric, if it has one. It beats the
	// unit that the name ends in.
	Unit(metric string) (string, bool)
}

// Series is one series of a metric.
type Series struct {
	// Tags are those of the name; nil for a plain series.
	Tags  map[string]string
	Cells []Cell
}

// Cell is one bucket of a series.
type Cell struct {
	// Start and Step are in seconds; Start is a multiple of Step in Unix time.
	Start, Step int64
	Cell        cell.Cell
	// Values is nil where the values are not held.
	Values *cell.Values
}

// Config is what New needs.
type Config struct {
	// Source must be set.
	Source Source
	// Now is the clock; nil is the wall clock.
	Now func() time.Time
	// Logger is told of text that is no message, and of failures. Nil discards.
	Logger *slog.Logger
	// MaxObject is how long a message may be, in bytes; 0 is 16 MiB.
	MaxObject int
	// MaxBuckets is how many buckets a rollup may have; 0 is 10 000.
	MaxBuckets int
	// Patience is how long a query may take; 0 is 4 s.
	Patience time.Duration
}

// Node answers messages. Its methods may be called concurrently.
type Node struct {
	cfg Config
}

// New returns a Node that has started nothing.
func New(cfg Config) *Node {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.MaxObject <= 0 {
		cfg.MaxObject = 16 << 20
	}
	if cfg.MaxBuckets <= 0 {
		cfg.MaxBuckets = 10_000
	}
	if cfg.Patience <= 0 {
		cfg.Patience = 4 * time.Second
	}
	return &Node{cfg: cfg}
}
