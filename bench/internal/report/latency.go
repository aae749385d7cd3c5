package report

import (
	"fmt"
	"io"
	"math"
	"slices"
	"time"
)

// A Latency is how long answers to a question took.
type Latency struct {
	System string
	What   string // that was asked for
	Answer string // how much that is
	Bytes  int64  // of an answer
	First  time.Duration
	Each   []time.Duration // of all answers but the first
	CPU    time.Duration   // of all of Each
}

// Latencies writes one line for each question.
func Latencies(w io.Writer, all []*Latency) {
	header(w, "system", "question", "answer", "KiB", "answers", "first ms", "least ms", "median ms", "95 % ms", "99 % ms", "longest ms", "CPU ms")
	for _, l := range all {
		ms := func(d time.Duration) string { return number(float64(d) / 1e6) }
		line(w, l.System, "`"+l.What+"`", l.Answer,
			number(float64(l.Bytes)/1024), fmt.Sprint(len(l.Each)),
			ms(l.First), ms(rank(l.Each, 0)), ms(rank(l.Each, .5)), ms(rank(l.Each, .95)), ms(rank(l.Each, .99)), ms(rank(l.Each, 1)),
			ms(l.CPU/time.Duration(max(len(l.Each), 1))))
	}
}

// rank returns the least of some times that a share of them does not exceed; 0 of none.
func rank(all []time.Duration, share float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[max(int(math.Ceil(share*float64(len(sorted)))), 1)-1]
}

// Median is the time that half of the answers but the first took at most.
func (l *Latency) Median() time.Duration { return rank(l.Each, .5) }
