package spool

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// entry is a line of the model.
type entry struct {
	text string
	kind uint8
	time float64
}

// model is a spool that keeps its lines in a slice. What the spool says it has
// dropped must be the oldest lines, and there must have been a reason.
type model struct {
	t     *testing.T
	rt    *rapid.T
	clock clock
	disk  faults
	opt   Options
	dir   string
	s     *Spool
	next  int // number of the next line

	held   []entry // not in flight
	flying []entry
	from   string // the segment that they are of
	want   Stats  // the counters
}

// sync takes the lines that the spool says it has dropped from the front.
func (m *model) sync() {
	m.rt.Helper()
	st := m.s.Stats()
	for _, why := range []Reason{Age, Full} { // Append looks at ages first
		for n := st.Dropped[why] - m.want.Dropped[why]; n > 0; n-- {
			if len(m.held) == 0 {
				m.rt.Fatalf("%d more lines %s than there were", n, why)
			}
			if age := m.clock.now - m.held[0].time; why == Age && age <= m.opt.MaxAge.Seconds() {
				m.rt.Fatalf("line of age %v dropped for it", age)
			}
			m.held = m.held[1:]
			m.want.Dropped[why]++
		}
	}
	m.check()
}

func (m *model) check() {
	m.rt.Helper()
	st := m.s.Stats()
	checkBooks(m.rt, st)
	m.want.Held, m.want.InFlight = int64(len(m.held)+len(m.flying)), int64(len(m.flying))
	got := Stats{Found: st.Found, Appended: st.Appended, Acked: st.Acked, Held: st.Held, InFlight: st.InFlight, Dropped: st.Dropped}
	if got != m.want {
		m.rt.Fatalf("books say\n%+v, want\n%+v", got, m.want)
	}
	paths, size := segments(m.t, m.dir)
	if len(paths) != st.Segments || size != st.Bytes || size > m.opt.MaxBytes {
		m.rt.Fatalf("%d bytes in %d files: %+v", size, len(paths), st)
	}
}

func (m *model) append(rt *rapid.T) {
	m.disk.room = -1
	if rapid.IntRange(0, 9).Draw(rt, "fault") == 0 {
		m.disk.room = rapid.Int64Range(0, 20_000).Draw(rt, "room")
	}
	kind := uint8(rapid.IntRange(0, 2).Draw(rt, "kind"))
	var batch []entry
	var text strings.Builder
	width := rapid.SampledFrom([]int{1, 10, 100, 2000}).Draw(rt, "width")
	for range rapid.IntRange(1, 200).Draw(rt, "lines") {
		e := entry{fmt.Sprintf("%d.%s\n", m.next, strings.Repeat("x", width)), kind, m.clock.now}
		m.next++
		batch = append(batch, e)
		text.WriteString(e.text)
	}
	before := m.s.Stats()
	n, err := m.s.Append([]byte(text.String()), kind)
	if (err == nil) != (n == len(batch)) || err != nil && m.disk.room < 0 {
		rt.Fatalf("stored %d of %d lines, %v", n, len(batch), err)
	}
	m.disk.room = -1
	m.held = append(m.held, batch[:n]...)
	m.want.Appended += int64(n)
	m.sync()
	after := m.s.Stats()
	over := before.Bytes + int64(text.Len()) + 100*int64(headerSize+sealSize)
	if after.Dropped[Full] > before.Dropped[Full] && over < m.opt.MaxBytes {
		rt.Fatalf("lines dropped from %d bytes for %d", before.Bytes, text.Len())
	}
}

func (m *model) peek(rt *rapid.T) {
	m.land(0)
	max := rapid.SampledFrom([]int{1, 100, 3000, 1 << 20}).Draw(rt, "max")
	b, ok, err := m.s.Peek(max)
	if err != nil {
		rt.Fatal(err)
	}
	if ok { // so that sync sees the books before the batch
		m.want.InFlight = int64(b.N)
	}
	st := m.s.Stats()
	for n := st.Dropped[Age] - m.want.Dropped[Age]; n > 0; n-- {
		if m.clock.now-m.held[0].time <= m.opt.MaxAge.Seconds() {
			rt.Fatalf("line of %v dropped at %v", m.held[0].time, m.clock.now)
		}
		m.held = m.held[1:]
		m.want.Dropped[Age]++
	}
	if ok != (len(m.held) > 0) {
		rt.Fatalf("Peek says %v with %d lines held", ok, len(m.held))
	}
	if ok {
		if len(b.Lines) > max && b.N > 1 || b.N > len(m.held) {
			rt.Fatalf("%d lines, %d bytes, of %d, for at most %d bytes", b.N, len(b.Lines), len(m.held), max)
		}
		var want bytes.Buffer
		for _, e := range m.held[:b.N] {
			want.WriteString(e.text)
			if e.kind != b.Kind || m.clock.now-e.time > m.opt.MaxAge.Seconds() {
				rt.Fatalf("at %v a line of %+v in a batch of %+v", m.clock.now, e, b)
			}
		}
		if !bytes.Equal(want.Bytes(), b.Lines) || b.Time != m.held[0].time {
			rt.Fatalf("got %.100q of %v, want %.100q", b.Lines, b.Time, want.Bytes())
		}
		m.flying, m.held = m.held[:b.N:b.N], m.held[b.N:]
		paths, _ := segments(m.t, m.dir)
		m.from = paths[0]
	}
	m.check()
}

// land ends the flight with the first n bytes taken. The others are back unless
// their segment has been dropped.
func (m *model) land(n int) (lines int) {
	if len(m.flying) == 0 {
		return 0
	}
	for lines < len(m.flying) && n >= len(m.flying[lines].text) {
		n -= len(m.flying[lines].text)
		lines++
	}
	rest := m.flying[lines:]
	m.want.Acked += int64(lines)
	if _, err := os.Stat(m.from); err != nil {
		m.want.Dropped[m.s.out.why] += int64(len(rest))
	} else {
		m.held = append(append([]entry{}, rest...), m.held...)
	}
	m.flying = nil
	return lines
}

func (m *model) ack(rt *rapid.T) {
	size := 0
	for _, e := range m.flying {
		size += len(e.text)
	}
	n := rapid.OneOf(rapid.Just(size), rapid.IntRange(-1, size+1)).Draw(rt, "taken")
	want := m.land(n)
	if got := m.s.Ack(n); got != want {
		rt.Fatalf("Ack removed %d lines, want %d", got, want)
	}
	m.check()
}

func (m *model) open(dir string) {
	s, err := Open(dir, m.opt)
	if err != nil {
		m.rt.Fatal(err)
	}
	m.s, m.dir = s, dir
	m.want = Stats{Found: int64(len(m.held))}
	m.sync()
}

func (m *model) reopen(*rapid.T) {
	m.land(0)
	if err := m.s.Close(); err != nil {
		m.rt.Fatal(err)
	}
	m.open(m.dir)
}

// crash goes on with a copy of the files. Lines in flight whose segment was dropped
// are nowhere then.
func (m *model) crash(*rapid.T) {
	m.land(0)
	dir := copyDir(m.t, m.dir)
	m.close()
	m.open(dir)
}

func (m *model) close() {
	m.s.Close()
	os.RemoveAll(m.dir)
}

func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{t: t, rt: rt}
		m.disk.room = -1
		m.clock.now = 1e9
		m.opt = small(&m.clock)
		m.opt.files = m.disk.layer()
		m.opt.MaxAge = 1000 * time.Second
		dir, err := os.MkdirTemp(t.TempDir(), "")
		check(t, err)
		m.open(dir)
		defer func() { m.close() }()
		rt.Repeat(map[string]func(*rapid.T){
			"append":       m.append,
			"append again": m.append,
			"peek":         m.peek,
			"peek again":   m.peek,
			"ack":          m.ack,
			"ack again":    m.ack,
			"reopen":       m.reopen,
			"crash":        m.crash,
			"time": func(rt *rapid.T) {
				m.clock.now += rapid.SampledFrom([]float64{0.1, 10, 300}).Draw(rt, "seconds")
			},
			"expire": func(*rapid.T) {
				m.s.Expire()
				m.sync()
			},
		})
		m.land(0)
		for len(m.held) > 0 {
			m.peek(rt)
			if n, want := m.s.Ack(1<<20), m.land(1<<20); n != want {
				rt.Fatalf("Ack removed %d lines, want %d", n, want)
			}
		}
		m.check()
	})
}

// Appending, reading, looking and closing at once keep the order and the books.
func TestConcurrent(t *testing.T) {
	opt := small(&clock{})
	opt.MaxBytes *= 4
	s := mustOpen(t, t.TempDir(), opt)
	const total = 30_000
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Go(func() {
		defer close(done)
		for i := 0; i < total; i += 10 {
			if n, err := s.Append([]byte(numbered(i, i+10)), 0); n != 10 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
		}
	})
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				checkBooks(t, s.Stats())
				s.Expire()
			}
		}
	})
	last := -1
	rnd := rand.New(rand.NewPCG(1, 2))
	for written := false; ; {
		select {
		case <-done:
			written = true
		default:
		}
		b, ok, err := s.Peek(4000)
		check(t, err)
		if !ok && written {
			break
		}
		for line := range strings.Lines(string(b.Lines)) {
			var n, again int
			if _, err := fmt.Sscanf(line, "m.%d %d 60\n", &n, &again); err != nil || n != again || n <= last {
				t.Fatalf("line %q behind %d: %v", line, last, err)
			}
			last = n
		}
		if s.Ack(len(b.Lines)) != b.N {
			t.Fatal("not all of the batch left")
		}
		if rnd.IntN(3) == 0 { // and now and then part of one
			if b, ok, _ := s.Peek(100); ok {
				n := s.Ack(len(b.Lines) - 1)
				last += n
			}
		}
	}
	wg.Wait()
	st := s.Stats()
	checkBooks(t, st)
	if st.Appended != total || st.Held != 0 {
		t.Fatalf("%+v", st)
	}
	mustClose(t, s)
}

func TestCloseWhileInUse(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, small(&clock{}))
	mustAppend(t, s, numbered(0, 10), 0)
	stored := int64(10)
	var wg sync.WaitGroup
	started := make(chan struct{})
	wg.Go(func() {
		for i := 0; ; i++ {
			n, err := s.Append([]byte(numbered(0, 10)), 0)
			if stored += int64(n); err != nil {
				return
			}
			if i == 100 {
				close(started)
			}
		}
	})
	wg.Go(func() {
		for {
			b, _, err := s.Peek(1000)
			if err != nil {
				return
			}
			s.Ack(len(b.Lines))
		}
	})
	<-started
	mustClose(t, s)
	wg.Wait()
	st := s.Stats()
	checkBooks(t, st)
	if st.Appended != stored {
		t.Fatalf("%+v, want %d appended", st, stored)
	}
	again := mustOpen(t, dir, small(&clock{}))
	defer mustClose(t, again)
	if found := again.Stats().Found; found != st.Held {
		t.Fatalf("found %d, want %d", found, st.Held)
	}
}
