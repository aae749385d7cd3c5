package api

import (
	"fmt"
	"testing"
	"time"
)

func TestLimiter(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	type ask struct {
		client string
		at     time.Duration
		wait   time.Duration
	}
	const s, ms = time.Second, time.Millisecond
	for name, c := range map[string]struct {
		rate, burst, max int
		asks             []ask
	}{
		"burst, then the rate": {2, 3, 9, []ask{
			{"a", 0, 0}, {"a", 0, 0}, {"a", 0, 0}, {"a", 0, 500 * ms}, {"a", 250 * ms, 250 * ms},
			{"a", 500 * ms, 0}, {"a", 500 * ms, 500 * ms}, {"a", 999 * ms, ms}, {"a", 1000 * ms, 0}}},
		"a burst is not more": {2, 3, 9, []ask{
			{"a", 0, 0}, {"a", 3600 * s, 0}, {"a", 3600 * s, 0}, {"a", 3600 * s, 0}, {"a", 3600 * s, 500 * ms}}},
		"no burst is the rate": {2, 0, 9, []ask{{"a", 0, 0}, {"a", 0, 0}, {"a", 0, 500 * ms}}},
		"each its own":         {1, 1, 9, []ask{{"a", 0, 0}, {"b", 0, 0}, {"a", 0, s}, {"b", 0, s}}},
		"the clock goes back":  {1, 1, 9, []ask{{"a", 9 * s, 0}, {"a", 0, s}, {"a", s, 0}}},
		// The third and fourth share what is left.
		"no room": {1, 1, 2, []ask{{"a", 10 * s, 0}, {"b", 10 * s, 0}, {"c", 10 * s, 0}, {"d", 10 * s, s}, {"a", 10 * s, s}}},
		// The first two are full again, so that they may be forgotten.
		"room again": {1, 1, 2, []ask{{"a", 10 * s, 0}, {"b", 10 * s, 0}, {"c", 12 * s, 0}, {"d", 12 * s, 0}, {"e", 12 * s, 0}, {"f", 12 * s, s}, {"a", 12 * s, s}}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLimiter(c.rate, c.burst, c.max)
			for i, a := range c.asks {
				if _, got := l.take(a.client, start.Add(a.at)); got.Round(time.Microsecond) != a.wait {
					t.Errorf("%d: %s at %v waits %v, want %v", i, a.client, a.at, got, a.wait)
				}
				if len(l.buckets) > c.max {
					t.Errorf("%d: %d buckets", i, len(l.buckets))
				}
			}
		})
	}
	var none *limiter
	if none = newLimiter(0, 5, 9); none != nil {
		t.Error("a rate of 0 limits")
	}
}

// However many addresses ask, they come to no more than the rate of those that
// are held, and one.
func BenchmarkLimiterManyClients(b *testing.B) {
	l := newLimiter(1, 1, maxClients)
	clients := make([]string, 10*maxClients)
	for i := range clients {
		clients[i] = fmt.Sprint(i)
	}
	now, i := time.Unix(1_700_000_000, 0), 0
	for b.Loop() {
		l.take(clients[i%len(clients)], now.Add(time.Duration(i)*time.Microsecond))
		i++
	}
	if len(l.buckets) > maxClients {
		b.Fatal(len(l.buckets))
	}
}
