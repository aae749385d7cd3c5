package main

import (
	"fmt"
	"maps"
	"math/bits"
	"math/rand/v2"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/store"
	"github.com/coalesce-metrics/coalesce/store/sqlite"
)

// killRules make, of every datapoint, a bucket of a second, one with several
// methods, and one that outlives a life of the daemon. The last one is there so that
// much is being written.
const killRules = `
	sums.<x> (1) = sum k.<x> grace=0s keep=0
	all.<x>.<method> (1) = count,sum,p50 k.<x> grace=0s keep=1
	slow.<x> (5) = sum k.<x> grace=0s keep=0
	fill.<x> (1) = count f.<x> grace=0s keep=0 forward=off
`

// What the tests feed. Of an output's datapoints in five seconds each has a power of
// four as its value, so that a sum tells which of them are in it, and whether any is
// in it twice. Sums over a quarter of an hour are exact.
const (
	killNames  = 60
	killDigits = 20
	killLive   = 10 // of them; the others are for late datapoints
	fillNames  = 400
)

// killKey is a bucket of name n that begins at start.
type killKey struct{ n, start int64 }

// killer sends datapoints to one daemon after the other, and knows which.
type killer struct {
	t    *testing.T
	rng  *rand.Rand
	from int64 // the first second

	used       map[killKey]int    // digits, by five seconds
	sent, must map[killKey]uint64 // by second: all there are, and those that must not get lost
	life       map[killKey]uint64 // those sent to the daemon that runs
	filled     int64
}

// lines makes datapoints of this second, and of any before.
func (k *killer) lines(now int64) string {
	var b strings.Builder
	for range k.rng.IntN(4) {
		n, at, limit := k.rng.Int64N(killNames), now, killLive
		if k.rng.IntN(2) == 0 {
			at, limit = k.from+k.rng.Int64N(now-k.from+1), killDigits
		}
		five := killKey{n, at / 5}
		digit := k.used[five]
		if digit >= limit {
			continue
		}
		k.used[five]++
		value := uint64(1) << (2 * digit)
		k.sent[killKey{n, at}] += value
		k.life[killKey{n, at}] += value
		fmt.Fprintf(&b, "k.n%d %d %d\n", n, value, at)
	}
	for range 10 {
		k.filled++
		fmt.Fprintf(&b, "f.n%d 1 %d\n", k.filled%fillNames, now)
	}
	return b.String()
}

// feed sends until it is told to stop, whether there is a daemon or not.
func (k *killer) feed(conn net.Conn) (stop func()) {
	quit := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		pace := time.NewTicker(4 * time.Millisecond)
		defer pace.Stop()
		for {
			conn.Write([]byte(k.lines(time.Now().Unix()))) // after a kill it fails
			select {
			case <-quit:
				return
			case <-pace.C:
			}
		}
	})
	return func() { close(quit); running.Wait() }
}

const lowBits = 0x5555555555555555

// within says whether part has no datapoint twice, and only such that whole has.
func within(part, whole uint64) bool { return part&^lowBits == 0 && part&^whole == 0 }

// by adds up sums by second into buckets.
func by(period int64, sums map[killKey]uint64) map[killKey]uint64 {
	out := make(map[killKey]uint64)
	for k, sum := range sums {
		out[killKey{k.n, k.start / period * period}] += sum
	}
	return out
}

// killOutput is an output whose sums tell what is in them.
type killOutput struct {
	row    string // as for fmt
	series string // likewise, in the store
	period int64
}

var killOutputs = []killOutput{
	{"aggregates.sums.n%d", "aggregates.sums.n%d", 1},
	{"aggregates.all.n%d.sum", "aggregates.all.n%d.\x00", 1},
	{"aggregates.slow.n%d", "aggregates.slow.n%d", 5},
}

func (o *killOutput) key(k killKey) string { return fmt.Sprintf(o.row+" %d", k.n, k.start) }

// emitted returns the sums that came for a bucket.
func (o *killOutput) emitted(t *testing.T, r *received, k killKey) (sums []uint64) {
	for _, v := range r.values[o.key(k)] {
		x, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Errorf("%s: %v", o.key(k), err)
		}
		sums = append(sums, x)
	}
	return sums
}

// arrived waits until all that the daemon has got is emitted.
func (k *killer) arrived(out *sink, outputs ...killOutput) {
	k.t.Helper()
	for _, o := range outputs {
		want := by(o.period, k.life)
		out.wait("all of "+o.row, func(r *received) bool {
			for key, sum := range want {
				last, _ := strconv.ParseUint(r.last(o.key(key)), 10, 64)
				if !within(sum, last) {
					return false
				}
			}
			return true
		})
	}
	for key, sum := range k.life {
		k.must[key] += sum
	}
}

// A daemon that is killed again and again in the midst of writing loses what was
// open, and nothing else: no bucket has a datapoint twice, none is emitted with less
// than before, and what upstream has in the end is what the store has and queries say.
func TestKillsWhileWriting(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	testKills(t, data, quickStore, 13, func() store.Store {
		s, err := sqlite.Open(filepath.Join(data, "cells.sqlite"), sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

func testKills(t *testing.T, data, config string, lives int, open func() store.Store) {
	out := newSink(t)
	s := settings{
		rules: write(t, t.TempDir(), "rules.conf", killRules), data: data, upstream: out.address,
		config: config + "[aggregation]\nkeep = 2\n",
	}
	k := &killer{
		t: t, rng: rand.New(rand.NewPCG(1, 2)), used: make(map[killKey]int),
		sent: make(map[killKey]uint64), must: make(map[killKey]uint64),
	}
	lengths := rand.New(rand.NewPCG(3, 4))
	var d *process
	for life := range lives {
		d = start(t, s)
		if life == 0 { // buckets that have begun before may have been emitted by somebody else
			k.from = (soon() + 4) / 5 * 5
			await(t, "the first bucket", nil, func() bool { return time.Now().Unix() >= k.from })
		}
		k.life = make(map[killKey]uint64)
		stop := k.feed(d.dial("tcp"))
		enough := len(out.got().lines) + 20 + lengths.IntN(700)
		out.wait("some lines", func(r *received) bool { return len(r.lines) >= enough })
		switch {
		case life == lives-1:
			stop()
			k.arrived(out, killOutputs...)
		case life%4 == 3: // what has been emitted must not get lost
			stop()
			k.arrived(out, killOutputs[:2]...)
			d.kill()
		default:
			d.kill()
			stop()
		}
		if life < lives-1 {
			out.drained() // before the next one speaks
		}
	}
	d.loaded()
	d.written()
	want := k.check(out.got())
	k.checkQueries(d, want)
	balanced(t, d)
	d.stop()
	kept := open()
	defer kept.Close()
	k.checkStore(kept, want)
}

// Rows that were queued when the daemon was killed are sent by the next one, however
// old their buckets are.
func TestKillWithRowsQueued(t *testing.T) {
	t.Parallel()
	out := newSink(t)
	s := settings{
		rules: write(t, t.TempDir(), "rules.conf", "k.<x> (1) = sum k.<x>.* grace=0s keep=0\n"),
		data:  filepath.Join(t.TempDir(), "data"), upstream: out.address, config: quickStore + "[aggregation]\nkeep = 1\n",
	}
	d := start(t, s)
	old := history()
	feed(d, out, old, "k.a.x 40", "k.a.y 2")
	rowsAre(out, old, map[string][]string{"k.a": {"42"}})
	d.forgotten()
	d.written()
	kept := scrape(t, d).sum("cells_kept_total")
	out.down()
	d.waitLog("destination not connected")
	at := soon()
	d.send(fmt.Sprintf("k.a.x 1 %d\nk.b.x 5 %d\n", old, at))
	await(t, "the cells to be kept", nil, func() bool { return scrape(t, d).sum("cells_kept_total") == kept+2 })
	d.kill()
	out.up()
	d = start(t, s)
	out.waitLine(fmt.Sprintf("aggregates.k.a 43 %d", old))
	out.waitLine(fmt.Sprintf("aggregates.k.b 5 %d", at))
	d.stop()
}

// killResult has the sums that buckets must have: by output and bucket.
type killResult map[string]map[killKey]uint64

// check looks at all that has been emitted.
func (k *killer) check(got received) killResult {
	k.t.Helper()
	want := make(killResult)
	for _, o := range killOutputs {
		want[o.series] = make(map[killKey]uint64)
		must := by(o.period, k.must)
		lost, again := 0, 0
		for key, sent := range by(o.period, k.sent) {
			sums := o.emitted(k.t, &got, key)
			last := uint64(0)
			for _, sum := range sums {
				if !within(sum, sent) || !within(last, sum) {
					k.t.Errorf("%s: %x came, want more and more of %x", o.key(key), sums, sent)
					break
				}
				last = sum
			}
			if o.period == 1 && !within(must[key], last) {
				k.t.Errorf("%s: %x in the end, want at least %x, which was emitted", o.key(key), last, must[key])
			}
			if last > 0 {
				want[o.series][key] = last
			}
			lost += bits.OnesCount64(sent &^ last)
			again += max(len(sums)-1, 0)
		}
		k.t.Logf("%s: %d buckets, emitted %d times again, %d datapoints lost with what was open", o.row, len(want[o.series]), again, lost)
	}
	for key, sum := range want[killOutputs[1].series] {
		for method, v := range map[string]float64{"count": float64(bits.OnesCount64(sum)), "p50": modelValue("p50", killValues(sum))} {
			if last := got.last(fmt.Sprintf("aggregates.all.n%d.%s %d", key.n, method, key.start)); last != number(v) {
				k.t.Errorf("%s of %v is %s in the end, want %s", method, key, last, number(v))
			}
		}
	}
	for key, values := range got.values {
		if !strings.HasPrefix(key, "aggregates.fill.") {
			continue
		}
		if !slices.IsSortedFunc(values, func(a, b string) int {
			x, _ := strconv.Atoi(a)
			y, _ := strconv.Atoi(b)
			return x - y
		}) {
			k.t.Errorf("%s: %q came, want no less than before", key, values)
		}
	}
	return want
}

func killValues(sum uint64) (values []float64) {
	for ; sum != 0; sum &= sum - 1 {
		values = append(values, float64(sum&-sum))
	}
	return values
}

// checkQueries compares what the daemon answers with what upstream has.
func (k *killer) checkQueries(d *process, want killResult) {
	k.t.Helper()
	until := (time.Now().Unix()/10 + 1) * 10 // with the window's bucket under way
	for _, o := range killOutputs {
		for n := range int64(killNames) {
			name := fmt.Sprintf(o.row, n)
			sums, counts := map[int64]float64{}, map[int64]float64{}
			tens := map[int64]windowRow{}
			for key, sum := range want[o.series] {
				if key.n != n {
					continue
				}
				sums[key.start] = float64(sum)
				counts[key.start] = float64(bits.OnesCount64(sum))
				w := tens[key.start/10*10]
				w.Sum += float64(sum)
				w.Count += int64(bits.OnesCount64(sum))
				tens[key.start/10*10] = w
			}
			got := render(k.t, d, k.from, until, name, name+":sum", name+":obvs")
			for target, want := range map[string]map[int64]float64{name: sums, name + ":sum": sums, name + ":obvs": counts} {
				if !maps.Equal(got[target], want) {
					k.t.Errorf("render of %s: %v, want %v", target, got[target], want)
				}
			}
			rows := window(k.t, d, "5m", name, k.from, until)
			if len(rows) != len(tens) {
				k.t.Errorf("window 5m of %s: %v, want %v", name, rows, tens)
			}
			for _, r := range rows {
				if w := tens[r.Timestamp]; r.Sum != w.Sum || r.Count != w.Count {
					k.t.Errorf("window 5m of %s at %d: sum %v of %d, want %v of %d", name, r.Timestamp, r.Sum, r.Count, w.Sum, w.Count)
				}
			}
			if k.t.Failed() {
				return
			}
		}
	}
}

// checkStore compares what the store has with what upstream has, in all tiers.
func (k *killer) checkStore(kept store.Store, want killResult) {
	k.t.Helper()
	cells, _ := storedIn(k.t, kept)
	native := 0
	type total struct {
		count int64
		sum   float64
	}
	merged := make(map[storedKey]total) // of the finer cells of a window's
	for _, o := range killOutputs {
		for key, sum := range want[o.series] {
			name := fmt.Sprintf(o.series, key.n)
			c, ok := cells[storedKey{name, o.period, key.start}]
			values := killValues(sum)
			if !ok || c.cell.Total() != float64(sum) || c.cell.Count != int64(len(values)) ||
				c.cell.Min != values[0] || c.cell.Max != values[len(values)-1] {
				k.t.Errorf("%q at %d: the store has %+v, want the sum %d of %d", name, key.start, c.cell, sum, len(values))
			}
			if exact, all := c.values.AppendExact(nil); strings.Contains(name, "\x00") && (!all || !slices.Equal(slices.Sorted(slices.Values(exact)), values)) {
				k.t.Errorf("%q at %d: the store has the values %v, want %v", name, key.start, exact, values)
			}
			native++
			for _, step := range []int64{10, 60, 900} {
				w := storedKey{name, step, key.start / step * step}
				m := merged[w]
				merged[w] = total{m.count + int64(len(values)), m.sum + float64(sum)}
			}
		}
	}
	coarse := 0
	for key, c := range cells {
		switch {
		case strings.HasPrefix(key.name, "aggregates.fill."):
		case key.step == 1 || key.step == 5:
			native--
		default:
			coarse++
			if m := merged[key]; c.cell.Count != m.count || c.cell.Total() != m.sum {
				k.t.Errorf("%q at %d by %d s: the store has the sum %v of %d, want %v of %d", key.name, key.start, key.step, c.cell.Total(), c.cell.Count, m.sum, m.count)
			}
		}
	}
	if native != 0 {
		k.t.Errorf("the store has %d cells that upstream has not", -native)
	}
	k.t.Logf("%d cells in the store, %d of them of windows", len(cells), coarse)
}
