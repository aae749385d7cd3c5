// Package pgtest runs a private PostgreSQL server for tests.
package pgtest

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Server is a server on a Unix socket in a directory of its own, without TCP, which
// forgets what it holds in a power cut.
type Server struct {
	bin, dir string
	attr     *syscall.SysProcAttr
	process  *os.Process
	ended    chan error
}

var shared struct {
	mu     sync.Mutex
	server *Server
	err    error
}

// errMissing says that there are no programs of PostgreSQL.
var errMissing = errors.New("PostgreSQL is not installed: no initdb in /usr/lib/postgresql/*/bin or the path")

// Shared returns the one server of a test binary, which its first call starts. Where
// PostgreSQL is missing the test is skipped, and with CI set it fails. TestMain must
// call Stop.
func Shared(t testing.TB) *Server {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = start()
	}
	check(t, shared.err)
	return shared.server
}

// Stop stops the shared server and removes it. TestMain calls it after the tests.
func Stop() {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.server != nil {
		shared.server.remove()
		shared.server = nil
	}
}

// New returns a server that ends with the test, for one that stops and starts it.
func New(t testing.TB) *Server {
	t.Helper()
	s, err := start()
	check(t, err)
	t.Cleanup(s.remove)
	return s
}

func check(t testing.TB, err error) {
	t.Helper()
	switch {
	case errors.Is(err, errMissing) && os.Getenv("CI") == "":
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
}

// URL returns where clients connect.
func (s *Server) URL() string {
	return "postgres:///postgres?user=postgres&host=" + url.QueryEscape(s.dir)
}

func start() (*Server, error) {
	bin, err := find()
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, attr: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGQUIT}}
	if s.dir, err = os.MkdirTemp("", "coalesce-pg-"); err != nil {
		return nil, err
	}
	if err := s.init(); err != nil {
		s.remove()
		return nil, err
	}
	if err := s.Start(); err != nil {
		s.remove()
		return nil, err
	}
	return s, nil
}

// find returns the folder of the latest version that is installed.
func find() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	if path, err := exec.LookPath("initdb"); err == nil && len(found) == 0 {
		found = []string{path}
	}
	if len(found) == 0 {
		return "", errMissing
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(strings.Split(path+"////", "/")[4])
		return n
	}
	latest := slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(latest), nil
}

// init makes the data directory. PostgreSQL refuses to run as root: there it is the
// user postgres, whom Debian's packages make.
func (s *Server) init() error {
	if os.Getuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			return fmt.Errorf("PostgreSQL does not run as root: %w", err)
		}
		uid, err := strconv.Atoi(u.Uid)
		if err != nil {
			return err
		}
		gid, err := strconv.Atoi(u.Gid)
		if err != nil {
			return err
		}
		s.attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(s.dir, uid, gid); err != nil {
			return err
		}
	}
	cmd := exec.Command(filepath.Join(s.bin, "initdb"), "--pgdata", s.data(), "--username", "postgres",
		"--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync")
	cmd.Dir, cmd.SysProcAttr = s.dir, &syscall.SysProcAttr{Credential: s.attr.Credential}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// Start starts the server after Stop, and returns when it accepts connections.
func (s *Server) Start() error {
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), "-D", s.data(), "-k", s.dir, "-c", "listen_addresses=",
		"-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=40")
	cmd.Dir, cmd.SysProcAttr = s.dir, s.attr
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	started, ended := make(chan error), make(chan error, 1)
	go func() {
		// The server is told when the thread that started it dies.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	s.process, s.ended = cmd.Process, ended
	for {
		if exec.Command(filepath.Join(s.bin, "pg_isready"), "--quiet", "-h", s.dir).Run() == nil {
			return nil
		}
		select {
		case err := <-ended:
			s.process = nil
			text, _ := os.ReadFile(log.Name())
			return fmt.Errorf("postgres ended: %w\n%s", err, text)
		default:
		}
	}
}

// Stop ends the server at once, with all connections.
func (s *Server) Stop() {
	if s.process == nil {
		return
	}
	_ = s.process.Signal(syscall.SIGQUIT)
	<-s.ended
	s.process = nil
}

func (s *Server) remove() {
	s.Stop()
	os.RemoveAll(s.dir)
}
