package neighbours

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// A carbon-cache is killed under load, twice, and comes back. It loses what it
// had not yet written, and what was on its way to it.
func TestStoreKilled(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"plaintext", "pickle"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			c := startCache(t)
			address := c.plaintext
			if protocol == "pickle" {
				address = c.pickle
			}
			// A queue of less than one period of rows, so that the spool has to serve.
			d := start(t, "total.<app> (1) = sum app.<app>.*.requests\ncount.<app> (1) = count app.<app>.*.requests\n", fmt.Sprintf(`
forward_all = false
[queue]
reconnect_max = "200ms"
[[destination]]
name = "graphite"
address = "%s://%s"
when_full = "spool"
queue_datapoints = 30
resend = "10m" # also what a store that is held up has not read
`, protocol, address))
			l := startLoad(t, d)

			// A file that is being made when carbon-cache is killed stays broken.
			await(t, "all whisper files", func() string {
				names := make(map[string]bool)
				for key := range c.read(l.from, time.Now().Unix()) {
					name, _, _ := strings.Cut(key, " ")
					names[name] = true
				}
				if len(names) < 2*loadApps {
					return fmt.Sprint(len(names))
				}
				return ""
			})
			for range 2 {
				// It dies with rows that it has just got, and not stored.
				d.awaitSum(d.scrape().sum("destination_rows_written_total")+1, "destination_rows_written_total")
				resent := d.scrape().sum("destination_rows_resent_total")
				c.kill()
				d.awaitSum(150, "destination_rows_spooled")
				c.start(t)
				d.awaitSum(resent+1, "destination_rows_resent_total")
			}
			from, until, want := l.stop()

			await(t, "the whisper files", func() string { return c.read(from, until).differs(want) })
			s := d.settle()
			made := s.sum("destination_rows_made_total") + s.sum("destination_rows_found_total")
			if written := s.sum("destination_rows_written_total"); made != written || made < float64(len(want)) {
				t.Errorf("%v rows made and %v written, want the same and at least %d", made, written, len(want))
			}
			if s.sum("datapoints_late_total") == 0 {
				t.Error("no bucket was amended")
			}
			if dropped := s.sum("contributions_dropped_total"); dropped != 0 {
				t.Errorf("%v contributions dropped", dropped)
			}
			d.stop()
		})
	}
}

// load sends datapoints all the time.
type load struct {
	quit chan struct{}
	done chan struct{}
	from int64
	last int64
	want store
}

const (
	loadApps    = 50
	loadServers = 4
)

// startLoad begins to send what is summed up and counted for each app, second by
// second.
func startLoad(t *testing.T, d *daemon) *load {
	t.Helper()
	conn, err := net.Dial("tcp", d.plaintext)
	if err != nil {
		t.Fatal(err)
	}
	l := &load{quit: make(chan struct{}), done: make(chan struct{}), from: time.Now().Unix(), want: make(store)}
	go func() {
		defer close(l.done)
		defer conn.Close()
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for n := 1; ; n++ {
			l.last = time.Now().Unix()
			text := ""
			for app := range loadApps {
				for server := range loadServers {
					value := float64(app*n) + float64(server)/4
					text += fmt.Sprintf("app.a%d.www%d.requests %v %d\n", app, server, value, l.last)
					l.want[fmt.Sprintf("total.a%d %d", app, l.last)] += value
					l.want[fmt.Sprintf("count.a%d %d", app, l.last)]++
				}
			}
			// What comes late amends a bucket that was emitted, perhaps into the spool.
			if late := l.last - 2; late >= l.from {
				text += fmt.Sprintf("app.a0.late.requests 1000 %d\n", late)
				l.want[fmt.Sprintf("total.a0 %d", late)] += 1000
				l.want[fmt.Sprintf("count.a0 %d", late)]++
			}
			if _, err := conn.Write([]byte(text)); err != nil {
				t.Error(err)
				return
			}
			select {
			case <-tick.C:
			case <-l.quit:
				return
			}
		}
	}()
	t.Cleanup(func() { l.end() })
	return l
}

func (l *load) end() {
	select {
	case <-l.quit:
	default:
		close(l.quit)
	}
	<-l.done
}

// stop ends it and returns the seconds it took and what a store has in the end.
func (l *load) stop() (from, until int64, want store) {
	l.end()
	return l.from, l.last, l.want
}
