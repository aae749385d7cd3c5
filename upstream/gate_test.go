package upstream

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coalesce-metrics/coalesce/route"
)

func TestBlock(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		f := newGatedNet()
		u := newUpstream(t, "a:1", func(c *Config) {
			c.Dial, c.QueueDatapoints, c.ReconnectMax = f.dial, 100, time.Second
			c.Destinations[0].WhenFull = Block
		})
		u.Start()
		send(u, 0, 100)
		if err := u.Wait(t.Context()); err != nil {
			t.Errorf("Wait = %v before the queue is full", err)
		}
		send(u, 100, 150) // was let in before
		u.Send([]byte(numbered(150, 200)), 50, Aggregate)
		if s := u.Stats()[0]; s.Queued != 200 || !s.Blocking {
			t.Errorf("%+v, want 200 queued, and inputs blocked", s)
		}
		brief, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := u.Wait(brief); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait = %v, want the end of its context", err)
		}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if err := u.Wait(t.Context()); err != nil {
					t.Errorf("Wait = %v", err)
				}
			})
		}
		synctest.Wait()
		f.up()
		wg.Wait()
		pass(time.Second)
		if s := u.Stats()[0]; s.Written != 200 || s.Blocking || s.DroppedTotal() != 0 {
			t.Errorf("%+v, want 200 written", s)
		}
	})
}

// Aggregates and senders that do not wait may fill a blocking queue up to its hard
// bounds; beyond them the oldest rows go.
func TestBlockHasHardBounds(t *testing.T) {
	u := newUpstream(t, "a:1", func(c *Config) {
		c.QueueDatapoints = 10
		c.Destinations[0].WhenFull = Block
	})
	for i := 0; i < hardLines+1000; i += 1000 {
		send(u, i, i+1000)
	}
	s := u.Stats()[0]
	checkBalance(t, s)
	if s.Queued != hardLines+10 || s.Dropped[QueueFull] == 0 {
		t.Errorf("%+v, want %d queued", s, hardLines+10)
	}
}

func TestStopOpensTheGate(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		u := newUpstream(t, "a:1", func(c *Config) {
			c.Dial, c.QueueDatapoints = dialNever, 10
			c.Destinations[0].WhenFull = Block
		})
		u.Start()
		send(u, 0, 20)
		done := make(chan error)
		go func() { done <- u.Wait(context.Background()) }()
		synctest.Wait()
		go stopWithin(u, time.Second)
		if err := <-done; err != nil {
			t.Errorf("Wait = %v", err)
		}
	})
}

// A destination that raw rows do not go to does not hold them up.
func TestBlockOnlyWhatGoesThere(t *testing.T) {
	u := newUpstream(t, "a:1,b:1", func(c *Config) {
		c.QueueDatapoints = 10
		c.Destinations[0].WhenFull = Block
		c.Routes = []route.Route{
			{Kinds: route.Raw, Mode: route.All, Destinations: []int{1}},
			{Kinds: route.Aggregates, Mode: route.All, Destinations: []int{0}},
		}
	})
	u.Send([]byte(numbered(0, 20)), 20, Aggregate)
	send(u, 0, 20)
	if s := u.Stats(); s[0].Queued != 20 || s[0].Blocking || s[1].Dropped[QueueFull] != 10 {
		t.Errorf("%+v, want nobody blocked", s)
	}
	if err := u.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}
