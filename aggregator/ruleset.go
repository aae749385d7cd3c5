package aggregator

import (
	"sync/atomic"

	"github.com/coalesce-metrics/coalesce/naming"
	"github.com/coalesce-metrics/coalesce/rules"
)

// ruleState is what is counted of a rule. It outlives reloads that leave the
// rule as it is.
type ruleState struct {
	rule *rules.Rule
	spec *spec
	pos  int // in the newest set; gone if it is not in it. Guarded by Aggregator.mu

	stream *Stream  // by which it was made; nil for a rule of a set
	id     StreamID // of stream
	view   *view    // whose rule it is; nil for any other. Guarded by Aggregator.mu

	matched, dropped      atomic.Uint64 // datapoints
	outputs               atomic.Int64
	closed, late, amended atomic.Uint64 // buckets, datapoints, buckets
}

const (
	// gone is the position of a rule that is no longer in the file: after all others.
	gone = 1 << 62
	// streamed is that of a Stream: after all rules.
	streamed = 1 << 61
)

// ruleSet is a version of the rules with what the lanes need of it. Immutable.
type ruleSet struct {
	version uint32
	names   *naming.Policy // nil keeps names as they are received
	set     *rules.Set
	specs   []*spec // by position
	states  []*ruleState
	rules   int // those of rule files and the API
	// changes[i] holds the rules added or removed by version-i.
	changes []*rules.Set
}

// maxChanges is for how many versions back a name catches up by testing the
// changed rules; beyond it all rules are tried, which costs less by then.
const maxChanges = 16

// affected says whether the rules that changed since a version match a name.
func (rs *ruleSet) affected(m *rules.Matcher, name []byte, since uint32) bool {
	behind := int(rs.version - since)
	if behind > len(rs.changes) {
		return true
	}
	for _, c := range rs.changes[:behind] {
		if c == nil || c.Any(m, name) {
			return true
		}
	}
	return false
}

// SetRules puts a new set of rules in force for the datapoints of every lane
// acquired from now on. Open buckets stay: those of removed rules close on
// time, and a changed method or period begins at the next bucket boundary.
func (a *Aggregator) SetRules(set *rules.Set) {
	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.rules.Load()
	rs := &ruleSet{version: 1, set: set, names: a.cfg.Names}
	if old != nil {
		rs.version, rs.names = old.version+1, old.names
		rs.changes = append([]*rules.Set{changedRules(old.set, set)}, old.changes...)
		rs.changes = rs.changes[:min(len(rs.changes), maxChanges)]
	}
	for _, st := range a.ruleByID {
		st.pos = gone
	}
	specs := make(map[string]*spec)
	for pos, r := range set.Rules() {
		st := a.ruleByID[r.ID]
		if st == nil {
			st = new(ruleState)
			a.ruleByID[r.ID] = st
		}
		if st.pos == gone || st.rule == nil { // of equal rules the first counts
			st.rule, st.pos = r, pos
		}
		if st.spec == nil {
			st.spec = newSpec(r)
		}
		rs.states = append(rs.states, st)
		if !r.Input && r.View == nil {
			rs.rules++
		}
		sp := st.spec
		if specs[sp.key] == nil {
			specs[sp.key] = sp
		}
		rs.specs = append(rs.specs, specs[sp.key])
	}
	a.rules.Store(rs)
	a.setViews(rs)
	a.dropRuleStates()
	a.settleClaims()
}

// SetNames puts a new naming policy in force. All names are decided anew, each on
// its next datapoint.
func (a *Aggregator) SetNames(p *naming.Policy) {
	a.mu.Lock()
	defer a.mu.Unlock()
	rs := *a.rules.Load()
	rs.version++
	rs.names = p
	rs.changes = append([]*rules.Set{nil}, rs.changes...)
	rs.changes = rs.changes[:min(len(rs.changes), maxChanges)]
	a.rules.Store(&rs)
}

// changedRules returns the rules that one set has and the other has not, or nil
// where the order of those in both differs, which may change every claim.
func changedRules(old, set *rules.Set) *rules.Set {
	d := rules.Diff(old.Rules(), set.Rules())
	if d.Reordered {
		return nil
	}
	return rules.NewSet(append(d.Added, d.Removed...))
}

// dropRuleStates forgets removed rules that feed nothing any more. The caller
// holds a.mu.
func (a *Aggregator) dropRuleStates() {
	for id, st := range a.ruleByID {
		if st.pos == gone && st.outputs.Load() == 0 {
			delete(a.ruleByID, id)
		}
	}
}
