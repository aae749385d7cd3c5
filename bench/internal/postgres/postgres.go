// Package postgres runs a private PostgreSQL server.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/coalesce-metrics/coalesce/bench/internal/proc"
)

// ErrMissing says that PostgreSQL is not installed.
var ErrMissing = errors.New("no initdb in /usr/lib/postgresql/*/bin or the path (Debian package postgresql)")

const (
	startLimit = 30 * time.Second // until it accepts connections
	stopLimit  = 30 * time.Second
)

// A Server has its directory and a Unix socket in it, without TCP. It forces what is
// committed to the disk, as by default.
type Server struct {
	bin, dir string
	user     *syscall.Credential // nil: that of this process
	p        *proc.Process
}

// Start makes a server in a new directory, and returns once it accepts connections.
// Without PostgreSQL the error is ErrMissing. Call it from the main thread.
func Start(ctx context.Context) (s *Server, err error) {
	s = new(Server)
	if s.bin, err = find(); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("", "coalesce-bench-pg-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("postgres: %w; its log: %s", err, s.log())
			s.Stop()
		}
	}()
	if err := s.init(ctx); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close() // the process has its own handle
	s.p, err = proc.StartAs(s.user, s.dir, log, nil, filepath.Join(s.bin, "postgres"),
		"-D", s.data(), "-k", s.dir, "-c", "listen_addresses=")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	return s, s.p.Wait(ctx, "it accepts connections", func() (bool, error) {
		return exec.CommandContext(ctx, filepath.Join(s.bin, "pg_isready"), "--quiet", "-h", s.dir).Run() == nil, nil
	})
}

// find returns the folder of the programs; of several versions the last in their order
// by name.
func find() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1]), nil
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", ErrMissing
	}
	return filepath.Dir(path), nil
}

// init makes the files. PostgreSQL refuses to run as root: there it is the user
// postgres, whom Debian's packages make.
func (s *Server) init(ctx context.Context) error {
	if os.Getuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			return err
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2, os.Chown(s.dir, int(uid), int(gid))); err != nil {
			return err
		}
		s.user = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "initdb"), "--pgdata", s.data(), "--username", "postgres",
		"--auth", "trust", "--encoding", "UTF8", "--locale", "C")
	cmd.Dir, cmd.SysProcAttr = s.dir, &syscall.SysProcAttr{Credential: s.user}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// log returns what the server has had to say.
func (s *Server) log() string {
	text, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// URL returns where clients connect.
func (s *Server) URL() string {
	return "postgres:///postgres?user=postgres&host=" + url.QueryEscape(s.dir)
}

// CPU is the user and system time of all its processes, in steps of 10 ms.
func (s *Server) CPU() (time.Duration, error) { return s.p.TreeCPU() }

// Stop ends the server and removes its directory.
func (s *Server) Stop() {
	if s.p != nil {
		s.p.Stop(stopLimit) // at the latest it is killed
	}
	os.RemoveAll(s.dir)
}
