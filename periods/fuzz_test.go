package periods

import (
	"slices"
	"testing"
)

// Whatever a damaged store has for a history can be read, written again and gone on with.
func FuzzParse(f *testing.F) {
	f.Add("10:-9223372036854775808:120,30:120:9223372036854775807", int64(10), int64(130))
	f.Add("1:0:0,2:0:0,1:5:1", int64(3), int64(-1))
	f.Add("10:1,x:2:3,-1:0:0", int64(1), int64(0))
	f.Fuzz(func(t *testing.T, text string, period, start int64) {
		h := Parse(text)
		if len(h) == 1 || len(h) > Max {
			t.Fatalf("%q: %d times", text, len(h))
		}
		if again := Parse(h.String()); !slices.Equal(h, again) {
			t.Fatalf("%v is read again as %v", h, again)
		}
		if period <= 0 {
			return
		}
		present := period
		if h != nil {
			present = h[len(h)-1].Period
		}
		then, met := h.Meet(present, period, start)
		in := met.Within(then, start, start+1)
		if len(in) == 0 || len(h) < Max && start < Never && !slices.Contains(in, period) {
			t.Errorf("%v, after a cell of %d at %d: %v has %v", h, period, start, met, in)
		}
		if len(met) > Max {
			t.Errorf("%d times", len(met))
		}
		if h != nil {
			(History)(nil).Follow(period, h)
		}
		(History)(nil).Join(period, h, present)
		h.Announce(present, period)
	})
}
