package archive

import (
	"fmt"
	"math"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/store"
	"github.com/coalesce-metrics/coalesce/store/storetest/pgtest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		child()
		return
	}
	code := m.Run()
	pgtest.Stop()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

const (
	hour = 3600
	day  = 24 * hour
)

// epoch is a Monday, at 00:00.
const epoch = 1_700_438_400

// plainWindows are the defaults of the program.
func plainWindows() []Window {
	return []Window{
		{Name: "5m", Span: 300, Step: 10, Retention: hour},
		{Name: "1h", Span: hour, Step: 60, Retention: day},
		{Name: "24h", Span: day, Step: 900, Retention: 7 * day},
	}
}

// world is an archive under a clock that stands still until it is set, with a model
// of what it holds.
type world struct {
	t     testing.TB
	now   float64
	store *fake
	cfg   Config
	a     *Archive
	model model
	logs  *logs
}

// newWorld opens an archive. change may be nil.
func newWorld(t testing.TB, s store.Store, change func(*Config)) *world {
	t.Helper()
	w := &world{t: t, now: epoch, store: &fake{Store: s}, model: make(model), logs: new(logs)}
	w.cfg = Config{
		Store: w.store, Dir: t.TempDir(), Windows: plainWindows(), Retention: day, Cycle: 10 * time.Second,
		MaxPending: 64 << 20, MaxJournal: 256 << 20, Logger: w.logs.logger(),
	}
	if change != nil {
		change(&w.cfg)
	}
	w.cfg.Now = func() float64 { return w.now }
	w.open()
	return w
}

func (w *world) open() {
	w.t.Helper()
	a, err := Open(w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	a.stalePlaces = 8 // so that it matters
	w.a = a
	w.t.Cleanup(a.closeJournal)
}

// crash goes on with what the disk has. Nothing may have been kept since Commit.
func (w *world) crash() {
	w.t.Helper()
	w.checkBooks()
	w.a.closeJournal()
	w.open()
	w.checkBooks()
}

// restart stops in order.
func (w *world) restart() error {
	w.t.Helper()
	err := w.a.Close(w.t.Context())
	w.checkBooks()
	w.open()
	return err
}

// keep keeps a bucket that the values came in for, and commits.
func (w *world) keep(name string, period, start int64, values ...float64) {
	w.t.Helper()
	c, v := cellOf(start, values)
	w.keepCell(name, period, start, c, v)
	w.a.Commit()
}

func (w *world) keepCell(name string, period, start int64, c cell.Cell, v *cell.Values) {
	w.a.Keep(&Record{Series: seriesOf(name, period), Start: start, Cell: &c, Values: v})
	w.model.put(name, period, start, c, v)
}

// late keeps what came in for a bucket that is too old.
func (w *world) late(name string, period, start int64, values ...float64) {
	w.t.Helper()
	c, v := cellOf(start, values)
	w.a.Keep(&Record{Series: seriesOf(name, period), Start: start, Cell: &c, Values: v, CoarseOnly: true})
	w.a.Commit()
	w.model.merge(name, period, start, c, v)
}

// seriesOf returns the series of a name. Those that begin with p have percentiles.
func seriesOf(name string, period int64) store.Series {
	s := store.Series{Name: name, Methods: []cell.Method{cell.Sum}, Period: period}
	if name[0] == 'p' {
		s.Methods = []cell.Method{cell.Avg, mustMethod("p99.9")}
	}
	return s
}

func mustMethod(s string) cell.Method {
	m, err := cell.ParseMethod(s)
	if err != nil {
		panic(err)
	}
	return m
}

func cellOf(start int64, values []float64) (c cell.Cell, v *cell.Values) {
	v = new(cell.Values)
	for i, x := range values {
		c.Add(x, float64(start)+float64(i)/1e6)
		v.Add(x)
	}
	return c, v
}

// cycle does a round of writing, which must succeed unless the store is to fail.
func (w *world) cycle() {
	w.t.Helper()
	w.a.cycle(w.t.Context())
	if st := w.a.Stats(); !st.StoreOK && !w.store.broken() {
		w.t.Fatalf("the store fails: %+v\n%s", st, w.logs.last())
	}
	w.checkBooks()
}

// pass lets time go by, with the cycles that are due.
func (w *world) pass(seconds int64) {
	w.t.Helper()
	for end := w.now + float64(seconds); w.now < end; {
		w.now = min(w.now+10, end)
		w.cycle()
	}
}

func (w *world) checkBooks() {
	w.t.Helper()
	st := w.a.Stats()
	if in, out := st.Found+st.Kept, st.Pending+st.Written+st.Replaced+st.DroppedTotal(); in != out {
		w.t.Fatalf("%d cells came in and %d are accounted for: %+v", in, out, st)
	}
}

// read returns what Cells has for a name, with the finer cells merged.
func (w *world) read(name string, step, from, until int64) map[int64]whole {
	w.t.Helper()
	got, err := w.a.Cells(w.t.Context(), []string{name}, step, from, until)
	if err != nil {
		w.t.Fatal(err)
	}
	return fold(w.t, got[0], step)
}

func fold(t testing.TB, buckets []Bucket, step int64) map[int64]whole {
	t.Helper()
	out := make(map[int64]whole)
	end := int64(math.MinInt64)
	for _, b := range buckets {
		if b.Start < end || b.Start%b.Step != 0 || step%b.Step != 0 {
			t.Fatalf("bucket %d of %d s after one that ends at %d", b.Start, b.Step, end)
		}
		end = b.Start + b.Step
		x := out[floor(b.Start, step)]
		x.merge(b.Cell, b.Values)
		out[floor(b.Start, step)] = x
	}
	return out
}

// check compares all that can be read with the model.
func (w *world) check() {
	w.t.Helper()
	for name, s := range w.model {
		for _, step := range w.steps(s) {
			retention := w.a.retention(w.a.view.Load(), step)
			got := w.read(name, step, math.MinInt64, math.MaxInt64)
			want := w.expect(name, step)
			for b, x := range want {
				y, ok := got[b]
				switch {
				case expired(b, step, retention, w.now):
					if ok {
						w.t.Fatalf("%s: bucket %d of %d s is to be seen %v s after its end", name, b, step, w.now-float64(b+step))
					}
				case !ok:
					w.t.Fatalf("%s: bucket %d of %d s is missing %v s after its end, want %+v", name, b, step, w.now-float64(b+step), x.Cell)
				case !x.equal(y):
					w.t.Fatalf("%s: bucket %d of %d s:\n%+v, want\n%+v", name, b, step, y.Cell, x.Cell)
				}
				delete(got, b)
			}
			for b, y := range got {
				w.t.Fatalf("%s: bucket %d of %d s is there and should not: %+v", name, b, step, y.Cell)
			}
		}
	}
}

// steps returns the steps that a series is to be found in.
func (w *world) steps(s *modelSeries) (steps []int64) {
	for k := range s.cells {
		for _, t := range w.a.Tiers(k.step) {
			if !slices.Contains(steps, t.Step) {
				steps = append(steps, t.Step)
			}
		}
	}
	for _, d := range s.deltas {
		for _, t := range w.a.Tiers(d.step) {
			if t.Step > d.step && !slices.Contains(steps, t.Step) {
				steps = append(steps, t.Step)
			}
		}
	}
	return steps
}

// checkStored compares the coarse cells in the store with the model, in all buckets
// that are rolled and not expired.
func (w *world) checkStored() {
	w.t.Helper()
	v := w.a.view.Load()
	for i, win := range w.cfg.Windows {
		got := make(map[string]map[int64]whole)
		err := w.store.Scan(w.t.Context(), win.Step, v.goneBefore(win.Step), v.marks[i], func(s *store.Series, c store.Cell) error {
			b, err := decode(c)
			if got[s.Name] == nil {
				got[s.Name] = make(map[int64]whole)
			}
			got[s.Name][c.Start] = whole{b.Cell, b.Values}
			return err
		})
		if err != nil {
			w.t.Fatal(err)
		}
		for name := range w.model {
			for b, x := range w.expect(name, win.Step) {
				if b >= v.marks[i] || b < v.goneBefore(win.Step) {
					continue
				}
				if y, ok := got[name][b]; !ok || !x.equal(y) {
					w.t.Fatalf("stored %s: bucket %d of %d s (%v): %+v, want %+v", name, b, win.Step, ok, y.Cell, x.Cell)
				}
			}
		}
	}
}

func values(from, n int) (out []float64) {
	for i := range n {
		out = append(out, float64(from+i))
	}
	return out
}
