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
listen_pickle = ""
upstream = [" a:1 ", "stdout:"]
forward_all = false

[limits]
max_connections = 1
idle_timeout = "2s"
max_line = 300
max_frame = "2KiB"
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

[[listener]]
protocol = "pickle"
address = ":4"
max_connections = 8
idle_timeout = "9s"
max_frame = "3KiB"
tls_cert = "a.pem"
tls_key = "b.pem"
tls_client_ca = "c.pem"
allow = ["10.0.0.0/8", "::1/128"]
reuse_port = true

[[listener]]
address = ":6"
max_line = "256B"
compression = "zstd"

[names]
rewrite_rules = "w.conf"
rewrite_aggregates = true
allow_list = "allow.conf"
deny_list = "deny.conf"
list_syntax = "glob"
normalise_tags = true
poll = "1s"

[[destination]]
name = "n"
address = "tls://h:1:i"
kind = "store"
when_full = "block"
resend = "1s"
resend_raw = true
tls_ca = "d.pem"
tls_cert = "e.pem"
tls_key = "f.pem"
tls_server_name = "s"
max_datapoints_per_message = 500
queue_datapoints = 3
queue_bytes = "64KiB"

[[destination]]
address = "whisper:///w"
kind = "aggregator"
max_datapoints_per_message = 500
schemas = "s.conf"
aggregation = "a.conf"

[[destination]]
address = "pickle://h:2"
when_full = "drop-oldest"
max_datapoints_per_message = 7

[[route]]
send = "raw"
pattern = "^p"
to = ["n", "a:1"]
mode = "hash"
hash = "fnv1a_ch"
replication = 2
diverse = false
stop = false

[[route]]
to = ["stdout:", "whisper:///w", "pickle://h:2"]

[spool]
bytes = "2MiB"
age = "3s"
rate = 4

[place]
ring = ["p:1", "q:2:x"]
self = "q:2:x"
hash = "mmh3_ch"
replication = 2
diverse = false

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

[store]
at = "postgres://u@h/d"
retention = "2d"
bytes = "1MiB"
cycle = "1s"
pending = "2MiB"
journal = "3MiB"
sync = false
names = 9

[[window]]
name = "30d"
span = "30d"
step = "1h"
retention = "60d"

[[window]]
name = "5m"
span = "1m"
step = "1s"
retention = "1h"

[[keep]]
pattern = "app.*"
period = "5s"
percentiles = true

[[keep]]
pattern = "b"

[api_rules]
period = "10s"
max_per_key = 7
max_outputs = 8
forward_views = ["sum", "95pct"]

[views]
prefix = ""
report_period = "1m"
mode = "delta"
tags = false
rows = 5
max = 6

[[measure]]
name = "rpc.ms"
description = "how long"
unit = "ms"
type = "int64"

[[measure]]
name = "b"

[[view]]
name = "latency"
description = "by method"
measure = "rpc.ms"
columns = ["method", " zone "]
aggregation = "distribution"
bounds = [0, 0.5, 1e3]

[[view]]
measure = "b"

[measurements]
period = "90s"
max_age = "3h"
batch = 1
body = "1KiB"
tags = 2
tag_sets = 3
metrics = 4

[measurements.ssa]
grace = "5s"
user_agents = ["x", "y"]

[measurements.compat]
tag_merge = true

[query]
targets = 1
series = 2
points = 3
names = 4
timeout = "5s"

[node]
listen = "[::1]:7"

[[key]]
name = "ops@h"
hash = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
roles = ["read", "manage"]

[[key]]
name = "b"
hash = "sha256:486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c65260e9cb8a7"
roles = ["ingest"]

[http]
listen = ""
tls_cert = "h.pem"
tls_key = "i.pem"
tls_client_ca = "j.pem"
max_connections = 11
request_timeout = "12s"
rate = 13
burst = 14

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
	listener := Listener{Protocol: "plaintext", Transport: "tcp", MaxConnections: 1, IdleTimeout: 2 * Second, MaxLine: 300,
		MaxFrame: 2 * KiB, Compression: "none"}
	udp, socket, pickle, zstd := listener, listener, listener, listener
	udp.Transport, udp.Address = "udp", "[::1]:3"
	socket.Transport, socket.Address, socket.MaxConnections, socket.IdleTimeout, socket.MaxLine = "unix", "/run/c.sock", 7, 0, KiB
	pickle = Listener{"pickle", "tcp", ":4", 8, 9 * Second, 300, 3 * KiB, "none", "a.pem", "b.pem", "c.pem",
		[]string{"10.0.0.0/8", "::1/128"}, true}
	zstd.Address, zstd.MaxLine, zstd.Compression = ":6", 256, "zstd"
	const schemas, aggregation = "storage-schemas.conf", "storage-aggregation.conf"
	want := &Config{
		Rules: "r.conf", Listen: "127.0.0.1:0", Upstream: []string{"a:1", "stdout:"}, ForwardAll: &no,
		Limits:      Limits{1, 2 * Second, 300, 2 * KiB, 5120, 0, 4 * Second},
		Listeners:   []Listener{udp, socket, pickle, zstd},
		Names:       Names{"w.conf", true, "allow.conf", "deny.conf", "glob", true, Second},
		Aggregation: Aggregation{Millisecond, 2 * Millisecond, 3, 4 * Second, 5 * Second, 6, 7, 8, 9 * Second, 10},
		Queue: Queue{1, 65 * 1024, 20 * Millisecond, 30 * Millisecond, 40 * Millisecond, 50 * Millisecond,
			60 * Millisecond},
		Destinations: []Destination{
			{"n", "tls://h:1:i", "store", "block", Second, true, "d.pem", "e.pem", "f.pem", "s", 500, 3, 64 * KiB, schemas, aggregation},
			{"", "whisper:///w", "aggregator", "drop-oldest", 0, false, "", "", "", "", 500, 1, 65 * KiB, "s.conf", "a.conf"},
			{"", "pickle://h:2", "store", "drop-oldest", 10 * Second, false, "", "", "", "", 7, 1, 65 * KiB, schemas, aggregation},
		},
		Routes: []Route{
			{"raw", "^p", []string{"n", "a:1"}, "hash", "fnv1a_ch", 2, false, false},
			{"all", "", []string{"stdout:", "whisper:///w", "pickle://h:2"}, "all", "carbon_ch", 1, true, true},
		},
		Spool:    Spool{2 * MiB, 3 * Second, 4},
		Place:    Place{[]string{"p:1", "q:2:x"}, "q:2:x", "mmh3_ch", 2, false},
		Store:    Store{"postgres://u@h/d", 2 * Day, MiB, Second, 2 * MiB, 3 * MiB, false, 9},
		Windows:  []Window{{"30d", 30 * Day, Hour, 60 * Day}, {"5m", Minute, Second, Hour}},
		Keeps:    []Keep{{"app.*", 5 * Second, true}, {"b", 10 * Second, false}},
		APIRules: APIRules{10 * Second, 7, 8, []string{"sum", "95pct"}},
		Views:    Views{"", Minute, "delta", false, 5, 6},
		Measures: []Measure{{"rpc.ms", "how long", "ms", "int64"}, {"b", "", "1", "double"}},
		ViewList: []View{
			{"latency", "by method", "rpc.ms", []string{"method", "zone"}, "distribution", []float64{0, 0.5, 1000}},
			{"", "", "b", nil, "", nil},
		},
		Measurements: Measurements{90 * Second, 3 * Hour, 1, KiB, 2, 3, 4, SSA{5 * Second, []string{"x", "y"}}, Compat{true}},
		Query:        Query{1, 2, 3, 4, 5 * Second},
		Node:         Node{"[::1]:7"},
		Keys: []Key{
			{"ops@h", "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", []string{"read", "manage"}},
			{"b", "sha256:486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c65260e9cb8a7", []string{"ingest"}},
		},
		HTTP:    HTTP{"", "h.pem", "i.pem", "j.pem", 11, 12 * Second, 13, 14},
		Log:     Log{"debug", "json", 0, 24 * Hour},
		Metrics: Metrics{"p.q", "b", 0},
		Reload:  Reload{false, 0, 90 * Second},
	}
	got, problems := Parse("f.toml", []byte(src))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if diff := cmp.Diff(want, got, sameSettings); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	defaults := Default()
	for _, key := range keysOf(reflect.TypeFor[Config](), "") {
		if strings.Contains(key, "[") {
			if table, name, _ := strings.Cut(key, "[0]."); !strings.Contains(elementOf(src, table), "\n"+name+" = ") {
				t.Errorf("%s is not set by this test", key)
			}
			continue
		}
		if cmp.Equal(at(reflect.ValueOf(*got), key), at(reflect.ValueOf(defaults), key)) {
			t.Errorf("%s is not set to another value by this test", key)
		}
	}
}

// elementOf returns the part of a text that is of tables with a heading.
func elementOf(src, table string) string {
	_, part, _ := strings.Cut(src, "[["+table+"]]")
	end := strings.LastIndex(part, "[["+table+"]]")
	after := part[end:]
	return part[:end] + after[:strings.Index(after, "\n\n")]
}

func TestAccepted(t *testing.T) {
	for name, src := range map[string]string{
		"empty file":                "",
		"only a byte order mark":    "\ufeff",
		"loopback network":          `http.listen = "127.255.0.9:1"`,
		"IPv6 loopback":             `http.listen = "[::1]:0"`,
		"mapped loopback":           `http.listen = "[::ffff:127.0.0.1]:80"`,
		"localhost":                 `http.listen = "LocalHost:80"`,
		"host name":                 `listen = "graphite-1.example.org.:2003"`,
		"scoped address":            `listen = "[fe80::1%eth0]:2003"`,
		"free ports may repeat":     "listen = \":0\"\n[[listener]]\naddress = \":0\"\n",
		"one port, two transports":  "listen = \"\"\n[[listener]]\naddress = \":5\"\n[[listener]]\naddress = \":5\"\ntransport = \"udp\"\n",
		"one port, two hosts":       "listen = \"127.0.0.1:5\"\n[[listener]]\naddress = \"127.0.0.2:5\"\n",
		"two socket paths":          "listener = [{transport = \"unix\", address = \"a\"}, {transport = \"unix\", address = \"b\"}]",
		"no destinations":           "upstream = []",
		"non-ASCII names":           "prefix = \"größe.\"\nmetrics.prefix = \"meß.werte\"",
		"forward_all with upstream": "forward_all = true\nupstream = [\"a:1\"]",
		"shared port":               "[[listener]]\naddress = \":5\"\nreuse_port = true\n[[listener]]\naddress = \"127.0.0.1:5\"\nreuse_port = true\n",
		"only pickle":               "listen = \"\"\n",
		"defaults that have no effect": "[[listener]]\naddress = \":1\"\nprotocol = \"pickle\"\nmax_line = \"16KiB\"\n" +
			"[[listener]]\naddress = \":2\"\nmax_frame = \"1MiB\"\n" +
			"[[destination]]\naddress = \"a:1\"\nmax_datapoints_per_message = 500\nschemas = \"storage-schemas.conf\"\n" +
			"[[route]]\nto = [\"a:1\"]\nhash = \"carbon_ch\"\ndiverse = true\n",
		"stored aggregates":             "[[destination]]\naddress = \"whisper:///w\"\naggregation = \"\"\n",
		"aggregator with resend off":    "[[destination]]\naddress = \"a:1\"\nkind = \"aggregator\"\nresend = \"0s\"\n",
		"pickle over TLS":               "[[destination]]\naddress = \"pickle://a:1\"\ntls_ca = \"ca.pem\"\n",
		"route by pattern and the rest": "upstream = [\"a:1\", \"b:1\"]\n[[route]]\npattern = \"^x\"\nto = [\"a:1\"]\n[[route]]\nto = [\"b:1\"]\n",
		"raw and aggregates apart":      "upstream = [\"a:1\", \"b:1\"]\n[[route]]\nsend = \"raw\"\nto = [\"a:1\"]\n[[route]]\nsend = \"aggregates\"\nto = [\"b:1\"]\n",
		"two routes for all":            "upstream = [\"a:1\"]\n[[route]]\nto = [\"a:1\"]\nstop = false\n[[route]]\nto = [\"a:1\"]\n",
		"line as long as the buffer":    "limits.max_line = \"8KiB\"\nlimits.read_buffer = 8192",
	} {
		t.Run(name, func(t *testing.T) {
			if _, problems := Parse("f", []byte(src)); len(problems) > 0 {
				t.Error(problems)
			}
		})
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
	if want := Default(); len(problems) > 0 || !cmp.Equal(*c, want, sameSettings) {
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
