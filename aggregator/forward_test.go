package aggregator

import (
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/plaintext"
)

// scan takes in plaintext lines in one buffer through one lane.
func (c *clock) scan(text string) {
	c.t.Helper()
	buf := append([]byte(text), make([]byte, plaintext.Pad)...)
	b := plaintext.Batch{Buf: buf[:len(text)]}
	s := plaintext.NewScanner(1000)
	s.Now = c.now
	l := c.a.Acquire()
	defer l.Release()
	for i := 0; i < len(text); {
		i = s.Scan(&b, i, len(text))
		l.Add(&b)
	}
}

func forwarding(t *testing.T, ruleText string) *clock {
	return start(t, 1600000000, ruleText, func(cfg *Config) { cfg.ForwardAll = true })
}

func (c *clock) wantLines(text string, n int) {
	c.t.Helper()
	if c.lines != text || c.nLines != n {
		c.t.Errorf("forwarded %d lines %q, want %d lines %q", c.nLines, c.lines, n, text)
	}
	if s := c.a.Stats(); s.Forwarded != uint64(n) {
		c.t.Errorf("%d counted as forwarded, want %d", s.Forwarded, n)
	}
}

func TestWhatIsForwarded(t *testing.T) {
	for _, c := range []struct {
		name, rules, metric string
		want                bool
	}{
		{"no rule", "", "in", true},
		{"no rule matches", "out (10) = sum other", "in", true},
		{"a rule matches", "out (10) = sum in", "in", true},
		{"a rule consumes it", "out (10) = sum in forward=off", "in", false},
		{"one of several rules consumes it", "out (10) = sum in\nout2 (10) = sum in forward=off", "in", false},
		{"the output itself, fed by it", "out (10) = sum *", "out", false},
		{"an output that it does not feed", "out (10) = sum in", "out", true},
		{"one of several outputs itself", "a (10) = sum *\nb (10) = sum *", "b", false},
		{"a row of several methods", "out.<method> (10) = sum,max out.*", "out.max", false},
		{"no row of several methods", "out.<method> (10) = sum,max out.*", "out.min", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := forwarding(t, c.rules+"\n")
			for range 2 { // the second time the name is known
				k.lines, k.nLines = "", 0
				k.add(c.metric, 1.5, 1600000000)
				if got := k.lines != ""; got != c.want {
					t.Errorf("forwarded %v, want %v", got, c.want)
				}
			}
		})
	}
}

func TestForwardingIsOffUnlessAskedFor(t *testing.T) {
	k := start(t, 1600000000, "out (10) = sum in\n", nil)
	k.scan("in 1 1600000000\nelse 1 1600000000\n")
	k.wantLines("", 0)
}

func TestDroppedDatapointsAreForwarded(t *testing.T) {
	k := forwarding(t, "out (10) = sum in\n")
	k.a.cfg.NotBefore = 0
	k.a.notBefore = 1600000000
	text := "in 1 1500000000\nin 1 1700000000\n"
	k.scan(text)
	k.wantLines(text, 2)
	k.drops(TooOld, 1, TooNew, 1)
}

func TestRunsOfLinesAreForwardedAsTheyCame(t *testing.T) {
	k := forwarding(t, "out (10) = sum in forward=off\n")
	calls := 0
	forward := k.a.cfg.Forward
	k.a.cfg.Forward = func(lines []byte, n int) {
		calls++
		forward(lines, n)
		if strings.Count(string(lines), "\n") != n {
			t.Errorf("%d lines in %q", n, lines)
		}
	}
	many := strings.Repeat("some.metric 1.250 1600000000\n", 100) // more than a batch
	k.scan(many + "in 1 1600000000\n" + "a 1.0 1600000000\nb 2 1600000000.5\n" + "c   3 1600000000\r\n" + "d +4e0 -1\ne 5 1600000000\n")
	// The zeros stay where a line can pass as it is; the others are written anew.
	k.wantLines(many+"a 1.0 1600000000\nb 2 1600000000.5\n"+"c 3 1600000000\n"+"d 4 1600000000\ne 5 1600000000\n", 105)
	if calls > 8 {
		t.Errorf("%d calls for %d lines", calls, k.nLines)
	}
}

func TestLinesOfSeveralBuffers(t *testing.T) {
	k := forwarding(t, "")
	l := k.a.Acquire()
	from := 0
	for _, text := range []string{"a 1 1600000000\n", "b 2 1600000000\n"} {
		// The second line lies in its buffer where the first one ends in the other.
		buf := append([]byte(strings.Repeat("#", from)+text), make([]byte, plaintext.Pad)...)
		b := plaintext.Batch{Buf: buf[:from+len(text)]}
		plaintext.NewScanner(100).Scan(&b, from, from+len(text))
		l.Add(&b)
		from += len(text)
	}
	l.Release()
	k.wantLines("a 1 1600000000\nb 2 1600000000\n", 2)
}

func TestOtherProtocolsAreForwardedAsLines(t *testing.T) {
	k := forwarding(t, "")
	l := k.a.Acquire()
	var b plaintext.Batch
	b.Add([]byte("a"), 1.5, 1600000000)
	b.Add([]byte("b;tag=x"), -1e-9, 1600000000.25)
	l.Add(&b)
	l.Release()
	k.wantLines("a 1.5 1600000000\nb;tag=x -1e-9 1600000000.25\n", 2)
}

func TestReloadTurnsForwardingOffAndOn(t *testing.T) {
	k := forwarding(t, "out (10) = sum in\n")
	k.add("in", 1, 1600000000)
	k.reload("out (10) = sum in forward=off\n")
	k.add("in", 2, 1600000000)
	k.reload("out (10) = sum in\n")
	k.add("in", 3, 1600000000)
	k.wantLines("in 1 1600000000\nin 3 1600000000\n", 2)
	k.through(1600000020)
	k.want(Row{"out", 6, 1600000000})
}
