package archive

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/store"
	"github.com/coalesce-metrics/coalesce/store/sqlite"
)

// childVariable has this test binary keep cells until it is killed. It holds the
// directory, the seed, and the round to begin with.
const childVariable = "COALESCE_ARCHIVE_CHILD"

// crashConfig has little retention, so that everything is met within seconds: a round
// is ten seconds of the archive's clock.
func crashConfig(dir string, s store.Store, round *atomic.Int64) Config {
	windows := plainWindows()
	windows[0].Retention, windows[1].Retention, windows[2].Retention = 600, hour, day
	return Config{
		Store: s, Dir: filepath.Join(dir, "journal"), Windows: windows, Retention: 600, Cycle: 2 * time.Millisecond,
		MaxPending: 64 << 20, MaxJournal: 1 << 20,
		Now: func() float64 { return float64(epoch + 10*(round.Load()+1)) },
	}
}

// crashRecord is a cell that some round keeps.
type crashRecord struct {
	name          string
	period, start int64
	values        []float64
	late          bool
}

// crashRound returns what is kept in a round: the buckets that end with it, some
// earlier ones amended, and at times one that is too old for its tier.
func crashRound(seed uint64, round int64) (out []crashRecord) {
	r := rand.New(rand.NewPCG(seed, uint64(round)))
	random := func() (v []float64) {
		for range 1 + r.IntN(4) {
			v = append(v, float64(r.IntN(1e6)))
		}
		return v
	}
	end := epoch + 10*(round+1)
	for i, period := range []int64{10, 10, 30, 20, 15, 10} {
		name := fmt.Sprint("m", i)
		start := floor(end, period) - period
		if start > epoch && start+period > end-10 {
			out = append(out, crashRecord{name, period, start, random(), false})
		}
		if back := start - period*r.Int64N(500/period); r.IntN(3) == 0 && back > epoch {
			out = append(out, crashRecord{name, period, back, random(), false})
		}
		if back := floor(end-900-r.Int64N(2000), period); i == int(round%6) && back > epoch && r.IntN(3) == 0 {
			out = append(out, crashRecord{name, period, back, random(), true})
		}
	}
	// The same bucket twice in a round would leave open which one counts after a crash
	// in its midst.
	slices.SortStableFunc(out, func(x, y crashRecord) int {
		return strings.Compare(fmt.Sprint(x.late, x.name, x.start), fmt.Sprint(y.late, y.name, y.start))
	})
	return slices.CompactFunc(out, func(x, y crashRecord) bool {
		return x.late == y.late && x.name == y.name && x.start == y.start
	})
}

// crashDrop returns which series a round begins by dropping; mostly none.
func crashDrop(seed uint64, round int64) (name string, ok bool) {
	r := rand.New(rand.NewPCG(seed+1, uint64(round)))
	return fmt.Sprint("m", r.IntN(6)), r.IntN(12) == 0
}

// child keeps round after round, and prints each when it is durable.
func child() {
	var dir string
	var seed uint64
	var first int64
	if _, err := fmt.Sscan(os.Getenv(childVariable), &dir, &seed, &first); err != nil {
		panic(err)
	}
	s, err := sqlite.Open(filepath.Join(dir, "store"), sqlite.Options{})
	if err != nil {
		panic(err)
	}
	var round atomic.Int64
	round.Store(first)
	a, err := Open(crashConfig(dir, s, &round))
	if err != nil {
		panic(err)
	}
	go a.Run(context.Background())
	for {
		keepRound(a, seed, round.Load(), round.Load() > first)
		a.Commit()
		fmt.Println(round.Load())
		for a.Stats().Pending > 300 {
			time.Sleep(time.Millisecond) // lest the clock runs away from the store
		}
		round.Add(1)
	}
}

// keepRound keeps the cells of a round. Those late cannot be kept twice.
func keepRound(a *Archive, seed uint64, round int64, late bool) {
	if name, ok := crashDrop(seed, round); ok {
		if err := a.Drop(context.Background(), []string{name}); err != nil {
			panic(err)
		}
	}
	for _, r := range crashRound(seed, round) {
		if r.late && !late {
			continue
		}
		if c := a.Covers(r.period, r.start); r.late && c != Coarse {
			panic(fmt.Sprintf("%+v is %v in round %d", r, c, round))
		}
		c, v := cellOf(r.start, r.values)
		a.Keep(&Record{Series: seriesOf(r.name, r.period), Start: r.start, Cell: &c, Values: v, CoarseOnly: r.late})
	}
}

// Killed many times at any moment, the archive has in the end every cell that it had
// called durable, in every tier, once.
func TestKilled(t *testing.T) {
	kills := 40
	if testing.Short() {
		kills = 5
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	dir := t.TempDir()
	next := int64(0)
	var open []int64 // rounds in which something late may have been kept or not
	for range kills {
		acked := killed(t, dir, seed, next, 1+r.IntN(250))
		next = max(next, acked+1)
		open = append(open, next)
	}
	t.Logf("%d rounds", next)

	w := newWorld(t, openSQLite(t, filepath.Join(dir, "store")), nil)
	var round atomic.Int64
	round.Store(next)
	cfg := crashConfig(dir, w.store, &round)
	cfg.Logger = w.cfg.Logger
	w.cfg = cfg
	w.open()
	if st := w.a.Stats(); st.DroppedTotal() != 0 {
		t.Fatalf("%+v", st)
	}
	keepRound(w.a, seed, next, false)
	w.a.Commit()
	for range 3 {
		w.a.cycle(t.Context())
		round.Add(10)
	}
	w.now = cfg.Now()
	// What was written long before the last kill may be in the journal yet, and too old.
	if st := w.a.Stats(); st.Pending != 0 || st.DroppedTotal() != st.Dropped[TooOld]+st.Dropped[Deleted] || st.Stale != 0 {
		t.Fatalf("%+v\n%s", st, w.logs.last())
	}
	var doubtful []crashRecord
	dropped := make(map[string]bool)
	for n := range next + 1 {
		if name, ok := crashDrop(seed, n); ok {
			dropped[name] = true
			delete(w.model, name)
			doubtful = slices.DeleteFunc(doubtful, func(x crashRecord) bool { return x.name == name })
		}
		for _, x := range crashRound(seed, n) {
			c, v := cellOf(x.start, x.values)
			switch {
			case !x.late:
				w.model.put(x.name, x.period, x.start, c, v)
			case slices.Contains(open, n):
				doubtful = append(doubtful, x)
			default:
				w.model.merge(x.name, x.period, x.start, c, v)
			}
		}
	}
	for _, x := range doubtful {
		w.settleDoubt(x)
	}
	w.check()
	w.checkStored()
	w.checkGone(slices.Collect(maps.Keys(dropped))...)
	if len(dropped) == 0 {
		t.Error("nothing was dropped")
	}
}

// settleDoubt enters a late cell into the model if the archive has it: the coarse cell
// then has more datapoints than the model.
func (w *world) settleDoubt(x crashRecord) {
	w.t.Helper()
	const step = 900
	b := floor(x.start, step)
	got := w.read(x.name, step, b, b+step)[b]
	c, v := cellOf(x.start, x.values)
	without := w.expect(x.name, step)[b]
	if got.Cell.Count > without.Cell.Count {
		w.model.merge(x.name, x.period, x.start, c, v)
		w.t.Logf("%+v had been kept", x)
	}
}

// killed runs the child until it has acknowledged so many rounds, kills it, and
// returns the last round that it acknowledged.
func killed(t *testing.T, dir string, seed uint64, first int64, rounds int) (last int64) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d", childVariable, dir, seed, first))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last = first - 1
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		if n == rounds {
			cmd.Process.Kill()
		}
		if last, err = strconv.ParseInt(lines.Text(), 10, 64); err != nil {
			t.Fatalf("the child says %q", lines.Text())
		}
	}
	err = cmd.Wait()
	if err == nil || err.Error() != "signal: killed" {
		t.Fatalf("the child ended with %v", err)
	}
	return last
}
