// Package sink stands in for the Graphite store that a measured system writes to.
package sink

import (
	"bytes"
	"net"
	"sync"
)

// A Mode says what the sink does with the lines it receives.
type Mode int

const (
	// Aggregates keeps the last value of every aggregate and timestamp, as a
	// store would.
	Aggregates Mode = iota
	// Count only counts forwarded lines, which is cheap.
	Count
	// Tally adds up the forwarded lines of every metric.
	Tally
)

// Lines with other prefixes, such as a system's own metrics, are ignored.
var (
	aggregatePrefix = []byte("aggregates.")
	forwardPrefix   = []byte("prod.")
)

// maxKept bounds the values or metrics kept, against a system that invents names.
const maxKept = 8 << 20

// A Total is what was forwarded of one metric.
type Total struct {
	Lines int64
	Sum   float64
}

// A Sink accepts plaintext lines over TCP on a loopback port of its own.
type Sink struct {
	mode Mode
	l    net.Listener
	wg   sync.WaitGroup

	mu    sync.Mutex // guards all below
	conns map[net.Conn]bool
	state State
}

// State is what a sink has received.
type State struct {
	Lines    int64                        // lines with the mode's prefix
	Resent   int64                        // of these, values that replaced an earlier one
	Bad      int64                        // of these, lines that are no datapoint, or were too many
	FirstBad string                       // why the first of the bad lines is bad
	Values   map[int64]map[string]float64 // in mode Aggregates: by timestamp, then name
	Totals   map[string]Total             // in mode Tally: by name
	kept     int
}

// Listen starts a sink.
func Listen(mode Mode) (*Sink, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Sink{
		mode:  mode,
		l:     l,
		conns: map[net.Conn]bool{},
		state: State{Values: map[int64]map[string]float64{}, Totals: map[string]Total{}},
	}
	s.wg.Go(s.accept)
	return s, nil
}

// Port is the port that the sink listens on.
func (s *Sink) Port() int { return s.l.Addr().(*net.TCPAddr).Port }

// Close closes the sink and all its connections.
func (s *Sink) Close() {
	s.l.Close()
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// Lines is the number of lines received so far.
func (s *Sink) Lines() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.Lines
}

// Open is the number of connections not yet read to their end.
func (s *Sink) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// View calls f with what was received so far. The state is f's only until it
// returns, and nothing is received meanwhile.
func (s *Sink) View(f func(*State)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.state)
}

func (s *Sink) accept() {
	for {
		c, err := s.l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[c] = true
		s.mu.Unlock()
		s.wg.Go(func() { s.serve(c) })
	}
}

func (s *Sink) serve(c net.Conn) {
	defer func() {
		c.Close()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
	buf := make([]byte, 256<<10)
	kept := 0 // bytes of an incomplete line at the start of buf
	for {
		n, err := c.Read(buf[kept:])
		kept = copy(buf, s.feed(buf[:kept+n]))
		if err != nil || kept == len(buf) { // the end, or no line protocol at all
			return
		}
	}
}

// feed takes in the complete lines of b and returns the rest of it.
func (s *Sink) feed(b []byte) (rest []byte) {
	if s.mode == Count { // without the lock: many connections carry many lines
		var n int64
		rest = eachLine(b, func(line []byte) {
			if bytes.HasPrefix(line, forwardPrefix) {
				n++
			}
		})
		s.mu.Lock()
		s.state.Lines += n
		s.mu.Unlock()
		return rest
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mode == Tally {
		return eachLine(b, s.state.tally)
	}
	return eachLine(b, s.state.aggregate)
}

func (st *State) aggregate(line []byte) {
	if !bytes.HasPrefix(line, aggregatePrefix) {
		return
	}
	st.Lines++
	name, value, second, err := parseLine(line)
	if err != nil || st.kept == maxKept {
		st.bad(err)
		return
	}
	at := st.Values[second]
	if at == nil {
		at = map[string]float64{}
		st.Values[second] = at
	}
	if _, ok := at[string(name)]; ok {
		st.Resent++
	} else {
		st.kept++
	}
	at[string(name)] = value
}

func (st *State) tally(line []byte) {
	if !bytes.HasPrefix(line, forwardPrefix) {
		return
	}
	st.Lines++
	name, value, _, err := parseLine(line)
	if err != nil || st.kept == maxKept {
		st.bad(err)
		return
	}
	t, ok := st.Totals[string(name)]
	if !ok {
		st.kept++
	}
	st.Totals[string(name)] = Total{t.Lines + 1, t.Sum + value}
}

func (st *State) bad(err error) {
	if st.Bad == 0 {
		st.FirstBad = "too many names"
		if err != nil {
			st.FirstBad = err.Error()
		}
	}
	st.Bad++
}
