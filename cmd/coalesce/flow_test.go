package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// The rules of TestFlow; the last comes and the one before goes by reloading.
var (
	flowRules = []modelRule{{
		"sums.<app>.<rest> (1) = sum flow.<app>.*.<<rest>>",
		regexp.MustCompile(`^flow\.([^.]+)\.[^.]+\.(.+)$`), "aggregates.sums.$1.$2", 1, []string{"sum"},
	}, {
		"aggregates.all.<app>.<method> (2) = avg,min,max,count,p50,p99.9,range flow.<app>.host\\d*.requests",
		regexp.MustCompile(`^flow\.([^.]+)\.host\d*\.requests$`), "aggregates.all.$1.<method>", 2,
		[]string{"avg", "min", "max", "count", "p50", "p99.9", "range"},
	}, {
		"tagged.all;dc=<dc> (2) = sum tagged;dc=<dc>;host=h*",
		regexp.MustCompile(`^tagged;host=h[^;]*;dc=([^;]+)$`), "aggregates.tagged.all;dc=$1", 2, []string{"sum"},
	}, {
		"quiet.count (1) = count quiet.* forward=off",
		regexp.MustCompile(`^quiet\.[^.]+$`), "aggregates.quiet.count", 1, []string{"count"},
	}}
	goingRule = modelRule{
		"going.<x> (2) = sum going.<x>.*",
		regexp.MustCompile(`^going\.([^.]+)\.[^.]+$`), "aggregates.going.$1", 2, []string{"sum"},
	}
	comingRule = modelRule{
		"coming.<x> (1) = max coming.<x>.*",
		regexp.MustCompile(`^coming\.([^.]+)\.[^.]+$`), "aggregates.coming.$1", 1, []string{"max"},
	}
)

// flow feeds a daemon from several connections at once and knows what has to
// come of it.
type flow struct {
	t     *testing.T
	model *model
	rules []modelRule

	mu    sync.Mutex // guards all below
	names []string
	raw   map[string]int // lines that have to be forwarded
	sent  counts

	quit    chan struct{}
	running sync.WaitGroup
}

// counts is what the daemon should have counted.
type counts struct{ received, refused, matched, unmatched, contributions int }

// lines makes n lines: most of them datapoints of a few names around now, in any
// order of time, each line unlike any other.
func (f *flow) lines(rng *rand.Rand, client string, serial *int, n int) string {
	var b strings.Builder
	now := time.Now().Unix()
	f.mu.Lock()
	defer f.mu.Unlock()
	names := f.names
	for range n {
		*serial++
		f.sent.received++
		if rng.IntN(50) == 0 {
			f.sent.refused++
			fmt.Fprintf(&b, "bad.%s %d\n", client, *serial)
			continue
		}
		name := names[rng.IntN(len(names))]
		value, at := float64(rng.IntN(1000))/4, now+int64(rng.IntN(6)-3)
		if rng.IntN(20) == 0 {
			name = fmt.Sprintf("unmatched.%s.%d", client, *serial)
		}
		line := fmt.Sprintf("%s %s %d", name, number(value), at)
		reached := f.model.add(f.rules, name, value, at)
		f.sent.contributions += reached
		if reached > 0 {
			f.sent.matched++
		} else {
			f.sent.unmatched++
		}
		if !strings.HasPrefix(name, "quiet.") {
			f.raw[line]++
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

// client sends until the flow ends. Datagrams hold whole lines, and are no more at a
// time than the socket of a daemon that is held up has room for; stream writes are cut
// anywhere.
func (f *flow) client(d *process, conn net.Conn, name string, seed uint64) {
	f.running.Go(func() {
		rng := rand.New(rand.NewPCG(seed, 2))
		_, datagrams := conn.(*net.UDPConn)
		pace := time.NewTicker(5 * time.Millisecond)
		defer pace.Stop()
		serial, taken, rest := 0, 0, ""
		write := func(text string) {
			if _, err := conn.Write([]byte(text)); err != nil {
				f.t.Error(err)
			}
		}
		for {
			select {
			case <-f.quit:
				if rest != "" {
					write(rest)
				}
				return
			case <-pace.C:
			}
			if datagrams && serial-taken > 400 {
				await(f.t, "datagrams to be read", nil, func() bool {
					taken = int(scrape(f.t, d).sum("received_items_total", "listener", "udp"))
					return taken >= serial
				})
			}
			text := rest + f.lines(rng, name, &serial, 8)
			cut := len(text)
			if !datagrams {
				cut = rng.IntN(len(text) + 1)
			}
			if cut > 0 {
				write(text[:cut])
			}
			rest = text[cut:]
		}
	})
}

// Everything at once: several clients on all transports, late and early
// datapoints, reloads good and bad, a destination that goes and comes back, and a
// stop straight after the last byte. No value is wrong, no line is lost or comes twice.
func TestFlow(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rules := write(t, dir, "rules.conf", ruleFileOf(append(flowRules, goingRule)...))
	out := newSink(t)
	d := start(t, settings{rules: rules, upstream: out.address, config: fmt.Sprintf(`
		[limits]
		read_buffer = "32KiB"
		[[listener]]
		transport = "unix"
		address = %q
		[aggregation]
		keep = 100
		[queue]
		reconnect_min = "1ms"
		reconnect_max = "20ms"
		[reload]
		debounce = "20ms"
		[log]
		refused_lines = 3
		refused_interval = "1h"
		`, filepath.Join(dir, "in.sock"))})

	f := &flow{t: t, model: newModel(), rules: append(flowRules, goingRule, comingRule), raw: make(map[string]int), quit: make(chan struct{})}
	names := []string{"quiet.a", "quiet.b", "tagged;host=h1;dc=eu", "tagged;host=h2;dc=us", "tagged;host=x;dc=us"}
	for i := range 36 { // few enough for each that percentiles are exact
		names = append(names, fmt.Sprintf("flow.app%d.host%d.requests", i%12, i), fmt.Sprintf("flow.app%d.host%d.disk.used", i%12, i))
	}
	with := func(more ...string) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.names = append(more, names...)
	}
	with("going.a.x", "going.a.y", "going.b.x")
	for i, transport := range []string{"tcp", "tcp", "tcp", "unix", "unix", "udp"} {
		f.client(d, d.dial(transport), fmt.Sprintf("%s%d", transport, i), uint64(i))
	}
	more := func() { // the flow goes on, and buckets close
		t.Helper()
		was := out.got()
		out.wait("more lines, and a later bucket", func(r *received) bool {
			return len(r.lines) > len(was.lines)+1000 && r.newest > was.newest
		})
	}
	f.running.Go(func() {
		for pace := time.Tick(50 * time.Millisecond); ; <-pace {
			select {
			case <-f.quit:
				return
			default:
				checkBalance(t, d)
			}
		}
	})
	more()

	// All datapoints of the rule that goes must be in before.
	with()
	last := f.forwarded("going.")
	out.wait("the last of the going ones", func(r *received) bool { return contains(r.count, last) })
	replace(t, rules, ruleFileOf(append(flowRules, comingRule)...))
	d.waitLog("rules reloaded")
	with("coming.a.x", "coming.a.y", "coming.b.x")
	more()
	replace(t, rules, ruleFileOf(comingRule)+"this is no rule\n")
	if l := d.waitLog("rules not reloaded, the old ones stay in force: the file has errors"); l.attrs["level"] != "ERROR" {
		t.Errorf("a bad file is logged as %s", l.text)
	}
	more()

	out.down()
	d.waitLog("destination not connected")
	was := f.received()
	await(t, "more lines while the destination is down", nil, func() bool { return f.received() > was+2000 })
	out.up()
	d.waitLog("destination connected", 2)
	more()

	close(f.quit)
	f.running.Wait()
	f.checkCounts(d)
	f.finale(d)
	d.stop()
	out.down()
	f.check(out.got())
	if n := len(d.lines("refused line")); n != 3 {
		t.Errorf("%d refused lines are logged, want 3", n)
	}
}

// received returns how many lines have been made.
func (f *flow) received() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sent.received
}

// finale sends a last lot just before the daemon is stopped.
func (f *flow) finale(d *process) {
	rng := rand.New(rand.NewPCG(9, 9))
	for i, transport := range []string{"tcp", "unix", "udp"} {
		serial := 0
		text := f.lines(rng, fmt.Sprintf("last%d", i), &serial, 500)
		conn := d.dial(transport)
		if _, err := conn.Write([]byte(text)); err != nil {
			f.t.Error(err)
		}
	}
}

// forwarded returns the lines to be forwarded that begin with a text.
func (f *flow) forwarded(with string) map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	found := make(map[string]int)
	for line, n := range f.raw {
		if strings.HasPrefix(line, with) {
			found[line] = n
		}
	}
	return found
}

// contains says whether a count has at least that of every line of part.
func contains(count, part map[string]int) bool {
	for line, n := range part {
		if count[line] < n {
			return false
		}
	}
	return true
}

// check compares all that came in the end with the model.
func (f *flow) check(got received) {
	f.t.Helper()
	wrong := 0
	fail := func(format string, args ...any) {
		if wrong++; wrong <= 20 {
			f.t.Errorf(format, args...)
		}
	}
	want := f.model.rows()
	for key, value := range want {
		if last := got.last(key); last != number(value) {
			fail("%s: in the end %q of %q, want %s", key, last, got.values[key], number(value))
		}
	}
	for line, n := range got.count {
		name, _, _ := strings.Cut(line, " ")
		if !strings.HasPrefix(name, "aggregates.") {
			if n != f.raw[line] {
				fail("%q came %d times, want %d", line, n, f.raw[line])
			}
		} else if _, ok := want[name+line[strings.LastIndexByte(line, ' '):]]; !ok {
			fail("%q: no datapoint feeds it", line)
		}
	}
	for line, n := range f.raw {
		if got.count[line] == 0 {
			fail("%q did not come, want it %d times", line, n)
		}
	}
	f.t.Logf("%d rows, %d raw lines, %d lines in all, %d wrong", len(want), len(f.raw), len(got.lines), wrong)
}
