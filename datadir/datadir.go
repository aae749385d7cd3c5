// Package datadir is the directory in which the daemon keeps what must outlive it.
//
// It holds a lock that keeps a second daemon out, the time at which a daemon was
// last alive on it, and the checkpoint of an orderly stop.
package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// The files of a data directory.
const (
	lockFile       = "lock"       // locked while a daemon runs; holds its pid, and running until it has ended in order
	aliveFile      = "alive"      // Unix seconds, written again and again
	checkpointFile = "checkpoint" // see package aggregator for its form
)

// running is the second line of the lock file while there is a daemon that has not ended in
// order, and when it is dead.
const running = "running"

// maxCheckpoint bounds what is read back, in bytes.
const maxCheckpoint = 16 << 30

// Dir is an open data directory. It is used by one goroutine at a time.
type Dir struct {
	path  string
	lock  *os.File
	alive *os.File
	ended bool // what the lock file says
}

// Open makes the directory if need be (mode 0750) and locks it. It fails if
// another process has it open.
func Open(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o750); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	d := &Dir{path: path}
	var err error
	if d.lock, err = os.OpenFile(d.file(lockFile), os.O_RDWR|os.O_CREATE, 0o640); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := syscall.Flock(int(d.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		text, _ := os.ReadFile(d.file(lockFile))
		pid, _, _ := strings.Cut(string(text), "\n")
		d.lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("data directory %s is in use by another coalesce (pid %s): stop it, or give this one a directory of its own (key data, flag --data)",
				path, pid)
		}
		return nil, fmt.Errorf("locking data directory %s: %w", path, err)
	}
	text, err := os.ReadFile(d.file(lockFile))
	if err == nil {
		err = d.SetEnded(!strings.Contains(string(text), running))
	}
	if err != nil {
		d.lock.Close()
		return nil, fmt.Errorf("data directory %s cannot be used: %w", path, err)
	}
	if d.alive, err = os.OpenFile(d.file(aliveFile), os.O_RDWR|os.O_CREATE, 0o640); err != nil {
		d.lock.Close()
		return nil, fmt.Errorf("data directory: %w", err)
	}
	return d, nil
}

func (d *Dir) file(name string) string { return filepath.Join(d.path, name) }

// LastAlive returns when a daemon was last alive on this directory, in Unix
// seconds; 0 is never.
func (d *Dir) LastAlive() (float64, error) {
	b, err := os.ReadFile(d.file(aliveFile))
	if err != nil {
		return 0, err
	}
	text := strings.TrimSpace(string(b))
	if text == "" {
		return 0, nil
	}
	t, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("%s holds %.40q, expected Unix seconds", d.file(aliveFile), text)
	}
	return t, nil
}

// Beat records that the daemon is alive at now. It is not forced to the disk:
// it is for the death of the process, not of the machine, which stops senders
// and clock alike.
func (d *Dir) Beat(now float64) error {
	// Of constant length, so that it needs no truncation.
	_, err := d.alive.WriteAt(fmt.Appendf(nil, "%017.3f\n", now), 0)
	return err
}

// Checkpoint returns what SaveCheckpoint has left, or nil.
func (d *Dir) Checkpoint() ([]byte, error) {
	info, err := os.Stat(d.file(checkpointFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if info.Size() > maxCheckpoint {
		return nil, fmt.Errorf("%s has %d bytes, at most %d are read", d.file(checkpointFile), info.Size(), int64(maxCheckpoint))
	}
	return os.ReadFile(d.file(checkpointFile))
}

// SaveCheckpoint puts data on the disk so that either all of it or what was
// there before survives.
func (d *Dir) SaveCheckpoint(data []byte) (err error) {
	tmp := d.file(checkpointFile + ".new")
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(tmp, d.file(checkpointFile))
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return d.sync()
}

// DropCheckpoint removes the checkpoint, once it has been taken over: a crash
// from here on must not bring its buckets back.
func (d *Dir) DropCheckpoint() error {
	err := os.Remove(d.file(checkpointFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Join(err, d.sync())
}

// SetAside renames a checkpoint that cannot be read, so that it can be looked at.
func (d *Dir) SetAside() (path string, err error) {
	path = d.file(checkpointFile + ".damaged")
	return path, os.Rename(d.file(checkpointFile), path)
}

func (d *Dir) sync() error {
	f, err := os.Open(d.path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Ended says whether the last daemon on this directory, if there was one, ended in order,
// with nothing left in its queues.
// Until SetEnded says otherwise, the next one is told the same.
func (d *Dir) Ended() bool { return d.ended }

// SetEnded sets what the next daemon is told, however this one ends.
func (d *Dir) SetEnded(ended bool) error {
	text := strconv.Itoa(os.Getpid()) + "\n"
	if !ended {
		text += running + "\n"
	}
	// In this order, so that at no time the mark is missing that was there or is to be.
	if _, err := d.lock.WriteAt([]byte(text), 0); err != nil {
		return err
	}
	d.ended = ended
	return d.lock.Truncate(int64(len(text)))
}

// Close unlocks the directory.
func (d *Dir) Close() error { return errors.Join(d.alive.Close(), d.lock.Close()) }
