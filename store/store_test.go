package store

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/coalesce-metrics/coalesce/cell"
)

func TestSliceLength(t *testing.T) {
	const hour, day = 3600, 86400
	for _, c := range []struct{ step, want int64 }{
		{1, hour}, {7, hour}, {10, hour}, {11, 2 * hour}, {60, 6 * hour}, {240, day}, {241, 2 * day}, {300, 2 * day},
		{900, 4 * day}, {3600, 15 * day}, {86400, 360 * day}, {MaxStep, 360 * MaxStep},
	} {
		if got := SliceLength(c.step); got != c.want {
			t.Errorf("step %d: %d seconds, expected %d", c.step, got, c.want)
		}
	}
}

// TestSlices sees that every time is in one slice, and that a slice has ended when
// its last cell has, which is looked for from its end.
func TestSlices(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		step := rapid.Int64Range(1, 4000).Draw(t, "step")
		at := rapid.Int64Range(-MaxTime/step, MaxTime/step).Draw(t, "start") * step
		slice, length := SliceStart(step, at), SliceLength(step)
		if slice%length != 0 || at < slice || at >= slice+length {
			t.Fatalf("start %d of step %d is in slice %d of length %d", at, step, slice, length)
		}
		if length < 360*step || length > 360*step+86400 {
			t.Fatalf("step %d has slices of length %d", step, length)
		}
		last := slice + length - 1
		for last%step != 0 {
			last--
		}
		if got := SliceEnd(step, slice); got != last+step {
			t.Fatalf("slice %d of step %d ends at %d, expected %d", slice, step, got, last+step)
		}
	})
}

func TestClamp(t *testing.T) {
	for _, c := range [][4]int64{
		{0, 60, 0, 60}, {-MaxTime, MaxTime, -MaxTime, MaxTime}, {-1 << 63, 1<<63 - 1, -MaxTime, MaxTime + 1}, {60, 0, 60, 0},
		{1<<63 - 1, -1 << 63, 1<<63 - 1, -1 << 63},
	} {
		if from, until := Clamp(c[0], c[1]); from != c[2] || until != c[3] {
			t.Errorf("Clamp(%d, %d) = %d, %d; expected %d, %d", c[0], c[1], from, until, c[2], c[3])
		}
	}
}

func FuzzMethods(f *testing.F) {
	for _, s := range []string{"", "sum", "sum,p99.9,last", ",", "sum,", "p100", "nonsense"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		methods, err := ParseMethods(text)
		if err != nil {
			return
		}
		again, err := ParseMethods(string(AppendMethods(nil, methods)))
		if err != nil || !slices.Equal(again, methods) {
			t.Errorf("%q: %v, and again %v, %v", text, methods, again, err)
		}
		if slices.Contains(methods, cell.Method(0)) {
			t.Errorf("%q has a method 0", text)
		}
	})
}

func TestGate(t *testing.T) {
	var g Gate
	if err := g.Enter(); err != nil {
		t.Fatal(err)
	}
	first := make(chan bool)
	for range 2 {
		go func() { first <- g.Close() }()
	}
	for g.Enter() == nil {
		g.Leave()
	}
	select {
	case <-first:
		t.Error("Close did not wait")
	default:
	}
	g.Leave()
	if a, b := <-first, <-first; a == b {
		t.Errorf("both calls of Close say %v", a)
	}
	if err := g.Enter(); !errors.Is(err, ErrClosed) {
		t.Errorf("Enter after Close: %v", err)
	}
}
