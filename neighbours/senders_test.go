package neighbours

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// startCarbonCRelay starts it with a cluster that takes everything, and returns
// where it listens. how stands before its address, flags are further ones.
func startCarbonCRelay(t *testing.T, cluster, how string, flags ...string) (address string) {
	t.Helper()
	program := need(t, "carbon-c-relay")
	dir, listen := t.TempDir(), local(port(t))
	write(t, dir, "relay.conf", fmt.Sprintf("cluster out %s;\nmatch * send to out stop;\nlisten type linemode %s %s proto tcp;\n", cluster, how, listen))
	launch(t, dir, append([]string{program, "-f", "relay.conf", "-H", "test", "-s"}, flags...)...).awaitPorts(listen)
	return listen
}

// A carbon-c-relay in front hands over what clients send to it.
func TestCarbonCRelay(t *testing.T) {
	t.Parallel()
	out := newSink(t)
	d := start(t, "total.<app> (2) = sum app.<app>.*.requests\n", fmt.Sprintf("upstream = [%q]\n", out.address))
	relay := startCarbonCRelay(t, fmt.Sprintf("forward %s proto tcp", d.plaintext), "")

	at := (time.Now().Unix() + 1) &^ 1
	const servers = 50
	text, sum, want := "", 0.0, make(store)
	for i := range servers {
		for second := range int64(2) {
			name, value := fmt.Sprintf("app.shop.www%d.requests", i), float64(i)+float64(second)/4
			text += fmt.Sprintf("%s %v %d\n", name, value, at+second)
			sum += value
			want[fmt.Sprintf("%s %d", name, at+second)] = value
		}
	}
	want[fmt.Sprintf("total.shop %d", at)] = sum
	send(t, "tcp", relay, text)
	await(t, "all rows", func() string { return out.got("").differs(want) })
	if s := d.settle(); s.sum("datapoints_accepted_total") != servers*2 || s.sum("refused_items_total") != 0 {
		t.Errorf("%v datapoints accepted and %v refused, want %d and 0",
			s.sum("datapoints_accepted_total"), s.sum("refused_items_total"), servers*2)
	}
	d.stop()
}

const collectdConf = `Hostname "collector"
FQDNLookup false
BaseDir "%[1]s"
PIDFile "%[1]s/collectd.pid"
Interval 1
TypesDB "/usr/share/collectd/types.db"
LoadPlugin load
LoadPlugin unixsock
LoadPlugin write_graphite
<Plugin unixsock>
  SocketFile "%[1]s/sock"
  SocketPerms "0600"
</Plugin>
<Plugin write_graphite>
  <Node "coalesce">
    Host "127.0.0.1"
    Port "%[2]s"
    Protocol "tcp"
    Prefix "collectd."
  </Node>
</Plugin>
`

// collectd's write_graphite sends what collectd measures, and what it is told.
func TestCollectd(t *testing.T) {
	t.Parallel()
	program := need(t, "collectd")
	out := newSink(t)
	d := start(t, "total.<what> (2) = sum collectd.*.shop.gauge-<what>\nload.<term> (1) = last collectd.*.load.load.<term>term\n",
		fmt.Sprintf("upstream = [%q]\n", out.address))
	dir, err := os.MkdirTemp("", "collectd-") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	_, listen, _ := net.SplitHostPort(d.plaintext)
	conf := write(t, dir, "collectd.conf", fmt.Sprintf(collectdConf, dir, listen))
	launch(t, dir, program, "-f", "-C", conf)
	control := dialUnix(t, filepath.Join(dir, "sock"))

	at := (time.Now().Unix() + 1) &^ 1
	const servers = 20
	sum, want := 0.0, make(store)
	for i := range servers {
		value := float64(i) + 0.5
		control(fmt.Sprintf("PUTVAL www%d/shop/gauge-requests interval=1 %d:%v", i, at, value))
		want[fmt.Sprintf("collectd.www%d.shop.gauge-requests %d", i, at)] = value
		sum += value
	}
	control("FLUSH")
	await(t, "what it was told", func() string {
		got := out.got("collectd.www")
		for key, value := range out.got("total.") {
			got[key] = value
		}
		want[fmt.Sprintf("total.requests %d", at)] = sum
		return got.differs(want)
	})
	await(t, "what it measures", func() string {
		control("FLUSH")
		const raw = "collectd.collector.load.load.shortterm "
		measured, kept := out.got(raw), out.got("load.short ")
		for key, value := range kept {
			_, second, _ := strings.Cut(key, " ")
			if measured[raw+second] != value {
				return fmt.Sprintf("load at %s is %v, was measured as %v", second, value, measured[raw+second])
			}
		}
		if len(kept) < 2 {
			return fmt.Sprint(kept)
		}
		return ""
	})
	if s := d.settle(); s.sum("refused_items_total") != 0 {
		t.Errorf("%v items refused", s.sum("refused_items_total"))
	}
	d.stop()
}

// dialUnix returns how to give collectd orders, when it takes them.
func dialUnix(t *testing.T, path string) func(order string) {
	t.Helper()
	var conn net.Conn
	await(t, "collectd's socket", func() (why string) {
		var err error
		if conn, err = net.Dial("unix", path); err != nil {
			return err.Error()
		}
		return ""
	})
	t.Cleanup(func() { conn.Close() })
	answers := bufio.NewReader(conn)
	return func(order string) {
		t.Helper()
		fmt.Fprintln(conn, order)
		answer, err := answers.ReadString('\n')
		if err != nil || !strings.HasPrefix(answer, "0 ") {
			t.Fatalf("collectd answers %q to %q: %v", answer, order, err)
		}
	}
}

// statsdDir is the environment's variable with the directory of npm's statsd.
const statsdDir = "COALESCE_TEST_STATSD"

// statsd's graphite backend sends what statsd counts.
func TestStatsd(t *testing.T) {
	t.Parallel()
	node := need(t, "node")
	home := os.Getenv(statsdDir)
	if home == "" {
		missing(t, "statsd, in the directory that "+statsdDir+" names,")
	}
	out := newSink(t)
	d := start(t, "total.<what> (2) = sum stats.counters.shop.*.<what>.count\n", fmt.Sprintf("upstream = [%q]\n", out.address))
	_, listen, _ := net.SplitHostPort(d.plaintext)
	dir, udp, admin := t.TempDir(), port(t), port(t)
	conf := write(t, dir, "statsd.js", fmt.Sprintf(`{
  address: "127.0.0.1", port: %d, mgmt_address: "127.0.0.1", mgmt_port: %d,
  graphiteHost: "127.0.0.1", graphitePort: %s,
  flushInterval: 1000, backends: ["./backends/graphite"], graphite: {legacyNamespace: false},
}
`, udp, admin, listen))
	statsd := launch(t, dir, node, filepath.Join(home, "stats.js"), conf)
	statsd.awaitPorts(local(admin))
	await(t, "its first flush, when its ports are open", func() string {
		if len(out.got("stats.")) == 0 {
			return "nothing"
		}
		return ""
	})

	const servers, each = 10, 7
	for i := range servers {
		var datagram strings.Builder
		for range each {
			fmt.Fprintf(&datagram, "shop.www%d.requests:%d|c\n", i, i+1)
		}
		send(t, "udp", local(udp), datagram.String())
	}
	const sum = each * servers * (servers + 1) / 2
	// Its flush may divide them between two seconds.
	await(t, "the sum of all counters", func() string {
		if got := out.got("total.requests ").total(); got != sum {
			return fmt.Sprintf("%v, want %d", got, sum)
		}
		return ""
	})
	if raw := out.got("stats.counters.shop.").total(); raw < sum {
		t.Errorf("forwarded counts and rates add up to %v, want at least %d", raw, sum)
	}
	statsd.kill()
	if s := d.settle(); s.sum("refused_items_total") != 0 {
		t.Errorf("%v items refused", s.sum("refused_items_total"))
	}
	d.stop()
}
