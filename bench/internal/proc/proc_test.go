package proc

import (
	"context"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	const tail = " S 1 2 3 4 5 6 7 8 9 10 123 45 0 0 20 0 1 0"
	for name, in := range map[string]string{
		"plain":            "77 (coalesce)" + tail,
		"parens and blank": "77 (a) (b c)" + tail,
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := parseStat([]byte(in)); err != nil || got != 1680*time.Millisecond {
				t.Errorf("%v, %v; want 1.68s", got, err)
			}
		})
	}
	for name, in := range map[string]string{
		"empty":     "",
		"short":     "77 (a) S 1 2",
		"no number": "77 (a) S 1 2 3 4 5 6 7 8 9 10 x 45",
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := parseStat([]byte(in)); err == nil {
				t.Errorf("%v, want an error", got)
			}
		})
	}
}

func TestTreeShare(t *testing.T) {
	const tail = ") S 70 2 3 4 5 6 7 8 9 10 1 2 30 400 20 0 1 0"
	tests := map[string]struct {
		in     string
		isRoot bool
		want   time.Duration
	}{
		"root":            {"7 (a" + tail, true, 4330 * time.Millisecond},
		"a child":         {"8 (a" + tail, false, 4330 * time.Millisecond},
		"another's child": {"8 (a) S 7 2 3 4 5 6 7 8 9 10 1 2 30 400", false, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got, err := treeShare([]byte(tt.in), "70", tt.isRoot); err != nil || got != tt.want {
				t.Errorf("%v, %v; want %v", got, err, tt.want)
			}
		})
	}
	if _, err := treeShare([]byte("7 (a) S 70 2 3"), "70", false); err == nil {
		t.Error("a short line is no error")
	}
}

func TestParseStatus(t *testing.T) {
	now, peak, err := parseStatus("Name:\tx\nVmPeak:\t  99 kB\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nThreads:\t1\n")
	if err != nil || now != 1<<20 || peak != 2<<20 {
		t.Errorf("%d, %d, %v; want 1 MiB, 2 MiB", now, peak, err)
	}
	if _, _, err := parseStatus("Name:\tx\nVmRSS:\t1 kB\n"); err == nil || !strings.Contains(err.Error(), "VmHWM") {
		t.Errorf("without VmHWM: %v", err)
	}
}

func TestSocketsTable(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid
   0: 0100007F:07E7 00000000:0000 0A 00000000:00000003 00:00000000 00000000     0
   1: 0100007F:07E7 0100007F:C000 01 00000000:00000100 00:00000000 00000000     0
   2: 0100007F:07E7 0100007F:C001 08 00000000:00000001 00:00000000 00000000     0
   3: 0100007F:07E7 0100007F:C002 06 00000000:00000000 00:00000000 00000000     0
   4: 0100007F:C000 0100007F:07E7 01 00000000:00000007 00:00000000 00000000     0
`
	var s Sockets
	if err := s.add(table, 2023); err != nil || s != (Sockets{Listening: true, Open: 2, Unread: 257}) {
		t.Errorf("%+v, %v", s, err)
	}
	s = Sockets{}
	if err := s.add(table, 2024); err != nil || s != (Sockets{}) {
		t.Errorf("another port: %+v, %v", s, err)
	}
}

func TestPortSockets(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("four")); err != nil {
		t.Fatal(err)
	}
	if s, err := PortSockets(port); err != nil || s != (Sockets{Listening: true, Open: 1, Unread: 4}) {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestProcess(t *testing.T) {
	p, err := Start(t.TempDir(), os.Stderr, []string{"A=1"}, "/bin/sh", "-c", `test "$A" = 1 && exec sleep 60`)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop(0)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := p.WaitIdle(ctx); err != nil {
		t.Fatal(err)
	}
	if now, peak, err := p.Memory(); err != nil || now <= 0 || peak < now {
		t.Errorf("memory %d, peak %d, %v", now, peak, err)
	}
	if err := p.Stop(2 * time.Minute); err != nil {
		t.Error(err)
	}
	if err := p.Stop(2 * time.Minute); err != nil {
		t.Errorf("second stop: %v", err)
	}
	err = p.Wait(ctx, "never", func() (bool, error) { return false, nil })
	if err == nil || !strings.Contains(err.Error(), "before never") {
		t.Errorf("waiting for a process that ended: %v", err)
	}
}

// A process that ignores SIGTERM is killed, and that is an error.
func TestStopKills(t *testing.T) {
	dir := t.TempDir()
	p, err := Start(dir, os.Stderr, nil, "/bin/sh", "-c", `trap "" TERM; : >ready; while :; do sleep 1; done`)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop(0)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := p.Wait(ctx, "its trap is set", func() (bool, error) {
		_, err := os.Stat(dir + "/ready")
		return err == nil, nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(20 * time.Millisecond); err == nil {
		t.Error("no error")
	}
	select {
	case <-p.Exited():
	default:
		t.Error("the process still runs")
	}
}
