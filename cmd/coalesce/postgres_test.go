package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/coalesce-metrics/coalesce/internal/heldport"
	"github.com/coalesce-metrics/coalesce/store"
	"github.com/coalesce-metrics/coalesce/store/postgres"
	"github.com/coalesce-metrics/coalesce/store/storetest/pgtest"
)

// onPostgres is the configuration of a store at a server.
func onPostgres(url string) string { return fmt.Sprintf("[store]\nat = %q\ncycle = \"100ms\"\n", url) }

func openPostgres(t *testing.T, url string) store.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), url, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A server that goes away and comes back, twice, holds up neither ingest nor rows.
// What comes meanwhile waits, over a crash too; late datapoints of buckets that only
// the server has are emitted when it is back, and nothing is emitted in part.
func TestPostgresComesAndGoes(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	out := newSink(t)
	s := settings{
		rules: write(t, t.TempDir(), "rules.conf", "k.<x> (1) = sum k.<x>.* grace=0s keep=0\nby.<x>.<method> (1) = count,p50 k.<x>.* grace=0s keep=0\n"),
		data:  filepath.Join(t.TempDir(), "data"), upstream: out.address, config: onPostgres(server.URL()),
	}
	d := start(t, s)
	first := soon()
	feed(d, out, first, "k.a.x 40", "k.a.y 2")
	rowsAre(out, first, map[string][]string{"k.a": {"42"}, "by.a.count": {"2"}, "by.a.p50": {"21"}})
	d.forgotten()
	d.written()

	server.Stop()
	second := soon()
	feed(d, out, first, "k.a.x 1") // has to wait
	feed(d, out, second, "k.a.x 7", "k.b.x 8")
	rowsAre(out, second, map[string][]string{"k.a": {"7"}, "k.b": {"8"}})
	await(t, "the store to fail", nil, func() bool { return balanced(t, d).sum("store_ok") == 0 })
	if v := point(t, d, "aggregates.k.b", second); v != 8 {
		t.Errorf("k.b is %v while the server is away, want 8", v)
	}
	if b := balanced(t, d); b.sum("cells_pending") < 4 || b.sum("journal_ok") != 1 {
		t.Errorf("%v cells are pending, journal %v", b.sum("cells_pending"), b.sum("journal_ok"))
	}
	if status, body := get(t, d, "/readyz"); status != http.StatusOK {
		t.Errorf("/readyz: %d %s", status, body)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	rowsAre(out, first, map[string][]string{"k.a": {"42", "43"}, "by.a.count": {"2", "3"}, "by.a.p50": {"21", "2"}})
	d.written()
	for _, msg := range []string{"the store fails: cells wait in memory and in the journal until it is back", "the store takes cells again"} {
		d.saidOnce(msg)
	}

	server.Stop()
	third := soon()
	feed(d, out, third, "k.c.x 9")
	rowsAre(out, third, map[string][]string{"k.c": {"9"}})
	d.kill()
	out.drained()
	d = start(t, s) // without a server
	await(t, "the names in the journal to be known", nil, func() bool { return found(t, d, "aggregates.k.*")["aggregates.k.c"] })
	if v := point(t, d, "aggregates.k.c", third); v != 9 {
		t.Errorf("k.c is %v after a crash, want 9", v)
	}
	if _, body := post(t, d, "/v1/query", `{"type":"aggregate_metric","metric":"not.known.yet","aggregator":"sum"}`); !strings.Contains(body, `"code":11`) {
		t.Errorf("a name that may be at the server: %s, want error 11", body)
	}
	feed(d, out, second, "k.b.x 1") // what was emitted of it is not known now
	fourth := soon()
	feed(d, out, fourth, "k.c.x 1")
	rowsAre(out, fourth, map[string][]string{"k.c": {"1"}})
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	out.waitLine(fmt.Sprintf("aggregates.k.b 9 %d", second))
	d.written()
	d.loaded()
	want := map[string]map[int64]float64{
		"aggregates.k.a": {first: 43, second: 7}, "aggregates.k.b": {second: 9}, "aggregates.k.c": {third: 9, fourth: 1},
	}
	got := render(t, d, first, fourth+1, "aggregates.k.*")
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
	balanced(t, d)
	d.stop()

	kept := openPostgres(t, server.URL())
	defer kept.Close()
	cells, _ := storedIn(t, kept)
	for name, points := range want {
		for at, v := range points {
			if c := cells[storedKey{name, 1, at}]; c.cell.Total() != v {
				t.Errorf("%s at %d: the server has %+v, want %v", name, at, c.cell, v)
			}
		}
	}
	r := out.got()
	for _, key := range []string{fmt.Sprintf("aggregates.k.b %d", second), fmt.Sprintf("aggregates.by.b.count %d", second)} {
		for i, v := range r.values[key] {
			if last := r.values[key][max(i-1, 0)]; len(v) < len(last) || v < last {
				t.Errorf("%s: %q came", key, r.values[key])
			}
		}
	}
}

// What is killed while it writes to a server leaves the same as with a file.
func TestKillsWhileWritingToPostgres(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	testKills(t, filepath.Join(t.TempDir(), "data"), onPostgres(server.URL()), 6, func() store.Store { return openPostgres(t, server.URL()) })
}

// A store that does not come has its cells wait within bounds: the oldest are dropped,
// counted and said, and the rest of the daemon does not notice.
func TestBoundsWithoutAStore(t *testing.T) {
	t.Parallel()
	away := onPostgres("postgres://u:s3cret@" + heldport.New(t) + "/d?sslmode=disable")
	for name, c := range map[string]struct{ data, config, reason string }{
		"pending":               {"data", "pending = \"1MiB\"\n", "queue_full"},
		"journal":               {"data", "journal = \"1MiB\"\n", "journal_full"},
		"pending, without disk": {"", "pending = \"1MiB\"\n", "queue_full"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := newSink(t)
			data := c.data
			if data != "" {
				data = filepath.Join(t.TempDir(), data)
			}
			d := start(t, settings{
				rules: write(t, t.TempDir(), "rules.conf", "k.<x> (1) = sum k.<x> grace=0s keep=0 forward=off\n"),
				data:  data, upstream: out.address, config: away + c.config,
			})
			const names, seconds = 4000, 6
			from := soon()
			for i := range int64(seconds) {
				var lines strings.Builder
				for n := range names {
					fmt.Fprintf(&lines, "k.a_name_that_takes_some_room_in_memory_and_on_disk_%d %d %d\n", n, i+1, from+i)
				}
				d.send(lines.String())
			}
			for i := range int64(seconds) {
				out.wait("rows", func(r *received) bool {
					for n := range names {
						if r.last(fmt.Sprintf("aggregates.k.a_name_that_takes_some_room_in_memory_and_on_disk_%d %d", n, from+i)) != fmt.Sprint(i+1) {
							return false
						}
					}
					return true
				})
			}
			b := balanced(t, d)
			dropped := b.sum("cells_dropped_total", "reason", c.reason)
			if dropped == 0 || dropped != b.sum("cells_dropped_total") || b.sum("cells_kept_total") != names*seconds {
				t.Errorf("of %v cells %v were dropped, %v of them as %s", b.sum("cells_kept_total"), b.sum("cells_dropped_total"), dropped, c.reason)
			}
			if bytes, limit := b.sum("cells_pending_bytes"), b.sum("cells_pending_bytes_limit"); bytes > limit {
				t.Errorf("%v bytes are pending, the limit is %v", bytes, limit)
			}
			// One segment may be over it.
			if bytes, limit := b.sum("journal_bytes"), b.sum("journal_bytes_limit"); bytes > 1.25*limit {
				t.Errorf("the journal has %v bytes, the limit is %v", bytes, limit)
			}
			if line := d.saidOnce("cells are dropped before the store has them, the oldest first"); line.attrs["reason"] != c.reason {
				t.Errorf("said %s", line.text)
			}
			if strings.Contains(d.text(), "s3cret") {
				t.Error("the log has the password")
			}
			// What was dropped cannot be completed any more.
			oldest := "k.a_name_that_takes_some_room_in_memory_and_on_disk_0"
			d.forgotten()
			before := balanced(t, d).sum("contributions_dropped_total", "reason", "too_old")
			d.send(fmt.Sprintf("%s 1 %d\n", oldest, from))
			await(t, "the late datapoint to be refused", nil, func() bool {
				return balanced(t, d).sum("contributions_dropped_total", "reason", "too_old") > before
			})
			// What the journal has is no loss.
			d.signal(unix.SIGTERM)
			code, lost := d.wait(), len(d.lines("cells that the store has not taken are lost"))
			if kept := data != ""; kept != (code == 0) || kept != (lost == 0) {
				t.Errorf("exit status %d, %d times a loss", code, lost)
			}
		})
	}
}
