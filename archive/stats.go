package archive

// Reason is why a cell was dropped.
type Reason uint8

// The reasons for which cells are dropped.
const (
	// QueueFull cells were the oldest when MaxPending was reached.
	QueueFull Reason = iota
	// JournalFull cells were the oldest when MaxJournal was reached.
	JournalFull
	// JournalDamaged cells could not be read back at the start.
	JournalDamaged
	// TooOld cells were of a time that no tier keeps any more. Some that Open found in
	// the journal may have been written by the earlier run, before they were expired.
	TooOld
	// Invalid cells had a start, a period, a name or a size that cannot be kept.
	Invalid
	// Unsaved cells were in memory alone when the archive was closed.
	Unsaved
	// Deleted cells were pending when their series was dropped.
	Deleted
	// NumReasons is the number of reasons.
	NumReasons = iota
)

// String returns the reason as a metric label.
func (r Reason) String() string {
	return [NumReasons]string{"queue_full", "journal_full", "journal_damaged", "too_old", "invalid", "unsaved", "deleted"}[r]
}

// Stats is what became of the cells, all of it read at one instant, so that always
//
//	Found + Kept = Pending + Written + Replaced + DroppedTotal()
//
// Counters begin at zero in Open.
type Stats struct {
	// Found is what Open found in the journal, damaged records included.
	Found int64
	// Kept counts the calls of Keep.
	Kept int64
	// Pending is the number of cells not yet in the store.
	Pending int64
	// Written counts the cells that the store has taken, but not those made of them.
	Written int64
	// Replaced counts the cells replaced by a later one, or merged with others, before
	// they were written.
	Replaced int64
	// Dropped counts the cells that were given up, by Reason.
	Dropped [NumReasons]int64

	// PendingBytes is the memory that pending cells take, about; PendingLimit is
	// Config.MaxPending.
	PendingBytes, PendingLimit int64

	// JournalOK says that the journal takes what is written to it; without a journal
	// it is false.
	JournalOK bool
	// JournaledBytes counts the bytes written to the journal. JournalBytes is the size
	// of its segments on the disk, JournalSegments their number, JournalLimit is
	// Config.MaxJournal. JournalErrors counts failures of the disk. TornBytes is what
	// a crash had left unfinished.
	JournaledBytes, JournalBytes, JournalLimit int64
	JournalSegments                            int
	JournalErrors, TornBytes                   int64

	// StoreOK says that the store took the last write. StoreErrors counts failures.
	StoreOK     bool
	StoreErrors int64
	// Writes counts the batches that the store has taken, WriteSeconds is how long the
	// last write cycle took.
	Writes       int64
	WriteSeconds float64
	// Refused counts the times that the store would not take a series, but others.
	Refused int64

	// Rolled counts the cells made of finer ones when their time had come, Amended
	// those made again because a finer one had changed. Stale counts those that were
	// not, since the finer ones have been expired in part, or the store refused them.
	Rolled, Amended, Stale int64
	// MarksLag is by how many seconds the roll-up of the slowest window is late.
	MarksLag float64
	// Damaged counts the cells found in the store that cannot be read.
	Damaged int64

	// Expiries counts the times that old cells were dropped from the store, Forgotten
	// the series that left with them.
	Expiries, Forgotten int64
}

// DroppedTotal returns the sum of Dropped.
func (s *Stats) DroppedTotal() (sum int64) {
	for _, n := range s.Dropped {
		sum += n
	}
	return sum
}

// Stats returns the books.
func (a *Archive) Stats() Stats {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.stats
	s.Pending, s.PendingBytes = a.pending.cells, a.pending.bytes
	if j := a.journal; j != nil {
		s.JournalBytes, s.JournalSegments = j.bytes, len(j.segs)
	}
	return s
}
