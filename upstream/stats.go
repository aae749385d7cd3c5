package upstream

// Kind is where a row comes from.
type Kind uint8

const (
	// Raw rows are datapoints forwarded as received.
	Raw Kind = iota
	// Aggregate rows are computed values.
	Aggregate
	// Self rows are the daemon's own metrics.
	Self
	// Amendment rows are computed values whose (name, timestamp) was sent before.
	Amendment
	// NumKinds is the number of kinds.
	NumKinds = iota
)

// String returns the kind as a metric label: "raw", "aggregate", "self" or
// "amendment".
func (k Kind) String() string {
	return [NumKinds]string{"raw", "aggregate", "self", "amendment"}[k]
}

// Reason is why rows were dropped.
type Reason uint8

const (
	// QueueFull rows were the oldest in a queue that newer ones needed.
	QueueFull Reason = iota
	// Stopped rows were left at the end of Stop, or came after its beginning.
	Stopped
	// Withheld rows were amendments for a destination of Role Aggregator.
	Withheld
	// Unencodable rows are none that the destination's protocol can carry or its files
	// can hold: a value that is not a number in a pickle, a line longer than a
	// datagram, a time before a whisper file begins.
	Unencodable
	// SpoolFull rows were the oldest in a spool that newer ones needed.
	SpoolFull
	// SpoolAge rows were in the spool for too long.
	SpoolAge
	// SpoolDamaged rows could not be read back.
	SpoolDamaged
	// SpoolError rows could not be spooled.
	SpoolError
	// NumReasons is the number of reasons.
	NumReasons = iota
)

// String returns the reason as a metric label, such as "queue_full".
func (r Reason) String() string {
	return [NumReasons]string{
		"queue_full", "stopped", "withheld", "unencodable",
		"spool_full", "spool_age", "spool_damaged", "spool_error",
	}[r]
}

// DestinationStats is what became of the rows of one destination, all of it read at
// one instant, so that always
//
//	MadeTotal() + Found = Written + InFlight + Queued + Spooled + Moved + DroppedTotal()
//
// Rows are counted in datapoints (lines). Counters begin at zero in New.
type DestinationStats struct {
	// Name is Destination.Name, Address its canonical form.
	Name, Address string
	// Connected tells whether there is a connection now.
	Connected bool
	// Made counts the rows that were to be sent here, by Kind.
	Made [NumKinds]int64
	// Found counts the rows that an earlier run has left in the spool.
	Found int64
	// Written counts the rows that the kernel (or standard output) took whole.
	Written int64
	// InFlight is the number of rows of the write under way.
	InFlight int64
	// Queued is the number of rows waiting in memory, QueuedBytes their bytes.
	Queued, QueuedBytes int64
	// Spooled is the number of rows in the spool or on the way into it, SpoolBytes the
	// size of its files, rows that were sent included.
	Spooled, SpoolBytes int64
	// Moved counts the rows that went over to another destination of a failover or
	// round-robin route, where they count as made.
	Moved int64
	// Dropped counts the rows lost, by Reason.
	Dropped [NumReasons]int64
	// Resent counts the rows written again, which no other field counts.
	Resent int64
	// Blocking tells whether Upstream.Wait waits for this destination.
	Blocking bool
	// BytesWritten counts the bytes taken by the kernel as they were encoded, rows cut
	// short or written again included.
	BytesWritten int64
	// Connects counts the connections made, ConnectErrors the failed attempts.
	Connects, ConnectErrors int64
	// WriteErrors counts the connections that ended in a failed write, PeerCloses
	// those that the other side closed between two writes.
	WriteErrors, PeerCloses int64
	// LastError is the last of these errors, empty before the first.
	LastError string
}

// MadeTotal returns the sum of Made.
func (s *DestinationStats) MadeTotal() int64 { return total(s.Made[:]) }

// DroppedTotal returns the sum of Dropped.
func (s *DestinationStats) DroppedTotal() int64 { return total(s.Dropped[:]) }

func total(counts []int64) (sum int64) {
	for _, n := range counts {
		sum += n
	}
	return sum
}

// Unsent tells how many rows of a destination Stop had to give up.
type Unsent struct {
	// Destination is its name.
	Destination string
	Datapoints  int64
	// LastError is that of DestinationStats, often the cause.
	LastError string
}
