package spool

// Reason is why lines were dropped.
type Reason uint8

const (
	// Full lines were the oldest when newer ones needed their room.
	Full Reason = iota
	// Age lines were older than MaxAge.
	Age
	// Damaged lines could not be read back.
	Damaged
	// NumReasons is the number of reasons.
	NumReasons = iota
)

// String returns the reason as a metric label: "full", "age" or "damaged".
func (r Reason) String() string { return [NumReasons]string{"full", "age", "damaged"}[r] }

// Stats is what became of the lines, all of it read at one instant, so that always
//
//	Found + Appended = Acked + Held + DroppedTotal()
//
// Counters begin at zero in Open.
type Stats struct {
	// Found is the number of lines that Open found.
	Found int64
	// Appended counts the lines that Append stored.
	Appended int64
	// Acked counts the lines that Ack removed.
	Acked int64
	// Held is the number of lines in the spool. Those lost by damage that has not
	// been met yet are among them.
	Held int64
	// InFlight is the number of the lines of Held that Peek has returned and Ack has
	// not been called for.
	InFlight int64
	// Dropped counts the lines lost, by Reason.
	Dropped [NumReasons]int64
	// DamagedRecords counts the damaged stretches, each of which is one record or
	// several that touch; DamagedBytes counts their bytes. Their lines are in Dropped
	// where the record, the seal or the memory of this run tells how many they were.
	DamagedRecords, DamagedBytes int64
	// Bytes is the size of the segment files together, lines that were read
	// included; Segments is their number.
	Bytes    int64
	Segments int
	// Oldest is the Unix time of the oldest record of the oldest segment, zero
	// without lines. Of that segment, a part may have been read.
	Oldest float64
	// AppendErrors counts the failures of Append and ReadErrors those of Peek, both of
	// the disk. OtherErrors counts what failed without anybody being told but by a
	// log line: forcing to disk, saving the position, sealing, removing.
	AppendErrors, ReadErrors, OtherErrors int64
}

// DroppedTotal returns the sum of Dropped.
func (s *Stats) DroppedTotal() (sum int64) {
	for _, n := range s.Dropped {
		sum += n
	}
	return sum
}

// Stats returns the books.
func (s *Spool) Stats() Stats {
	s.lock()
	defer s.unlock()
	st := s.stats
	st.Segments = len(s.segs)
	for _, seg := range s.segs {
		if seg.left > 0 {
			st.Oldest = seg.oldest
			break
		}
	}
	return st
}

// lose moves n lines of seg from held to dropped; mu is held.
func (s *Spool) lose(seg *segment, n int64, why Reason) {
	if n == 0 {
		return
	}
	s.expect(seg, n)
	seg.left -= n
	s.stats.Held -= n
	s.stats.Dropped[why] += n
	s.note(int(why), n, lossText[why])
}

// expect makes sure that seg holds n lines for the books; mu is held. It has less
// when its seal or the position was damaged and yet verified.
func (s *Spool) expect(seg *segment, n int64) {
	if more := n - seg.left; more > 0 {
		seg.left += more
		seg.lines += more
		s.stats.Found += more
		s.stats.Held += more
	}
}

var lossText = [NumReasons]string{
	Full:    "spool full, oldest rows dropped",
	Age:     "spooled rows too old, dropped",
	Damaged: "spooled rows damaged, dropped",
}

// The throttles of log lines: one for each Reason, and these.
const (
	noteSpots = NumReasons + iota
	noteFailed
	numNotes
)

// logInterval is the shortest time between two log lines of one throttle, in seconds.
const logInterval = 10

type note struct {
	text string
	args []any
}

// throttle lets a repeated log line through at its first occurrence and then at most
// once every logInterval.
type throttle struct {
	started bool
	last    float64
	pending int64
}

// note has unlock log text, with how many occurrences there were since the last time;
// mu is held.
func (s *Spool) note(which int, n int64, text string, args ...any) {
	t := &s.quiet[which]
	t.pending += n
	now := s.opt.Now()
	if t.started && now >= t.last && now-t.last < logInterval {
		return
	}
	unit := "datapoints"
	if which >= noteSpots {
		unit = "times"
	}
	s.notes = append(s.notes, note{text, append([]any{"spool", s.dir, unit, t.pending}, args...)})
	*t = throttle{started: true, last: now}
}

// failed notes an error that nobody is told of; mu is held.
func (s *Spool) failed(text string, err error) {
	s.stats.OtherErrors++
	s.note(noteFailed, 1, "spool: "+text, "err", err)
}
