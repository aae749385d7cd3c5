package upstream

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// gatedNet refuses connections until it is opened.
type gatedNet struct {
	fakeNet
	open bool
}

func newGatedNet() *gatedNet {
	g := &gatedNet{}
	g.prepare = func(string, int, *fakeConn) error {
		if !g.open {
			return syscall.ECONNREFUSED
		}
		return nil
	}
	return g
}

// up lets connections through; the next attempt comes within a second.
func (g *gatedNet) up() {
	g.mu.Lock()
	g.open = true
	g.mu.Unlock()
}

func spooling(dir string, net *gatedNet, edit func(*Config)) func(*Config) {
	return func(c *Config) {
		c.Dial, c.Spool.Dir, c.ReconnectMax = net.dial, dir, time.Second
		c.Destinations[0].WhenFull = ToSpool
		if edit != nil {
			edit(c)
		}
	}
}

// What does not fit into memory goes to the disk, and none is lost or sent twice.
func TestSpoolTakesWhatIsTooMuch(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		f := newGatedNet()
		u := newUpstream(t, "a:1", spooling(t.TempDir(), f, func(c *Config) { c.QueueDatapoints = 1000 }))
		u.Start()
		for i := 0; i < 50_000; i += 500 {
			send(u, i, i+500)
			synctest.Wait()
		}
		s := u.Stats()[0]
		checkBalance(t, s)
		if s.Queued > 1000 || s.Spooled < 49_000 || s.SpoolBytes < 49_000*10 || s.DroppedTotal() != 0 {
			t.Errorf("%+v, want 1000 queued, the others spooled", s)
		}
		f.up()
		pass(time.Minute)
		if s = u.Stats()[0]; s.Written != 50_000 || s.Spooled != 0 || s.DroppedTotal() != 0 {
			t.Errorf("%+v, want everything written", s)
		}
		// All have timestamp 60, so that none may pass another.
		if got := f.conn("a:1", 0).text(); got != numbered(0, 50_000) {
			t.Errorf("%d bytes arrived, want all in order", len(got))
		}
	})
}

// Rows of timestamps that are not in the spool pass it; the others wait behind it.
func TestLiveRowsPassTheSpool(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		f := newGatedNet()
		u := newUpstream(t, "a:1", spooling(t.TempDir(), f, func(c *Config) {
			c.QueueDatapoints, c.Spool.Rate = 10, 10
		}))
		u.Start()
		line := func(name string, value, stamp int) {
			u.Send(fmt.Appendf(nil, "%s %d %d\n", name, value, stamp), 1, Aggregate)
		}
		for i := range 100 {
			line("old", i, 1000+16*i)
			synctest.Wait()
		}
		f.up()
		pass(2 * time.Second) // of 10 rows each
		line("live", 1, 5000)
		line("old", 100, 1000+16*80) // its first value is in the spool
		line("live", 2, 5000)
		pass(time.Second)
		got := f.conn("a:1", 0).text()
		if !strings.Contains(got, "live 1 5000\nlive 2 5000\n") {
			t.Errorf("received %q, want both live rows", got)
		}
		if strings.Contains(got, "old 100 ") {
			t.Errorf("received %q, an amendment before what it amends", got)
		}
		pass(time.Minute)
		got = f.conn("a:1", 0).text()
		if !strings.HasSuffix(got, "old 100 2280\n") || strings.Count(got, "\n") != 103 {
			t.Errorf("received %q, want all, the amendment last", got)
		}
	})
}

// The spool is read at its rate, and rows that wait behind it do not make it longer.
func TestSpoolRate(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		f := newGatedNet()
		u := newUpstream(t, "a:1", spooling(t.TempDir(), f, func(c *Config) {
			c.QueueDatapoints, c.Spool.Rate = 100, 1000
		}))
		u.Start()
		for i := range 300 { // batches of a rate's second
			send(u, 100*i, 100*(i+1))
			synctest.Wait()
		}
		f.up()
		pass(time.Second)
		began := time.Now()
		before := u.Stats()[0]
		for range 100 {
			send(u, 0, 100) // 1000 a second with the same timestamp
			pass(100 * time.Millisecond)
		}
		after := u.Stats()[0]
		seconds := time.Since(began).Seconds()
		rate := float64(after.Written-before.Written) / seconds
		if rate < 1800 || rate > 2600 {
			t.Errorf("%.0f rows a second, want the spool's 1000 and as many that came behind it", rate)
		}
	})
}

// What is queued or spooled at a stop is sent after the next start, before what comes
// then.
func TestSpoolOverRestart(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		dir, f := t.TempDir(), newGatedNet()
		config := spooling(dir, f, func(c *Config) { c.QueueDatapoints = 100 })
		first := newUpstreamAnyEnd(t, "a:1", config)
		first.Start()
		send(first, 0, 150)
		synctest.Wait()
		send(first, 150, 300)
		synctest.Wait()
		began := time.Now()
		if got := first.Stop(t.Context()); got != nil || time.Since(began) != 0 {
			t.Errorf("Stop = %v after %v, want nothing unsent, at once", got, time.Since(began))
		}
		s := first.Stats()[0]
		checkBalance(t, s)
		if s.Spooled != 300 || s.Queued != 0 {
			t.Errorf("%+v, want 300 spooled", s)
		}
		second := newUpstream(t, "a:1", config)
		if s = second.Stats()[0]; s.Found != 300 || s.Spooled != 300 || s.MadeTotal() != 0 {
			t.Errorf("%+v, want 300 found", s)
		}
		send(second, 300, 350)
		second.Start()
		f.up()
		pass(time.Minute)
		if got := f.conn("a:1", 0).text(); got != numbered(0, 350) {
			t.Errorf("received %d lines, want 350 in order", strings.Count(got, "\n"))
		}
		if s = second.Stats()[0]; s.Written != 350 || s.Spooled != 0 {
			t.Errorf("%+v, want all written", s)
		}
	})
}

// newUpstreamAnyEnd is newUpstream for what is stopped by the test itself.
func newUpstreamAnyEnd(t *testing.T, to string, edit func(*Config)) *Upstream {
	t.Helper()
	cfg := Config{Logger: slog.New(slog.DiscardHandler), Destinations: []Destination{mustParse(t, to)}}
	edit(&cfg)
	u, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// Without a start, a stop spools what was sent.
func TestSpoolWithoutStart(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		u := newUpstreamAnyEnd(t, "a:1", spooling(t.TempDir(), newGatedNet(), nil))
		send(u, 0, 5)
		if got := u.Stop(t.Context()); got != nil {
			t.Errorf("Stop = %v", got)
		}
		if s := u.Stats()[0]; s.Spooled != 5 {
			t.Errorf("%+v, want 5 spooled", s)
		}
	})
}

// A batch that a broken connection gives back is older than what was spooled during
// its flight. It stays before that, also over a restart.
func TestBrokenBatchStaysBeforeTheSpool(t *testing.T) {
	for _, restart := range []bool{false, true} {
		bubble(t, fmt.Sprintf("restart=%v", restart), func(t *testing.T) {
			dir, f := t.TempDir(), newGatedNet()
			f.prepare = func(_ string, n int, c *fakeConn) error {
				switch {
				case n == 0:
					c.budget = 15
					return nil
				case !f.open:
					return syscall.ECONNREFUSED
				}
				return nil
			}
			config := spooling(dir, f, func(c *Config) { c.QueueDatapoints, c.WriteTimeout = 10, time.Hour })
			u := newUpstreamAnyEnd(t, "a:1", config)
			u.Start()
			synctest.Wait()
			send(u, 0, 10) // in flight
			synctest.Wait()
			send(u, 10, 100)
			synctest.Wait()
			if s := u.Stats()[0]; s.InFlight != 10 || s.Spooled == 0 {
				t.Fatalf("%+v, want 10 in flight and some spooled", s)
			}
			f.conn("a:1", 0).Close()
			synctest.Wait()
			checkBalance(t, u.Stats()[0])
			if restart {
				u.Stop(t.Context())
				checkBalance(t, u.Stats()[0])
				if s := u.Stats()[0]; s.Written+s.Spooled != 100 {
					t.Errorf("%+v, want 100 written or spooled", s)
				}
				u = newUpstreamAnyEnd(t, "a:1", config)
				u.Start()
			}
			defer u.Stop(t.Context())
			f.up()
			pass(time.Minute)
			if got := f.conn("a:1", 1).text(); got != numbered(1, 100) {
				t.Errorf("the second connection got %q", got)
			}
		})
	}
}

func TestSpoolLosses(t *testing.T) {
	tests := map[string]struct {
		edit   func(*Config)
		harm   func(t *testing.T, dir string)
		pause  time.Duration
		reason Reason
	}{
		"full":   {edit: func(c *Config) { c.Spool.Bytes = minSpoolBytes }, reason: SpoolFull},
		"old":    {edit: func(c *Config) { c.Spool.Age = time.Minute }, pause: time.Hour, reason: SpoolAge},
		"damage": {reason: SpoolDamaged, harm: harmSegments},
		"error": {reason: SpoolError, harm: func(t *testing.T, dir string) {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}},
	}
	for name, tt := range tests {
		bubble(t, name, func(t *testing.T) {
			dir, f := t.TempDir(), newGatedNet()
			u := newUpstream(t, "a:1", spooling(dir, f, func(c *Config) {
				c.QueueDatapoints = 100
				if tt.edit != nil {
					tt.edit(c)
				}
			}))
			u.Start()
			if tt.reason == SpoolError {
				tt.harm(t, filepath.Join(dir, "a:1"))
			}
			for i := 0; i < 20_000; i += 1000 {
				send(u, i, i+1000)
				synctest.Wait()
			}
			if tt.harm != nil && tt.reason != SpoolError {
				tt.harm(t, filepath.Join(dir, "a:1"))
			}
			pass(tt.pause)
			f.up()
			pass(time.Minute)
			s := u.Stats()[0]
			checkBalance(t, s)
			if s.Dropped[tt.reason] == 0 || s.DroppedTotal() != s.Dropped[tt.reason] || s.Spooled != 0 || s.Queued != 0 {
				t.Errorf("%+v, want some dropped under %s", s, tt.reason)
			}
			if got := int64(strings.Count(f.conn("a:1", 0).text(), "\n")); got != s.Written {
				t.Errorf("received %d lines, written %d", got, s.Written)
			}
		})
	}
}

// harmSegments changes a byte in the middle of each segment.
func harmSegments(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.spool1"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/2] ^= 1
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStraySpoolIsLogged(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "gone:1"), 0o700); err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	newUpstream(t, "a:1", spooling(dir, newGatedNet(), func(c *Config) {
		c.Logger = slog.New(slog.NewTextHandler(&logged, nil))
	}))
	if got := strings.Count(logged.String(), "belongs to no destination"); got != 1 || !strings.Contains(logged.String(), "gone:1") {
		t.Errorf("logged %q, want the stray spool", logged.String())
	}
}

func TestTimes(t *testing.T) {
	var s times
	s.add([]byte("a 1 1000\nb 2 1000.9\nc 3 -5\nd 4 x\ne 5 1e300\n"))
	for stamp, want := range map[int64]bool{1000: true, 992: true, 1008: false, 991: false, -5: true, 0: false, noStamp: true} {
		if got := s.has(stamp); got != want {
			t.Errorf("has(%d) = %v, want %v", stamp, got, want)
		}
	}
	s.clear()
	if s.has(1000) {
		t.Error("an empty set has 1000")
	}
	for i := range maxTimes + 1 {
		s.add(fmt.Appendf(nil, "a 1 %d\n", i<<timesShift))
	}
	if !s.all || !s.has(-1) || len(s.set) != 0 {
		t.Error("a set of too many does not hold everything")
	}
}

func TestStampOf(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1700000000": 1700000000, "1700000000.999": 1700000000, "-1.5": -2, "1e3": 1000, "007": 7,
		"999999999999999999": 999999999999999999, "99999999999999999999": noStamp, "nan": noStamp, "inf": noStamp, "": noStamp,
	} {
		if got := stampOf([]byte("name 1 " + text + "\n")); got != want {
			t.Errorf("stampOf %q = %d, want %d", text, got, want)
		}
	}
	if got := stampOf([]byte("\n")); got != noStamp {
		t.Errorf("stampOf an empty line = %d", got)
	}
}
