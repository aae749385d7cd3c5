//go:build !linux

package metrics

// processUsage is only known on Linux.
func processUsage() (usage, bool) { return usage{}, false }
