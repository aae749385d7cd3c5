package archive

import (
	"slices"

	"github.com/coalesce-metrics/coalesce/store"
)

// Tier is a step in which cells of a series are held. Both are in seconds.
type Tier struct{ Step, Retention int64 }

// Tiers returns where cells of a series with that period are found, ascending by
// step: at the period itself, and in each window whose step is a larger multiple
// of it. Where a window has the period as its step, the longer retention holds.
func (a *Archive) Tiers(period int64) []Tier { return a.chain.tiers(period) }

// minSlack is for how many seconds cells outlive their retention at least, so that
// what is being read, or amended, is not taken away meanwhile.
const minSlack = 3600

// chain is what follows from the windows alone.
type chain struct {
	windows   []Window
	retention int64 // of cells at their own period
}

func newChain(windows []Window, retention int64) chain {
	return chain{slices.Clone(windows), retention}
}

// index returns which window has that step, or -1.
func (c *chain) index(step int64) int {
	return slices.IndexFunc(c.windows, func(w Window) bool { return w.Step == step })
}

func (c *chain) tiers(period int64) []Tier {
	if period <= 0 {
		return nil
	}
	out := []Tier{{period, c.native(period)}}
	for _, w := range c.windows {
		if w.Step > period && w.Step%period == 0 {
			out = append(out, Tier{w.Step, w.Retention})
		}
	}
	return out
}

// native returns the retention of cells that come in with that step.
func (c *chain) native(step int64) int64 {
	if i := c.index(step); i >= 0 {
		return max(c.retention, c.windows[i].Retention)
	}
	return c.retention
}

// next returns the window that cells of a step are rolled into, or -1. Through it
// they reach all later windows.
func (c *chain) next(step int64) int {
	return slices.IndexFunc(c.windows, func(w Window) bool { return w.Step > step && w.Step%step == 0 })
}

// unit is the length of the stretches that the cells of a step are held or dropped
// by: the coarser bucket that they are rolled into, so that it is never made of a
// part of them.
func (c *chain) unit(step int64) int64 {
	if i := c.next(step); i >= 0 {
		return c.windows[i].Step
	}
	return step
}

// kept returns for how long cells of a step are held at least, seen or not. Those that
// a window is made of are held as long as one another, so that it is never made again
// of a part of them; and as long as any finer ones, so that an amended cell is passed
// on to the last window.
func (c *chain) kept(step int64) int64 {
	r := c.native(step)
	last := c.next(step) - 1 // the window that the next one is made of beside this step
	if last < 0 && c.index(step) >= 0 {
		last = len(c.windows) - 1
	}
	for i := 0; i <= last; i++ {
		r = max(r, c.windows[i].Retention)
	}
	return r
}

// horizon returns the latest multiple of unit before which no cell of the step is
// wanted at now, if it has been rolled.
func (c *chain) horizon(step int64, now float64) int64 {
	u := c.unit(step)
	return floor(int64(now)-c.kept(step)-max(minSlack, u), u)
}

// sources returns the steps that window i is rolled from: that of the window before
// it, and of the given native steps those which reach it by no other way. Finer
// ones come first.
func (c *chain) sources(i int, native []int64) []int64 {
	s := c.windows[i].Step
	prev := int64(0)
	var out []int64
	if i > 0 {
		prev = c.windows[i-1].Step
		out = append(out, prev)
	}
	for _, p := range native {
		if p < s && s%p == 0 && (prev == 0 || prev%p != 0) {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out
}

// finer returns all steps that cells of window i may be made of, directly or not.
func (c *chain) finer(i int, native []int64) []int64 {
	out := make([]int64, 0, i+len(native))
	for _, w := range c.windows[:i] {
		out = append(out, w.Step)
	}
	for _, p := range native {
		if s := c.windows[i].Step; p < s && s%p == 0 {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// floor returns the multiple of step at or before t.
func floor(t, step int64) int64 { return store.Floor(t, step) }

// ceil returns the multiple of step at or after t.
func ceil(t, step int64) int64 { return -store.Floor(-t, step) }
