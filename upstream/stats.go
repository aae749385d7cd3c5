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
	// NumKinds is the number of kinds.
	NumKinds = iota
)

// String returns the kind as a metric label: "raw", "aggregate" or "self".
func (k Kind) String() string { return [NumKinds]string{"raw", "aggregate", "self"}[k] }

// Reason is why rows were dropped.
type Reason uint8

const (
	// QueueFull rows were the oldest in a queue that newer ones needed.
	QueueFull Reason = iota
	// Stopped rows were left at the end of Stop, or came after its beginning.
	Stopped
	// NumReasons is the number of reasons.
	NumReasons = iota
)

// String returns the reason as a metric label: "queue_full" or "stopped".
func (r Reason) String() string { return [NumReasons]string{"queue_full", "stopped"}[r] }

// DestinationStats is what became of the rows of one destination, all of it read at
// one instant, so that always
//
//	MadeTotal() = Written + InFlight + Queued + DroppedTotal()
//
// Rows are counted in datapoints (lines). Counters begin at zero in New.
type DestinationStats struct {
	// Name is the destination's canonical form.
	Name string
	// Connected tells whether there is a connection now.
	Connected bool
	// Made counts the rows given to Send, by Kind.
	Made [NumKinds]int64
	// Written counts the rows that the kernel (or standard output) took whole.
	Written int64
	// InFlight is the number of rows of the write under way.
	InFlight int64
	// Queued is the number of rows waiting, QueuedBytes their bytes.
	Queued, QueuedBytes int64
	// Dropped counts the rows lost, by Reason.
	Dropped [NumReasons]int64
	// BytesWritten counts the bytes taken by the kernel, lines cut short included.
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
	Destination string
	Datapoints  int64
	// LastError is that of DestinationStats, often the cause.
	LastError string
}
