// Package whisper writes datapoints to the whisper files of a directory, as carbon
// lays them out.
package whisper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/coalesce-metrics/coalesce/plaintext"
)

// logInterval is the shortest time between two log lines about refused rows.
const logInterval = 10 * time.Second

// Writer writes to one directory. It belongs to one goroutine, and has nothing open
// between two calls.
type Writer struct {
	dir   string
	rules *Rules
	log   *slog.Logger

	scanner *plaintext.Scanner
	batch   plaintext.Batch
	groups  map[string]int // index into order
	order   []group        // by the first line of each
	refused []int          // where refused lines begin

	nextLog time.Time
	pending int // refused since the last log line
}

// group is what one call of Write has for a series.
type group struct {
	name   string
	first  int // where its first line begins
	points []point
}

type point struct {
	time  int64 // Unix seconds
	value float64
	at    int // where its line begins
}

// Open returns a Writer for the files below dir, which is made if need be. The two
// paths are those of ReadRules. The logger is told of rows that are refused, not of
// each. Errors name the file or directory.
func Open(dir, schemas, aggregation string, logger *slog.Logger) (*Writer, error) {
	rules, err := ReadRules(schemas, aggregation)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, ".writable-")
	if err != nil {
		return nil, err
	}
	f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return nil, err
	}
	return &Writer{
		dir: dir, rules: rules, log: logger,
		scanner: plaintext.NewScanner(math.MaxInt32),
		groups:  make(map[string]int),
	}, nil
}

// Write stores bufs, each of whole lines of the Graphite line protocol, and returns when their
// values are in the files, though not when the disk has them. Times are in whole
// seconds, as whisper keeps them. Of several values for one of its intervals the one
// of the latest time stays, of several for one time the last; what a later call brings
// goes before.
//
// It returns how many bytes at the start of bufs are done with, all of them unless
// there is an error, and how many lines among these were refused, since no other
// attempt could store them: they are malformed or not-a-number, older than their file
// reaches back, or their file cannot be made or is damaged. An error is one that
// concerns every file, like a full disk, or that of ctx; some lines behind what is done
// may be stored, and may be given again. bufs are not kept.
func (w *Writer) Write(ctx context.Context, bufs ...[]byte) (done, refused int, err error) {
	w.read(bufs)
	done = len(w.batch.Buf)
	for i := range w.order {
		g := &w.order[i]
		if err = ctx.Err(); err == nil {
			err = w.store(g)
		}
		if err != nil {
			done = g.first // every line before it is of a group before
			break
		}
	}
	for _, at := range w.refused {
		if at < done {
			refused++
		}
	}
	return done, refused, err
}

// store returns an error only where the other series have it as well.
func (w *Writer) store(g *group) error {
	path, metric, err := pathOf(w.dir, g.name)
	if err == nil {
		var tooOld []int
		if tooOld, err = w.rules.store(path, metric, g.points); err == nil {
			for _, i := range tooOld {
				w.refuse(g.points[i].at, g.name, errTooOld)
			}
			return nil
		}
		if ofAll(err) {
			return fmt.Errorf("whisper file %q: %w", path, err)
		}
	}
	for _, p := range g.points {
		w.refuse(p.at, g.name, err)
	}
	return nil
}

var (
	errTooOld = errors.New("older than its file reaches back")
	errTime   = errors.New("the time is not one that whisper can hold, 1970 to 2106")
)

// ofAll reports whether an error is one of the disk or the process rather than of one
// file.
func ofAll(err error) bool {
	for _, e := range []error{
		syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO, syscall.EMFILE, syscall.ENFILE,
		syscall.ENOMEM, syscall.ESTALE, syscall.ENODEV, syscall.ENXIO, syscall.ETIMEDOUT, fs.ErrClosed,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// read sorts the lines of bufs into groups.
func (w *Writer) read(bufs [][]byte) {
	clear(w.groups)
	clear(w.order)
	w.order, w.refused = w.order[:0], w.refused[:0]
	b := &w.batch
	b.Buf = b.Buf[:0]
	for _, lines := range bufs {
		b.Buf = append(b.Buf, lines...)
	}
	next, end := 0, len(b.Buf)
	b.Buf = slices.Grow(b.Buf, plaintext.Pad)
	w.scanner.OnRefuse = func(r plaintext.Reason, line []byte) {
		// Between two points it does not matter where exactly the line begins.
		at := next
		if b.N > 0 {
			at = int(b.Points[b.N-1].End)
		}
		w.refuse(at, string(line), fmt.Errorf("the line is malformed: %v", r))
	}
	for next < end {
		n := w.scanner.Scan(b, next, end)
		for i := range b.N {
			w.add(b, i, bytes.LastIndexByte(b.Buf[:b.Points[i].Start], '\n')+1)
		}
		next = n
	}
}

// add notes point i of b, whose line begins at.
func (w *Writer) add(b *plaintext.Batch, i, at int) {
	p := &b.Points[i]
	name := b.Name(i)
	if !(p.Time >= 0 && p.Time <= math.MaxUint32) {
		w.refuse(at, string(name), errTime)
		return
	}
	k, ok := w.groups[string(name)]
	if !ok {
		k = len(w.order)
		w.order = append(w.order, group{name: string(name), first: at})
		w.groups[w.order[k].name] = k
	}
	g := &w.order[k]
	g.points = append(g.points, point{time: int64(p.Time), value: p.Value, at: at})
}

func (w *Writer) refuse(at int, name string, err error) {
	w.refused = append(w.refused, at)
	w.pending++
	if now := time.Now(); !now.Before(w.nextLog) {
		w.log.Warn("rows cannot be stored", "name", name[:min(len(name), 200)], "err", err, "datapoints", w.pending)
		w.pending, w.nextLog = 0, now.Add(logInterval)
	}
}
