package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long a test waits for anything; only a failure takes so long.
const patience = 2 * time.Minute

// binary is the program as users have it.
var binary string

func TestMain(m *testing.M) {
	if os.Getenv(forgetterVariable) != "" {
		if err := forgetterMain(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "coalesce-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	// Tests of daemons mostly wait for buckets to close, which needs no processor.
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	binary = filepath.Join(dir, "coalesce")
	args := []string{"build", "-o", binary, "-ldflags", "-X main.version=v9.8.7"}
	if raceDetector {
		args = append(args, "-race", "-gcflags=modernc.org/...=-race=false") // as make race does
	}
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go %s: %v\n%s", strings.Join(args, " "), err, out)
		return 1
	}
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

// execute runs a command within the test, and again when a daemon that was held up
// has closed its connection.
func execute(stdin string, args ...string) (stdout, stderr string, err error) {
	for range 20 {
		var out, errOut bytes.Buffer
		root := newRoot()
		root.SetArgs(args)
		root.SetIn(strings.NewReader(stdin))
		root.SetOut(&out)
		root.SetErr(&errOut)
		err = root.Execute()
		stdout, stderr = out.String(), errOut.String()
		if !errors.Is(err, syscall.ECONNRESET) {
			break
		}
	}
	return stdout, stderr, err
}

// write makes a file in dir and returns its path.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// replace puts text into a file as careful programs do: by renaming another onto it.
func replace(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// await returns when a condition holds. A nil change means that it has to be
// asked for; otherwise it is tried whenever the channel that change returns is
// closed.
func await(t *testing.T, what string, change func() <-chan struct{}, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		var changed <-chan struct{}
		var again <-chan time.Time
		if change != nil {
			changed = change()
		} else {
			again = time.After(10 * time.Millisecond)
		}
		if holds() {
			return
		}
		select {
		case <-changed:
		case <-again:
		case <-deadline.C:
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}
