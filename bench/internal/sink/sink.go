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

// A Sink accepts plaintext lines over TCP on loopback ports of its own, one for each
// destination that it stands in for.
type Sink struct {
	mode  Mode
	ports []*port
	wg    sync.WaitGroup

	mu     sync.Mutex // guards all below
	conns  map[net.Conn]bool
	states []State // by port
}

// State is what a sink has received on one port.
type State struct {
	Lines    int64                        // lines with the mode's prefix
	Resent   int64                        // of these, values that replaced an earlier one
	Bad      int64                        // of these, lines that are no datapoint, or were too many
	FirstBad string                       // why the first of the bad lines is bad
	Values   map[int64]map[string]float64 // in mode Aggregates: by timestamp, then name
	Totals   map[string]Total             // in mode Tally: by name
	kept     int
}

// New takes n ports. Connections to them are refused until Open.
func New(mode Mode, n int) (*Sink, error) {
	s := &Sink{mode: mode, conns: map[net.Conn]bool{}}
	for range n {
		p, err := takePort()
		if err != nil {
			s.Close()
			return nil, err
		}
		s.ports = append(s.ports, p)
		s.states = append(s.states, newState())
	}
	return s, nil
}

func newState() State {
	return State{Values: map[int64]map[string]float64{}, Totals: map[string]Total{}}
}

// Open begins to accept connections. It is called once at most.
func (s *Sink) Open() error {
	for i, p := range s.ports {
		l, err := p.listen()
		if err != nil {
			return err
		}
		s.wg.Go(func() { s.accept(l, i) })
	}
	return nil
}

// Ports are the ports of the sink.
func (s *Sink) Ports() (numbers []int) {
	for _, p := range s.ports {
		numbers = append(numbers, p.number)
	}
	return numbers
}

// Close closes the sink and all its connections.
func (s *Sink) Close() {
	for _, p := range s.ports {
		p.close()
	}
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// Lines is the number of lines received so far, over all ports.
func (s *Sink) Lines() (n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.states {
		n += s.states[i].Lines
	}
	return n
}

// Connections is the number of connections not yet read to their end.
func (s *Sink) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// View calls f with what was received so far, by port. The states are f's only until
// it returns, and nothing is received meanwhile.
func (s *Sink) View(f func([]State)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s.states)
}

func (s *Sink) accept(l net.Listener, port int) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[c] = true
		s.mu.Unlock()
		s.wg.Go(func() { s.serve(c, port) })
	}
}

func (s *Sink) serve(c net.Conn, port int) {
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
		kept = copy(buf, s.feed(buf[:kept+n], port))
		if err != nil || kept == len(buf) { // the end, or no line protocol at all
			return
		}
	}
}

// feed takes in the complete lines of b, which came in on a port, and returns the
// rest of it.
func (s *Sink) feed(b []byte, port int) (rest []byte) {
	st := &s.states[port]
	if s.mode == Count { // without the lock: many connections carry many lines
		var n int64
		rest = eachLine(b, func(line []byte) {
			if bytes.HasPrefix(line, forwardPrefix) {
				n++
			}
		})
		s.mu.Lock()
		st.Lines += n
		s.mu.Unlock()
		return rest
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mode == Tally {
		return eachLine(b, st.tally)
	}
	return eachLine(b, st.aggregate)
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
