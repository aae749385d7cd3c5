package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/internal/heldport"
)

// counting emits nothing before the stop.
var counting = modelRule{"n (3600) = count *.*.* grace=1h", regexp.MustCompile(`.`), "aggregates.n", 3600, []string{"count"}}

// A stop reads what clients had sent before it, on connections that the daemon
// had not even accepted.
func TestStopReadsWhatWasSent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := newSink(t)
	d := start(t, settings{
		rules: write(t, dir, "rules.conf", ruleFileOf(counting)), upstream: out.address,
		config: fmt.Sprintf("[[listener]]\ntransport = \"unix\"\naddress = %q\n", filepath.Join(dir, "in.sock")),
	})
	open := map[string]net.Conn{"tcp": d.dial("tcp"), "unix": d.dial("unix"), "udp": d.dial("udp")}

	d.signal(syscall.SIGSTOP) // so that it cannot read before it is told to stop
	sent := 0
	fill := func(conn net.Conn, name string) {
		var text strings.Builder
		for i := range 1000 {
			line := fmt.Sprintf("%s.line.%d %d 1500000000\n", name, i, i)
			if name == "udp" && text.Len()+len(line) > 8000 {
				break
			}
			text.WriteString(line)
			sent++
		}
		if _, err := conn.Write([]byte(text.String())); err != nil {
			t.Error(err)
		}
	}
	for transport, conn := range open {
		fill(conn, transport)
	}
	for i := range 20 {
		conn := d.dial([]string{"tcp", "unix"}[i%2])
		fill(conn, fmt.Sprintf("new%d", i))
		if i < 10 {
			conn.Close()
		}
	}
	d.signal(syscall.SIGTERM)
	d.signal(syscall.SIGCONT)
	if code := d.wait(); code != 0 {
		t.Errorf("exit status %d", code)
	}
	at := int64(1500000000 / 3600 * 3600)
	rowsAre(out, at, map[string][]string{"n": {fmt.Sprint(sent)}})
	if got := len(out.got().lines); got != sent+1 {
		t.Errorf("%d lines came, want %d and a row", got, sent)
	}
}

// A second SIGTERM ends the wait for a destination that takes nothing, and the
// checkpoint is safe all the same.
func TestSecondSignal(t *testing.T) {
	// It takes connections and reads nothing, not even into a buffer worth the name.
	small := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
	}}
	deaf, err := small.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { deaf.Close() })
	for name, destination := range map[string]string{"refuses": heldport.New(t), "hangs": deaf.Addr().String()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			d := start(t, settings{
				rules: write(t, dir, "rules.conf", ruleFileOf(counting)), data: filepath.Join(dir, "data"), upstream: destination,
				config: "[queue]\ndatapoints = 20000\ndrain_timeout = \"1h\"\nwrite_timeout = \"1h\"\nconnect_timeout = \"1h\"\n",
			})
			var text strings.Builder
			for i := range 1 << 19 { // more than all buffers on the way hold
				fmt.Fprintf(&text, "some.name.%d %d 1500000000\n", i%100, i)
			}
			d.send(text.String())
			d.waitLog("queue full, oldest rows dropped")
			d.signal(syscall.SIGTERM)
			d.waitLog("saved the checkpoint") // from here on it drains
			select {
			case <-d.exited:
				t.Fatal("it does not wait for the destination")
			default:
			}
			if status, body := get(t, d, "/readyz"); status != 503 || !strings.Contains(body, "stopping") {
				t.Errorf("while it drains /readyz says %d %q", status, body)
			}
			checkBalance(t, d)
			d.hurry()
			if code := d.wait(); code != 1 { // long before an hour has passed
				t.Errorf("exit status %d, want 1 because rows were lost", code)
			}
			if n := len(d.lines("rows not sent before the end")); n != 1 {
				t.Errorf("the loss is logged %d times, want once", n)
			}
			if _, err := os.Stat(filepath.Join(dir, "data", "checkpoint")); err != nil {
				t.Error(err)
			}
		})
	}
}

// Somebody who reads the daemon's output and goes away does not take it along.
func TestBrokenPipe(t *testing.T) {
	t.Parallel()
	out := newSink(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	d := start(t, settings{
		rules: write(t, t.TempDir(), "rules.conf", ruleFileOf(counting)), upstream: "stdout:," + out.address, stdout: w,
		config: "[queue]\ndrain_timeout = \"1h\"\n",
	})
	w.Close()
	r.Close()
	feed(d, out, 1500000000, "a.b.c 1")
	if l := d.waitLog("destination lost"); l.attrs["destination"] != "stdout:" {
		t.Errorf("lost: %s", l.text)
	}
	feed(d, out, 1500000000, "a.b.d 2")
	d.signal(syscall.SIGTERM)
	rowsAre(out, 1500000000/3600*3600, map[string][]string{"n": {"2"}})
	d.hurry() // the rows for standard output would wait for an hour
	if code := d.wait(); code != 1 {
		t.Errorf("exit status %d, want 1 because of rows for standard output", code)
	}
}

// SIGHUP reads the rules again, where they are not watched, too; a bad file keeps
// the old ones, and says so each time that it is asked for.
func TestReloadBySignal(t *testing.T) {
	t.Parallel()
	out := newSink(t)
	rules := write(t, t.TempDir(), "rules.conf", "old (3600) = sum a.* grace=1h\n")
	d := start(t, settings{rules: rules, upstream: out.address, config: "[reload]\nwatch = false\n"})
	feed(d, out, 1500000000, "a.x 1")
	const bad = "rules not reloaded, the old ones stay in force: the file "
	for i, step := range []struct{ text, log string }{
		{"new (3600) = sum b.*\nbroken\n", bad + "has errors"},
		{"", bad + "cannot be read"}, // stands for no file at all
		{"new (3600) = sum b.* grace=1h\nother (3600) = sum c.*\n", "rules reloaded"},
	} {
		if step.text == "" {
			if err := os.Remove(rules); err != nil {
				t.Fatal(err)
			}
		} else {
			replace(t, rules, step.text)
		}
		for n := range 2 { // it says so each time
			d.signal(syscall.SIGHUP)
			d.waitLog(step.log, n+1)
		}
		feed(d, out, 1500000000, fmt.Sprintf("a.x %d", 10+i), fmt.Sprintf("b.x %d", 20+i))
	}
	d.stop()
	at := int64(1500000000 / 3600 * 3600)
	rowsAre(out, at, map[string][]string{"old": {"22"}, "new": {"22"}})
}

// A destination that crashes takes along what was on its way and nothing else:
// no line is torn, none comes twice, no aggregate is wrong.
func TestDestinationCrash(t *testing.T) {
	t.Parallel()
	out := newSink(t)
	d := start(t, settings{
		rules: write(t, t.TempDir(), "rules.conf", ruleFileOf(counting)), upstream: out.address,
		config: "[queue]\nreconnect_min = \"1ms\"\nreconnect_max = \"10ms\"\n",
	})
	conn := d.dial("tcp")
	sent := 0
	send := func() {
		var text strings.Builder
		for range 100 {
			sent++
			fmt.Fprintf(&text, "some.name.%d %d 1500000000\n", sent%10, sent)
		}
		if _, err := conn.Write([]byte(text.String())); err != nil {
			t.Fatal(err)
		}
	}
	for crash := range 3 {
		was := len(out.got().lines)
		send()
		out.wait("lines", func(r *received) bool { return len(r.lines) > was })
		for len(d.lines("destination lost")) == crash {
			out.cut() // again, for a connection that was just being made
			send()
		}
		send()
		out.up()
		d.waitLog("destination connected", crash+2)
	}
	send()
	d.stop()
	out.down()
	rowsAre(out, 1500000000/3600*3600, map[string][]string{"n": {fmt.Sprint(sent)}})
	whole := regexp.MustCompile(`^(some\.name\.\d \d+ 1500000000|aggregates\.n \d+ \d+)$`)
	for line, n := range out.got().count {
		if n != 1 || !whole.MatchString(line) {
			t.Errorf("%q came %d times", line, n)
		}
	}
}

// Who reads the log in the morning finds when a destination went, and not a line
// for each of the many attempts and drops since.
func TestQuietLog(t *testing.T) {
	t.Parallel()
	out := newSink(t)
	dead := heldport.New(t)
	begun := time.Now()
	d := start(t, settings{
		rules: write(t, t.TempDir(), "rules.conf", ruleFileOf(counting)), upstream: out.address + "," + dead,
		config: "[queue]\nreconnect_min = \"1ms\"\nreconnect_max = \"2ms\"\ndatapoints = 100\ndrain_timeout = \"100ms\"\n",
	})
	conn := d.dial("tcp")
	for i := 0; ; i++ { // as long as it takes to give reason for many lines
		line := fmt.Sprintf("a.b.c %d 1500000000", i)
		if _, err := conn.Write([]byte(strings.Repeat("a.b.c 1 1500000000\nbad\n", 20) + line + "\n")); err != nil {
			t.Fatal(err)
		}
		out.waitLine(line)
		s := scrape(t, d)
		if s.sum("destination_connect_errors_total", "destination", dead) > 200 && s.sum("destination_rows_dropped_total", "destination", dead) > 200 {
			break
		}
	}
	d.signal(syscall.SIGTERM)
	d.wait()
	// Each has its say, then again each ten seconds.
	most := 1 + int(time.Since(begun)/(10*time.Second))
	for msg, most := range map[string]int{
		"destination connected": 1, "destination not connected": most, "queue full, oldest rows dropped": most,
		"refused line": 5 * most, "more refused items suppressed": most,
	} {
		if n := len(d.lines(msg)); n == 0 || n > most {
			t.Errorf("%q is logged %d times, want 1 to %d", msg, n, most)
		}
	}
	if n := len(d.lines("")); n > 20+10*most {
		t.Errorf("%d log lines in %v", n, time.Since(begun))
	}
}

// A daemon that is killed or told to hurry while it stops, its checkpoint saved already,
// has rows in its queues that nobody got: they are sent by the next one.
func TestStopCutShort(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*process){
		"killed":  (*process).kill,
		"hurried": func(d *process) { d.hurry(); d.wait() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			out := newSink(t)
			s := settings{
				rules: write(t, dir, "rules.conf", "k.<x> (1) = sum k.<x>.* grace=0s keep=600\n"),
				data:  filepath.Join(dir, "data"), upstream: out.address, config: quickStore,
			}
			d := start(t, s)
			feed(d, out, history(), "other 1") // it is connected
			out.down()
			at := soon()
			d.send(fmt.Sprintf("k.a.x 40 %d\nk.a.x 2 %d\n", at, at))
			await(t, "the cell to be kept", nil, func() bool { return scrape(t, d).sum("cells_kept_total") == 1 })
			d.signal(syscall.SIGTERM)
			d.waitLog("saved the checkpoint")
			end(d)
			out.up()
			d = start(t, s)
			rowsAre(out, at, map[string][]string{"k.a": {"42"}})
			d.stop()
			d = start(t, s)
			d.stop()
			rowsAre(out, at, map[string][]string{"k.a": {"42"}})
			if n := len(d.lines("sent the rows of the last periods again")); n != 0 {
				t.Error("rows were sent again after an orderly stop")
			}
		})
	}
}
