package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Lists of accepted keys that several messages end in.
const (
	topKeys = "rules, prefix, data, listen, upstream, forward_all, limits, listener, aggregation, queue, http, log, metrics, reload"
	logKeys = "level, format, refused_lines, refused_interval"

	durationWant = `not a duration; accepted: a string of numbers with the units d, h, m, s, ms, us or ns, such as "5s", "1h30m" or "1d", not negative`
	sizeWant     = `not a size; accepted: bytes as a whole number, or a string of a whole number with the unit B, KiB, MiB, GiB or TiB, such as "16KiB" or "64MiB", not negative`
	wholeWant    = "not a whole number; accepted: digits without quotes, fraction or exponent"
	truthWant    = "not a truth value; accepted: true or false, without quotes"
	textWant     = "not a text; accepted: a text in quotes"
	addressWant  = `not an address; accepted: "host:port", "[IPv6]:port" or ":port", with a port from 0 to 65535 in digits`
	listenWant   = addressWant + `, or "" for no such listener`
	loopbackWant = `not a loopback address; no route is served on another address without a key, and this version has no keys; ` +
		`accepted: "127.0.0.1:PORT", "[::1]:PORT", "localhost:PORT", or "" for no HTTP server`
	nodesWant     = "cannot begin a metric name; accepted: nodes joined by dots, none of them empty, at most 255 bytes without blanks, control characters and ;"
	quotesHint    = `; text, durations and sizes are written in quotes, such as key = "5s"`
	arrayWant     = `accepted: an array of texts, such as ["127.0.0.1:2003"]`
	anotherPort   = "accepted: another port, or port 0 for a free one"
	emptyDestWant = `empty destination; accepted: "host:port" or a URL such as "stdout:"`
)

func TestProblems(t *testing.T) {
	long := strings.Repeat("x", 100)
	tests := []struct {
		name string
		src  string
		want []string // without the leading "f.toml"
	}{
		// Syntax: the parser stops at the first mistake.
		{"duration without quotes", "[aggregation]\ngrace = 5s\n", []string{
			`:2:10: error: expected a top-level item to end with a newline, comment, or EOF, but got 's' instead, in the line "grace = 5s"` + quotesHint}},
		{"text without quotes", "[log]\n\n  level = warn\n", []string{
			`:3:11: error: expected value but found "warn" instead, in the line "level = warn"` + quotesHint}},
		{"mistake in the first column", "rules = \"r\"\n= 2\n", []string{
			`:2:1: error: unexpected '=': key name appears blank, in the line "= 2"`}},
		{"key twice", "rules = \"a\"\n rules = \"b\"\n", []string{
			`:2:2: error: Key 'rules' has already been defined, in the line "rules = \"b\""`}},
		{"table twice", "[log]\n[queue]\n[log]\n", []string{
			`:3:2: error: Key 'log' has already been defined, in the line "[log]"`}},
		{"byte order mark does not count", "\ufeffrules = ]\n", []string{
			`:1:9: error: expected value but found ']' instead, in the line "rules = ]"` + quotesHint}},
		{"table and value", "log.level = \"info\"\nlog = 5\n", []string{
			`:2:1: error: log: already has a value; accepted: each key once`}},

		// Unknown keys.
		{"mistyped key", "[aggregation]\ngrase = \"5s\"\n", []string{
			`:2:1: error: unknown key aggregation.grase; did you mean "grace"?; accepted under [aggregation]: ` +
				"grace, amend_delay, keep, future, write_back, max_series, max_outputs, max_buckets, output_idle, lanes"}},
		{"dash and capitals", "[log]\nRefused-Lines = 5\n", []string{
			`:2:1: error: unknown key log.Refused-Lines; did you mean "refused_lines"?; accepted under [log]: ` + logKeys}},
		{"key of another table", "max_line = 5\n", []string{
			`:1:1: error: unknown key max_line; it belongs under [limits] or [[listener]]; accepted at the top of the file: ` + topKeys}},
		{"nothing like it", "[log]\nzzzzzz = 5\n", []string{
			`:2:1: error: unknown key log.zzzzzz; accepted under [log]: ` + logKeys}},
		{"mistyped table, its keys not reported", "[agregation]\ngrace = 5\n", []string{
			`:1:2: error: unknown key agregation; did you mean "aggregation"?; accepted at the top of the file: ` + topKeys}},
		{"in the second listener", "[[listener]]\naddress = \":1\"\n[[listener]]\naddress = \":2\"\n port = 5\n", []string{
			`:5:2: error: unknown key listener[1].port; accepted under [[listener]]: protocol, transport, address, max_connections, idle_timeout, max_line`}},
		{"quoted and dotted", "log . \"a b\" = 5\n", []string{
			`:1:7: error: unknown key log."a b"; accepted under [log]: ` + logKeys}},
		{"in an inline table", "log = { level = \"info\", x = 1 }\n", []string{
			`:1:25: error: unknown key log.x; accepted under [log]: ` + logKeys}},
		{"long key is cut", long + " = 1\n", []string{
			`:1:1: error: unknown key ` + long[:80] + `…; accepted at the top of the file: ` + topKeys}},

		// Types. The value is quoted as it is written.
		{"duration as number", "[aggregation]\ngrace = 5\n", []string{`:2:9: error: aggregation.grace = 5: ` + durationWant}},
		{"duration without unit", "[aggregation]\ngrace = \"5\"\n", []string{`:2:9: error: aggregation.grace = "5": ` + durationWant}},
		{"negative duration", "[aggregation]\ngrace = '-5s'\n", []string{`:2:9: error: aggregation.grace = '-5s': ` + durationWant}},
		{"size with decimal unit", "[limits]\nmax_line = \"16KB\"\n", []string{`:2:12: error: limits.max_line = "16KB": ` + sizeWant}},
		{"negative size", "[limits]\nmax_line = -1\n", []string{`:2:12: error: limits.max_line = -1: ` + sizeWant}},
		{"size as fraction", "[limits]\nmax_line = 1.5\n", []string{`:2:12: error: limits.max_line = 1.5: ` + sizeWant}},
		{"number in quotes", "aggregation.keep = \"5\"\n", []string{`:1:20: error: aggregation.keep = "5": ` + wholeWant}},
		{"number with exponent", "aggregation.max_series = 1e6\n", []string{`:1:26: error: aggregation.max_series = 1e6: ` + wholeWant}},
		{"truth in quotes", "forward_all = \"yes\"\nreload.watch = 1\n", []string{
			`:1:15: error: forward_all = "yes": ` + truthWant, `:2:16: error: reload.watch = 1: ` + truthWant}},
		{"text as date", "rules = 1979-05-27 07:32:00 # c\n", []string{`:1:9: error: rules = 1979-05-27 07:32:00: ` + textWant}},
		{"table as value", "limits = 5\n", []string{`:1:10: error: limits = 5: not a table; accepted: keys under [limits]`}},
		{"table as array of tables", "[[limits]]\n", []string{`:1:3: error: limits: not a table; accepted: keys under [limits]`}},
		{"value as table", "[rules]\nfile = \"x\"\n", []string{`:1:2: error: rules: ` + textWant}},
		{"listener as table", "[listener]\naddress = \":1\"\n", []string{
			`:1:2: error: listener: not a list of tables; accepted: keys under [[listener]], once for each listener`}},
		{"upstream as text", "upstream = \"a:1\"\n", []string{`:1:12: error: upstream = "a:1": not an array; ` + arrayWant}},
		{"number in upstream", "upstream = [\n  \"a:1\", # first\n  5,\n]\n", []string{`:3:3: error: upstream[1] = 5: not a text; ` + arrayWant}},
		{"long value is one short line", "rules = [\n  \"" + long + "\",\n]\n", []string{
			`:1:9: error: rules = [ "` + long[:77] + `…: ` + textWant}},

		// Ranges.
		{"no unlimited connections", "[limits]\nmax_connections = 0\n", []string{
			`:2:19: error: limits.max_connections = 0: not accepted; accepted: 1 to 1000000`}},
		{"size range keeps the spelling", "[limits]\nmax_line = 0x10\n", []string{
			`:2:12: error: limits.max_line = 0x10: not accepted; accepted: "128B" to "1MiB"`}},
		{"zero or a range", "aggregation.write_back = \"10ms\"\n", []string{
			`:1:26: error: aggregation.write_back = "10ms": not accepted; accepted: "0s" or "1s" to "1d"`}},
		{"too many outputs", "aggregation.max_outputs = 16_777_216\naggregation.max_buckets = 20_000_000\n", []string{
			`:1:27: error: aggregation.max_outputs = 16_777_216: not accepted; accepted: 1 to 16777215`}},
		{"too many series", "aggregation.max_series = 134217729\n", []string{
			`:1:26: error: aggregation.max_series = 134217729: not accepted; accepted: 1 to 134217728`}},
		{"negative number", "aggregation.lanes = -1\n", []string{`:1:21: error: aggregation.lanes = -1: not accepted; accepted: 0 to 256`}},
		{"choices", "log.level = \"INFO\"\nlog.format = \"xml\"\n", []string{
			`:1:13: error: log.level = "INFO": not accepted; accepted: "debug", "info", "warn" or "error"`,
			`:2:14: error: log.format = "xml": not accepted; accepted: "text" or "json"`}},
		{"inherited bad limit is reported once", "limits.max_connections = 0\n[[listener]]\naddress = \":1\"\n", []string{
			`:1:26: error: limits.max_connections = 0: not accepted; accepted: 1 to 1000000`}},
		{"resolution in whole seconds", "limits.timestamp_resolution = \"1500ms\"\n", []string{
			`:1:31: error: limits.timestamp_resolution = "1500ms": not whole seconds; accepted: whole seconds such as "10s", or "0s"`}},

		// Between keys.
		{"line above buffer", "[limits]\nmax_line = \"32KiB\"\nread_buffer = \"8KiB\"\n", []string{
			`:2:12: error: limits.max_line = "32KiB": above limits.read_buffer = "8KiB"; accepted: at most that`}},
		{"default line above buffer", "[limits]\nread_buffer = \"8KiB\"\n", []string{
			`:2:15: error: limits.max_line = "16KiB": above limits.read_buffer = "8KiB"; accepted: at most that`}},
		{"line of a listener above buffer", "[[listener]]\naddress = \":1\"\nmax_line = \"512KiB\"\n", []string{
			`:3:12: error: listener[0].max_line = "512KiB": above limits.read_buffer = "256KiB"; accepted: at most that`}},
		{"line above queue", "limits = {max_line = \"128KiB\"}\nqueue.bytes = \"64KiB\"\n", []string{
			`:1:22: error: limits.max_line = "128KiB": above queue.bytes = "64KiB", so that the longest line could not be forwarded; accepted: at most that`}},
		{"reconnect pauses", "queue.reconnect_min = \"10s\"\n", []string{
			`:1:23: error: queue.reconnect_min = "10s": above queue.reconnect_max = "5s"; accepted: at most that`}},
		{"few buckets", "aggregation.max_buckets = 1000\n", []string{
			`:1:27: warning: aggregation.max_buckets = 1000: below aggregation.max_outputs = 1000000, which can then not be reached; accepted: a multiple of it`}},
		{"forward nowhere", "forward_all = true\n", []string{
			`:1:15: warning: forward_all = true: has no effect without an upstream; accepted: one in upstream, or forward_all = false`}},

		// Names and destinations.
		{"no rules", "rules = \"\"\n", []string{`:1:9: error: rules = "": empty; accepted: the path of the aggregation rules`}},
		{"NUL in paths", "rules = \"a\\u0000\"\ndata = \"b\\u0000\"\n", []string{
			`:1:9: error: rules = "a\u0000": holds a NUL; accepted: a path`, `:2:8: error: data = "b\u0000": holds a NUL; accepted: a path`}},
		{"blank in prefix", "prefix = \"a b\"\n", []string{
			`:1:10: error: prefix = "a b": cannot begin a metric name; accepted: at most 255 bytes without blanks, control characters and ;`}},
		{"metric nodes", "[metrics]\nprefix = \"a..b\"\ninstance = \"a.b\"\n", []string{
			`:2:10: error: metrics.prefix = "a..b": ` + nodesWant,
			`:3:12: error: metrics.instance = "a.b": cannot be part of a node; accepted: 1 to 255 bytes without dots, blanks, control characters and ;`}},
		{"empty metric nodes", "metrics = {prefix = \"\", instance = \"\"}\n", []string{
			`:1:21: error: metrics.prefix = "": ` + nodesWant,
			`:1:36: error: metrics.instance = "": cannot be part of a node; accepted: 1 to 255 bytes without dots, blanks, control characters and ;`}},
		{"empty destinations", "upstream = [ \"\", \"a:1\",\n' ']\n", []string{
			`:1:14: error: upstream[0] = "": ` + emptyDestWant, `:2:1: error: upstream[2] = ' ': ` + emptyDestWant}},

		// Addresses.
		{"no port", "listen = \"2023\"\n", []string{`:1:10: error: listen = "2023": ` + listenWant}},
		{"port too high", "listen = \":65536\"\n", []string{`:1:10: error: listen = ":65536": ` + listenWant}},
		{"port by name", "listen = \":http\"\n", []string{`:1:10: error: listen = ":http": ` + listenWant}},
		{"blank in host", "listen = \"a b:1\"\n", []string{`:1:10: error: listen = "a b:1": ` + listenWant}},
		{"nothing listens", "listen = \"\"\n", []string{`:1:10: warning: listen = "": no datapoint can arrive; accepted: an address, or a [[listener]]`}},
		{"listener without address", "\n[[listener]]\n", []string{`:2:3: error: listener[0].address = "": empty; accepted: an address to listen on`}},
		{"listener address", "[[listener]]\naddress = \"x\"\n", []string{`:2:11: error: listener[0].address = "x": ` + addressWant}},
		{"listener kinds", "[[listener]]\naddress = \":1\"\nprotocol = \"pickle\"\ntransport = \"sctp\"\n", []string{
			`:3:12: error: listener[0].protocol = "pickle": not accepted; accepted: "plaintext"`,
			`:4:13: error: listener[0].transport = "sctp": not accepted; accepted: "tcp", "udp" or "unix"`}},
		{"connection limits on udp", "[[listener]]\ntransport = \"udp\"\naddress = \":1\"\nmax_connections = 5\nidle_timeout = \"1s\"\n", []string{
			`:4:19: warning: listener[0].max_connections = 5: has no effect on a udp listener; accepted: tcp and unix listeners only`,
			`:5:16: warning: listener[0].idle_timeout = "1s": has no effect on a udp listener; accepted: tcp and unix listeners only`}},
		{"long socket path", "[[listener]]\ntransport = \"unix\"\naddress = \"" + strings.Repeat("p", 108) + "\"\n", []string{
			`:3:11: error: listener[0].address = "` + strings.Repeat("p", 79) + `…: not a path of a unix socket, as "` +
				strings.Repeat("p", 80) + `…"; accepted: 1 to 107 bytes`}},
		{"same socket", "listener = [\n{transport=\"unix\", address=\"/a/b\"},\n{transport=\"unix\", address=\"/a//b\"}]\n", []string{
			`:3:28: error: listener[1].address = "/a//b": listens where listener[0].address does already; accepted: another path`}},
		{"same port as listen", "[[listener]]\naddress = \"127.0.0.1:2023\"\n", []string{
			`:2:11: error: listener[0].address = "127.0.0.1:2023": listens where listen = ":2023" does already (tcp); ` + anotherPort}},
		{"same udp port", "[[listener]]\naddress = \"0.0.0.0:2023\"\ntransport = \"udp\"\n", []string{
			`:2:11: error: listener[0].address = "0.0.0.0:2023": listens where listen = ":2023" does already (udp); ` + anotherPort}},
		{"same host in other words", "[[listener]]\naddress = \"[::1]:5\"\n[[listener]]\naddress = \"[0:0::1]:5\"\n", []string{
			`:4:11: error: listener[1].address = "[0:0::1]:5": listens where listener[0].address = "[::1]:5" does already (tcp); ` + anotherPort}},
		{"default http port taken", "listen = \":2080\"\n", []string{
			`:1:10: error: http.listen = "127.0.0.1:2080": listens where listen = ":2080" does already (tcp); ` + anotherPort}},
		{"http on every address", "[http]\nlisten = \":2080\"\n", []string{`:2:10: error: http.listen = ":2080": ` + loopbackWant}},
		{"http by name", "http.listen = \"example.org:80\"\n", []string{`:1:15: error: http.listen = "example.org:80": ` + loopbackWant}},
		{"http without port", "http.listen = \"localhost\"\n", []string{
			`:1:15: error: http.listen = "localhost": not an address; accepted: "127.0.0.1:PORT", "[::1]:PORT", "localhost:PORT", or "" for no HTTP server, with a port from 0 to 65535`}},

		// All at once, in the order of the file.
		{"everything wrong", "log.level = 5\nfoo = 1\n[queue]\nbytes = \"1\"\n[aggregation]\nkeep = 0\nfuture = \"x\"\n", []string{
			`:1:13: error: log.level = 5: ` + textWant,
			`:2:1: error: unknown key foo; accepted at the top of the file: ` + topKeys,
			`:4:9: error: queue.bytes = "1": not accepted; accepted: "64KiB" to "1TiB"`,
			`:4:9: error: limits.max_line = "16KiB": above queue.bytes = "1B", so that the longest line could not be forwarded; accepted: at most that`,
			`:6:8: error: aggregation.keep = 0: not accepted; accepted: 1 to 10000`,
			`:7:10: error: aggregation.future = "x": ` + durationWant}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, problems := Parse("f.toml", []byte(test.src))
			var want []string
			for _, w := range test.want {
				want = append(want, "f.toml"+w)
			}
			if diff := cmp.Diff(want, lines(problems)); diff != "" {
				t.Errorf("problems of %q (-want +got):\n%s", test.src, diff)
			}
			if c == nil {
				t.Error("no config beside the problems")
			}
		})
	}
}

func lines(ps Problems) []string {
	var out []string
	for _, p := range ps {
		out = append(out, p.String())
	}
	return out
}

func TestTooMany(t *testing.T) {
	upstream := `upstream = ["a:1"` + strings.Repeat(`, "a:1"`, listMax) + "]\n"
	listeners := strings.Repeat("[[listener]]\naddress = \":0\"\n", listMax+1)
	_, problems := Parse("f", []byte(upstream+listeners))
	want := []string{
		`f:1:12: error: upstream = ["a:1", "a:1", "a:1", "a:1", "a:1", "a:1", "a:1", "a:1", "a:1", "a:1", "a:1", "a…: ` +
			`257 destinations; accepted: at most 256`,
		`f:514:3: error: listener[256]: too many listeners; accepted: at most 256`,
	}
	if diff := cmp.Diff(want, lines(problems)); diff != "" {
		t.Error(diff)
	}
	_, problems = Parse("f", make([]byte, fileMax+1))
	if diff := cmp.Diff([]string{`f: error: the config is too long; accepted: at most 64KiB`}, lines(problems)); diff != "" {
		t.Error(diff)
	}
}
