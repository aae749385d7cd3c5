package api

import (
	"math"
	"sync"
	"time"
)

// limiter lets each client ask so many times a second, counted by token
// buckets. A nil limiter lets all pass.
type limiter struct {
	rate, burst float64
	max         int // buckets held

	mu      sync.Mutex // guards the fields below
	buckets map[string]bucket
	others  bucket // shared by those for whom there is no room
	swept   time.Time
}

// bucket is what a client had left at a time.
type bucket struct {
	tokens float64
	at     time.Time
}

// newLimiter returns nil for a rate of 0. A burst of 0 is as many as the rate.
func newLimiter(rate, burst, max int) *limiter {
	if rate == 0 {
		return nil
	}
	if burst == 0 {
		burst = rate
	}
	l := &limiter{rate: float64(rate), burst: float64(burst), max: max, buckets: make(map[string]bucket)}
	l.others.tokens = l.burst
	return l
}

// take takes a token of a client at a time and returns how many are left. Where
// there is none, it returns how long the client should wait for one.
func (l *limiter) take(client string, now time.Time) (left int, wait time.Duration) {
	if l == nil {
		return 0, 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b, known := l.buckets[client]
	if !known && len(l.buckets) >= l.max {
		l.sweep(now)
	}
	shared := !known && len(l.buckets) >= l.max
	switch {
	case shared:
		b = l.others
	case !known:
		b = bucket{l.burst, now}
	}
	b.tokens, b.at = l.tokens(b, now), now
	if b.tokens >= 1 {
		b.tokens--
	} else {
		wait = time.Duration(math.Ceil((1 - b.tokens) / l.rate * float64(time.Second)))
	}
	if shared {
		l.others = b
	} else {
		l.buckets[client] = b
	}
	return int(b.tokens), wait
}

// tokens is what a bucket holds at a time.
func (l *limiter) tokens(b bucket, now time.Time) float64 {
	return min(l.burst, b.tokens+max(0, now.Sub(b.at).Seconds())*l.rate)
}

// sweepPause keeps clients with many addresses from making the daemon sweep all
// the time.
const sweepPause = time.Second

// sweep forgets the buckets that are full again, which changes nothing.
func (l *limiter) sweep(now time.Time) {
	if now.Sub(l.swept) < sweepPause {
		return
	}
	l.swept = now
	for client, b := range l.buckets {
		if l.tokens(b, now) >= l.burst {
			delete(l.buckets, client)
		}
	}
}
