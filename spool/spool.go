// Package spool is a bounded queue of plaintext lines on disk for one destination.
//
// # Directory
//
// A spool has a directory of its own, of which nobody else may write to the files
// named here; the lock of the data directory sees to that.
//
//	<sequence>-<salt>.spool1   a segment: 16 and 8 hexadecimal digits, 1 the format's version
//	position                   how far the segments have been read
//
// Segments are read in the order of their sequence numbers, which grow. Nothing is
// renamed, and no record is appended to a segment of an earlier run.
//
// # Segment
//
// A segment is a row of records. Integers are little-endian, times are Unix seconds
// as IEEE 754 float64, sums are CRC-32C.
//
//	 0  "CSP1"
//	 4  uint32   length of the payload, at most 1 MiB
//	 8  uint32   lines in the payload
//	12  uint8    kind, as given to Append; 255 is the seal
//	13  3 bytes  zero
//	16  float64  time of Append
//	24  uint32   sum of the payload
//	28  uint32   sum of bytes 0 to 27, continued from the salt xor the record's offset
//	32  payload  whole lines
//
// The seal is the last record of a segment that is complete. It holds zero lines,
// the time of the newest record, and this payload:
//
//	 0  uint64   lines in the segment
//	 8  float64  time of the oldest record
//	16  float64  time of the newest record
//
// A segment without seal, left by a crash, is read through in Open. Where no record
// begins, the next one is looked for at every byte. A sender who chooses the lines
// cannot forge a record within them, since the salt is random.
//
// # Position
//
//	 0  "CSQ1"
//	 4  uint32   salt of the segment
//	 8  uint64   sequence number of the segment
//	16  uint64   offset of the first record that is not done with
//	24  uint32   bytes of its payload that are
//	28  uint32   lines of its payload that are
//	32  uint64   lines of the segment that are, with those
//	40  uint32   sum of bytes 0 to 39
//
// A position that does not verify stands for the start of the oldest segment.
//
// # Durability
//
// What Append returned for survives the death of the process. A segment is forced to
// the disk when it is complete and in Close, so that the loss of power costs at most
// the last SegmentBytes. The position is forced in Close only; the loss of power may
// bring back what was acknowledged since the kernel last wrote it (about 30 s).
package spool

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// ErrClosed is returned by Append and Peek after Close.
var ErrClosed = errors.New("spool: closed")

const (
	// MaxKind is the largest kind that Append accepts.
	MaxKind = kindSeal - 1

	defaultMaxBytes     = 1 << 30
	defaultSegmentBytes = 16 << 20
	minMaxBytes         = 64 << 10
	minSegments         = 4 // that MaxBytes has room for
)

// drainedBytes is the size from which the segment being written goes once it has
// been read to its end. A smaller one stays, so that a reader who keeps up with the
// writer does not cost a file for each record.
const drainedBytes = 256 << 10

// Options are the settings of a spool.
type Options struct {
	// MaxBytes bounds the segment files together. When a record needs room, the
	// oldest segments go. At least 64 KiB; zero means 1 GiB.
	MaxBytes int64
	// MaxAge is how long lines are kept: older ones are never returned, and a
	// segment goes when its newest record is that old, which is at most a quarter
	// of MaxAge later. Zero means without limit.
	MaxAge time.Duration
	// SegmentBytes bounds one segment file, and with it what is dropped at once. At
	// least 16 KiB and at most a quarter of MaxBytes; zero means 16 MiB or that
	// quarter, whichever is less. The longest line accepted is 88 bytes shorter, or
	// 1 MiB.
	SegmentBytes int64
	// Now returns the time in Unix seconds; nil means the wall clock.
	Now func() float64
	// Logger takes a line, at most every 10 s for each cause, when lines are lost or
	// the disk fails; nil means none.
	Logger *slog.Logger

	files *layer // nil means the disk; tests have another
}

func (o Options) withDefaults() (Options, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.MaxBytes < minMaxBytes {
		return o, fmt.Errorf("spool: MaxBytes is %d, expected at least %d", o.MaxBytes, minMaxBytes)
	}
	most := o.MaxBytes / minSegments
	if o.SegmentBytes == 0 {
		o.SegmentBytes = min(defaultSegmentBytes, most)
	}
	if least := int64(minMaxBytes / minSegments); o.SegmentBytes < least || o.SegmentBytes > most {
		return o, fmt.Errorf("spool: SegmentBytes is %d, expected %d to a quarter of MaxBytes, %d", o.SegmentBytes, least, most)
	}
	if o.MaxAge < 0 {
		return o, fmt.Errorf("spool: MaxAge is %v, expected a positive duration, or zero for no limit", o.MaxAge)
	}
	if o.Now == nil {
		o.Now = func() float64 { return float64(time.Now().UnixNano()) / 1e9 }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.files == nil {
		o.files = &disk
	}
	return o, nil
}

// Spool is an open spool. All methods may be called from any goroutine. Append does
// not wait for Peek to read from the disk. Lock order: read, mu.
type Spool struct {
	dir      string
	opt      Options
	maxLine  int // bytes of the longest line accepted
	maxBatch int // bytes of the largest payload of several lines

	read  sync.Mutex // held through Peek and Ack; guards the next three
	win   window
	buf   []byte // the lines of the batch last returned by Peek
	parts []part // and where they are from

	mu       sync.Mutex // guards all below
	closed   bool
	segs     []*segment // oldest first
	active   file       // of the last segment while it is written, or nil
	next     uint64     // sequence number of the next segment
	pos      cursor     // in the first segment
	out      flight     // the batch returned by Peek
	position file
	scratch  []byte // a record on its way out
	unsynced []file // sealed segments, for unlock
	notes    []note // log lines, for unlock
	quiet    [numNotes]throttle
	stats    Stats

	syncs sync.WaitGroup // of syncs under way outside mu
}

// lock takes mu; unlock releases it, then does what must not be done under it.
func (s *Spool) lock() { s.mu.Lock() }

func (s *Spool) unlock() {
	notes, files := s.notes, s.unsynced
	s.notes, s.unsynced = nil, nil
	if len(files) > 0 {
		s.syncs.Add(1)
	}
	s.mu.Unlock()
	for _, n := range notes {
		s.opt.Logger.Warn(n.text, n.args...)
	}
	if len(files) > 0 {
		s.force(files)
		s.syncs.Done()
	}
}

// force has sealed segments and their directory written to the disk.
func (s *Spool) force(files []file) error {
	var errs error
	for _, f := range files {
		errs = errors.Join(errs, f.Sync(), f.Close())
	}
	errs = errors.Join(errs, s.opt.files.syncDir(s.dir))
	if errs != nil {
		s.lock()
		s.failed("segment not forced to disk", errs)
		s.unlock()
	}
	return errs
}

// Close ends the use of the spool with all lines on the disk. A batch that is not
// acknowledged stays in the spool. Further calls do nothing.
func (s *Spool) Close() error {
	s.read.Lock()
	defer s.read.Unlock()
	s.lock()
	if s.closed {
		s.unlock()
		return nil
	}
	s.settle(0)
	s.closed = true
	if s.active != nil {
		if seg := s.last(); seg.left > 0 {
			s.seal()
		} else {
			s.remove(len(s.segs) - 1)
		}
	}
	s.savePosition()
	files := s.unsynced
	s.unsynced = nil
	s.unlock()

	err := s.force(files)
	s.syncs.Wait()
	s.win, s.buf, s.parts = window{}, nil, nil
	if s.position != nil {
		err = errors.Join(err, s.position.Sync(), s.position.Close())
	}
	if err != nil {
		return fmt.Errorf("closing spool %s: %w", s.dir, err)
	}
	return nil
}
