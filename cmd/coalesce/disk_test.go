package main

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// roomyDisk is a disk whose room a test takes and gives back.
type roomyDisk interface {
	fill(d *process)
	empty(d *process)
}

// fileLimit bounds the size of the daemon's files, which anybody may: beyond it a
// write fails, as it does on a full disk, though with another error.
type fileLimit struct{}

func (fileLimit) set(d *process, soft uint64) {
	d.t.Helper()
	limit := unix.Rlimit{Cur: soft, Max: unix.RLIM_INFINITY}
	if err := unix.Prlimit(d.cmd.Process.Pid, unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		d.t.Fatal(err)
	}
}

func (l fileLimit) fill(d *process)  { l.set(d, 1024) } // the small files that are written over can be
func (l fileLimit) empty(d *process) { l.set(d, unix.RLIM_INFINITY) }

// smallDisk is a file system of its own, of which a file takes all the room.
type smallDisk struct{ dir string }

// newSmallDisk mounts it on a directory, where the kernel allows that.
func newSmallDisk(t *testing.T, dir string) (smallDisk, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return smallDisk{}, err
	}
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=6m,mode=0700"); err != nil {
		return smallDisk{}, err
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return smallDisk{dir}, nil
}

func (s smallDisk) ballast() string { return filepath.Join(s.dir, "ballast") }

func (s smallDisk) fill(d *process) {
	d.t.Helper()
	f, err := os.Create(s.ballast())
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(f, zeros{}); !errors.Is(err, unix.ENOSPC) {
		d.t.Fatalf("%v, want %v", err, unix.ENOSPC)
	}
}

func (s smallDisk) empty(d *process) {
	d.t.Helper()
	if err := os.Remove(s.ballast()); err != nil {
		d.t.Fatal(err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A full disk stops neither ingest nor rows nor queries. It is said once and shown in
// the numbers; when there is room again all that came meanwhile gets there, and is
// there after a crash.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	t.Run("limited files", func(t *testing.T) {
		t.Parallel()
		testFullDisk(t, filepath.Join(t.TempDir(), "data"), fileLimit{})
	})
	// Without the right to mount there is only the limit.
	mount := filepath.Join(t.TempDir(), "disk")
	if disk, err := newSmallDisk(t, mount); err == nil {
		t.Run("small disk", func(t *testing.T) { testFullDisk(t, filepath.Join(mount, "data"), disk) })
	} else {
		t.Logf("no disk of its own: %v", err)
	}
}

func testFullDisk(t *testing.T, data string, disk roomyDisk) {
	out := newSink(t)
	s := settings{
		rules: write(t, t.TempDir(), "rules.conf", "k.<x> (1) = sum k.<x>.* grace=0s keep=0\nh.<x> (3600) = count h.<x>\n"),
		data:  data, upstream: out.address, config: quickStore,
	}
	d := start(t, s)
	first := soon()
	feed(d, out, first, "k.a.x 1", "k.b.x 2")
	rowsAre(out, first, map[string][]string{"k.a": {"1"}, "k.b": {"2"}})
	d.written()
	disk.fill(d)

	// Enough that no room left in the files can take it.
	const names = 2000
	at := soon()
	var lines []string
	for i := range names {
		lines = append(lines, fmt.Sprintf("k.n%d.%0100d %d", i, i, i))
	}
	feed(d, out, at, lines...)
	want := make(map[string][]string)
	for i := range names {
		want[fmt.Sprintf("k.n%d", i)] = []string{fmt.Sprint(i)}
	}
	rowsAre(out, at, want)
	const said = "the journal cannot be written: until it can, cells are in memory alone"
	if l := d.waitLog(said); l.attrs["level"] != "ERROR" {
		t.Errorf("logged as %s", l.text)
	}
	feed(d, out, at, "k.n7.x 1", "k.new.x 1") // the first is pending, the other unknown
	rowsAre(out, at, map[string][]string{"k.n7": {"7", "8"}, "k.new": {"1"}})
	var full samples
	await(t, "the store to fail", nil, func() bool {
		full = balanced(t, d)
		return full.sum("store_ok") == 0
	})
	if full.sum("journal_ok") != 0 || full.sum("journal_errors_total") == 0 || full.sum("store_errors_total") == 0 ||
		full.sum("cells_pending") < names || full.sum("cells_dropped_total") != 0 {
		t.Errorf("journal ok %v, errors %v, store errors %v, %v pending, %v dropped", full.sum("journal_ok"),
			full.sum("journal_errors_total"), full.sum("store_errors_total"), full.sum("cells_pending"), full.sum("cells_dropped_total"))
	}
	for target, v := range map[string]float64{"aggregates.k.n1999": 1999, "aggregates.k.n7": 8, "aggregates.k.new": 1} {
		if got := point(t, d, target, at); got != v {
			t.Errorf("%s is %v while the disk is full, want %v", target, got, v)
		}
	}
	if got := point(t, d, "aggregates.k.b", first); got != 2 {
		t.Errorf("what the store had is %v while the disk is full, want 2", got)
	}
	if status, body := get(t, d, "/healthz"); status != 200 {
		t.Errorf("/healthz: %d %s", status, body)
	}
	await(t, "the disk to be tried again", nil, func() bool { return scrape(t, d).sum("journal_errors_total") > full.sum("journal_errors_total") })
	disk.empty(d)
	await(t, "all to be written", nil, func() bool {
		s := balanced(t, d)
		return s.sum("cells_pending") == 0 && s.sum("store_ok") == 1 && s.sum("journal_ok") == 1
	})
	for _, msg := range []string{said, "the journal is written again", "the store fails: cells wait in memory and in the journal until it is back", "the store takes cells again"} {
		d.saidOnce(msg)
	}
	feed(d, out, at, "k.a.x 5", "k.n8.x 1")
	rowsAre(out, at, map[string][]string{"k.a": {"5"}, "k.n8": {"8", "9"}})
	d.kill()

	d = start(t, s)
	d.loaded()
	if n := len(found(t, d, "aggregates.k.*")); n != names+3 {
		t.Errorf("%d names are found after a crash, want %d", n, names+3)
	}
	got := render(t, d, at, at+1, "aggregates.k.*")
	for i := range names {
		v := float64(i)
		if i == 7 || i == 8 {
			v++
		}
		if name := fmt.Sprintf("aggregates.k.n%d", i); got[name][at] != v || len(got[name]) != 1 {
			t.Errorf("%s is %v after a crash, want %v", name, got[name], v)
			break
		}
	}
	d.stop()
}

// A crash on a full disk costs the cells that were in memory alone. What had been
// emitted of their buckets is not known any more, so that nothing is added to them.
func TestCrashOnAFullDisk(t *testing.T) {
	t.Parallel()
	out := newSink(t)
	s := settings{
		rules: write(t, t.TempDir(), "rules.conf", "k.<x> (1) = sum k.<x>.* grace=0s keep=0\n"),
		data:  filepath.Join(t.TempDir(), "data"), upstream: out.address, config: quickStore,
	}
	d := start(t, s)
	first := soon()
	feed(d, out, first, "k.a.x 1")
	rowsAre(out, first, map[string][]string{"k.a": {"1"}})
	d.written()
	fileLimit{}.fill(d)
	var lines []string
	want := make(map[string][]string)
	for i := range 100 {
		lines = append(lines, fmt.Sprintf("k.n%d.x 5", i))
		want[fmt.Sprintf("k.n%d", i)] = []string{"5"}
	}
	at := soon()
	feed(d, out, at, lines...)
	rowsAre(out, at, want)
	d.kill()
	out.drained()

	d = start(t, s)
	d.waitLog("the journal had failed before an earlier run ended: cells of that time may be lost")
	feed(d, out, at, lines...)
	feed(d, out, first, "k.a.x 1")
	out.waitLine(fmt.Sprintf("aggregates.k.a 2 %d", first))
	next := soon()
	feed(d, out, next, "k.a.x 1")
	rowsAre(out, next, map[string][]string{"k.a": {"1"}})
	for name := range want {
		if got := out.got().values[fmt.Sprintf("aggregates.%s %d", name, at)]; got[len(got)-1] != "5" {
			t.Errorf("%s: %q came", name, got)
		}
	}
	if n := balanced(t, d).sum("contributions_dropped_total", "reason", "too_old"); n == 0 {
		t.Error("nothing is counted as too_old")
	}
	d.stop()
}

// A disk that is full at the stop has the daemon emit what it cannot save.
func TestStopOnAFullDisk(t *testing.T) {
	t.Parallel()
	out := newSink(t)
	d := start(t, settings{
		rules: write(t, t.TempDir(), "rules.conf", "h.<x> (3600) = sum h.<x>.*\n"),
		data:  filepath.Join(t.TempDir(), "data"), upstream: out.address, config: quickStore,
	})
	at := time.Now().Unix() / 3600 * 3600
	var lines []string
	want := make(map[string][]string)
	for i := range 100 {
		lines = append(lines, fmt.Sprintf("h.n%d.x %d", i, i))
		want[fmt.Sprintf("h.n%d", i)] = []string{fmt.Sprint(i)}
	}
	feed(d, out, at, lines...)
	fileLimit{}.fill(d)
	d.signal(unix.SIGTERM)
	if code := d.wait(); code != 1 {
		t.Errorf("exit status %d, want 1: something could not be saved", code)
	}
	rowsAre(out, at, want)
}

// A store that is held up by somebody else holds up nothing but itself.
func TestBusyStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := newSink(t)
	s := settings{
		rules: write(t, dir, "rules.conf", "k.<x> (1) = sum k.<x>.* grace=0s keep=0\n"),
		data:  filepath.Join(dir, "data"), upstream: out.address, config: quickStore,
	}
	d := start(t, s)
	at := soon()
	feed(d, out, at, "k.a.x 1")
	rowsAre(out, at, map[string][]string{"k.a": {"1"}})
	d.written()

	db, err := sql.Open("sqlite", filepath.Join(s.data, "cells.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "PRAGMA busy_timeout = 120000; BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	feed(d, out, at, "k.a.x 1", "k.b.x 5")
	rowsAre(out, at, map[string][]string{"k.a": {"1", "2"}, "k.b": {"5"}})
	d.forgotten()
	feed(d, out, at, "k.a.x 1", "k.b.x 1")
	rowsAre(out, at, map[string][]string{"k.a": {"1", "2", "3"}, "k.b": {"5", "6"}})
	if v := point(t, d, "aggregates.k.a", at); v != 3 {
		t.Errorf("k.a is %v while the store is held up, want 3", v)
	}
	if b := balanced(t, d); b.sum("cells_pending") != 2 {
		t.Errorf("%v cells are pending, want 2", b.sum("cells_pending"))
	}
	d.kill() // the journal has what the store has not
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	d = start(t, s)
	d.loaded()
	d.written()
	for name, v := range map[string]float64{"a": 3, "b": 6} {
		if got := point(t, d, "aggregates.k."+name, at); got != v {
			t.Errorf("%s is %v after a crash, want %v", name, got, v)
		}
	}
	d.stop()
	cells, _ := stored(t, s.data)
	if a, b := cells[storedKey{"aggregates.k.a", 1, at}], cells[storedKey{"aggregates.k.b", 1, at}]; a.cell.Count != 3 || b.cell.Total() != 6 {
		t.Errorf("the store has %+v and %+v", a, b)
	}
}
