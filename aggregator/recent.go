package aggregator

import "sync"

// MaxRecent is how many names [Aggregator.RecentNames] returns at most.
const MaxRecent = 10_000

// maxRecentBytes bounds their text, so that long names are fewer.
const maxRecentBytes = 4 << 20

// recentNames holds the names learned last. It is filled in two halves, of which
// the older is thrown away when the newer is full, so that taking a name in is a
// copy and no more.
type recentNames struct {
	mu            sync.Mutex
	newer, before names
}

// names are texts one after the other.
type names struct {
	text []byte
	ends []int
}

func (r *recentNames) add(name []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := &r.newer; len(n.ends) == MaxRecent || len(n.text)+len(name) > maxRecentBytes {
		r.newer, r.before = names{r.before.text[:0], r.before.ends[:0]}, r.newer
	}
	r.newer.text = append(r.newer.text, name...)
	r.newer.ends = append(r.newer.ends, len(r.newer.text))
}

// copy returns what n holds, in memory of its own.
func (n names) copy() (text string, ends []int) {
	return string(n.text), append([]int(nil), n.ends...)
}

// RecentNames returns the names that were matched against the rules last, as they
// were matched, each once, the newest first, at most MaxRecent. A name is matched
// when it is new, or when rules that concern it have changed.
func (a *Aggregator) RecentNames() []string {
	r := &a.recent
	r.mu.Lock()
	newer, newerEnds := r.newer.copy()
	before, beforeEnds := r.before.copy()
	r.mu.Unlock()
	var out []string
	seen := make(map[string]bool, len(newerEnds)+len(beforeEnds))
	take := func(text string, ends []int) {
		for i := len(ends) - 1; i >= 0 && len(out) < MaxRecent; i-- {
			from := 0
			if i > 0 {
				from = ends[i-1]
			}
			if name := text[from:ends[i]]; !seen[name] {
				seen[name] = true
				out = append(out, name)
			}
		}
	}
	take(newer, newerEnds)
	take(before, beforeEnds)
	return out
}
