package upstream

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/coalesce-metrics/coalesce/route"
	"pgregory.net/rapid"
)

// fill copies lines into ranges of a, as Send does, and calls each with them.
func fill(a *arena, lines string, kind Kind, each func(span)) {
	for rest := []byte(lines); len(rest) > 0; {
		b, off, size := a.reserve(rest)
		s := span{block: b, off: off, end: off + size, kind: kind, lines: bytes.Count(rest[:size], newline)}
		copy(s.bytes(), rest)
		each(s)
		b.release()
		rest = rest[size:]
	}
}

func (q *queue) text() string {
	var b strings.Builder
	for i := range q.spans {
		b.Write(q.at(i).bytes())
	}
	return b.String()
}

func TestArenaKeepsLinesWhole(t *testing.T) {
	tests := map[string]struct {
		lineLen, lines, calls int
		blocks                int
	}{
		"batches that fill blocks":      {100, 700, 16, 5},
		"small batches":                 {50, 10, 2000, 4},
		"single lines":                  {50, 1, 10486, 3},
		"lines longer than a block":     {blockSize + 1, 3, 1, 3},
		"lines as long as a block":      {blockSize, 3, 1, 3},
		"one batch of many blocks":      {64, 4 * blockSize / 64, 1, 4},
		"lines that leave a block room": {blockSize/2 + 1, 4, 1, 4},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var a arena
			var q queue
			var want strings.Builder
			for i := range tt.calls {
				var batch strings.Builder
				for j := range tt.lines {
					line := fmt.Sprintf("%d.%d ", i, j)
					batch.WriteString(line + strings.Repeat("x", tt.lineLen-len(line)-1) + "\n")
				}
				want.WriteString(batch.String())
				fill(&a, batch.String(), Raw, q.push)
			}
			if q.text() != want.String() {
				t.Error("the queue does not hold what was sent")
			}
			if q.lines != tt.calls*tt.lines || q.bytes != want.Len() {
				t.Errorf("%d lines of %d bytes, want %d of %d", q.lines, q.bytes, tt.calls*tt.lines, want.Len())
			}
			blocks := map[*block]bool{}
			for i := range q.spans {
				blocks[q.at(i).block] = true
			}
			if len(blocks) != tt.blocks || q.spans != tt.blocks {
				t.Errorf("%d spans in %d blocks, want one in each of %d", q.spans, len(blocks), tt.blocks)
			}
		})
	}
}

func TestBlockGoesHomeOnce(t *testing.T) {
	var a arena
	var q, p queue
	fill(&a, "a 1 1\n", Raw, func(s span) { q.push(s); p.push(s) })
	b := q.at(0).block
	fill(&a, "b 1 1\n", Raw, q.push) // joins the span, no further reference
	if got := b.refs.Load(); got != 3 {
		t.Errorf("%d references, want those of the arena and two queues", got)
	}
	q.clear()
	p.clear()
	if got := b.refs.Load(); got != 1 {
		t.Errorf("%d references, want that of the arena", got)
	}
	b.release()
	defer func() {
		if recover() == nil {
			t.Error("a release too many goes unnoticed")
		}
	}()
	b.release()
}

func TestTrim(t *testing.T) {
	tests := map[string]struct {
		maxLines, maxBytes int
		from               int // the first line left of 0 to 99, each 10 bytes
	}{
		"within both bounds":        {100, 1000, 0},
		"one line too many":         {99, 1000, 1},
		"by lines":                  {30, 1000, 70},
		"by bytes":                  {100, 500, 50},
		"by bytes, inside a line":   {100, 495, 51},
		"the tighter bound: lines":  {20, 500, 80},
		"the tighter bound: bytes":  {50, 200, 80},
		"one line":                  {1, 1000, 99},
		"less bytes than one line":  {100, 9, 100},
		"exactly one line of bytes": {100, 10, 99},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			line := func(i int) string { return fmt.Sprintf("m.%02d 1 60\n", i) }
			var a arena
			var q queue
			want := ""
			for i := range 100 {
				// Spans of seven lines: kinds that differ are not joined.
				fill(&a, line(i), Kind(i/7%2), q.push)
				if i >= tt.from {
					want += line(i)
				}
			}
			if got := q.trim(tt.maxLines, tt.maxBytes); got != tt.from {
				t.Errorf("trim dropped %d, want %d", got, tt.from)
			}
			if q.text() != want || q.lines != 100-tt.from || q.bytes != len(want) {
				t.Errorf("left %d lines %q, want %q", q.lines, q.text(), want)
			}
		})
	}
}

// In a large queue a whole span goes where some of its lines would do.
func TestTrimDropsSmallSpansWhole(t *testing.T) {
	var a arena
	var q queue
	for i := range 640 {
		fill(&a, "m 1 1\n", Kind(i/10%2), q.push)
	}
	if got := q.trim(639+1, 1<<20); got != 0 {
		t.Errorf("trim dropped %d, want 0", got)
	}
	if got := q.trim(639, 1<<20); got != 1 { // 639/64 is less than a span
		t.Errorf("trim dropped %d, want 1", got)
	}
	fill(&a, "m 1 1\nm 1 1\n", Raw, q.push)
	if got := q.trim(640, 1<<20); got != 9 {
		t.Errorf("trim dropped %d, want 9", got)
	}
}

// TestQueueModel compares a queue, and the flight of its spans, with a list of lines.
func TestQueueModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a arena
		d := destination{cfg: &Config{}}
		var queued, flying, written []string
		next, dropped := 0, 0
		maxLines := rapid.IntRange(1, 40).Draw(t, "maxLines")
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				batch := ""
				for range rapid.IntRange(1, 20).Draw(t, "n") {
					line := fmt.Sprintf("m.%d 1 1\n", next)
					next++
					batch += line
					queued = append(queued, line)
				}
				fill(&a, batch, Kind(rapid.IntRange(0, 2).Draw(t, "kind")), d.queue.push)
			},
			"trim": func(t *rapid.T) {
				want := max(0, len(queued)-maxLines)
				queued = queued[want:]
				dropped += want
				if got := d.queue.trim(maxLines, 1<<30); got != want {
					t.Fatalf("trim dropped %d, want %d", got, want)
				}
			},
			"take": func(t *rapid.T) {
				if len(flying) > 0 {
					t.Skip("in flight")
				}
				bufs, _ := d.take()
				flying, queued = queued, nil
				if got := string(bytes.Join(bufs, nil)); got != strings.Join(flying, "") {
					t.Fatalf("took %q, want %q", got, flying)
				}
			},
			"settle": func(t *rapid.T) {
				all := strings.Join(flying, "")
				n := rapid.IntRange(0, len(all)).Draw(t, "bytes")
				d.settle(progress{taken: int64(n)})
				whole := strings.Count(all[:n], "\n")
				written = append(written, flying[:whole]...)
				queued = append(flying[whole:], queued...)
				flying = nil
			},
			"": func(t *rapid.T) {
				if got, want := d.queue.text(), strings.Join(queued, ""); got != want {
					t.Fatalf("queued %q, want %q", got, want)
				}
				s := d.read()
				if s.Queued != int64(len(queued)) || s.InFlight != int64(len(flying)) || s.Written != int64(len(written)) {
					t.Fatalf("%+v, want %d queued, %d in flight, %d written", s, len(queued), len(flying), len(written))
				}
				if len(queued)+len(flying)+len(written)+dropped != next {
					t.Fatal("the model does not balance")
				}
			},
		})
		d.settle(progress{taken: int64(len(strings.Join(flying, "")))})
		d.queue.clear()
		if a.cur != nil && a.cur.refs.Load() != 1 {
			t.Fatalf("%d references left, want that of the arena", a.cur.refs.Load())
		}
	})
}

func TestArenaIsSafeForConcurrentUse(t *testing.T) {
	var a arena
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			var q queue
			line := fmt.Sprintf("m.%d 1 1\n", g)
			for i := range 500 {
				fill(&a, strings.Repeat(line, 1+i), Raw, q.push)
				if q.text() != strings.Repeat(line, 1+i) {
					t.Error("a range was handed out twice")
				}
				q.clear()
			}
		})
	}
	wg.Wait()
}

// The memory of a queue is that of its bytes, but for the first and last block of raw
// rows and of others; what a ring has grown to is given back.
func TestQueueMemory(t *testing.T) {
	const maxBytes = 4 * blockSize
	u := newUpstream(t, "a:1", func(c *Config) { c.QueueBytes = maxBytes })
	q := &u.dests[0].queue
	for i := range 40_000 { // 2.5 times the bound, in spans of one line
		u.Send([]byte("m."+strings.Repeat("x", 59)+" 1 1\n"), 1, Kind(i%2))
	}
	blocks := map[*block]bool{}
	for i := range q.spans {
		blocks[q.at(i).block] = true
	}
	if q.bytes > maxBytes || q.bytes < maxBytes-100 || len(blocks) > maxBytes/blockSize+2 {
		t.Errorf("%d bytes in %d blocks, want about %d in %d", q.bytes, len(blocks), maxBytes, maxBytes/blockSize+2)
	}
	if len(q.ring) <= keepSpans {
		t.Fatalf("a ring of %d, want more", len(q.ring))
	}
	stopWithin(u, 0)
	if len(q.ring) != 0 {
		t.Errorf("a ring of %d kept", len(q.ring))
	}
}

// A destination that gets few of the rows keeps little more memory than its queue says,
// however many others the rest is for.
func TestQueueMemoryWithManyDestinations(t *testing.T) {
	const maxBytes = 8 * blockSize
	var names []string
	r := route.Route{Kinds: route.Both, Mode: route.Hash, ReplicationFactor: 2}
	for i := range 64 {
		names = append(names, fmt.Sprintf("a:1:%d", i))
		r.Destinations = append(r.Destinations, i)
	}
	u := newUpstream(t, strings.Join(names, ","), func(c *Config) {
		c.QueueBytes = 1000 // of those that are of no matter
		c.Destinations[0].QueueBytes = maxBytes
		c.Routes = []route.Route{r}
	})
	q := &u.dests[0].queue
	var batch []byte
	const lines = 3000
	pad := strings.Repeat("x", 100)
	for n := 0; q.bytes < maxBytes*9/10; n++ {
		batch = batch[:0]
		for i := range lines {
			batch = fmt.Appendf(batch, "name.%d.%s %d 1\n", i, pad, n)
		}
		u.Send(batch, lines, Kind(n%2))
	}
	blocks := map[*block]bool{}
	last := map[string]int{}
	for i := range q.spans {
		s := q.at(i)
		blocks[s.block] = true
		if bytes.Count(s.bytes(), newline) != s.lines {
			t.Fatalf("span %d has %d lines, says %d", i, bytes.Count(s.bytes(), newline), s.lines)
		}
		for line := range bytes.Lines(s.bytes()) {
			var value int
			name, rest, _ := strings.Cut(string(line), " ")
			if _, err := fmt.Sscanf(rest, "%d 1\n", &value); err != nil || last[name] > value {
				t.Fatalf("%q after %d (%v)", line, last[name], err)
			}
			last[name] = value
		}
	}
	if most := maxBytes/blockSize + sharedSpans + 3; q.bytes > maxBytes || len(blocks) > most {
		t.Errorf("%d bytes in %d blocks, want about %d in at most %d", q.bytes, len(blocks), maxBytes, most)
	}
	stopWithin(u, 0)
}
