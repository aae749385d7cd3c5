// Package system knows how each measured aggregator is configured.
package system

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/coalesce-metrics/coalesce/bench/internal/workload"
)

// A System is an aggregator that can be measured.
type System struct {
	Name    string
	Package string // where it comes from, for those who miss it
	Path    string // of its program
	Version string // as it says itself

	// Points is the number of datapoints for each workload, by name; a workload
	// that is missing cannot be had of the system. None at all means that they are
	// found by calibration.
	Points map[string]int
	// Paces holds the workloads that are not sent at full speed.
	Paces map[string]Pace
	// Lateness is how long after its end a bucket may still be held back.
	Lateness time.Duration
	// Env is added to the environment of the program.
	Env []string

	configure func(Site) Setup
	version   []string // command that prints the version
}

// A Pace says how datapoints are sent to a system.
type Pace struct {
	Conns      int
	Chunk      int     // bytes of one write
	SendBuffer int     // bytes of socket buffer for each connection
	Rate       float64 // datapoints per second; 0: as fast as it takes them
}

// FullSpeed is the pace unless a system says otherwise.
var FullSpeed = Pace{Conns: 4, Chunk: 64 << 10, SendBuffer: 128 << 10}

// small keeps little in socket buffers. A slow system reads large buffers so
// late that it drops what was in them.
var small = Pace{Conns: 4, Chunk: 2 << 10, SendBuffer: 4 << 10}

// Pace returns the pace of a workload.
func (s *System) Pace(w string) Pace {
	if p, ok := s.Paces[w]; ok {
		return p
	}
	return FullSpeed
}

// A Site is what one run offers to a system.
type Site struct {
	Dir       string // an empty directory of its own
	Port      int    // where it has to listen for the workload's datapoints
	SparePort int    // another free port
	SinkPorts []int  // where it has to write to; each is a destination
	Period    int    // seconds of a bucket
	Workload  *workload.Workload
	Rules     []workload.Rule
}

// DataDir is coalesce's data directory, where it has one, in the site's.
const DataDir = "data"

// StoreFile is coalesce's store, where it has one, in the site's directory.
const StoreFile = DataDir + "/cells.sqlite"

// SpoolRows is the bound of coalesce's queue in memory where the rest goes to the disk.
const SpoolRows = 200_000

// ports returns the ports for plaintext and for pickle; one is the spare one.
func (s *Site) ports() (plaintext, pickle int) {
	if s.Workload.Pickle {
		return s.SparePort, s.Port
	}
	return s.Port, s.SparePort
}

// destinations returns the address of each destination, with an instance behind it
// where there are several.
func (s *Site) destinations(separator string) (all []string) {
	for i, port := range s.SinkPorts {
		address := fmt.Sprintf("127.0.0.1:%d", port)
		if len(s.SinkPorts) > 1 {
			address += separator + workload.Instance(i)
		}
		all = append(all, address)
	}
	return all
}

// Setup is how a system is started on a site.
type Setup struct {
	Files map[string]string // content by name, in the site's directory
	Args  []string
	Env   []string
}

// Configure returns how the system is started on the site.
func (s *System) Configure(site Site) Setup {
	setup := s.configure(site)
	setup.Env = append(setup.Env, s.Env...)
	return setup
}

// Find looks for the system's program, at Path if it is set, else by its name,
// and asks it for its version.
func (s *System) Find(ctx context.Context) error {
	name := s.Name
	if s.Path != "" {
		name = s.Path
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return err
	}
	if s.Path, err = filepath.Abs(path); err != nil {
		return err
	}
	command := append([]string{}, s.version...)
	if command[0] == "" {
		command[0] = s.Path
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), s.Env...)
	out, err := cmd.Output()
	if err != nil { // a version is a courtesy, not a condition
		s.Version = "unknown"
		return nil
	}
	s.Version, _, _ = strings.Cut(strings.TrimSpace(string(out)), "\n")
	return nil
}

// carbonRules writes the rules in carbon's syntax.
func carbonRules(site Site) string {
	var b strings.Builder
	for _, r := range site.Rules {
		fmt.Fprintf(&b, "aggregates.<env>.app.<app>.all.%s (%d) = %s <env>.applications.<app>.*.%s\n",
			r.Tail, site.Period, r.Method, r.Tail)
	}
	return b.String()
}
