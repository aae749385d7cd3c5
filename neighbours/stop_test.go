package neighbours

import (
	"fmt"
	"testing"
	"time"
)

// The daemon stops while carbon-cache is down. What it has made waits on disk,
// and the bucket that is open goes on after the next start.
func TestStopWhileStoreIsDown(t *testing.T) {
	t.Parallel()
	c := startCache(t)
	c.kill()
	dir, plaintext, pickle := t.TempDir(), local(port(t)), local(port(t))
	write(t, dir, "aggregation-rules.conf", "total.<app> (2) = sum app.<app>.*.requests\n")
	config := write(t, dir, "coalesce.toml", fmt.Sprintf(`listen = %q
listen_pickle = %q
prefix = ""
[queue]
drain_timeout = "100ms"
reconnect_max = "200ms"
[[destination]]
address = %q
when_full = "spool"
[metrics]
interval = "0s"
`, plaintext, pickle, c.plaintext))

	const apps = 40
	want := make(store)
	lines := func(server string, value float64, at int64) (text string) {
		for app := range apps {
			name := fmt.Sprintf("app.a%d.%s.requests", app, server)
			text += fmt.Sprintf("%s %v %d\n", name, value+float64(app), at)
			want[fmt.Sprintf("%s %d", name, at)] = value + float64(app)
			want[fmt.Sprintf("total.a%d %d", app, at&^1)] += value + float64(app)
		}
		return text
	}
	d := run(t, dir, config, plaintext, pickle)
	closed := (time.Now().Unix() + 1) &^ 1
	open := closed + 8
	send(t, "tcp", plaintext, lines("www1", 0.5, closed)+lines("www2", 1, closed+1)+lines("www1", 7, open))
	const made = 3*apps + apps // forwarded, and those of the first bucket
	d.awaitSum(made, "destination_rows_made_total")
	d.stop()

	inTime := func() bool { return time.Now().Unix() < open+2 } // the bucket that is open was it all the time
	exact := inTime()
	d = run(t, dir, config, plaintext, pickle)
	if found := d.scrape().sum("destination_rows_found_total"); found != made && (exact || found < made) {
		t.Errorf("%v rows found, want %d", found, made)
	}
	send(t, "tcp", plaintext, lines("www2", 0.25, open+1))
	d.awaitSum(apps, "datapoints_accepted_total")
	exact = inTime()
	c.start(t)
	await(t, "the whisper files", func() string { return c.read(closed, open+1).differs(want) })
	s := d.settle()
	if written := s.sum("destination_rows_written_total"); written != float64(len(want)) && (exact || written < float64(len(want))) {
		t.Errorf("%v rows written, want %d", written, len(want))
	}
	if dropped := s.sum("destination_rows_dropped_total"); dropped != 0 {
		t.Errorf("%v rows dropped", dropped)
	}
	d.stop()
}
