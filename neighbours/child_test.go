package neighbours

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// child is a running program.
type child struct {
	t      *testing.T
	cmd    *exec.Cmd
	log    string        // a file with all that it says
	exited chan struct{} // closed when it has ended
}

// launch runs a program in a directory until the test ends.
func launch(t *testing.T, dir string, args ...string) *child {
	t.Helper()
	log, err := os.CreateTemp(dir, filepath.Base(args[0])+"-*.log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	c := &child{t: t, cmd: exec.Command(args[0], args[1:]...), log: log.Name(), exited: make(chan struct{})}
	c.cmd.Dir, c.cmd.Stdout, c.cmd.Stderr = dir, log, log
	c.cmd.Env = append(os.Environ(), "GRAPHITE_ROOT="+dir)
	// It ends with the test, however that ends.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	// Its input stays open and empty: some programs end with it.
	if _, err := c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { c.cmd.Wait(); close(c.exited) }()
	t.Cleanup(c.cleanup)
	return c
}

func (c *child) cleanup() {
	c.kill()
	if !c.t.Failed() {
		return
	}
	const most = 4000
	text, _ := os.ReadFile(c.log)
	c.t.Logf("%v says at last:\n%s", c.cmd.Args, text[max(0, len(text)-most):])
}

// kill ends it without a chance to do anything.
func (c *child) kill() {
	c.cmd.Process.Kill()
	<-c.exited
}

// stop ends it in order.
func (c *child) stop() {
	c.t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		c.t.Fatal(err)
	}
	select {
	case <-c.exited:
	case <-time.After(patience):
		c.t.Fatalf("%v does not end within %v", c.cmd.Args, patience)
	}
	if code := c.cmd.ProcessState.ExitCode(); code != 0 {
		c.t.Errorf("%v: exit status %d after SIGTERM", c.cmd.Args, code)
	}
}

// awaitPorts returns when the program listens on TCP ports.
func (c *child) awaitPorts(addresses ...string) {
	c.t.Helper()
	for _, address := range addresses {
		await(c.t, filepath.Base(c.cmd.Args[0])+" to listen on "+address, func() string {
			select {
			case <-c.exited:
				c.t.Fatalf("%v ended: %v", c.cmd.Args, c.cmd.ProcessState)
			default:
			}
			conn, err := net.Dial("tcp", address)
			if err != nil {
				return err.Error()
			}
			conn.Close()
			return ""
		})
	}
}

// awaitUDP returns when the program takes datagrams: without it, the kernel
// answers that nobody does.
func (c *child) awaitUDP(address string) {
	c.t.Helper()
	await(c.t, filepath.Base(c.cmd.Args[0])+" to take datagrams on "+address, func() string {
		conn, err := net.Dial("udp", address)
		if err != nil {
			c.t.Fatal(err)
		}
		defer conn.Close()
		conn.Write([]byte("\n"))
		conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Sprint(err)
		}
		return ""
	})
}

// Ports that other programs are told to listen on lie outside the range from which
// the kernel gives ports to clients, and in a block that is claimed by listening on
// its first one: another run of these tests takes another block.
const (
	firstPort = 61000
	lastPort  = 65535
	portBlock = 500 // more than all tests take
)

var block struct {
	mu    sync.Mutex
	claim net.Listener // on the first port, until the end
	first int
	taken int // of the ports after the first
}

func claimPorts() error {
	for block.first = firstPort; block.first+portBlock <= lastPort; block.first += portBlock {
		var err error
		if block.claim, err = net.Listen("tcp", local(block.first)); err == nil {
			return nil
		}
	}
	return fmt.Errorf("no free block of ports from %d to %d", firstPort, lastPort)
}

// port returns a TCP and UDP port that is free.
func port(t *testing.T) int {
	t.Helper()
	block.mu.Lock()
	defer block.mu.Unlock()
	// A program that starts meanwhile would have the sockets, too, for a moment.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	for range portBlock {
		n := block.first + 1 + block.taken%(portBlock-1)
		block.taken++
		tcp, err := net.Listen("tcp", local(n))
		if err != nil {
			continue
		}
		udp, err := net.ListenPacket("udp", local(n))
		tcp.Close()
		if err == nil {
			udp.Close()
			return n
		}
	}
	t.Fatal("no free port")
	return 0
}

func local(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// send hands text over on a connection of its own.
func send(t *testing.T, network, address, text string) {
	t.Helper()
	conn, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}
