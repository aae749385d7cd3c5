package sink

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"reflect"
	"strings"
	"syscall"
	"testing"
)

func newSink(mode Mode) *Sink {
	return &Sink{mode: mode, states: []State{newState()}}
}

func TestFeed(t *testing.T) {
	tests := map[string]struct {
		mode Mode
		in   string
		want State
		rest string
	}{
		"the last value of a name and time stays": {
			mode: Aggregates,
			in:   "aggregates.a 1 10\naggregates.a 2.25 15\naggregates.b 3 10\naggregates.a 4 10\n",
			want: State{Lines: 4, Resent: 1, Values: map[int64]map[string]float64{
				10: {"aggregates.a": 4, "aggregates.b": 3}, 15: {"aggregates.a": 2.25}}},
		},
		"other names are no aggregates": {
			mode: Aggregates,
			in:   "carbon.x 1 10\nprod.y 1 10\naggregates.a 1e3 10\n",
			want: State{Lines: 1, Values: map[int64]map[string]float64{10: {"aggregates.a": 1000}}},
		},
		"bad lines are counted": {
			mode: Aggregates,
			in:   "aggregates.a 1\naggregates.a x 10\naggregates.a 1 10.5\naggregates. 1 10 11\n\n",
			want: State{Lines: 4, Bad: 4, FirstBad: `line "aggregates.a 1": want name, value and timestamp`},
		},
		"lines may end as carbon ends them": {
			mode: Aggregates,
			in:   "aggregates.a 7.5 1795353640\r\n",
			want: State{Lines: 1, Values: map[int64]map[string]float64{1795353640: {"aggregates.a": 7.5}}},
		},
		"an incomplete line is the rest": {
			mode: Aggregates,
			in:   "aggregates.a 1 10\naggregates.a 2 1",
			want: State{Lines: 1, Values: map[int64]map[string]float64{10: {"aggregates.a": 1}}},
			rest: "aggregates.a 2 1",
		},
		"forwarded lines are counted": {
			mode: Count,
			in:   "prod.a 1 10\ncarbon.x 1 10\nprod.a 1 10\nprod.b",
			want: State{Lines: 2},
			rest: "prod.b",
		},
		"forwarded lines are added up": {
			mode: Tally,
			in:   "prod.a 1 10\ncarbon.x 1 10\nprod.a 2.5 15\nprod.b 7 10\n",
			want: State{Lines: 3, Totals: map[string]Total{"prod.a": {2, 3.5}, "prod.b": {1, 7}}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newSink(tt.mode)
			rest := s.feed([]byte(tt.in), 0)
			if string(rest) != tt.rest {
				t.Errorf("rest %q, want %q", rest, tt.rest)
			}
			s.states[0].kept = 0
			if tt.want.Values == nil {
				tt.want.Values = map[int64]map[string]float64{}
			}
			if tt.want.Totals == nil {
				tt.want.Totals = map[string]Total{}
			}
			if !reflect.DeepEqual(s.states[0], tt.want) {
				t.Errorf("got  %+v\nwant %+v", s.states[0], tt.want)
			}
		})
	}
}

// What arrives over sockets must be what feed is given, however reads split it.
func TestSockets(t *testing.T) {
	s, err := New(Tally, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Open(); err != nil {
		t.Fatal(err)
	}
	const conns, lines = 3, 20_000
	var all []net.Conn
	for i := range conns {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.Ports()[0]))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
		go func() {
			defer c.(*net.TCPConn).CloseWrite()
			text := strings.Repeat(fmt.Sprintf("prod.a%d 0.25 1700000000\n", i), lines)
			for len(text) > 0 {
				n := min(len(text), 997)
				if _, err := c.Write([]byte(text[:n])); err != nil {
					t.Error(err)
					return
				}
				text = text[n:]
			}
		}()
	}
	for _, c := range all { // the sink closes when it has read to the end
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("the sink wrote something")
		}
		c.Close()
	}
	s.View(func(states []State) {
		for i := range conns {
			if got, want := states[0].Totals[fmt.Sprintf("prod.a%d", i)], (Total{lines, lines / 4}); got != want {
				t.Errorf("connection %d: %+v, want %+v", i, got, want)
			}
		}
	})
	if n := s.Lines(); n != conns*lines {
		t.Errorf("%d lines, want %d", n, conns*lines)
	}
}

// Until it is opened a sink refuses; then each port has a state of its own.
func TestPorts(t *testing.T) {
	s, err := New(Count, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	address := func(i int) string { return fmt.Sprintf("127.0.0.1:%d", s.Ports()[i]) }
	for i := range 3 {
		if c, err := net.Dial("tcp", address(i)); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("before Open: %v, %v", c, err)
		}
		if l, err := net.Listen("tcp", address(i)); err == nil {
			l.Close()
			t.Fatalf("port %d is not taken", i)
		}
	}
	if err := s.Open(); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		c, err := net.Dial("tcp", address(i))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(c, strings.Repeat("prod.a 1 10\n", i+1))
		c.(*net.TCPConn).CloseWrite()
		c.Read(make([]byte, 1)) // the sink closes when it has read to the end
		c.Close()
	}
	s.View(func(states []State) {
		for i := range states {
			if states[i].Lines != int64(i+1) {
				t.Errorf("port %d: %d lines, want %d", i, states[i].Lines, i+1)
			}
		}
	})
	if n := s.Lines(); n != 6 {
		t.Errorf("%d lines, want 6", n)
	}
}

// A stream cut anywhere must leave the same state as the whole, and no input may panic.
func FuzzFeed(f *testing.F) {
	f.Add([]byte("aggregates.a 1 10\naggregates.b 2.5 15\nprod.c 3 10\n"), 7)
	f.Add([]byte("aggregates.a nan 10\naggregates.  1\nprod.c  3 \n\n"), 20)
	f.Fuzz(func(t *testing.T, in []byte, cut int) {
		if len(in) == 0 {
			return
		}
		cut = int(uint(cut) % uint(len(in)))
		for _, mode := range []Mode{Aggregates, Count, Tally} {
			whole, split := newSink(mode), newSink(mode)
			rest := whole.feed(in, 0)
			carry := bytes.Clone(split.feed(in[:cut], 0))
			if got := split.feed(append(carry, in[cut:]...), 0); !bytes.Equal(got, rest) {
				t.Fatalf("rest %q, want %q", got, rest)
			}
			// Printed, because NaN differs from itself.
			if got, want := fmt.Sprint(split.states), fmt.Sprint(whole.states); got != want {
				t.Fatalf("cut at %d: %s, want %s", cut, got, want)
			}
		}
	})
}

func BenchmarkFeed(b *testing.B) {
	const lines = 1000
	for name, tt := range map[string]struct {
		mode Mode
		line string
	}{
		"aggregates": {Aggregates, "aggregates.prod.app.app017.all.requests003.count 12345.25 1700000000\n"},
		"count":      {Count, "prod.applications.app017.server042.requests003.count 12.25 1700000000\n"},
		"tally":      {Tally, "prod.applications.app017.server042.requests003.count 12.25 1700000000\n"},
	} {
		b.Run(name, func(b *testing.B) {
			s, in := newSink(tt.mode), []byte(strings.Repeat(tt.line, lines))
			for b.Loop() {
				s.feed(in, 0)
			}
			if s.Lines() != int64(b.N)*lines {
				b.Fatalf("%d lines, want %d", s.Lines(), b.N*lines)
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N*lines), "ns/line")
		})
	}
}
