package metrics

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"time"
)

// processUsage reads what this process takes, or returns false where the
// kernel does not say.
func processUsage() (usage, bool) {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return usage{}, false
	}
	// The second field is the resident set, in pages.
	statm, err := os.ReadFile("/proc/self/statm")
	fields := bytes.Fields(statm)
	if err != nil || len(fields) < 2 {
		return usage{}, false
	}
	pages, err := strconv.ParseUint(string(fields[1]), 10, 64)
	if err != nil {
		return usage{}, false
	}
	cpu := time.Duration(r.Utime.Nano() + r.Stime.Nano())
	return usage{cpu: cpu.Seconds(), resident: float64(pages) * float64(os.Getpagesize())}, true
}
