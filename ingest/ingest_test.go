package ingest

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/coalesce-metrics/coalesce/plaintext"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// the clock of the recorded runs
const vectorNow = 1600000000.25

func vectorClock() float64 { return vectorNow }

// datapoint is a datapoint as a lane got it.
type datapoint struct {
	Metric    string
	Timestamp number
	Value     number
}

// recorder keeps what its lanes get.
type recorder struct {
	t testing.TB

	mu     sync.Mutex
	points []datapoint
}

func (r *recorder) acquire() Lane { return &recordedLane{r: r} }

func (r *recorder) all() []datapoint {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]datapoint(nil), r.points...)
}

// recordedLane copies the names when they are added and looks at them again on
// release, until when they must not change.
type recordedLane struct {
	r      *recorder
	points []datapoint
	names  [][]byte
}

func (l *recordedLane) Add(b *plaintext.Batch) {
	if b.N == 0 || l.r == nil {
		panic("Add of nothing, or after Release")
	}
	for i := range b.N {
		p := &b.Points[i]
		l.points = append(l.points, datapoint{string(b.Name(i)), number(p.Time), number(p.Value)})
		l.names = append(l.names, b.Name(i))
	}
}

func (l *recordedLane) Release() {
	for i, name := range l.names {
		if string(name) != l.points[i].Metric {
			l.r.t.Errorf("name %q became %q before Release", l.points[i].Metric, name)
		}
	}
	l.r.mu.Lock()
	defer l.r.mu.Unlock()
	l.r.points = append(l.r.points, l.points...)
	l.r = nil
}

// listen makes an Ingest that listens; it is stopped with the test.
func listen(t testing.TB, cfg Config) *Ingest {
	t.Helper()
	in, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Listen(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Stop(context.Background()) })
	return in
}

// start makes an Ingest with a recorder that listens and reads.
func start(t testing.TB, cfg Config) (*Ingest, *recorder) {
	t.Helper()
	r := &recorder{t: t}
	cfg.Acquire, cfg.Now = r.acquire, vectorClock
	in := listen(t, cfg)
	in.Start()
	return in, r
}

// dial connects to a listener; the connection is closed with the test.
func dial(t testing.TB, in *Ingest, i int) net.Conn {
	t.Helper()
	a := in.Addrs()[i]
	c, err := net.Dial(a.Network(), a.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func send(t testing.TB, c net.Conn, text string) {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func stop(t testing.TB, in *Ingest) {
	t.Helper()
	if err := in.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// patience is how long a test waits for anything; only a failure takes so long.
const patience = 2 * time.Minute

// until waits for a condition that another goroutine brings about.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	poll, late := time.NewTicker(50*time.Microsecond), time.After(patience)
	defer poll.Stop()
	for !ok() {
		select {
		case <-poll.C:
		case <-late:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// unhurried tries something that has to be done within a timeout, and again with a
// longer one when the test was held up and says so.
func unhurried(timeout time.Duration, try func(timeout time.Duration) (done bool)) {
	for !try(timeout) {
		timeout *= 4
	}
}

// anywhere is a free local address of each transport.
func anywhere(t testing.TB, transport string) Listener {
	l := Listener{Transport: transport, Address: "127.0.0.1:0"}
	if transport == "unix" {
		l.Address = filepath.Join(t.TempDir(), "s")
	}
	return l
}

func TestNewRefuses(t *testing.T) {
	listeners := func(ls ...Listener) func(*Config) { return func(c *Config) { c.Listeners = ls } }
	tests := map[string]struct {
		change func(*Config)
		want   string
	}{
		"no lanes":             {func(c *Config) { c.Acquire = nil }, "Acquire"},
		"no clock":             {func(c *Config) { c.Now = nil }, "Now"},
		"tiny read buffer":     {func(c *Config) { c.ReadBuffer = 100 }, "100 bytes: must be 4096 to"},
		"negative UDP buffer":  {func(c *Config) { c.UDPBuffer = -1 }, "-1 bytes"},
		"negative resolution":  {func(c *Config) { c.Resolution = -1 }, "-1 seconds"},
		"negative samples":     {func(c *Config) { c.RefusedLines = -3 }, "-3 refused lines"},
		"negative interval":    {func(c *Config) { c.RefusedInterval = -1 }, "-1ns"},
		"unknown transport":    {listeners(Listener{Transport: "sctp", Address: ":1"}), `(sctp ":1"): the transport must be tcp, udp or unix`},
		"address without port": {listeners(Listener{Transport: "tcp", Address: "localhost"}), `"localhost"): the address must be host:port`},
		"empty path":           {listeners(Listener{Transport: "unix"}), "path of 1 to 107 bytes"},
		"long path":            {listeners(Listener{Transport: "unix", Address: strings.Repeat("x", 108)}), "path of 1 to 107 bytes"},
		"negative line":        {listeners(Listener{Transport: "tcp", Address: ":0", MaxLine: -1}), "longest line of -1 bytes"},
		"huge line":            {listeners(Listener{Transport: "tcp", Address: ":0", MaxLine: 2 << 20}), "longest line of 2097152 bytes: must be 1 to 1048576"},
		"negative connections": {listeners(Listener{Transport: "tcp", Address: ":0", MaxConnections: -1}), "-1 connections"},
		"negative idle":        {listeners(Listener{Transport: "tcp", Address: ":0", IdleTimeout: -1}), "idle timeout of -1ns"},
		"negative frame":       {listeners(Listener{Transport: "tcp", Address: ":0", MaxFrame: -1}), "longest frame of -1 bytes"},
		"huge frame":           {listeners(Listener{Transport: "tcp", Address: ":0", MaxFrame: 1 << 27}), "longest frame of 134217728 bytes: must be 1 to 67108864"},
		"unknown protocol":     {listeners(Listener{Protocol: "amqp", Transport: "tcp", Address: ":0"}), `protocol "amqp" must be plaintext, pickle or protobuf`},
		"pickle over UDP":      {listeners(Listener{Protocol: Pickle, Transport: "udp", Address: ":0"}), "protocol pickle needs the transport tcp or unix"},
		"unknown compression":  {listeners(Listener{Compression: "lz4", Transport: "tcp", Address: ":0"}), `compression "lz4" must be none, gzip, zstd or snappy`},
		"compressed datagrams": {listeners(Listener{Compression: Gzip, Transport: "udp", Address: ":0"}), `compression "gzip" needs`},
		"compressed frames":    {listeners(Listener{Compression: Zstd, Protocol: Pickle, Transport: "tcp", Address: ":0"}), `compression "zstd" needs`},
		"TLS over UDP":         {listeners(Listener{TLS: &TLS{"c", "k", ""}, Transport: "udp", Address: ":0"}), "TLS needs the transport tcp"},
		"TLS over unix":        {listeners(Listener{TLS: &TLS{"c", "k", ""}, Transport: "unix", Address: "s"}), "TLS needs the transport tcp"},
		"networks over unix":   {listeners(Listener{Allow: prefixes(t, "::/0"), Transport: "unix", Address: "s"}), "allowed networks need"},
		"no network":           {listeners(Listener{Allow: make([]netip.Prefix, 1), Transport: "tcp", Address: ":0"}), "invalid Prefix is no network"},
		"port of a path":       {listeners(Listener{ReusePort: true, Transport: "unix", Address: "s"}), "reusing the port needs"},
		"port handed over":     {listeners(Listener{ReusePort: true, Transport: "tcp", Socket: os.Stdin}), "reusing the port needs"},
		"one name twice": {listeners(Listener{Name: "a", Transport: "tcp", Address: ":0"}, Listener{Name: "a", Transport: "udp", Address: ":0"}),
			`listener 2 (udp ":0"): there is another listener with the name "a"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := Config{Acquire: (&recorder{}).acquire, Now: vectorClock}
			tt.change(&cfg)
			if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestNames(t *testing.T) {
	in, _ := start(t, Config{Listeners: []Listener{
		anywhere(t, "tcp"), anywhere(t, "udp"), anywhere(t, "tcp"),
		{Name: "tcp3", Transport: "tcp", Address: "127.0.0.1:0"}, anywhere(t, "tcp"),
		speaking(t, Pickle, "tcp"), speaking(t, Pickle, "unix"), speaking(t, Protobuf, "tcp"),
	}})
	want := []string{"tcp", "udp", "tcp2", "tcp3", "tcp4", "pickle", "pickle2", "protobuf"}
	protocols := []string{Plaintext, Plaintext, Plaintext, Plaintext, Plaintext, Pickle, Pickle, Protobuf}
	for i, s := range in.Stats() {
		if s.Name != want[i] || s.Address != in.Addrs()[i].String() || s.Protocol != protocols[i] {
			t.Errorf("listener %d: %q on %q with %q, want %q on %q with %q", i, s.Name, s.Address, s.Protocol, want[i], in.Addrs()[i], protocols[i])
		}
	}
}

// When one listener cannot be bound, none stays bound.
func TestListenAllOrNone(t *testing.T) {
	taken, _ := start(t, Config{Listeners: []Listener{anywhere(t, "tcp")}})
	first := anywhere(t, "unix")
	r := &recorder{t: t}
	in, err := New(Config{Acquire: r.acquire, Now: vectorClock, Listeners: []Listener{
		first, anywhere(t, "udp"), {Transport: "tcp", Address: taken.Addrs()[0].String()},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Listen(); err == nil || !strings.Contains(err.Error(), taken.Addrs()[0].String()) {
		t.Fatalf("got %v, want an error that names the taken address", err)
	}
	if _, err := os.Stat(first.Address); !os.IsNotExist(err) {
		t.Errorf("the first listener's socket is still there: %v", err)
	}
}

func TestUnixSocketFile(t *testing.T) {
	t.Run("left behind by a dead process", func(t *testing.T) {
		l := anywhere(t, "unix")
		old, err := net.Listen("unix", l.Address)
		if err != nil {
			t.Fatal(err)
		}
		old.(*net.UnixListener).SetUnlinkOnClose(false)
		old.Close()
		in, r := start(t, Config{Listeners: []Listener{l}})
		send(t, dial(t, in, 0), "a 1 1500000000\n")
		stop(t, in)
		if len(r.all()) != 1 {
			t.Errorf("got %v", r.all())
		}
		if _, err := os.Stat(l.Address); !os.IsNotExist(err) {
			t.Errorf("the socket file outlived Stop: %v", err)
		}
	})
	t.Run("in use", func(t *testing.T) {
		l := anywhere(t, "unix")
		start(t, Config{Listeners: []Listener{l}})
		if err := removeStale(l.Address); err == nil || !strings.Contains(err.Error(), "another process listens") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no socket", func(t *testing.T) {
		l := anywhere(t, "unix")
		if err := os.WriteFile(l.Address, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := removeStale(l.Address); err == nil || !strings.Contains(err.Error(), "is no socket") {
			t.Errorf("got %v", err)
		}
		if _, err := os.Stat(l.Address); err != nil {
			t.Error(err)
		}
	})
}

// logged collects log records as text.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }
