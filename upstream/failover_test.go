package upstream

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coalesce-metrics/coalesce/route"
)

// failingOver makes an upstream that fails over from a:1 to b:1.
func failingOver(t *testing.T, w *world, edit func(*Config)) *Upstream {
	return newUpstream(t, "a:1,b:1", func(c *Config) {
		c.Dial, c.ReconnectMax = w.dial, time.Second
		c.Routes = []route.Route{{Kinds: route.Both, Mode: route.Failover, Destinations: []int{0, 1}}}
		if edit != nil {
			edit(c)
		}
	})
}

func row(u *Upstream, name string, value, stamp int, k Kind) {
	u.Send(fmt.Appendf(nil, "%s %d %d\n", name, value, stamp), 1, k)
}

func (w *world) texts() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var b strings.Builder
	for _, a := range w.order {
		fmt.Fprintf(&b, "%s %s=%d\n", a.to, a.key, a.value)
	}
	return b.String()
}

func TestFailover(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		w := newWorld("a:1", "b:1")
		u := failingOver(t, w, nil)
		u.Start()
		row(u, "m", 1, 1000, Aggregate)
		pass(time.Second)
		w.set("a:1", false, 0, 0)
		row(u, "m", 2, 1010, Aggregate) // waits for a moment, then goes over
		pass(time.Second)
		row(u, "m", 3, 1020, Aggregate)
		pass(time.Second)
		w.set("a:1", true, -1, 0)
		pass(10 * time.Second)
		row(u, "m", 4, 1020, Amendment) // of what b has
		row(u, "m", 5, 1030, Aggregate)
		pass(time.Second)
		want := "a:1 m 1000=1\nb:1 m 1010=2\nb:1 m 1020=3\n"
		got := w.texts()
		if !strings.HasPrefix(got, want) || !strings.Contains(got, "b:1 m 1020=4") || !strings.Contains(got, "a:1 m 1030=5") {
			t.Errorf("arrived:\n%s", got)
		}
		a, b := u.Stats()[0], u.Stats()[1]
		checkBalance(t, a)
		checkBalance(t, b)
		if a.Moved != 1 || a.MadeTotal() != 3 || b.MadeTotal() != 3 || b.Moved != 0 {
			t.Errorf("a %+v, b %+v, want one row moved", a, b)
		}
	})
}

// While none is up rows wait at the first; the one that returns gets them.
func TestFailoverAllDown(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		w := newWorld("a:1", "b:1")
		w.set("a:1", false, 0, 0)
		w.set("b:1", false, 0, 0)
		u := failingOver(t, w, nil)
		u.Start()
		pass(time.Second)
		row(u, "m", 1, 1000, Raw)
		if s := u.Stats()[0]; s.Queued != 1 {
			t.Errorf("%+v, want the row here", s)
		}
		w.set("b:1", true, -1, 0)
		pass(2 * time.Second)
		row(u, "m", 2, 1000, Raw)
		pass(2 * time.Second)
		if got := w.texts(); got != "b:1 m 1000=1\nb:1 m 1000=2\n" {
			t.Errorf("arrived:\n%s", got)
		}
	})
}

// What may have been lost with a connection goes again to the one that takes over.
func TestFailoverResends(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		w := newWorld("a:1", "b:1")
		u := failingOver(t, w, func(c *Config) {
			c.Destinations[0].Resend, c.Destinations[1].Resend = 10*time.Second, 10*time.Second
		})
		u.Start()
		row(u, "m", 1, 1000, Aggregate)
		pass(time.Second)
		w.set("a:1", false, 0, time.Minute)
		row(u, "m", 2, 1000, Amendment)
		pass(5 * time.Second)
		w.set("a:1", true, -1, 0)
		pass(5 * time.Second)
		if got := w.texts(); got != "a:1 m 1000=1\nb:1 m 1000=1\nb:1 m 1000=2\n" {
			t.Errorf("arrived:\n%s", got)
		}
		if s := u.Stats()[1]; s.Resent != 1 || s.Written != 1 {
			t.Errorf("%+v, want 1 written, 1 resent", s)
		}
	})
}

// Rows that other routes send to the fallen destination anyway stay.
func TestFailoverMovesOnlyItsOwn(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		w := newWorld("a:1", "b:1")
		u := failingOver(t, w, func(c *Config) {
			c.Routes[0].Match = func(name []byte) bool { return name[0] == 'm' }
			c.Routes[0].Stop = true
			c.Routes = append(c.Routes, route.Route{Kinds: route.Both, Mode: route.All, Destinations: []int{0}})
		})
		w.set("a:1", false, 0, 0)
		for i := range 100 {
			row(u, "m", i, 1000, Aggregate)
			row(u, "x", i, 1000, Aggregate)
		}
		u.Start()
		synctest.Wait()
		pass(time.Second)
		a, b := u.Stats()[0], u.Stats()[1]
		if a.Queued != 100 || a.Moved != 100 || b.Written != 100 {
			t.Errorf("a %+v, b %+v, want half moved", a, b)
		}
		w.set("a:1", true, -1, 0)
		pass(10 * time.Second)
		if got := w.last(together); got["m 1000"] != 99 || got["x 1000"] != 99 {
			t.Errorf("last values %v", got)
		}
	})
}
