package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Lists of accepted keys that several messages end in.
const (
	topKeys = "rules, prefix, data, listen, listen_pickle, upstream, forward_all, limits, listener, names, aggregation, queue, destination, route, spool, place, store, window, keep, api_rules, views, measure, view, measurements, query, node, key, http, log, metrics, reload"
	logKeys = "level, format, refused_lines, refused_interval"

	durationWant = `not a duration; accepted: a string of numbers with the units d, h, m, s, ms, us or ns, such as "5s", "1h30m" or "1d", not negative`
	sizeWant     = `not a size; accepted: bytes as a whole number, or a string of a whole number with the unit B, KiB, MiB, GiB or TiB, such as "16KiB" or "64MiB", not negative`
	wholeWant    = "not a whole number; accepted: digits without quotes, fraction or exponent"
	truthWant    = "not a truth value; accepted: true or false, without quotes"
	textWant     = "not a text; accepted: a text in quotes"
	addressWant  = `not an address; accepted: "host:port", "[IPv6]:port" or ":port", with a port from 0 to 65535 in digits`
	listenWant   = addressWant + `, or "" for no such listener`
	loopbackWant = `not a loopback address, and there is no [[key]], without which no other is served; accepted: a [[key]], or ` +
		`"127.0.0.1:PORT", "[::1]:PORT", "localhost:PORT", or "" for no HTTP server`
	nodesWant     = "cannot begin a metric name; accepted: nodes joined by dots, none of them empty, at most 255 bytes without blanks, control characters and ;"
	quotesHint    = `; text, durations and sizes are written in quotes, such as key = "5s"`
	arrayWant     = `accepted: an array of texts, such as ["127.0.0.1:2003"]`
	noRingWant    = `has no effect in a mode without a ring, that is, others than "hash" and "aggregated-hash"; accepted: leaving it out`
	networkWant   = `not a network; accepted: CIDR form such as "10.0.0.0/8" or "fd00::/8"`
	anotherPort   = "accepted: another port, or port 0 for a free one"
	emptyToWant   = "empty; accepted: one or more names of destinations"
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
			`:5:2: error: unknown key listener[1].port; accepted under [[listener]]: protocol, transport, address, max_connections, idle_timeout, max_line, max_frame, compression, tls_cert, tls_key, tls_client_ca, allow, reuse_port`}},
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
		{"line above the queue of a destination", "limits.max_line = \"128KiB\"\n[[destination]]\naddress = \"a:1\"\nqueue_bytes = \"64KiB\"\n", []string{
			`:4:15: error: destination[0].queue_bytes = "64KiB": below limits.max_line = "128KiB", so that the longest line could not be forwarded; accepted: at least that`}},
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
		{"nothing listens", "listen = \"\"\nlisten_pickle = \"\"\n", []string{`:1:10: warning: listen = "": no datapoint can arrive; accepted: an address, or a [[listener]]`}},
		{"listener without address", "\n[[listener]]\n", []string{`:2:3: error: listener[0].address = "": empty; accepted: an address to listen on`}},
		{"listener address", "[[listener]]\naddress = \"x\"\n", []string{`:2:11: error: listener[0].address = "x": ` + addressWant}},
		{"listener kinds", "[[listener]]\naddress = \":1\"\nprotocol = \"line\"\ntransport = \"sctp\"\ncompression = \"lz4\"\n", []string{
			`:3:12: error: listener[0].protocol = "line": not accepted; accepted: "plaintext", "pickle" or "protobuf"`,
			`:4:13: error: listener[0].transport = "sctp": not accepted; accepted: "tcp", "udp" or "unix"`,
			`:5:15: error: listener[0].compression = "lz4": not accepted; accepted: "none", "gzip", "zstd" or "snappy"`}},
		{"connection limits on udp", "[[listener]]\ntransport = \"udp\"\naddress = \":1\"\nmax_connections = 5\nidle_timeout = \"1s\"\n", []string{
			`:4:19: warning: listener[0].max_connections = 5: has no effect on a udp listener, which has no connections; accepted: leaving it out`,
			`:5:16: warning: listener[0].idle_timeout = "1s": has no effect on a udp listener, which has no connections; accepted: leaving it out`}},
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
		{"query node where HTTP is", "node.listen = \"127.0.0.1:2080\"", []string{
			`:1:15: error: node.listen = "127.0.0.1:2080": listens where http.listen = "127.0.0.1:2080" does already (tcp); ` + anotherPort}},
		{"http on every address", "[http]\nlisten = \":2080\"\n", []string{`:2:10: error: http.listen = ":2080": ` + loopbackWant}},
		{"http by name", "http.listen = \"example.org:80\"\n", []string{`:1:15: error: http.listen = "example.org:80": ` + loopbackWant}},
		{"http without port", "http.listen = \"localhost\"\n", []string{
			`:1:15: error: http.listen = "localhost": not an address; accepted: "127.0.0.1:PORT", "[::1]:PORT", "localhost:PORT", or "" for no HTTP server, with a port from 0 to 65535`}},

		{"pickle port taken", "listen = \":2024\"\n", []string{
			`:1:10: error: listen_pickle = ":2024": listens where listen = ":2024" does already (tcp); ` + anotherPort}},
		{"bad pickle address", "listen_pickle = \"x\"\n", []string{`:1:17: error: listen_pickle = "x": ` + listenWant}},

		// Listeners.
		{"frames over udp", "[[listener]]\naddress = \":1\"\ntransport = \"udp\"\nprotocol = \"protobuf\"\n", []string{
			`:4:12: error: listener[0].protocol = "protobuf": not over udp; accepted: "plaintext", or transport = "tcp" or "unix"`}},
		{"compressed datagrams", "[[listener]]\naddress = \":1\"\ntransport = \"udp\"\ncompression = \"gzip\"\n", []string{
			`:4:15: error: listener[0].compression = "gzip": only for plaintext over tcp or unix; accepted: "none"`}},
		{"snappy over udp", "[[listener]]\naddress = \":1\"\ntransport = \"udp\"\ncompression = \"snappy\"\n", []string{
			`:4:15: error: listener[0].compression = "snappy": only for plaintext over tcp or unix; accepted: "none"`}},
		{"compressed pickle", "[[listener]]\naddress = \":1\"\nprotocol = \"pickle\"\ncompression = \"zstd\"\n", []string{
			`:4:15: error: listener[0].compression = "zstd": only for plaintext over tcp or unix; accepted: "none"`}},
		{"limits of the other protocol", "[[listener]]\naddress = \":1\"\nmax_frame = \"2KiB\"\n" +
			"[[listener]]\naddress = \":2\"\nprotocol = \"pickle\"\nmax_line = \"2KiB\"\n", []string{
			`:3:13: warning: listener[0].max_frame = "2KiB": has no effect on plaintext, which has no frames; accepted: leaving it out`,
			`:7:12: warning: listener[1].max_line = "2KiB": has no effect on pickle and protobuf, which have no lines; accepted: leaving it out`}},
		{"frame too short", "limits.max_frame = 5\n", []string{`:1:20: error: limits.max_frame = 5: not accepted; accepted: "1KiB" to "256MiB"`}},
		{"certificate without key", "[[listener]]\naddress = \":1\"\ntls_cert = \"c\"\n", []string{
			`:3:12: error: listener[0].tls_cert = "c": without tls_key; accepted: both, or neither`}},
		{"key without certificate", "[[listener]]\naddress = \":1\"\ntls_key = \"k\"\ntls_client_ca = \"a\"\n", []string{
			`:3:11: error: listener[0].tls_key = "k": without tls_cert; accepted: both, or neither`,
			`:4:17: error: listener[0].tls_client_ca = "a": without tls_cert, so that there is no TLS; accepted: tls_cert and tls_key beside it`}},
		{"TLS over udp", "[[listener]]\naddress = \":1\"\ntransport = \"udp\"\ntls_cert = \"c\"\ntls_key = \"k\"\n", []string{
			`:4:12: error: listener[0].tls_cert = "c": not over udp; accepted: transport = "tcp"`}},
		{"networks", "[[listener]]\naddress = \":1\"\nallow = [\"10.0.0.0/8\",\n\"10.1.2.3\",\n\"10.1.2.3/8\",\n\"fd00::/129\",\n\"::ffff:10.0.0.0/104\"]\n", []string{
			`:4:1: error: listener[0].allow[1] = "10.1.2.3": ` + networkWant + `, such as "10.1.2.3/32" for this address alone`,
			`:5:1: error: listener[0].allow[2] = "10.1.2.3/8": has bits behind its length; accepted: "10.0.0.0/8"`,
			`:6:1: error: listener[0].allow[3] = "fd00::/129": ` + networkWant,
			`:7:1: error: listener[0].allow[4] = "::ffff:10.0.0.0/104": ` + networkWant}},
		{"network keys on a socket", "[[listener]]\naddress = \"/s\"\ntransport = \"unix\"\nallow = [\"::/0\"]\nreuse_port = true\n", []string{
			`:4:9: error: listener[0].allow = ["::/0"]: not on a unix listener, whose clients have no address; accepted: the permissions of its folder`,
			`:5:14: error: listener[0].reuse_port = true: not on a unix listener, which has no port; accepted: false`}},
		{"port shared by one side", "[[listener]]\naddress = \":5\"\n[[listener]]\naddress = \":5\"\nreuse_port = true\n", []string{
			`:4:11: error: listener[1].address = ":5": listens where listener[0].address = ":5" does already (tcp); ` + anotherPort}},
		{"port shared by two protocols", "[[listener]]\naddress = \":5\"\nreuse_port = true\n[[listener]]\naddress = \":5\"\nreuse_port = true\nprotocol = \"pickle\"\n", []string{
			`:5:11: error: listener[1].address = ":5": listens where listener[0].address = ":5" does already (tcp); ` + anotherPort}},

		// Names.
		{"rewriting nothing", "names.rewrite_aggregates = true\n", []string{
			`:1:28: warning: names.rewrite_aggregates = true: has no effect without names.rewrite_rules; accepted: both, or neither`}},
		{"syntax of no list", "names.list_syntax = \"glob\"\n", []string{
			`:1:21: warning: names.list_syntax = "glob": has no effect without names.allow_list or names.deny_list; accepted: leaving it out`}},
		{"unknown syntax of lists", "[names]\nallow_list = \"a\"\nlist_syntax = \"regexp\"\n", []string{
			`:3:15: error: names.list_syntax = "regexp": not accepted; accepted: "regex" or "glob"`}},
		{"NUL in lists", "[names]\nallow_list = \"\\u0000\"\n", []string{`:2:14: error: names.allow_list = "\u0000": holds a NUL; accepted: a path`}},

		// Destinations.
		{"destination without address", "[[destination]]\nname = \"x\"\n", []string{`:1:3: error: destination[0].address = "": ` + emptyDestWant}},
		{"unknown kinds", "[[destination]]\naddress = \"a:1\"\nkind = \"relay\"\nwhen_full = \"drop\"\n", []string{
			`:3:8: error: destination[0].kind = "relay": not accepted; accepted: "store" or "aggregator"`,
			`:4:13: error: destination[0].when_full = "drop": not accepted; accepted: "drop-oldest", "spool" or "block"`}},
		{"names taken", "upstream = [\"a:1\", \"a:1\"]\n[[destination]]\naddress = \"a:1\"\n[[destination]]\naddress = \"b:1\"\nname = \"a:1\"\n", []string{
			`:1:20: error: upstream[1] = "a:1": already the name of upstream[0]; accepted: a name of its own for each destination`,
			`:3:11: error: destination[0].address = "a:1": already the name of upstream[0]; accepted: a name of its own for each destination`,
			`:6:8: error: destination[1].name = "a:1": already the name of upstream[0]; accepted: a name of its own for each destination`}},
		{"name with a control character", "[[destination]]\naddress = \"a:1\"\nname = \"a\\tb\"\n", []string{
			`:3:8: error: destination[0].name = "a\tb": not a name of a destination; accepted: at most 255 bytes without control characters`}},
		{"resending to an aggregator", "[[destination]]\naddress = \"a:1\"\nkind = \"aggregator\"\nresend = \"1s\"\nresend_raw = true\n", []string{
			`:4:10: error: destination[0].resend = "1s": not for kind = "aggregator", which would count the rows twice; accepted: "0s"`,
			`:5:14: error: destination[0].resend_raw = true: not for kind = "aggregator", which would count the rows twice; accepted: false`}},
		{"resending nothing", "[[destination]]\naddress = \"udp://a:1\"\nresend = \"1s\"\n[[destination]]\naddress = \"a:1\"\nresend = \"0s\"\nresend_raw = true\n", []string{
			`:3:10: warning: destination[0].resend = "1s": has no effect where the address is not of a connection; accepted: leaving it out`,
			`:7:14: warning: destination[1].resend_raw = true: has no effect with resend = "0s"; accepted: leaving it out`}},
		{"spool without data", "data = \"\"\n[[destination]]\naddress = \"a:1\"\nwhen_full = \"spool\"\n", []string{
			`:4:13: error: destination[0].when_full = "spool": needs a data directory; accepted: a directory in data, or when_full = "drop-oldest" or "block"`}},
		{"TLS without TLS", "[[destination]]\naddress = \"udp://a:1\"\ntls_ca = \"c\"\ntls_server_name = \"s\"\n", []string{
			`:3:10: error: destination[0].tls_ca = "c": there is no TLS for "udp://a:1"; accepted: an address of tls, plaintext or pickle`,
			`:4:19: error: destination[0].tls_server_name = "s": there is no TLS for "udp://a:1"; accepted: an address of tls, plaintext or pickle`}},
		{"half a pair", "[[destination]]\naddress = \"tls://a:1\"\ntls_cert = \"c\"\n", []string{
			`:3:12: error: destination[0].tls_cert = "c": without tls_key; accepted: both, or neither`}},
		{"keys of other schemes", "[[destination]]\naddress = \"a:1\"\nmax_datapoints_per_message = 5\nschemas = \"s\"\naggregation = \"\"\n", []string{
			`:3:30: warning: destination[0].max_datapoints_per_message = 5: has no effect on other protocols than pickle; accepted: leaving it out`,
			`:4:11: warning: destination[0].schemas = "s": has no effect on other destinations than whisper:///dir; accepted: leaving it out`,
			`:5:15: warning: destination[0].aggregation = "": has no effect on other destinations than whisper:///dir; accepted: leaving it out`}},
		{"whisper without schemas", "[[destination]]\naddress = \"whisper:///d\"\nschemas = \"\"\n", []string{
			`:3:11: error: destination[0].schemas = "": empty, so that no whisper file could be made; accepted: the path of carbon's storage-schemas.conf`}},

		// Routes.
		{"route without destinations", "upstream = [\"a:1\"]\n[[route]]\n[[route]]\nto = [\"a:1\"]\npattern = \"x\"\n", []string{
			`:2:3: error: route[0].to: ` + emptyToWant,
			`:3:3: warning: route[1]: takes nothing, since route[0] takes every name before it; accepted: an order with the narrower route first, or stop = false there`}},
		{"unknown destinations", "upstream = [\"a:1\", \"b:1\"]\n[[route]]\nto = [\"a:1\", \"c:1\", \"a:1\"]\n", []string{
			`:1:20: warning: upstream[1] = "b:1": gets nothing; accepted: its name in a [[route]]`,
			`:3:14: error: route[0].to[1] = "c:1": no such destination; accepted: "a:1" or "b:1"`,
			`:3:21: error: route[0].to[2] = "a:1": already in the list; accepted: each destination once`}},
		{"no destinations at all", "[[route]]\nto = [\"a:1\"]\n", []string{
			`:2:7: error: route[0].to[0] = "a:1": no such destination; accepted: none, since there are no destinations`}},
		{"unknown modes", "upstream = [\"a:1\"]\n[[route]]\nto = [\"a:1\"]\nsend = \"both\"\nmode = \"any\"\nhash = \"md5\"\nreplication = 0\n", []string{
			`:4:8: error: route[0].send = "both": not accepted; accepted: "all", "raw" or "aggregates"`,
			`:5:8: error: route[0].mode = "any": not accepted; accepted: "all", "hash", "failover", "round-robin" or "aggregated-hash"`,
			`:6:8: error: route[0].hash = "md5": not accepted; accepted: "carbon_ch", "fnv1a_ch" or "mmh3_ch"`,
			`:7:15: error: route[0].replication = 0: not accepted; accepted: 1 to 256`}},
		{"ring keys without a ring", "upstream = [\"a:1\"]\n[[route]]\nto = [\"a:1\"]\nmode = \"failover\"\nhash = \"fnv1a_ch\"\nreplication = 2\ndiverse = false\n", []string{
			`:5:8: warning: route[0].hash = "fnv1a_ch": ` + noRingWant,
			`:6:15: warning: route[0].replication = 2: ` + noRingWant,
			`:7:11: warning: route[0].diverse = false: ` + noRingWant}},
		{"more replicas than destinations", "upstream = [\"a:1\"]\n[[route]]\nto = [\"a:1\"]\nmode = \"hash\"\nreplication = 2\n", []string{
			`:5:15: warning: route[0].replication = 2: above the number of destinations, 1; accepted: at most that`}},
		{"pattern of no name", "upstream = [\"a:1\"]\n[[route]]\nto = [\"a:1\"]\npattern = \"a\\n\"\n", []string{
			`:4:11: error: route[0].pattern = "a\n": holds a control character, which is in no name; accepted: a regular expression`}},
		{"route behind all raw ones", "upstream = [\"a:1\"]\n[[route]]\nto = [\"a:1\"]\nsend = \"raw\"\n[[route]]\nto = [\"a:1\"]\nsend = \"raw\"\n[[route]]\nto = [\"a:1\"]\n", []string{
			`:5:3: warning: route[1]: takes nothing, since route[0] takes every name before it; accepted: an order with the narrower route first, or stop = false there`}},

		// Spool and place.
		{"no spool", "[spool]\nbytes = 0\nage = \"0s\"\nrate = 0\n", []string{
			`:2:9: error: spool.bytes = 0: not accepted; accepted: "1MiB" to "1024TiB"`,
			`:3:7: error: spool.age = "0s": not accepted; accepted: "1s" to "3650d"`,
			`:4:8: error: spool.rate = 0: not accepted; accepted: 1 to 100000000`}},
		{"not in the ring", "[place]\nring = [\"a:1\", \"b:1\", \"a:1\"]\nself = \"c:1\"\n", []string{
			`:2:23: error: place.ring[2] = "a:1": already in the ring; accepted: each instance once`,
			`:3:8: error: place.self = "c:1": not an element of place.ring; accepted: "a:1", "b:1" or "a:1"`}},
		{"no self", "place.ring = [\"a:1\"]\n", []string{`:1:14: error: place.self = "": not an element of place.ring; accepted: "a:1"`}},
		{"no ring", "place.self = \"a:1\"\n", []string{`:1:14: error: place.self = "a:1": not an element of place.ring; accepted: "", or a ring that has it`}},
		{"destinations as table", "[destination]\n", []string{
			`:1:2: error: destination: not a list of tables; accepted: keys under [[destination]], once for each destination`}},
		{"key of two lists of tables", "replication = 5\n", []string{
			`:1:1: error: unknown key replication; it belongs under [[route]] or [place]; accepted at the top of the file: ` + topKeys}},

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
	upstream := `upstream = ["a:1"`
	for i := range listMax {
		upstream += fmt.Sprintf(`, "a:1:%d"`, i)
	}
	upstream += "]\n"
	listeners := strings.Repeat("[[listener]]\naddress = \":0\"\n", listMax+1)
	_, problems := Parse("f", []byte(upstream+listeners))
	want := []string{
		`f:1:12: error: upstream = ["a:1", "a:1:0", "a:1:1", "a:1:2", "a:1:3", "a:1:4", "a:1:5", "a:1:6", "a:1:7", …: ` +
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
