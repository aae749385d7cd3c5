package upstream

import "time"

// allowance is how many rows may be sent: rate each second, saved up for at most a
// tenth of a second, and what is granted beside that. It may be overdrawn by one
// batch.
type allowance struct {
	rate float64
	have float64
	at   time.Time
}

// pause returns how long to wait until some may be sent.
func (a *allowance) pause(now time.Time) time.Duration {
	if a.at.IsZero() {
		a.at = now
	}
	if most := a.rate / 10; a.have < most {
		a.have = min(a.have+a.rate*now.Sub(a.at).Seconds(), most)
	}
	a.at = now
	if a.have >= 0 {
		return 0
	}
	return time.Duration(-a.have/a.rate*float64(time.Second)) + time.Millisecond
}

func (a *allowance) spend(n int) { a.have -= float64(n) }

func (a *allowance) grant(n int) { a.have += float64(n) }

// reset takes back what was granted.
func (a *allowance) reset() { a.have = min(a.have, a.rate/10) }
