package ingest

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestSampler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logged
		s := &sampler{log: log.logger(), lines: 2, interval: time.Minute}
		refuse := func(n int) (logged int) {
			var samples []sample
			suppressed := uint64(0)
			for range n {
				if suppressed == 0 && s.take() {
					samples = append(samples, sample{"line", BadValue, "1.2.3.4:5", "a b c"})
				} else {
					suppressed++
				}
			}
			s.report("tcp", samples, suppressed)
			return len(samples)
		}
		if got := refuse(1) + refuse(4); got != 2 {
			t.Errorf("%d lines of the first interval logged, want 2", got)
		}
		time.Sleep(59 * time.Second)
		if got := refuse(1); got != 0 {
			t.Errorf("%d more logged before the interval is over", got)
		}
		time.Sleep(2 * time.Second)
		if got := log.String(); strings.Count(got, "refused line\"") != 2 || !strings.Contains(got, "suppressed\" items=4\n") {
			t.Errorf("after the first interval:\n%s", got)
		}
		if got := refuse(2); got != 2 {
			t.Errorf("%d lines of the second interval logged, want 2", got)
		}
		time.Sleep(2 * time.Minute)
		s.close()
		if got := log.String(); strings.Count(got, "suppressed") != 1 {
			t.Errorf("nothing was suppressed in the second interval:\n%s", got)
		}
	})
}
