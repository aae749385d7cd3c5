package archive

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// What the archive writes down in the store, with the cells that it is about.
const (
	metaID      = "archive.id"      // of the archive that wrote last
	metaNative  = "archive.native"  // the steps of cells that came in
	metaWindows = "archive.windows" // the steps of windows that marks are kept for
	metaMark    = "archive.mark."   // and a window's step: what is before is rolled
	metaGone    = "archive.gone."   // and a step: what is before has been expired
)

// learn asks the store what it knows of the archive, unless that has been done. It
// is called before anything else is asked of the store.
func (a *Archive) learn(ctx context.Context) error {
	if a.view.Load().learned {
		return nil
	}
	select {
	case a.meet <- struct{}{}:
		defer func() { <-a.meet }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if a.view.Load().learned {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	meta, err := a.cfg.Store.Meta(ctx)
	if err != nil {
		return fmt.Errorf("asking the store what it holds: %w", err)
	}
	now := a.cfg.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.publish(func(v *view) { a.adopt(v, meta, now) })
	return nil
}

// forget has the store asked again before it is used; it may have become another.
func (a *Archive) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.publish(func(v *view) { v.learned = false })
}

// adopt takes over what the store knows; mu is held.
func (a *Archive) adopt(v *view, meta map[string]string, now float64) {
	v.learned = true
	switch {
	case meta[metaID] == a.id:
		a.meets()
	case a.met && a.asked: // it has become another
		a.beginAt(v, int64(math.Ceil(now)))
	case a.met:
		a.beginAt(v, a.opened)
	}
	a.asked = true
	native := parseSteps(meta[metaNative])
	for _, s := range native {
		if !slices.Contains(v.native, s) {
			v.native = append(slices.Clone(v.native), s)
		}
	}
	slices.Sort(v.native)
	for key, value := range meta {
		if step, ok := strings.CutPrefix(key, metaGone); ok {
			s, t := parseStep(step), parseTime(value)
			if s > 0 {
				v.gone[s] = max(v.goneBefore(s), t)
			}
		}
	}
	had := parseSteps(meta[metaWindows])
	for i := range a.chain.windows {
		a.adoptMark(v, i, meta, slices.Contains(had, a.chain.windows[i].Step), len(native) > 0, now)
	}
}

// adoptMark finds the mark of window i. One that the store does not know is rolled
// from as far back as it is read; before that it has nothing.
func (a *Archive) adoptMark(v *view, i int, meta map[string]string, known, used bool, now float64) {
	w := &a.chain.windows[i]
	mark, unit := parseTime(meta[metaMark+strconv.FormatInt(w.Step, 10)]), a.chain.unit(w.Step)
	if known && mark > always {
		mark = floor(mark, w.Step)
	} else {
		mark = a.chain.horizon(w.Step, now)
		for _, s := range a.chain.sources(i, v.native) {
			mark = max(mark, ceil(v.goneBefore(s), unit))
		}
		if used {
			v.gone[w.Step] = max(v.goneBefore(w.Step), mark)
		}
	}
	if i > 0 {
		mark = min(mark, floor(v.marks[i-1], w.Step))
	}
	v.marks[i] = a.notBeforeGone(v, i, mark)
}

// notBeforeGone returns the mark, or where the sources of window i are whole.
func (a *Archive) notBeforeGone(v *view, i int, mark int64) int64 {
	s := a.chain.windows[i].Step
	for _, src := range a.chain.sources(i, v.native) {
		mark = max(mark, ceil(v.goneBefore(src), s))
	}
	return mark
}

// beginAt notes that what was emitted before t is not known; mu is held.
func (a *Archive) beginAt(v *view, t int64) {
	if t <= v.since {
		return
	}
	v.since = t
	if j := a.journal; j != nil {
		j.st.since, j.dirty = t, true
	}
}

// news returns what the store should know beside the cells of a write, and
// does not know yet.
func (a *Archive) news() map[string]string {
	v := a.view.Load()
	meta := map[string]string{
		metaID:      a.id,
		metaNative:  formatSteps(v.native),
		metaWindows: formatWindows(a.chain.windows),
	}
	for i := range a.chain.windows {
		meta[metaMark+strconv.FormatInt(a.chain.windows[i].Step, 10)] = strconv.FormatInt(v.marks[i], 10)
	}
	for step, t := range v.gone {
		meta[metaGone+strconv.FormatInt(step, 10)] = strconv.FormatInt(t, 10)
	}
	maps.DeleteFunc(meta, func(k, value string) bool { return a.run.told[k] == value })
	return meta
}

// tell notes that the store knows.
func (a *Archive) tell(meta map[string]string) {
	if len(meta) == 0 {
		return
	}
	maps.Copy(a.run.told, meta)
	if meta[metaID] == a.id {
		a.mu.Lock()
		a.meets()
		a.mu.Unlock()
	}
}

// meets notes that the store knows this archive; mu is held.
func (a *Archive) meets() {
	a.met = true
	if j := a.journal; j != nil && !j.st.met {
		j.st.met, j.dirty = true, true
	}
}

func formatSteps(steps []int64) string {
	var b []byte
	for i, s := range steps {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, s, 10)
	}
	return string(b)
}

func formatWindows(windows []Window) string {
	steps := make([]int64, len(windows))
	for i := range windows {
		steps[i] = windows[i].Step
	}
	return formatSteps(steps)
}

// parseSteps reads a list of steps, and leaves out what is none.
func parseSteps(s string) (steps []int64) {
	for part := range strings.SplitSeq(s, ",") {
		if n := parseStep(part); n > 0 {
			steps = append(steps, n)
		}
	}
	return steps
}

func parseStep(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 || n > forever {
		return 0
	}
	return n
}

// parseTime reads a time; what is none is long ago.
func parseTime(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < always || n > forever {
		return always
	}
	return n
}
