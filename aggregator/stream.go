package aggregator

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/rules"
)

// MaxStreams is how many different Streams an Aggregator takes. They are known until it
// ends; there are less than 3000 that the attributes of metrics can ask for.
const MaxStreams = 4096

// Stream says how the series that measurements are made of are themselves kept.
type Stream struct {
	Period int64 // of a bucket, seconds, 1 to rules.MaxPeriod
	// Method reads the series' cells, and makes the rows if they are emitted. It must
	// not need the values themselves.
	Method cell.Method
	// Replace has the last measurement of a bucket stand for all before it,
	// instead of adding them up.
	Replace bool
	// Emit sends a row for each closed bucket, under the series' own name. Without
	// it measurements are passed on one by one where Config.ForwardAll is set.
	Emit bool
	// Grace is how long after its end a bucket closes, in seconds. Below 0 it is as
	// Config.Grace says.
	Grace float64
}

// StreamID stands for a Stream in one Aggregator.
type StreamID uint16

func (s *Stream) check() error {
	switch {
	case s.Period < 1 || s.Period > rules.MaxPeriod:
		return fmt.Errorf("period %d: expected 1 to %d seconds", s.Period, rules.MaxPeriod)
	case s.Method.String() == "" || s.Method.NeedsValues():
		return fmt.Errorf("method %q: expected one that needs no values", s.Method)
	case !(s.Grace <= rules.MaxGrace.Seconds()):
		return fmt.Errorf("grace %v: expected at most %v seconds", s.Grace, rules.MaxGrace.Seconds())
	}
	return nil
}

// Stream returns the ID for measurements that are kept as s says: for equal ones
// the same. There may be MaxStreams different ones.
func (a *Aggregator) Stream(s Stream) (StreamID, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	st, err := a.stream(s)
	if err != nil {
		return 0, fmt.Errorf("aggregator: %w", err)
	}
	return st.id, nil
}

// stream returns the state of a Stream. The caller holds a.mu.
func (a *Aggregator) stream(s Stream) (*ruleState, error) {
	if s.Grace < 0 {
		s.Grace = -1
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	all := *a.streams.Load()
	if id, ok := a.streamIDs[s]; ok {
		return all[id], nil
	}
	if len(all) == MaxStreams {
		return nil, fmt.Errorf("series are kept in %d different ways already, no more are possible", MaxStreams)
	}
	r := &rules.Rule{
		ID: s.text(), Period: s.Period, Methods: []cell.Method{s.Method}, Input: !s.Emit, Forward: true,
		HasGrace: s.Grace >= 0, Grace: time.Duration(max(s.Grace, 0) * float64(time.Second)),
	}
	st := &ruleState{rule: r, pos: streamed, stream: &s, id: StreamID(len(all))}
	st.spec = makeSpec(s.Period, r.Methods, r.Input).replacing(s.Replace)
	a.streamIDs[s] = st.id
	all = append(slices.Clip(all), st) // lanes read the old one
	a.streams.Store(&all)
	return st, nil
}

// streamMark begins the text of a Stream, and no rule's ID.
const streamMark = "\nstream "

// text writes s for the checkpoint.
func (s *Stream) text() string {
	return streamMark + fmt.Sprintf("%d %v %t %t ", s.Period, s.Method, s.Replace, s.Emit) + strconv.FormatFloat(s.Grace, 'g', -1, 64)
}

// parseStream reads what text has written.
func parseStream(text string) (s Stream, ok bool) {
	text, ok = strings.CutPrefix(text, streamMark)
	words := strings.Fields(text)
	if !ok || len(words) != 5 {
		return s, false
	}
	var errs [5]error
	s.Period, errs[0] = strconv.ParseInt(words[0], 10, 64)
	s.Method, errs[1] = cell.ParseMethod(words[1])
	s.Replace, errs[2] = strconv.ParseBool(words[2])
	s.Emit, errs[3] = strconv.ParseBool(words[3])
	s.Grace, errs[4] = strconv.ParseFloat(words[4], 64)
	return s, errs == [5]error{}
}

// ruled says whether a rule in force speaks for o, which no stream does then. The
// caller holds a.mu, at least for reading.
func (o *output) ruled() bool {
	r := o.rule.Load()
	return r != nil && r.stream == nil && r.pos != gone
}

// speaks says whether speak has nothing to do: f is of no stream, or of the one that is
// known to make the output. The caller holds a.mu, at least for reading.
func (f *feed) speaks() bool {
	st := f.stream()
	return st == nil || f.out.stream == st
}

// speak notes that measurements of a stream have begun to make an output. From
// then on the stream speaks for it, unless a rule does, and it comes before the
// outputs that other streams make of the series. The caller holds a.mu.
func (a *Aggregator) speak(f *feed) {
	if f.speaks() {
		return
	}
	o, st := f.out, f.stream()
	if !o.ruled() && o.rule.Load() != st {
		o.mu.Lock()
		o.timing = a.timing(st.rule, o.spec)
		o.mu.Unlock()
		o.rule.Store(st)
	}
	o.stream = st
	a.takeTurn(o)
}

func (a *Aggregator) takeTurn(o *output) {
	a.turns++
	o.turn = a.turns
	a.settle(o)
}

// reclaim gives a series to the output that a stream makes of it, if another
// stream's has it, and says whether it did: of several streams of one series, that
// of the newest measurement counts.
func (a *Aggregator) reclaim(f *feed) bool {
	if f.stream() == nil {
		return false
	}
	a.mu.RLock()
	may := f.mayReclaim()
	a.mu.RUnlock()
	if !may {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !f.mayReclaim() {
		return true // it has changed meanwhile
	}
	a.takeTurn(f.out)
	return true
}

// mayReclaim says whether reclaim does anything. The caller holds Aggregator.mu,
// at least for reading.
func (f *feed) mayReclaim() bool {
	last := f.out.rows[0].claim.last().out
	return last != f.out && !f.out.hasLeft.Load() && f.out.pos() != gone && (last.hasLeft.Load() || !last.ruled())
}
