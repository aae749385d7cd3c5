package aggregator

import (
	"sync/atomic"

	"github.com/coalesce-metrics/coalesce/naming"
)

// counters are those that no lane keeps.
type counters struct {
	full                            atomic.Uint64 // outputs and buckets that could not be made
	rows                            atomic.Uint64
	closed, amended, early, partial atomic.Uint64 // buckets
	late                            atomic.Uint64 // datapoints
	merged                          atomic.Uint64 // buckets
	replaced                        atomic.Uint64 // contributions, when lanes were folded or the archive had answered
	revoked, deleted, carried       atomic.Uint64 // contributions: taken back, twice; of these, those added by an earlier run
}

// Stats is what the aggregator has counted since its start. Always
//
//	Accepted = Matched + Unmatched + Filtered
//	Contributions = Added + the sum of Dropped
//
// Over all runs that follow each other in an orderly way, Added - Replaced is how many
// datapoints the buckets have in the end that were emitted and kept, those of forgotten
// series as they were last. What a run drops though an earlier one has added it counts
// as a contribution in both.
type Stats struct {
	Accepted, Matched, Unmatched, Filtered uint64                    // datapoints
	FilteredBy                             [naming.NumReasons]uint64 // Filtered by reason
	BadTags                                uint64                    // names whose tags could not be normalised
	Forwarded                              uint64                    // datapoints passed on raw
	// Contributions are the datapoints once for each output that they reach.
	Contributions, Added uint64
	Dropped              [NumDrops]uint64
	Replaced             uint64 // contributions that gave way to a later one, see Stream
	Learned              uint64 // names matched against the rules
	Evicted              uint64 // names that left the full table

	Rows                            uint64 // handed to Emit
	Closed, Amended, Early, Partial uint64 // buckets emitted: first, again, by write_back, begun before the start
	Late                            uint64 // datapoints that came after their bucket had closed
	Merged                          uint64 // buckets too old to be emitted again, given to the archive

	Series, Outputs, Buckets int    // held now
	Rules                    int    // without those of rules.NewInput and NewView
	Version                  uint32 // of the rules; 1 at the start
}

// Stats returns the counts. It waits for lanes that are held.
func (a *Aggregator) Stats() Stats {
	var s Stats
	// Before what they were added by, so that this has them all.
	revoked, deleted := a.stat.revoked.Load(), a.stat.deleted.Load()
	carried := a.stat.carried.Load()
	for _, l := range a.lanes {
		l.mu.Lock()
		c := l.count
		l.mu.Unlock()
		s.Accepted += c.accepted
		s.Matched += c.matched
		s.Unmatched += c.unmatched
		s.BadTags += c.badTags
		for i, n := range c.filtered {
			s.Filtered += n
			s.FilteredBy[i] += n
		}
		s.Forwarded += c.forwarded
		s.Contributions += c.contributions
		s.Added += c.added
		s.Replaced += c.replaced
		s.Learned += c.learned
		for i, n := range c.dropped {
			s.Dropped[i] += n
		}
	}
	// Added, until it was found that they cannot be made whole, or they were deleted.
	s.Added -= revoked + deleted - carried
	s.Contributions += carried
	s.Dropped[TooOld] += revoked
	s.Replaced += a.stat.replaced.Load()
	s.Dropped[Deleted] += deleted
	s.Merged = a.stat.merged.Load()
	rs := a.rules.Load()
	s.Rules, s.Version = rs.rules, rs.version
	s.Series, s.Evicted = a.table.Len(), a.table.Evicted()
	s.Buckets = int(a.buckets.Load())
	s.Rows, s.Late = a.stat.rows.Load(), a.stat.late.Load()
	s.Closed, s.Amended = a.stat.closed.Load(), a.stat.amended.Load()
	s.Early, s.Partial = a.stat.early.Load(), a.stat.partial.Load()
	a.mu.RLock()
	s.Outputs = len(a.outputs) + a.viewRows
	a.mu.RUnlock()
	return s
}

// RuleStats is what is counted of one rule.
type RuleStats struct {
	ID      string
	File    string
	Line    int
	Output  string // the template
	Matched uint64 // datapoints; those in open buckets are counted when they close
	Dropped uint64 // datapoints matched and not added
	Outputs int    // held now
	Closed  uint64 // buckets emitted for the first time
	Late    uint64 // datapoints that came after their bucket had closed
	Amended uint64 // buckets emitted again
}

// RuleStats returns the counts of the rules in force, in file order. A bucket is
// counted for the first of the rules that feed its output.
func (a *Aggregator) RuleStats() []RuleStats {
	rs := a.rules.Load()
	out := make([]RuleStats, len(rs.states))
	for i, st := range rs.states {
		r := rs.set.Rules()[i]
		out[i] = RuleStats{
			ID: r.ID, File: r.File, Line: r.Line, Output: r.Output,
			Matched: st.matched.Load(), Dropped: st.dropped.Load(), Outputs: int(st.outputs.Load()),
			Closed: st.closed.Load(), Late: st.late.Load(), Amended: st.amended.Load(),
		}
	}
	return out
}
