package neighbours

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// killedRules have two outputs for each name.
var killedRules = []struct {
	name   string
	period int64
}{{"fast", 1}, {"slow", 2}}

// The daemon is killed under load, once while carbon-cache takes all and once while
// it is down and rows go to disk. What carbon-cache has in the end is whole, what had
// arrived or was on disk is there, and so is everything that began after the kill.
func TestDaemonKilled(t *testing.T) {
	t.Parallel()
	for !testDaemonKilled(t) {
		t.Log("held up when the daemon was to be killed, so once more")
	}
}

// testDaemonKilled says whether it could be done: what is emitted is whole unless the
// sender or the daemon was held up for longer than the grace, and then only when it has
// been amended.
func testDaemonKilled(t *testing.T) (done bool) {
	c := startCache(t)
	defer c.kill()
	dir, plaintext, pickle := t.TempDir(), local(port(t)), local(port(t))
	rules := ""
	for _, r := range killedRules {
		rules += fmt.Sprintf("%s.<app> (%d) = sum app.<app>.*.requests grace=2s keep=1000\n", r.name, r.period)
	}
	write(t, dir, "aggregation-rules.conf", rules)
	config := write(t, dir, "coalesce.toml", fmt.Sprintf(`store = "off"
listen = %q
listen_pickle = %q
prefix = ""
forward_all = false
[aggregation]
amend_delay = "100ms"
[queue]
reconnect_max = "200ms"
[[destination]]
address = "pickle://%s"
when_full = "spool"
queue_datapoints = 30
resend = "10m" # also what a store that is held up has not read
[metrics]
interval = "0s"
`, plaintext, pickle, c.pickle))
	start := func() *daemon { t.Helper(); return run(t, dir, config, plaintext, pickle) }
	k := &killedLoad{t: t, address: plaintext, next: time.Now(), want: make(store)}
	from := k.next.Unix()

	d := start()
	defer func() { d.child.kill() }()
	k.start(0)
	defer k.pause()
	var arrived store
	// A file that is being made when carbon-cache is killed stays broken.
	await(t, "all files", func() string {
		arrived = c.read(from, time.Now().Unix())
		names := make(map[string]bool)
		for key := range arrived {
			name, _, _ := strings.Cut(key, " ")
			names[name] = true
		}
		if len(names) < len(killedRules)*killedApps {
			return fmt.Sprint(len(names))
		}
		return ""
	})
	first, whole := k.kill(d, dir, func() string { return k.whole(c, from) })
	if !whole {
		return false
	}

	d = start()
	k.start(first)
	d.awaitSum(1, "destination_rows_written_total")
	await(t, "whole values", func() string { return k.whole(c, from) })
	c.kill()
	const onDisk = 3 * killedApps
	d.awaitSum(onDisk, "destination_rows_spooled")
	second, whole := k.kill(d, dir, func() string { return "" })
	if !whole {
		return false
	}

	d = start()
	k.start(second)
	if n := d.scrape().sum("destination_rows_found_total"); n < onDisk {
		t.Errorf("%v rows found on disk, want at least %d", n, onDisk)
	}
	c.start(t)
	await(t, "some buckets", func() string {
		if at := time.Now().Unix(); at < int64(second)+3 {
			return fmt.Sprint(at)
		}
		return ""
	})
	k.pause()
	k.accounted(d)

	stored := make(store)
	await(t, "the whisper files", func() string {
		stored = c.read(from, k.last)
		return stored.differs(k.accept(stored, arrived, second))
	})
	if lost := k.lost(stored, first, second); lost[0] == 0 || lost[1] == 0 {
		t.Errorf("%v rows are missing for the two kills, want some for each: their buckets were open", lost)
	}
	d.settle()
	d.stop()
	return true
}

// signOfLife returns until when buckets are refused, by the last one of a run
// that was killed.
func signOfLife(t *testing.T, dir string) float64 {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "coalesce-data", "alive"))
	if err != nil {
		t.Fatal(err)
	}
	alive, err := strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
	if err != nil {
		t.Fatal(err)
	}
	return alive + 1
}

// killedLoad sends as a relay does: datapoints that nobody takes wait.
type killedLoad struct {
	t       *testing.T
	address string
	quit    chan struct{}
	done    sync.WaitGroup

	mu    sync.Mutex // guards all below
	conn  net.Conn
	next  time.Time // of the datapoints that come next
	last  int64     // of those that were sent
	ticks int
	lag   time.Duration // the longest that a datapoint waited to be sent
	want  store         // if nothing were ever lost

	refusedBefore float64 // buckets that begin before it are too old for the daemon
	sent, tooOld  int     // contributions to it, and those that are too old
}

const killedApps = 20

// start begins to send to a daemon that refuses buckets that begin before a time.
func (k *killedLoad) start(refusedBefore float64) {
	k.t.Helper()
	conn, err := net.Dial("tcp", k.address)
	if err != nil {
		k.t.Fatal(err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.conn, k.quit = conn, make(chan struct{})
	k.refusedBefore, k.sent, k.tooOld = refusedBefore, 0, 0
	k.done.Go(func() {
		defer conn.Close()
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			k.send()
			select {
			case <-tick.C:
			case <-k.quit:
				k.send() // the daemon has hardly read it when pause returns
				return
			}
		}
	})
	k.t.Cleanup(k.pause)
}

// pause ends it.
func (k *killedLoad) pause() {
	select {
	case <-k.quit:
	default:
		close(k.quit)
	}
	k.done.Wait()
}

// send hands over what is due, ten times a second.
func (k *killedLoad) send() {
	k.mu.Lock()
	defer k.mu.Unlock()
	var text strings.Builder
	k.lag = max(k.lag, time.Since(k.next))
	for ; !k.next.After(time.Now()); k.next = k.next.Add(100 * time.Millisecond) {
		k.ticks++
		k.last = k.next.Unix()
		for app := range killedApps {
			for server := range 3 {
				value := float64(app*k.ticks) + float64(server)/4
				fmt.Fprintf(&text, "app.a%d.www%d.requests %v %d\n", app, server, value, k.last)
				for _, r := range killedRules {
					begins := k.last / r.period * r.period
					k.want[fmt.Sprintf("%s.a%d %d", r.name, app, begins)] += value
					k.sent++
					if float64(begins) < k.refusedBefore {
						k.tooOld++
					}
				}
			}
		}
	}
	if _, err := k.conn.Write([]byte(text.String())); err != nil {
		k.t.Error(err)
	}
}

// kill kills a daemon under load when nothing has been held up for a while, so that
// what it has emitted is whole, and says whether that was still so. Something that is
// unmet is waited for, too. Buckets that begin before refused are too old for the next
// daemon, which are all that this one has opened.
func (k *killedLoad) kill(d *daemon, dir string, unmet func() string) (refused float64, whole bool) {
	k.t.Helper()
	const calm = 2 * time.Second // in which amendments are emitted, and followed by other rows
	began, was := time.Now(), k.accounted(d).sum("datapoints_late_total")
	k.heldUp()
	await(k.t, "a quiet moment", func() string {
		if time.Since(began) < calm {
			return "too short"
		}
		if why := unmet(); why != "" {
			return why
		}
		late := k.accounted(d).sum("datapoints_late_total")
		if held := k.heldUp(); held || late != was {
			began, was = time.Now(), late
			return fmt.Sprintf("%v datapoints were late, the sender was held up: %v", late, held)
		}
		return ""
	})
	begun := time.Now()
	k.pause()
	d.kill()
	killed := time.Now()
	refused = signOfLife(k.t, dir)
	return refused, !k.heldUp() && killed.Sub(begun) < time.Second && refused > float64(killed.UnixNano())/1e9
}

// heldUp says whether the sender was since the last call.
func (k *killedLoad) heldUp() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	lag := k.lag
	k.lag = 0
	return lag > time.Second
}

// whole says which values that are stored are not what they will be.
func (k *killedLoad) whole(c *cache, from int64) (why string) {
	stored := c.read(from, time.Now().Unix())
	k.mu.Lock()
	defer k.mu.Unlock()
	for key, value := range stored {
		if want := k.want[key]; value != want {
			why = fmt.Sprintf("%s is %v, want %v", key, value, want)
		}
	}
	return why
}

// accounted checks that the daemon refuses exactly what it must.
func (k *killedLoad) accounted(d *daemon) (s samples) {
	k.t.Helper()
	await(k.t, "all datapoints", func() string {
		k.mu.Lock() // nothing comes meanwhile
		defer k.mu.Unlock()
		s = d.scrape()
		contributions, dropped := s.sum("contributions_total"), s.sum("contributions_dropped_total")
		tooOld := s.sum("contributions_dropped_total", "reason", "too_old")
		if contributions != float64(k.sent) || tooOld != float64(k.tooOld) || dropped != tooOld {
			return fmt.Sprintf("%v contributions, %v dropped, %v too old; want %d, and %d of both", contributions, dropped, tooOld, k.sent, k.tooOld)
		}
		return ""
	})
	return s
}

// accept returns what may be stored: of the buckets that began before the last kill,
// those need not be there that had not arrived before the first.
func (k *killedLoad) accept(stored, arrived store, refusedBefore float64) store {
	want := make(store)
	for key, value := range k.want {
		_, is := stored[key]
		if _, was := arrived[key]; is || was || begins(key) >= refusedBefore {
			want[key] = value
		}
	}
	return want
}

// lost counts the rows that are not there for each kill.
func (k *killedLoad) lost(stored store, first, second float64) (lost [2]int) {
	for key := range k.want {
		if _, is := stored[key]; is {
			continue
		}
		if begins(key) < first {
			lost[0]++
		} else if begins(key) < second {
			lost[1]++
		}
	}
	return lost
}

// begins returns the time of a row.
func begins(key string) float64 {
	_, text, _ := strings.Cut(key, " ")
	at, _ := strconv.ParseFloat(text, 64)
	return at
}
