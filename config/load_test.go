package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every key is set to something else than its default and arrives in its field.
func TestParseEveryKey(t *testing.T) {
	src := `
rules = "r.conf"
prefix = ""
data = ""
listen = "127.0.0.1:0"
upstream = [" a:1 ", "stdout:"]
forward_all = false

[limits]
max_connections = 1
idle_timeout = "2s"
max_line = 300
read_buffer = "5KiB"
udp_buffer = 0
timestamp_resolution = "4s"

[[listener]]
protocol = "plaintext"
transport = "udp"
address = "[::1]:3"

[[listener]]
transport = "unix"
address = "/run/c.sock"
max_connections = 7
idle_timeout = "0s"
max_line = "1KiB"

[aggregation]
grace = "1ms"
amend_delay = "2ms"
keep = 3
future = "4s"
write_back = "5s"
max_series = 6
max_outputs = 7
max_buckets = 8
output_idle = "9s"
lanes = 10

[queue]
datapoints = 1
bytes = "65KiB"
connect_timeout = "20ms"
write_timeout = "30ms"
reconnect_min = "40ms"
reconnect_max = "50ms"
drain_timeout = "60ms"

[http]
listen = ""

[log]
level = "debug"
format = "json"
refused_lines = 0
refused_interval = "1d"

[metrics]
prefix = "p.q"
instance = "b"
interval = "0s"

[reload]
watch = false
debounce = "0s"
poll = "1m30s"
`
	no := false
	want := &Config{
		Rules: "r.conf", Listen: "127.0.0.1:0", Upstream: []string{"a:1", "stdout:"}, ForwardAll: &no,
		Limits: Limits{1, 2 * Second, 300, 5120, 0, 4 * Second},
		Listeners: []Listener{
			{"plaintext", "udp", "[::1]:3", 1, 2 * Second, 300},
			{"plaintext", "unix", "/run/c.sock", 7, 0, 1024},
		},
		Aggregation: Aggregation{Millisecond, 2 * Millisecond, 3, 4 * Second, 5 * Second, 6, 7, 8, 9 * Second, 10},
		Queue: Queue{1, 65 * 1024, 20 * Millisecond, 30 * Millisecond, 40 * Millisecond, 50 * Millisecond,
			60 * Millisecond},
		Log:     Log{"debug", "json", 0, 24 * Hour},
		Metrics: Metrics{"p.q", "b", 0},
		Reload:  Reload{false, 0, 90 * Second},
	}
	got, problems := Parse("f.toml", []byte(src))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	defaults := Default()
	for _, key := range keysOf(reflect.TypeFor[Config](), "") {
		if key == "listener" || strings.HasPrefix(key, "listener[0]") {
			continue
		}
		if cmp.Equal(at(reflect.ValueOf(*got), key), at(reflect.ValueOf(defaults), key)) {
			t.Errorf("%s is not set to another value by this test", key)
		}
	}
}

func TestAccepted(t *testing.T) {
	for name, src := range map[string]string{
		"empty file":                 "",
		"only a byte order mark":     "\ufeff",
		"loopback network":           `http.listen = "127.255.0.9:1"`,
		"IPv6 loopback":              `http.listen = "[::1]:0"`,
		"mapped loopback":            `http.listen = "[::ffff:127.0.0.1]:80"`,
		"localhost":                  `http.listen = "LocalHost:80"`,
		"host name":                  `listen = "graphite-1.example.org.:2003"`,
		"scoped address":             `listen = "[fe80::1%eth0]:2003"`,
		"free ports may repeat":      "listen = \":0\"\n[[listener]]\naddress = \":0\"\n",
		"one port, two transports":   "listen = \"\"\n[[listener]]\naddress = \":5\"\n[[listener]]\naddress = \":5\"\ntransport = \"udp\"\n",
		"one port, two hosts":        "listen = \"127.0.0.1:5\"\n[[listener]]\naddress = \"127.0.0.2:5\"\n",
		"two socket paths":           "listener = [{transport = \"unix\", address = \"a\"}, {transport = \"unix\", address = \"b\"}]",
		"no destinations":            "upstream = []",
		"non-ASCII names":            "prefix = \"größe.\"\nmetrics.prefix = \"meß.werte\"",
		"forward_all with upstream":  "forward_all = true\nupstream = [\"a:1\"]",
		"line as long as the buffer": "limits.max_line = \"8KiB\"\nlimits.read_buffer = 8192",
	} {
		t.Run(name, func(t *testing.T) {
			if _, problems := Parse("f", []byte(src)); len(problems) > 0 {
				t.Error(problems)
			}
		})
	}
}

func TestOverrides(t *testing.T) {
	src := "rules = \"r\"\ndata = \"d\"\nlisten = \"bad\"\nupstream = [\"\"]\nlog.level = \"loud\"\nhttp.listen = \":80\"\n"
	c, problems := Parse("/etc/x/f.toml", []byte(src), []Override{
		{"rules", "mine"}, {"prefix", "p."}, {"data", ""}, {"listen", ":1"}, {"upstream", "a:1, b:2"},
		{"forward-all", "false"}, {"http", ""}, {"log-level", "warn"}, {"log-format", "json"},
	}...)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want, no := Default(), false
	want.Rules, want.Prefix, want.Data, want.Listen = "mine", "p.", "", ":1"
	want.Upstream, want.ForwardAll = []string{"a:1", "b:2"}, &no
	want.HTTP.Listen, want.Log.Level, want.Log.Format = "", "warn", "json"
	if diff := cmp.Diff(&want, c); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if c, _ := Load("", Override{"upstream", " "}); len(c.Upstream) != 0 {
		t.Errorf("an empty --upstream gives %q", c.Upstream)
	}
}

func TestOverrideProblems(t *testing.T) {
	_, problems := Parse("f.toml", []byte("forward_all = false\nhttp.listen = \"127.0.0.1:7\"\n"), []Override{
		{"forward-all", "maybe"}, {"listen", ":7"}, {"upstream", "a:1,"}, {"log-level", "loud"}, {"rules", ""}, {"level", "x"},
	}...)
	want := []string{
		`--forward-all: error: forward_all = "maybe": not a truth value; accepted: true or false`,
		`--level: error: no such flag; accepted: --rules, --prefix, --data, --listen, --upstream, --forward-all, --http, --log-level, --log-format`,
		`--log-level: error: log.level = "loud": not accepted; accepted: "debug", "info", "warn" or "error"`,
		`--rules: error: rules = "": empty; accepted: the path of the aggregation rules`,
		`--upstream: error: upstream[1] = "": ` + emptyDestWant,
		`f.toml:2:15: error: http.listen = "127.0.0.1:7": listens where listen = ":7" does already (tcp); ` + anotherPort,
	}
	if diff := cmp.Diff(want, lines(problems)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRelativePaths(t *testing.T) {
	src := []byte("rules = \"../r.conf\"\n[[listener]]\ntransport = \"unix\"\naddress = \"c.sock\"\n" +
		"[[listener]]\ntransport = \"unix\"\naddress = \"@c\"\n[[listener]]\naddress = \":1\"\n")
	for _, test := range []struct{ name, rules, data, socket string }{
		{"f.toml", "../r.conf", "coalesce-data", "c.sock"},
		{"./f.toml", "../r.conf", "coalesce-data", "c.sock"},
		{"/etc/coalesce/f.toml", "/etc/r.conf", "/etc/coalesce/coalesce-data", "/etc/coalesce/c.sock"},
		{"sub/f.toml", "r.conf", "sub/coalesce-data", "sub/c.sock"},
	} {
		c, problems := Parse(test.name, src)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		got := []string{c.Rules, c.Data, c.Listeners[0].Address, c.Listeners[1].Address, c.Listeners[2].Address}
		if diff := cmp.Diff([]string{test.rules, test.data, test.socket, "@c", ":1"}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
	if c, _ := Parse("/etc/f.toml", []byte("data = \"\"\nrules = \"/r\"\n")); c.Data != "" || c.Rules != "/r" {
		t.Errorf("data %q and rules %q were made relative", c.Data, c.Rules)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "c.toml")
	if err := os.WriteFile(path, []byte("prefix = \"x.\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, problems := Load(path)
	if err := problems.Err(); err != nil || c.Prefix != "x." || c.Rules != filepath.Join(dir, "aggregation-rules.conf") {
		t.Errorf("got prefix %q, rules %q, %v", c.Prefix, c.Rules, err)
	}
	c, problems = Load("")
	if want := Default(); len(problems) > 0 || !cmp.Equal(*c, want) {
		t.Errorf("no file: %v, %v", c, problems)
	}
	absent := filepath.Join(dir, "absent.toml")
	_, problems = Load(absent)
	want := absent + ": error: reading the config: open " + absent + ": no such file or directory"
	if err := problems.Err(); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	_, problems = Load(dir)
	if err := problems.Err(); err == nil || !strings.HasSuffix(err.Error(), "is a directory") {
		t.Errorf("a directory gives %v", err)
	}
}

func TestFind(t *testing.T) {
	t.Chdir(t.TempDir())
	system := filepath.Join(t.TempDir(), "system.toml")
	paths := []string{"coalesce.toml", system}
	check := func(explicit, want string) {
		t.Helper()
		if got, err := find(explicit, paths); got != want || err != nil {
			t.Errorf("find(%q) = %q, %v; want %q", explicit, got, err, want)
		}
	}
	check("", "")
	check("absent.toml", "absent.toml")
	for _, path := range []string{system, "coalesce.toml"} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		check("", path)
	}
	if got, err := Find(""); got != "coalesce.toml" || err != nil {
		t.Errorf("Find = %q, %v", got, err)
	}
	if _, err := find("", []string{"coalesce.toml/below"}); err == nil {
		t.Error("no error for a path below a file")
	}
}
