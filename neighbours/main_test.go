// Package neighbours runs the daemon between the programs that it lives with.
package neighbours

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// patience is how long a test waits for anything; only a failure takes so long.
const patience = 2 * time.Minute

// binary is the daemon as users have it.
var binary string

func TestMain(m *testing.M) {
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "coalesce-neighbours-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	// The tests mostly wait for buckets to close, which needs no processor.
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	binary = filepath.Join(dir, "coalesce")
	if out, err := exec.Command("go", "build", "-o", binary, "../cmd/coalesce").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	if err := claimPorts(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer block.claim.Close()
	return m.Run()
}

// need returns where a program is. Without it the test is skipped, in CI it fails.
func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		// Daemons are there on Debian, where users' paths do not lead.
		path, err = exec.LookPath(filepath.Join("/usr/sbin", program))
	}
	if err != nil {
		missing(t, program)
	}
	return path
}

func missing(t *testing.T, program string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed", program)
	}
	t.Skipf("%s is not installed", program)
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

// await returns when a condition holds. Other programs tell nobody when it does,
// so it is asked for again and again; unmet says what is missing, "" nothing.
func await(t *testing.T, what string, unmet func() string) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		why := unmet()
		if why == "" {
			return
		}
		select {
		case <-again.C:
		case <-deadline.C:
			t.Fatalf("waited %v in vain for %s: %s", patience, what, why)
		}
	}
}
