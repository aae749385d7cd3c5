// Package proc runs a measured process on Linux.
package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// tick is the unit of CPU times in /proc, which Linux fixes for all programs.
const tick = 10 * time.Millisecond

// A Process is a running child process in a process group of its own.
type Process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed once the process is gone
	kill   sync.Once     // later its number may be another's
}

// Start starts a program in dir, with its output going to log. The kernel kills
// it when the thread that called Start ends, so call it from the main thread.
func Start(dir string, log *os.File, env []string, name string, args ...string) (*Process, error) {
	return StartAs(nil, dir, log, env, name, args...)
}

// StartAs is Start for another user; nil is this one.
func StartAs(user *syscall.Credential, dir string, log *os.File, env []string, name string, args ...string) (*Process, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: user}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, exited: make(chan struct{})}
	go func() {
		cmd.Wait() // how it ended shows in ProcessState
		close(p.exited)
	}()
	return p, nil
}

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Stop asks the process to end, and kills its group if it does not within grace.
// It returns once the process is gone, and may be called again.
func (p *Process) Stop(grace time.Duration) error {
	p.cmd.Process.Signal(syscall.SIGTERM) // an error means that it is gone already
	var err error
	select {
	case <-p.exited:
	case <-time.After(grace):
		err = fmt.Errorf("%s did not end within %v of SIGTERM", p.cmd.Path, grace)
	}
	p.Kill()
	return err
}

// Kill ends the process and its group at once, and returns when it is gone.
func (p *Process) Kill() {
	p.kill.Do(func() { syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) }) // an error means that it is gone already
	<-p.exited
}

// CPU is the user and system time that the process has used, in steps of 10 ms.
func (p *Process) CPU() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	return parseStat(b)
}

// parseStat reads utime and stime, the 14th and 15th fields.
func parseStat(b []byte) (time.Duration, error) {
	f, err := statFields(b, 15)
	if err != nil {
		return 0, err
	}
	return ticks(f[13:15])
}

// statFields returns the first n fields, of which the first two are left empty: the
// second is the program's name in parentheses, which may hold anything.
func statFields(b []byte, n int) ([][]byte, error) {
	f := append(make([][]byte, 2), bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])...)
	if len(f) < n {
		return nil, fmt.Errorf("stat %q: want at least %d fields", b, n)
	}
	return f[:n], nil
}

// ticks adds up times.
func ticks(fields [][]byte) (sum time.Duration, err error) {
	for _, f := range fields {
		n, err := strconv.ParseInt(string(f), 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(n) * tick
	}
	return sum, nil
}

// TreeCPU is the time that the process and its children have used, those that have
// ended included, in steps of 10 ms. Grandchildren count when they and their parents
// have ended.
func (p *Process) TreeCPU() (time.Duration, error) {
	self := strconv.Itoa(p.cmd.Process.Pid)
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended, and counts with its parent
		}
		n, err := treeShare(b, self, filepath.Base(filepath.Dir(path)) == self)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// treeShare returns what a process adds to the time of root and its children: its own
// time and that of its ended children, if it is one of them.
func treeShare(b []byte, root string, isRoot bool) (time.Duration, error) {
	f, err := statFields(b, 17)
	if err != nil || !isRoot && string(f[3]) != root {
		return 0, err
	}
	return ticks(f[13:17])
}

// Memory returns the resident memory of the process, and the most it ever was, in bytes.
func (p *Process) Memory() (now, peak int64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	return parseStatus(string(b))
}

func parseStatus(s string) (now, peak int64, err error) {
	field := func(key string) (int64, error) {
		_, rest, _ := strings.Cut(s, "\n"+key+":")
		line, _, _ := strings.Cut(rest, "\n")
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(line, "kB")), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("status: %s %q: want a number of kB", key, line)
		}
		return kib << 10, nil
	}
	now, err1 := field("VmRSS")
	peak, err2 := field("VmHWM")
	return now, peak, errors.Join(err1, err2)
}

// WaitIdle returns once the process has used no CPU time for a while, which
// means that it has done what it does at its start.
func (p *Process) WaitIdle(ctx context.Context) error {
	const quiet = 150 * time.Millisecond
	last, since := time.Duration(-1), time.Now()
	return p.Wait(ctx, "it is idle", func() (bool, error) {
		cpu, err := p.CPU()
		if cpu != last {
			last, since = cpu, time.Now()
		}
		return time.Since(since) >= quiet, err
	})
}

// Wait polls cond until it is true. It fails if cond does, if the process ends
// or if ctx does; what says what is waited for.
func (p *Process) Wait(ctx context.Context, what string, cond func() (bool, error)) error {
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for {
		if ok, err := cond(); ok || err != nil {
			return err
		}
		select {
		case <-poll.C:
		case <-p.exited:
			return fmt.Errorf("the process ended (%v) before %s", p.cmd.ProcessState, what)
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w", what, ctx.Err())
		}
	}
}
