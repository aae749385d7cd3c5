package datadir

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func open(t *testing.T, path string) *Dir {
	t.Helper()
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestSecondDaemonIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b")
	first := open(t, path)
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "in use by another coalesce") {
		t.Fatalf("second Open: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, path)
}

// Only the daemon that says so has ended in order, and one that did not begin changes
// nothing of that, even if it dies. An earlier version wrote no more than its pid.
func TestEnded(t *testing.T) {
	path := t.TempDir()
	if err := os.WriteFile(filepath.Join(path, lockFile), []byte("1234567\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	for i, step := range []struct {
		was    bool   // Ended
		does   string // by SetEnded
		closes bool
	}{
		{true, "", true},
		{true, "", false},
		{true, "runs", false}, // and dies
		{false, "", true},
		{false, "runs and ends", true},
		{true, "", true},
		{true, "runs and ends", true},
		{true, "runs", true},
		{false, "", false},
		{false, "", true},
	} {
		d := open(t, path)
		if d.Ended() != step.was {
			t.Errorf("step %d: ended %v", i, d.Ended())
		}
		var err error
		if step.does != "" {
			err = d.SetEnded(false)
		}
		if step.does == "runs and ends" {
			err = errors.Join(err, d.SetEnded(true))
		}
		if err != nil {
			t.Fatal(err)
		}
		if step.closes {
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
		} else {
			d.lock.Close() // as the system does
		}
	}
}

func TestAlive(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	if got, err := d.LastAlive(); got != 0 || err != nil {
		t.Fatalf("fresh directory: alive at %v, %v", got, err)
	}
	for _, now := range []float64{1763811000.125, 999, 1763811001} {
		if err := d.Beat(now); err != nil {
			t.Fatal(err)
		}
		if got, err := d.LastAlive(); got != now || err != nil {
			t.Errorf("alive at %v, %v, want %v", got, err, now)
		}
	}
	if err := os.WriteFile(filepath.Join(path, "alive"), []byte("soon"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.LastAlive(); err == nil || !strings.Contains(err.Error(), `"soon"`) {
		t.Errorf("damaged alive file: %v", err)
	}
}

func TestCheckpoint(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	if b, err := d.Checkpoint(); b != nil || err != nil {
		t.Fatalf("fresh directory: checkpoint %q, %v", b, err)
	}
	if err := d.DropCheckpoint(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"first", "second, longer"} {
		if err := d.SaveCheckpoint([]byte(want)); err != nil {
			t.Fatal(err)
		}
		if b, err := d.Checkpoint(); string(b) != want || err != nil {
			t.Fatalf("got %q, %v, want %q", b, err, want)
		}
	}
	// A torn write of the next one leaves the last whole one.
	if err := os.WriteFile(filepath.Join(path, "checkpoint.new"), []byte("sec"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, _ := d.Checkpoint(); string(b) != "second, longer" {
		t.Errorf("after a torn write: %q", b)
	}
	aside, err := d.SetAside()
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(aside); string(b) != "second, longer" {
		t.Errorf("set aside: %q", b)
	}
	if b, err := d.Checkpoint(); b != nil || err != nil {
		t.Errorf("after setting aside: %q, %v", b, err)
	}
}

func TestSaveFailsWhereNothingCanBeWritten(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	if err := d.SaveCheckpoint([]byte("good")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(path, "checkpoint.new"), 0o700); err != nil { // in the way of the temporary file
		t.Fatal(err)
	}
	if err := d.SaveCheckpoint([]byte("newer")); err == nil {
		t.Fatal("no error")
	}
	if b, _ := d.Checkpoint(); string(b) != "good" {
		t.Errorf("the old checkpoint became %q", b)
	}
}
