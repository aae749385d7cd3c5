// Package store keeps closed cells in tables by series, step and start.
package store

import (
	"context"
	"errors"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/periods"
)

// Sentinels that errors of a Store wrap.
var (
	// ErrFull says that a bound or the disk leaves no room for a batch. What is
	// there stays, and can be read and expired; writing works when there is room.
	ErrFull = errors.New("no room in the store")
	// ErrInvalid says that a batch breaks a rule of Write, and always will.
	ErrInvalid = errors.New("invalid batch")
	// ErrClosed says that Close was called.
	ErrClosed = errors.New("store is closed")
)

// SeenLag is how far, in seconds, the Seen that a Store gives back may lie before
// the one that was last written. With it the row of a series is written once in
// this time, and not with every cell. No series is dropped early for it.
const SeenLag = 3600

// Series is a name whose cells are kept, with what is read from them by default.
type Series struct {
	// Name is canonical: name;k1=v1;k2=v2, tags sorted by key. Where Methods are
	// several it holds the byte 0 in place of the method, see rules.AppendRow.
	Name    string
	Methods []cell.Method
	Period  int64 // of the cells that come in, seconds
	// Input says that it is a series that was received, and not an output of a rule.
	Input bool
	// Seen is the start of the latest cell written, Unix seconds. See SeenLag.
	Seen int64
	// Periods are those that cells have come in with, where these are several. A batch
	// need not have them, but where its own cells are of several; see Renewed.
	Periods periods.History
}

// Cell is one bucket of one series in one tier.
type Cell struct {
	Step, Start int64 // seconds; Start is a multiple of Step in Unix time
	// Data is the binary form of package cell. It is immutable. A store does not
	// look into it to give it back: what comes from a damaged disk may not decode.
	Data []byte
}

// Write is a batch to be written. It holds no series twice, and no cell of a
// series twice. A store may keep the names, methods and data; none of them is
// changed afterwards.
type Write struct {
	Series []SeriesCells
	// Meta is written with the cells, replacing what is there under the keys.
	Meta map[string]string
}

// SeriesCells are cells of one series, in any order. Without cells only the
// series is written.
type SeriesCells struct {
	Series Series
	Cells  []Cell
}

// Store is where closed cells are kept. Its methods may be called concurrently.
// Every error is worth another try, but for those of ctx, ErrInvalid and ErrClosed.
//
// Read, Scan and Load show the store as it was at one moment: all of a batch or
// nothing. They end soon when ctx does, and with the error of yield when it
// returns one. A yield must not call the store.
type Store interface {
	// Write puts all of a batch into the store, or nothing: cells replace those
	// with the same series, step and start; series are made or brought up to
	// date (Seen never goes back, and Period is what Renewed says). Writing a batch
	// again changes nothing. Step
	// must be one of those the store was opened with or is made known by being
	// written. When it returns nil the batch outlives the process and, where
	// there is a disk, a power cut. See Check for what is refused.
	Write(ctx context.Context, w Write) error
	// Read yields the cells of the named series with from <= Start < until and
	// the given step: i is the index in names, for each name the cells ascend;
	// those of several names may come mixed. What yield gets is its to keep.
	// Unknown names have no cells.
	Read(ctx context.Context, names []string, step, from, until int64, yield func(i int, c Cell) error) error
	// Scan yields all cells of a step with from <= Start < until, those of one
	// series together and ascending. yield may keep s, and must not change it.
	Scan(ctx context.Context, step, from, until int64, yield func(s *Series, c Cell) error) error
	// Load yields all series.
	Load(ctx context.Context, yield func(Series) error) error
	// Meta returns all that was written as such.
	Meta(ctx context.Context) (map[string]string, error)
	// Expire drops, by whole slices of time, cells that end at or before the
	// cut-off of their step; a step without one is dropped whole. Cells may
	// outlive the cut-off by a slice. Series seen before idle are dropped with
	// all that is left of them, and returned by name; they may outlive idle by
	// SeenLag. What an Expire that fails has dropped so far stays dropped, and
	// is returned.
	Expire(ctx context.Context, cutoffs map[int64]int64, idle int64) (dropped []string, err error)
	// Drop drops the named series, with their cells of all steps, at one moment:
	// whoever reads has all of them or none. Names that are unknown or come twice
	// do no harm. When it returns nil that outlives the process as Write does, and a
	// series that is written later under such a name begins anew. It takes about
	// what writing as many series takes, however many cells they have: see Sweep.
	Drop(ctx context.Context, names []string) error
	// Sweep gives back the room of some cells of dropped series, and tells whether
	// there may be more. A Write waits for one call no longer than for another Write. It
	// changes nothing that can be read. Cells that are never swept leave by Expire.
	Sweep(ctx context.Context) (more bool, err error)
	// Stats returns what the store holds, as far as it is cheap to know.
	Stats(ctx context.Context) (Stats, error)
	// Close waits for the calls under way. A second Close does nothing.
	Close() error
}

// Stats is what a store holds.
type Stats struct {
	Series int64
	Bytes  int64 // on the disk, or of memory
	Slices int64
}
