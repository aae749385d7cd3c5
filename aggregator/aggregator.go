// Package aggregator combines the datapoints of each period into the outputs
// that the rules name.
//
// A datapoint comes in through a [Lane], which adds it to its own cells and
// meets no lock. What is rare is done under locks: the first sight of a name
// (learn.go), the first datapoint of a lane in a bucket (bucket.go), and the
// folding of the lanes when a bucket closes (tick.go). DESIGN.md says why.
//
// Locks are taken in this order: Lane.mu, Aggregator.mu, output.mu,
// schedule.mu. Times are Unix seconds.
package aggregator

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/naming"
	"github.com/coalesce-metrics/coalesce/rules"
	"github.com/coalesce-metrics/coalesce/series"
)

// Row is one value of one output, ready to be sent.
type Row struct {
	Name  string
	Value float64
	Time  int64 // the bucket's start, Unix seconds
}

// Output is what is known of an output from its first datapoint on.
type Output struct {
	// Name is what an Archive has its cells under. It holds the byte 0 where each
	// method stands if there are several; see rules.AppendRow.
	Name    string
	Methods []cell.Method
	Period  int64 // seconds
	Input   bool  // the series itself, of which no rows are sent: by rules.NewInput or a Stream
}

// Config says how to aggregate. All times are in seconds.
type Config struct {
	// Rules are the rules at the start; nil is none.
	Rules *rules.Set
	// Names says which names are kept and what they become before they are
	// matched; nil keeps them as received.
	Names *naming.Policy
	// Grace is how long after its end a bucket closes, where its rule does not
	// say so; at most half the period is used.
	Grace float64
	// AmendDelay is the least time between two emissions of one bucket; below 0
	// it is the output's grace.
	AmendDelay float64
	// Keep is for how many periods after its end or its last datapoint a bucket
	// can be amended, where its rule does not say so.
	Keep int
	// Future is how far a timestamp may be ahead of the clock.
	Future float64
	// WriteBack is how often an open bucket is emitted before it closes; 0 is never.
	WriteBack float64
	// RepeatEarly emits such a bucket when it closes even if it has not changed,
	// for receivers that must not have a row twice and take no early ones.
	RepeatEarly bool
	// OutputIdle is how long an output without buckets stays known.
	OutputIdle float64
	// MaxSeries, MaxOutputs and MaxBuckets bound the names remembered, the
	// outputs, and the buckets held over all outputs.
	MaxSeries, MaxOutputs, MaxBuckets int
	// Lanes is how many goroutines can add at a time.
	Lanes int
	// ForwardAll passes the datapoints themselves on.
	ForwardAll bool
	// Owns says whether an output is this instance's to make, behind a relay that
	// deals datapoints out by output; nil is all. For an output of several methods
	// it is asked about the first.
	Owns func(output []byte) bool
	// EventTime keeps every bucket until Flush and knows no clock: nothing is
	// too old or too new.
	EventTime bool
	// NotBefore refuses buckets that began before it and are not held, because
	// an earlier run may have emitted them; 0 is no earlier run. A checkpoint
	// carries it on, and knows what the run that saved it has emitted.
	NotBefore float64

	// Now is the clock.
	Now func() float64
	// Emit takes rows in the order in which they are to be sent. The slice is
	// only valid during the call. It is never called concurrently.
	//
	// again says that they are not the one emission of a closed bucket: they come
	// early, by WriteBack, or amend it. Whoever adds up what it gets must take the
	// others only.
	Emit func(rows []Row, again bool)
	// Forward takes n whole plaintext lines, only valid during the call. It is
	// called by many goroutines and must not block for long. Needed with ForwardAll.
	Forward func(lines []byte, n int)
	// Views are rows beside those of the methods, for outputs of one method that a
	// rule with ForwardViews feeds.
	Views []View
	// Archive, where set, keeps what has been closed, and gives it back for late
	// datapoints.
	Archive Archive
	// Announce, where set, is told of the rows of each output when they become its
	// own, before anything is added to them, again when others take them over, and
	// Departed when the last that may make them leaves. They must not call the
	// aggregator.
	Announce, Departed func(Output)
	// Logger gets the transitions that an operator should know of.
	Logger *slog.Logger
}

// Aggregator holds the outputs. Its methods may be called concurrently, but for
// Tick, Flush and Checkpoint, which one goroutine calls.
type Aggregator struct {
	cfg       Config
	hasher    series.Hasher
	table     *series.Table
	lanes     []*Lane                      // those of Acquire, then measured
	pool      []*Lane                      // those of Acquire
	measured  *Lane                        // of AddMeasurements
	streams   atomic.Pointer[[]*ruleState] // by StreamID
	hints     sync.Pool
	rules     atomic.Pointer[ruleSet]
	feeds     *registry[feed]
	fans      atomic.Pointer[registry[fan]]
	schedule  schedule
	recent    recentNames
	buckets   atomic.Int64
	started   float64
	notBefore float64
	resumed   bool // a checkpoint knows all that earlier runs emitted

	mu        sync.RWMutex // guards all below
	outputs   map[string]*output
	claims    map[string]*claim // by row name
	ruleByID  map[string]*ruleState
	streamIDs map[Stream]StreamID
	turns     int              // the last given to an output, see output.turn
	views     map[string]*view // by rules.View.ID
	viewRows  int              // outputs that are rows of views, with those in leaving
	leaving   []*output        // rows of views that are gone, still in the lanes
	freeFeeds []handle         // with the generation to use next
	crowded   []*output        // may let go of feeds
	nextFeed  uint32
	fanIndex  map[string]uint32
	fanGen    uint16
	idle      idleQueue
	departed  map[string]leftRow // by name
	departure span               // hull over those no longer in departed
	nobody    *output            // stands in terms for seconds that no output takes
	hands     handover           // to be logged

	tick tickState // used by Tick, Flush and Checkpoint only
	stat counters
}

// New returns an aggregator that has started no goroutine.
func New(cfg Config) (*Aggregator, error) {
	switch {
	case cfg.Now == nil || cfg.Emit == nil || cfg.Logger == nil || cfg.ForwardAll && cfg.Forward == nil:
		return nil, errors.New("aggregator: Now, Emit, Logger and, with ForwardAll, Forward must be set")
	case cfg.Lanes < 1:
		return nil, fmt.Errorf("aggregator: %d lanes; at least 1 is needed", cfg.Lanes)
	case cfg.MaxOutputs < 1 || cfg.MaxOutputs > MaxOutputs:
		return nil, fmt.Errorf("aggregator: at most %d outputs; 1 to %d are possible", cfg.MaxOutputs, MaxOutputs)
	case cfg.MaxSeries < 1 || cfg.MaxBuckets < 1:
		return nil, fmt.Errorf("aggregator: at most %d names and %d buckets; each must be at least 1", cfg.MaxSeries, cfg.MaxBuckets)
	}
	a := &Aggregator{
		cfg:       cfg,
		hasher:    series.NewHasher(),
		table:     series.NewTable(cfg.MaxSeries),
		feeds:     new(registry[feed]),
		outputs:   make(map[string]*output),
		claims:    make(map[string]*claim),
		ruleByID:  make(map[string]*ruleState),
		streamIDs: make(map[Stream]StreamID),
		views:     make(map[string]*view),
		fanIndex:  make(map[string]uint32),
		departed:  make(map[string]leftRow),
		departure: noSpan,
		nobody:    leftOutput(1),
		started:   cfg.Now(),
		notBefore: cfg.NotBefore,
	}
	if cfg.NotBefore == 0 {
		a.notBefore = -never
	}
	a.tick.now = a.started
	a.fans.Store(new(registry[fan]))
	a.streams.Store(new([]*ruleState))
	for range cfg.Lanes + 1 {
		a.lanes = append(a.lanes, &Lane{agg: a, others: make(map[otherKey]*slot)})
	}
	a.pool, a.measured = a.lanes[:cfg.Lanes], a.lanes[cfg.Lanes]
	var next atomic.Int64
	a.hints.New = func() any { i := int(next.Add(1)-1) % cfg.Lanes; return &i }
	if cfg.Rules == nil {
		a.cfg.Rules = rules.NewSet(nil)
	}
	a.SetRules(a.cfg.Rules)
	return a, nil
}
