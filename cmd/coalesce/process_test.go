package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a running daemon.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	exited chan struct{} // closed when it has ended and its log is read

	mu      sync.Mutex // guards all below
	log     []logLine
	changed chan struct{} // closed at the next log line
}

// logLine is one line of a daemon's standard error; only text where it is no JSON.
type logLine struct {
	text  string
	attrs map[string]any
}

func (l logLine) msg() string { s, _ := l.attrs["msg"].(string); return s }

// settings is what a daemon under test is started with. Empty ones are left to
// what suits tests: free ports, no data directory, no series of its own.
type settings struct {
	rules, data, upstream, listen, http string
	config                              string // TOML; keys above override it
	flags                               []string
	stdout                              *os.File
	bare                                bool // started without the word run
}

// anyPicklePort, at the top of a configuration, keeps daemons out of each
// other's way.
const anyPicklePort = "listen_pickle = \"127.0.0.1:0\"\n"

func (s settings) args(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	s.config = anyPicklePort + s.config
	if !strings.Contains(s.config, "[metrics]") {
		s.config += "\n[metrics]\ninterval = \"0s\"\n"
	}
	s.config = patiently(s.config)
	free := func(address string) string {
		if address == "" {
			return "127.0.0.1:0"
		}
		return address
	}
	args := []string{
		"--config", write(t, dir, "coalesce.toml", s.config), "--rules", s.rules, "--data", s.data,
		"--upstream", s.upstream, "--listen", free(s.listen), "--http", free(s.http), "--log-format", "json",
	}
	if !s.bare {
		args = append([]string{"run"}, args...)
	}
	return append(args, s.flags...)
}

// patiently has a daemon wait for destinations as long as the test waits for it,
// unless the configuration says for how long. A test or a machine that is held up
// is no reason to make a connection anew, or to give up what is queued.
func patiently(config string) string {
	if !strings.Contains(config, "[queue]") {
		config += "\n[queue]\n"
	}
	for _, key := range []string{"drain_timeout", "write_timeout", "connect_timeout"} {
		if !strings.Contains(config, key) {
			config = strings.Replace(config, "[queue]\n", fmt.Sprintf("[queue]\n%s = %q\n", key, patience), 1)
		}
	}
	return config
}

// start runs a daemon and returns when it listens.
func start(t *testing.T, s settings) *process {
	t.Helper()
	p := newProcess(t, s.args(t)...)
	if s.stdout != nil {
		p.cmd.Stdout = s.stdout
	}
	p.launch()
	return p
}

func newProcess(t *testing.T, args ...string) *process {
	return &process{t: t, cmd: exec.Command(binary, args...), exited: make(chan struct{}), changed: make(chan struct{})}
}

// launch starts it and returns when it listens.
func (p *process) launch() {
	p.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		p.t.Fatal(err)
	}
	p.cmd.Stderr = w
	err = p.cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		p.t.Fatal(err)
	}
	go p.follow(r)
	p.t.Cleanup(p.cleanup)
	p.waitLog("started")
}

// follow reads the log and then waits for the end.
func (p *process) follow(r *os.File) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		l := logLine{text: lines.Text()}
		if json.Unmarshal(lines.Bytes(), &l.attrs) != nil {
			l.attrs = nil
		}
		p.mu.Lock()
		p.log = append(p.log, l)
		close(p.changed)
		p.changed = make(chan struct{})
		p.mu.Unlock()
	}
	r.Close()
	p.cmd.Wait()
	close(p.exited)
	p.mu.Lock()
	close(p.changed) // for those who wait for a line that does not come
	p.changed = make(chan struct{})
	p.mu.Unlock()
}

func (p *process) cleanup() {
	p.cmd.Process.Kill()
	<-p.exited
	for _, l := range p.lines("") {
		if strings.Contains(l.text, "DATA RACE") {
			p.t.Error("the daemon has a data race")
		}
	}
	if p.t.Failed() {
		p.t.Logf("log of %d:\n%s", p.cmd.Process.Pid, p.text())
	}
}

func (p *process) change() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

// lines returns the log lines with a message, or all for "".
func (p *process) lines(msg string) (found []logLine) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.log {
		if msg == "" || l.msg() == msg {
			found = append(found, l)
		}
	}
	return found
}

func (p *process) text() string {
	var b strings.Builder
	for _, l := range p.lines("") {
		b.WriteString(l.text + "\n")
	}
	return b.String()
}

// waitLog waits for n log lines with a message, one where n is left out, and
// returns the last of them.
func (p *process) waitLog(msg string, n ...int) logLine {
	p.t.Helper()
	want := 1
	if len(n) > 0 {
		want = n[0]
	}
	var found []logLine
	await(p.t, fmt.Sprintf("log line %q", msg), p.change, func() bool {
		if found = p.lines(msg); len(found) >= want {
			return true
		}
		select {
		case <-p.exited:
			p.t.Fatalf("it ended (%v) without the log line %q", p.cmd.ProcessState, msg)
		default:
		}
		return false
	})
	return found[len(found)-1]
}

// saidOnce waits for a log line, as what it tells of may be seen before it is
// written, and checks that it is the only one with its message.
func (p *process) saidOnce(msg string) logLine {
	p.t.Helper()
	line := p.waitLog(msg)
	if n := len(p.lines(msg)); n != 1 {
		p.t.Errorf("%q was said %d times, want once", msg, n)
	}
	return line
}

// address returns where the daemon listens.
func (p *process) address(protocol, transport string) string {
	p.t.Helper()
	for _, l := range p.lines("listening") {
		if l.attrs["protocol"] == protocol && l.attrs["transport"] == transport {
			return l.attrs["address"].(string)
		}
	}
	p.t.Fatalf("no %s over %s", protocol, transport)
	return ""
}

// dial connects to a plaintext listener.
func (p *process) dial(transport string) net.Conn {
	p.t.Helper()
	conn, err := net.Dial(transport, p.address("plaintext", transport))
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { conn.Close() })
	return conn
}

// send hands lines over on a connection of their own.
func (p *process) send(text string) {
	p.t.Helper()
	conn := p.dial("tcp")
	if _, err := conn.Write([]byte(text)); err != nil {
		p.t.Fatal(err)
	}
	conn.Close()
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// hurry tells it, while it stops, to end at once, until it has heard: a signal soon after
// the first is taken for the same.
func (p *process) hurry() {
	p.t.Helper()
	await(p.t, "it to stop at once", nil, func() bool {
		if len(p.lines("stopping at once")) > 0 {
			return true
		}
		err := p.cmd.Process.Signal(syscall.SIGTERM)
		return errors.Is(err, os.ErrProcessDone)
	})
}

// wait returns the exit status; it is -1 after a signal.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.t.Fatalf("it does not end within %v", patience)
	}
	return p.cmd.ProcessState.ExitCode()
}

// stop ends it in order.
func (p *process) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		p.t.Errorf("exit status %d after SIGTERM", code)
	}
}

// kill ends it without a chance to do anything.
func (p *process) kill() {
	p.t.Helper()
	p.signal(syscall.SIGKILL)
	p.wait()
}

// fails runs a daemon that does not come up and returns what it says. It must
// exit with 1.
func fails(t *testing.T, s settings) string {
	t.Helper()
	out, err := exec.Command(binary, s.args(t)...).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("%v, want exit status 1", err)
	}
	return string(out)
}

// curled runs curl, or a shell that does, and again when its connection has ended
// without an answer, as with a daemon that is held up.
func curled(name string, args ...string) (out string, err error) {
	for range 20 {
		var text []byte
		text, err = exec.Command(name, args...).CombinedOutput()
		out = string(text)
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 52 && exit.ExitCode() != 56 {
			break
		}
	}
	return out, err
}
