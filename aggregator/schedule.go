package aggregator

import (
	"container/heap"
	"math"
	"sync"
)

// never is a time that does not come.
var never = math.Inf(1)

// schedule holds what is due when, in Unix seconds. An entry that was put off or
// brought forward leaves its old one behind, which due passes over.
type schedule struct {
	mu    sync.Mutex
	queue dueQueue
}

type dueEntry struct {
	at float64
	b  *bucket
}

type dueQueue []dueEntry

func (q dueQueue) Len() int           { return len(q) }
func (q dueQueue) Less(i, j int) bool { return q[i].at < q[j].at }
func (q dueQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *dueQueue) Push(x any)        { *q = append(*q, x.(dueEntry)) }
func (q *dueQueue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = dueEntry{}
	*q = (*q)[:last]
	return e
}

// at asks for b at a time. The caller holds b.out.mu.
func (s *schedule) at(b *bucket, at float64) {
	if at >= b.due {
		return // an earlier visit will ask again
	}
	b.due = at
	if at == never {
		return
	}
	s.mu.Lock()
	heap.Push(&s.queue, dueEntry{at, b})
	s.mu.Unlock()
}

// take appends up to max buckets that are due at now to dst, earliest first. It
// may give one that is due no more.
func (s *schedule) take(dst []*bucket, now float64, max int) []*bucket {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) > 0 && s.queue[0].at <= now && len(dst) < max {
		dst = append(dst, heap.Pop(&s.queue).(dueEntry).b)
	}
	return dst
}

// next returns when the first entry is due, or never.
func (s *schedule) next() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return never
	}
	return s.queue[0].at
}
