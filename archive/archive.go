// Package archive keeps closed cells: durable at once, in the store soon, read back merged.
package archive

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/store"
)

// Window is a view of some span of time at some step, into which cells of finer
// steps are merged. All times are in seconds.
type Window struct {
	Name string // what it is called outside; here it is told by its step
	Span int64  // what is shown of it unless more is asked for, a multiple of Step
	Step int64
	// Retention is how long its cells are read.
	Retention int64
}

// Config is what an archive is made of.
type Config struct {
	// Store is where cells end up. It need not answer when Open is called.
	Store store.Store
	// Dir is the directory of the journal, made if need be. Nobody else may use it.
	// Without it what is not yet in the store is in memory alone.
	Dir string
	// Windows have ascending steps, each a multiple of the one before.
	Windows []Window
	// Retention is how long cells are read at their own period, in seconds.
	Retention int64
	// Cycle is the time between two rounds of writing to the store.
	Cycle time.Duration
	// MaxPending bounds the bytes of memory of cells that are not yet in the store.
	// Beyond it the oldest are dropped.
	MaxPending int64
	// MaxJournal bounds the bytes of the journal on the disk, checked after each
	// Commit. Beyond it the oldest cells in it are dropped.
	MaxJournal int64
	// Sync has Commit wait until the disk holds what it has written. Without it the
	// journal survives the death of the process, but not the loss of power.
	Sync bool
	// First says that nothing was ever emitted without an archive, so that one that
	// begins now can vouch for all time. Otherwise it vouches for what begins
	// from now on.
	First bool
	// Now returns Unix seconds.
	Now func() float64
	// Forgotten, if set, is told of each series that has left the store because
	// nothing is held of it. It is called while Keep waits and must not call the
	// archive: a caller that registers names after Keep misses none.
	Forgotten func(name string)
	// Logger may be nil.
	Logger *slog.Logger
}

// Archive keeps cells. One goroutine calls Keep and Commit, one Run; all other
// methods may be called concurrently.
//
// Locks, in the order in which they are taken where two are:
//
//	work   held through a write cycle, and through Drop: the marks change under it
//	       alone, and nobody else writes to the store
//	meet   held while the store is asked what it knows of the archive
//	mu     all of pending and the books; never held over the store or the disk
//
// What is read without a lock is in view, which is replaced as a whole under mu.
type Archive struct {
	cfg     Config
	chain   chain
	journal *journal // nil without Dir
	opened  int64    // clock at Open, rounded up
	id      string   // of the archive, see state.go

	work chan struct{} // a lock that is waited for no longer than a context allows
	run  runState

	meet chan struct{} // likewise

	mu      sync.Mutex
	pending pending
	stats   Stats
	lost    spans
	losing  bool // cells are being dropped, and that has been logged
	met     bool // a store has known this archive
	asked   bool // the store has been asked in this run

	view atomic.Pointer[view]
	wake chan struct{} // tells Run that much is pending

	rollBytes   int // maxRoll
	stalePlaces int // maxStale
}

// Open makes an archive with what an earlier one has left in the journal. It does
// not talk to the store, and starts nothing: see Run.
func Open(cfg Config) (*Archive, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	a := &Archive{cfg: cfg, work: make(chan struct{}, 1), meet: make(chan struct{}, 1), wake: make(chan struct{}, 1), rollBytes: maxRoll, stalePlaces: maxStale}
	a.chain = newChain(cfg.Windows, cfg.Retention)
	now := cfg.Now()
	a.opened = int64(math.Ceil(now))
	a.pending.init()
	a.stats.PendingLimit, a.stats.JournalLimit = cfg.MaxPending, cfg.MaxJournal
	a.run.begin(now)
	begin := a.opened
	if cfg.First {
		begin = always
	}
	a.view.Store(&view{since: begin, marks: make([]int64, len(cfg.Windows))})
	a.id = newState(0).name()
	if cfg.Dir == "" {
		return a, nil
	}
	a.stats.JournalOK = true
	if err := a.openJournal(); err != nil {
		return nil, fmt.Errorf("opening archive: %w", err)
	}
	a.id, a.met = a.journal.st.name(), a.journal.st.met
	return a, nil
}

func (cfg *Config) check() error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if cfg.Store == nil || cfg.Now == nil {
		refuse("a store and a clock are needed")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Cycle <= 0 {
		refuse("cycle %v, expected more than 0", cfg.Cycle)
	}
	if cfg.Retention <= 0 || cfg.Retention > store.MaxTime {
		refuse("retention %d s, expected more than 0 and at most %d", cfg.Retention, store.MaxTime)
	}
	if cfg.MaxPending <= 0 || cfg.Dir != "" && cfg.MaxJournal <= 0 {
		refuse("bounds of %d bytes in memory and %d on the disk, expected more than 0", cfg.MaxPending, cfg.MaxJournal)
	}
	last := int64(0)
	for _, w := range cfg.Windows {
		switch {
		case w.Step <= 0 || w.Span <= 0 || w.Retention <= 0 || w.Retention > store.MaxTime:
			refuse("window %q: span %d s, step %d s, retention %d s, expected more than 0", w.Name, w.Span, w.Step, w.Retention)
			continue
		case w.Step > store.MaxStep:
			refuse("window %q: step %d s, expected at most %d", w.Name, w.Step, store.MaxStep)
		case w.Span%w.Step != 0:
			refuse("window %q: span %d s, expected a multiple of its step of %d s", w.Name, w.Span, w.Step)
		case last > 0 && (w.Step <= last || w.Step%last != 0):
			refuse("window %q: step %d s, expected a larger multiple of %d s, the step of the window before it", w.Name, w.Step, last)
		}
		last = w.Step
	}
	if len(errs) > 0 {
		return fmt.Errorf("archive: %w", errors.Join(errs...))
	}
	return nil
}

// Bucket is a cell that was read.
type Bucket struct {
	Start, Step int64 // seconds
	Cell        cell.Cell
	Values      *cell.Values // nil where none are held
	// Lost is for Recall only: that the bucket is not found does not mean that it
	// was never emitted.
	Lost bool
	// Other is for Recall only: that the series had another period in an earlier run, and
	// a bucket of that was emitted that begins at the same time.
	Other bool
}
