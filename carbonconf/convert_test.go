package carbonconf

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/config"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// convert translates a text and returns what coalesce reads from the result.
func convert(t *testing.T, text string, o Options) (*config.Config, config.Problems) {
	t.Helper()
	if o.Dir == "" {
		o.Dir = "/etc/carbon"
	}
	toml, problems := Convert("carbon.conf", []byte(text), o)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	c, wrong := config.Parse("/etc/coalesce/coalesce.toml", toml)
	if len(wrong) > 0 {
		t.Fatalf("%v in\n%s", wrong, toml)
	}
	return c, problems
}

// carbonDefaults is what coalesce is to do in the place of a carbon-aggregator
// that has an empty section, by carbon's documentation and source.
func carbonDefaults() config.Config {
	c := config.Default()
	c.Rules, c.Prefix, c.Data = "/etc/carbon/aggregation-rules.conf", "", "/etc/coalesce/coalesce-data"
	c.Listen, c.ListenPickle = "", "0.0.0.0:2004"
	c.Limits.MaxConnections = 1_000_000
	c.Listeners = []config.Listener{listener(&c, "plaintext", "tcp", "0.0.0.0:2003")}
	c.Names.RewriteRules = "/etc/carbon/rewrite-rules.conf"
	c.Queue.Datapoints = 10_000
	return c
}

func listener(c *config.Config, protocol, transport, address string) config.Listener {
	return config.Listener{Protocol: protocol, Transport: transport, Address: address, Compression: "none",
		MaxConnections: c.Limits.MaxConnections, IdleTimeout: c.Limits.IdleTimeout, MaxLine: c.Limits.MaxLine, MaxFrame: c.Limits.MaxFrame}
}

// sendTo adds destinations by their names, and the route of an aggregator.
func sendTo(c *config.Config, scheme string, names ...string) {
	yes := true
	c.ForwardAll = &yes
	for _, name := range names {
		c.Destinations = append(c.Destinations, config.Destination{Name: name, Address: scheme + "://" + name, Kind: "store",
			WhenFull: "block", Resend: 10 * config.Second, MaxDatapointsPerMessage: 500,
			QueueDatapoints: c.Queue.Datapoints, QueueBytes: c.Queue.Bytes,
			Schemas: "/etc/coalesce/storage-schemas.conf", Aggregation: "/etc/coalesce/storage-aggregation.conf"})
	}
	c.Routes = []config.Route{{Send: "all", To: names, Mode: "hash", Hash: "carbon_ch", Replication: 1, Diverse: true, Stop: true}}
}

func compare(t *testing.T, want, got *config.Config) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(config.Config{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestShipped(t *testing.T) {
	text, err := os.ReadFile("testdata/debian.conf")
	if err != nil {
		t.Fatal(err)
	}
	got, problems := convert(t, string(text), Options{})
	if len(problems) > 0 {
		t.Errorf("warnings: %v", problems)
	}
	want := carbonDefaults()
	want.ListenPickle = "0.0.0.0:2024"
	want.Listeners[0].Address = "0.0.0.0:2023"
	sendTo(&want, "pickle", "127.0.0.1:2004")
	compare(t, &want, got)
}

// Everything that a site may set, inherited by an instance.
func TestSite(t *testing.T) {
	text, err := os.ReadFile("testdata/site.conf")
	if err != nil {
		t.Fatal(err)
	}
	got, problems := convert(t, string(text), Options{Instance: "b", Exists: func(path string) bool {
		return path != "/srv/graphite/conf/blacklist.conf"
	}})
	want := carbonDefaults()
	no := false
	want.Rules, want.ListenPickle = "/srv/graphite/conf/rules/srv/graphite.conf", ""
	want.Limits = config.Limits{MaxConnections: 300, IdleTimeout: 90*config.Second + 500*config.Millisecond, MaxLine: 16 * config.KiB,
		MaxFrame: 4 * config.MiB, ReadBuffer: 256 * config.KiB, UDPBuffer: 4 * config.MiB, TimestampResolution: config.Second}
	protobuf := listener(&want, "protobuf", "tcp", "[::1]:2025")
	protobuf.MaxFrame = config.MiB
	want.Listeners = []config.Listener{
		listener(&want, "plaintext", "tcp", "127.0.0.1:2123"), listener(&want, "plaintext", "udp", "127.0.0.1:2023"), protobuf,
	}
	want.Names = config.Names{RewriteRules: "/etc/rewrite.conf", AllowList: "/srv/graphite/conf/whitelist.conf", ListSyntax: "regex", NormaliseTags: true, Poll: 10 * config.Second}
	want.Aggregation.Keep, want.Aggregation.WriteBack, want.Aggregation.MaxSeries = 3, 10*config.Second, 50_000
	want.Queue.Datapoints = 250_000
	sendTo(&want, "pickle", "10.0.0.1:2004:a", "10.0.0.1:2104:b", "[fd00::2]:2004:a")
	for i := range want.Destinations {
		d := &want.Destinations[i]
		d.WhenFull, d.TLSCA, d.MaxDatapointsPerMessage = "drop-oldest", "/etc/ssl/graphite.pem", 1000
	}
	want.ForwardAll = &no
	want.Routes[0].Hash, want.Routes[0].Replication, want.Routes[0].Diverse = "fnv1a_ch", 2, false
	want.Metrics = config.Metrics{Prefix: "stats.carbon", Instance: "b", Interval: 0}
	want.Data, want.HTTP.Listen = "/etc/coalesce/coalesce-data-b", "127.0.0.1:0"
	compare(t, &want, got)

	var warned []string
	for _, p := range problems {
		warned = append(warned, p.String())
	}
	wantWarned := []string{
		`carbon.conf:47:1: warning: DYNAMIC_ROUTER = True: The names of a destination that is down wait for it instead of going to another. ` +
			`To keep more of them, set when_full = "spool"; to send them elsewhere, use a [[route]] with mode = "failover".`,
		`carbon.conf:51:1: warning: FORWARD_AL = True: carbon does not know this setting; did you mean FORWARD_ALL?`,
	}
	if diff := cmp.Diff(wantWarned, warned); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

// Each case adds lines to an empty section and says what is to change, with the
// warnings that say so.
func TestSettings(t *testing.T) {
	type change = func(*config.Config)
	const dest = "DESTINATIONS = h:1:a, h:2:b\n"
	sends := func(scheme string, then change) change {
		return func(c *config.Config) {
			sendTo(c, scheme, "h:1:a", "h:2:b")
			if then != nil {
				then(c)
			}
		}
	}
	eachTo := func(f func(*config.Destination)) change {
		return func(c *config.Config) {
			for i := range c.Destinations {
				f(&c.Destinations[i])
			}
		}
	}
	for _, test := range []struct {
		name, text string
		want       change
		warnings   []string // parts of them
	}{
		{"nothing", "", nil, []string{"sent nowhere"}},

		{"TCP and UDP on one address", dest + "ENABLE_UDP_LISTENER = 1\n", sends("pickle", func(c *config.Config) {
			c.Listen, c.Listeners = "0.0.0.0:2003", nil
		}), nil},
		{"only UDP", dest + "LINE_RECEIVER_PORT = 0\nENABLE_UDP_LISTENER = 1\nUDP_RECEIVER_INTERFACE = localhost\n",
			sends("pickle", func(c *config.Config) {
				c.Listeners = []config.Listener{listener(c, "plaintext", "udp", "localhost:2003")}
			}), nil},
		{"UDP that is off", dest + "UDP_RECEIVER_PORT = 9\n", sends("pickle", nil), nil},
		{"no plaintext", dest + "LINE_RECEIVER_PORT = 0\n", sends("pickle", func(c *config.Config) { c.Listeners = nil }), nil},
		{"every interface", dest + "LINE_RECEIVER_INTERFACE =\nPICKLE_RECEIVER_INTERFACE = ::\n", sends("pickle", func(c *config.Config) {
			c.Listeners[0].Address, c.ListenPickle = ":2003", "[::]:2004"
		}), nil},
		{"port as a fraction without one", dest + "LINE_RECEIVER_PORT = 2_023.0\n",
			sends("pickle", func(c *config.Config) { c.Listeners[0].Address = "0.0.0.0:2023" }), nil},
		{"protobuf that is off", dest + "PROTOBUF_RECEIVER_PORT = 0\n", sends("pickle", nil), nil},
		{"odd frame length", dest + "PICKLE_RECEIVER_MAX_LENGTH = 1500000\n", sends("pickle", func(c *config.Config) {
			c.Limits.MaxFrame, c.Listeners[0].MaxFrame = 1_500_000, 1_500_000
		}), nil},
		{"frame too short for us", dest + "PICKLE_RECEIVER_MAX_LENGTH = 100\n", sends("pickle", func(c *config.Config) {
			c.Limits.MaxFrame, c.Listeners[0].MaxFrame = config.KiB, config.KiB
		}), []string{"PICKLE_RECEIVER_MAX_LENGTH = 100: coalesce takes whole numbers from 1024 to 268435456; it is 1024 now"}},
		{"bounded connections", dest + "MAX_RECEIVER_CONNECTIONS = 7\n", sends("pickle", func(c *config.Config) {
			c.Limits.MaxConnections, c.Listeners[0].MaxConnections = 7, 7
		}), nil},
		{"unbounded connections", dest + "MAX_RECEIVER_CONNECTIONS = inf\n", sends("pickle", nil), nil},
		{"idle for ever", dest + "METRIC_CLIENT_IDLE_TIMEOUT = None\n", sends("pickle", nil), nil},
		{"hardly idle", dest + "METRIC_CLIENT_IDLE_TIMEOUT = 0.1\n", sends("pickle", func(c *config.Config) {
			c.Limits.IdleTimeout, c.Listeners[0].IdleTimeout = config.Second, config.Second
		}), []string{`it is "1s" now`}},
		{"resolution", dest + "MIN_TIMESTAMP_RESOLUTION = 60\n", sends("pickle", func(c *config.Config) {
			c.Limits.TimestampResolution = config.Minute
		}), nil},

		{"absolute rules", dest + "AGGREGATION_RULES = /a/b.conf\n", sends("pickle", func(c *config.Config) { c.Rules = "/a/b.conf" }), nil},
		{"relative CONF_DIR", dest + "CONF_DIR = sub\n", sends("pickle", func(c *config.Config) {
			c.Rules, c.Names.RewriteRules = "/etc/carbon/sub/aggregation-rules.conf", "/etc/carbon/sub/rewrite-rules.conf"
		}), []string{"CONF_DIR = sub: relative to wherever carbon was started"}},
		{"lists", dest + "USE_WHITELIST = True\n", sends("pickle", func(c *config.Config) {
			c.Names.AllowList, c.Names.DenyList = "/etc/carbon/whitelist.conf", "/etc/carbon/blacklist.conf"
		}), nil},
		{"no lists", dest + "USE_WHITELIST = False\n", sends("pickle", nil), nil},
		{"tags", dest + "TAG_RELAY_NORMALIZED = True\n", sends("pickle", func(c *config.Config) { c.Names.NormaliseTags = true }), nil},

		{"write-back off as documented", dest + "WRITE_BACK_FREQUENCY = 0\n", sends("pickle", nil), nil},
		{"write-back unset in words", dest + "WRITE_BACK_FREQUENCY = None\n", sends("pickle", nil), nil},
		{"write-back", dest + "WRITE_BACK_FREQUENCY = 15\n", sends("pickle", func(c *config.Config) { c.Aggregation.WriteBack = 15 * config.Second }), nil},
		{"no intervals kept", dest + "MAX_AGGREGATION_INTERVALS = 0\n", sends("pickle", func(c *config.Config) { c.Aggregation.Keep = 1 }),
			[]string{"MAX_AGGREGATION_INTERVALS = 0: coalesce takes whole numbers from 1 to 10000; it is 1 now"}},
		{"unbounded cache", dest + "CACHE_METRIC_NAMES_MAX = 0\n", sends("pickle", nil), nil},

		{"line", dest + "DESTINATION_PROTOCOL = line\n", sends("plaintext", nil), nil},
		{"line over TLS", dest + "DESTINATION_PROTOCOL = line\nDESTINATION_TRANSPORT = ssl\n", sends("tls", nil), nil},
		{"line over TLS with a CA", dest + "DESTINATION_PROTOCOL = line\nDESTINATION_TRANSPORT = ssl\nDESTINATION_SSL_CA = /ca.pem\n",
			sends("tls", eachTo(func(d *config.Destination) { d.TLSCA = "/ca.pem" })), nil},
		{"pickle over TLS", dest + "DESTINATION_TRANSPORT = ssl\n",
			sends("pickle", eachTo(func(d *config.Destination) { d.TLSServerName = "h" })), nil},
		{"relative CA", dest + "DESTINATION_TRANSPORT = ssl\nDESTINATION_SSL_CA = ca.pem\n",
			sends("pickle", eachTo(func(d *config.Destination) { d.TLSCA = "/etc/carbon/ca.pem" })), []string{"DESTINATION_SSL_CA = ca.pem: relative"}},
		{"unknown transport", dest + "DESTINATION_TRANSPORT = tls\n", sends("pickle", nil), []string{`taken as "none", as carbon does`}},
		{"protobuf out", dest + "DESTINATION_PROTOCOL = protobuf\n", nil, []string{"coalesce does not send protobuf"}},
		{"messages of lines", dest + "DESTINATION_PROTOCOL = line\nMAX_DATAPOINTS_PER_MESSAGE = 7\n", sends("plaintext", nil), nil},
		{"no flow control", dest + "USE_FLOW_CONTROL = no\n",
			sends("pickle", eachTo(func(d *config.Destination) { d.WhenFull = "drop-oldest" })), nil},
		{"queue", dest + "MAX_QUEUE_SIZE = 123\n", sends("pickle", func(c *config.Config) {
			c.Queue.Datapoints, c.Destinations[0].QueueDatapoints, c.Destinations[1].QueueDatapoints = 123, 123, 123
		}), nil},
		{"same destination twice", dest + "DESTINATION_PROTOCOL = pickle\n[aggregator:a]\nDESTINATIONS = h:1:a,h:1:a,h: 2 :b\n", sends("pickle", nil), nil},
		{"more copies than destinations", dest + "REPLICATION_FACTOR = 3\n", sends("pickle", func(c *config.Config) { c.Routes[0].Replication = 2 }), nil},
		{"no copies", dest + "REPLICATION_FACTOR = 0\n", sends("pickle", nil), []string{"REPLICATION_FACTOR = 0: coalesce takes whole numbers from 1 to 256"}},
		{"hash by name", dest + "ROUTER_HASH_TYPE = mmh3_ch\n", sends("pickle", func(c *config.Config) { c.Routes[0].Hash = "mmh3_ch" }), nil},
		{"unknown hash", dest + "ROUTER_HASH_TYPE = md5\n", sends("pickle", nil), []string{"taken as carbon_ch, as carbon does"}},
		{"relay method is ignored", dest + "RELAY_METHOD = rules\n", sends("pickle", nil), nil},

		{"no own series", dest + "CARBON_METRIC_INTERVAL = -1\n", sends("pickle", func(c *config.Config) { c.Metrics.Interval = 0 }), nil},
		{"bad prefix of own series", dest + "CARBON_METRIC_PREFIX = a..b\n", sends("pickle", nil), []string{"cannot begin the name of a series"}},
		{"user", dest + "USER = graphite\n", sends("pickle", nil), []string{"USER = graphite: coalesce does not change its user"}},
		{"no user", dest + "USER =\n", sends("pickle", nil), nil},
		{"AMQP", dest + "ENABLE_AMQP = True\nAMQP_HOST = q\n", sends("pickle", nil), []string{"ENABLE_AMQP = True: coalesce does not consume from AMQP"}},
		{"AMQP that is off", dest + "ENABLE_AMQP = False\nAMQP_HOST = q\n", sends("pickle", nil), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, problems := convert(t, "[aggregator]\n"+test.text, Options{})
			want := carbonDefaults()
			if test.want != nil {
				test.want(&want)
			}
			compare(t, &want, got)
			for i, p := range problems {
				if i >= len(test.warnings) || !strings.Contains(p.Message, test.warnings[i]) {
					t.Errorf("warning %s", p)
				}
			}
			if len(problems) < len(test.warnings) {
				t.Errorf("%d warnings, want %q", len(problems), test.warnings)
			}
		})
	}
}

// What carbon does not start with, and what coalesce cannot be set to.
func TestErrors(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"comment behind a port", "LINE_RECEIVER_PORT = 2023 # tcp\n",
			`carbon.conf:2:1: error: LINE_RECEIVER_PORT = 2023 # tcp: not a number, and carbon fails with it; accepted: a number`},
		{"port too high", "PICKLE_RECEIVER_PORT = 70000\n",
			`carbon.conf:2:1: error: PICKLE_RECEIVER_PORT = 70000: not a port; accepted: 0 to 65535`},
		{"empty destinations", "DESTINATIONS =\n",
			`carbon.conf:2:1: error: DESTINATIONS =: destination "": no port; accepted: host:port[:instance], [IPv6]:port[:instance]`},
		{"destination without port", "DESTINATIONS = h:1, i\n",
			`carbon.conf:2:1: error: DESTINATIONS = h:1, i: destination " i": no port; accepted: host:port[:instance], [IPv6]:port[:instance]`},
		{"port of a destination", "DESTINATIONS = h:0\n",
			`carbon.conf:2:1: error: DESTINATIONS = h:0: "h:0" has no port; accepted: 1 to 65535`},
		{"instance twice", "DESTINATIONS = h:1:a, h:2:a\n",
			`carbon.conf:2:1: error: DESTINATIONS = h:1:a, h:2:a: "h:2:a" has the host and instance of another one, for which carbon does not start; accepted: instances of their own`},
		{"unknown protocol", "DESTINATIONS = h:1\nDESTINATION_PROTOCOL = udp\n",
			`carbon.conf:3:1: error: DESTINATION_PROTOCOL = udp: carbon does not start with it; accepted: pickle, line or protobuf`},
		{"two listeners on a port", "DESTINATIONS = h:1\nLINE_RECEIVER_PORT = 2004\n",
			`carbon.conf: error: the settings made of it: listener[0].address = "0.0.0.0:2004": listens where listen_pickle = "0.0.0.0:2004" does already (tcp); accepted: another port, or port 0 for a free one`},
	} {
		t.Run(test.name, func(t *testing.T) {
			toml, problems := Convert("carbon.conf", []byte("[aggregator]\n"+test.text), Options{Dir: "/etc/carbon"})
			if err := problems.Err(); err == nil || err.Error() != test.want || toml != nil {
				t.Errorf("got  %v\nwant %s\nand %q", err, test.want, toml)
			}
		})
	}
	if _, problems := Convert("carbon.conf", []byte("[aggregator]\nDESTINATIONS = h:1\n"), Options{Instance: "a b"}); problems.Err() == nil {
		t.Error("an instance with a blank is accepted")
	}
}

// Instances on one host share neither the data directory nor the address of HTTP,
// of which carbon.conf says nothing.
func TestInstancesBesideEachOther(t *testing.T) {
	const text = "[aggregator]\nDESTINATIONS = h:1\n[aggregator:b]\nLINE_RECEIVER_PORT = 2\n[aggregator:c/d]\nLINE_RECEIVER_PORT = 3\n"
	for _, test := range []struct{ instance, data, http string }{
		{"", "/etc/coalesce/coalesce-data", "127.0.0.1:2080"}, {"a", "/etc/coalesce/coalesce-data", "127.0.0.1:2080"},
		{"b", "/etc/coalesce/coalesce-data-b", "127.0.0.1:0"}, {"c/d", "/etc/coalesce/coalesce-data-c_d", "127.0.0.1:0"},
	} {
		if c, _ := convert(t, text, Options{Instance: test.instance}); c.Data != test.data || c.HTTP.Listen != test.http {
			t.Errorf("%q: data %s, HTTP on %s, want %+v", test.instance, c.Data, c.HTTP.Listen, test)
		}
	}
}

func TestSections(t *testing.T) {
	const text = "[aggregator]\nDESTINATIONS = h:1\nLINE_RECEIVER_PORT = 1\n[aggregator:a]\nLINE_RECEIVER_PORT = 2\n[aggregator:c.d]\nLINE_RECEIVER_PORT = 3\n"
	for _, test := range []struct{ text, instance, address, metric, warning string }{
		{text, "", "0.0.0.0:2", "a", ""}, {text, "a", "0.0.0.0:2", "a", ""}, {text, "c.d", "0.0.0.0:3", "c_d", ""},
		{text, "x", "0.0.0.0:1", "x", "no section [aggregator:x], so that the instance has the settings of [aggregator]"},
		{"[cache]\n", "", "0.0.0.0:2003", "a", "no section [aggregator], so that all settings are carbon's defaults"},
	} {
		c, problems := convert(t, test.text, Options{Instance: test.instance})
		if c.Listeners[0].Address != test.address || c.Metrics.Instance != test.metric {
			t.Errorf("%q: %s and %s", test.instance, c.Listeners[0].Address, c.Metrics.Instance)
		}
		if found := len(problems) > 0 && problems[0].Message == test.warning; found != (test.warning != "") {
			t.Errorf("%q: %v", test.instance, problems)
		}
	}
}

// Files that are not there: rules are a must, the others are comments.
func TestMissingFiles(t *testing.T) {
	const text = "[aggregator]\nDESTINATIONS = h:1\nUSE_WHITELIST = True\n"
	c, problems := convert(t, text, Options{Exists: func(string) bool { return false }})
	if c.Rules != "/etc/carbon/aggregation-rules.conf" || c.Names != config.Default().Names {
		t.Errorf("rules %q, names %+v", c.Rules, c.Names)
	}
	if len(problems) != 1 || !strings.Contains(problems[0].Message, "there is no /etc/carbon/aggregation-rules.conf") {
		t.Errorf("warnings %v", problems)
	}
}

// Whatever is given is quoted in a comment, with its reason where it has no
// equal, and no password is.
func TestEverySettingIsMentioned(t *testing.T) {
	for key, known := range keys {
		value := known.initial
		switch {
		case key == "DESTINATIONS":
			value = "h:1"
		case value == "" && known.kind == truth:
			value = "True"
		case value == "":
			value = "5"
		}
		toml, problems := Convert("carbon.conf", []byte("[aggregator]\n"+key+" = "+value+"\n"), Options{Dir: "/etc/carbon"})
		if err := problems.Err(); err != nil {
			t.Errorf("%s: %v", key, err)
		}
		joined := regexp.MustCompile(`\n#\s+`).ReplaceAllString(string(toml), " ")
		shown := key + " = " + value
		if strings.Contains(key, "PASSWORD") {
			shown = key + " = …"
		}
		if !strings.Contains(joined, shown) || strings.Contains(joined, shown+" (default)") {
			t.Errorf("%s is not in\n%s", shown, toml)
		}
		if known.none != "" && !strings.Contains(joined, known.none) {
			t.Errorf("no reason for %s in\n%s", key, toml)
		}
		for line := range strings.Lines(string(toml)) {
			if strings.HasPrefix(line, "#") && len(line) > widthMax+1 && strings.Contains(line, " ") && len(strings.Fields(line)) > 2 {
				t.Errorf("long line %q", line)
			}
		}
	}
}

// The longest text takes a moment, not minutes, whatever is on its lines.
func TestLongText(t *testing.T) {
	for name, line := range map[string]string{"unknown": "K%d = 1\n", "wrong": "%d\n", "destinations": "  h:1:%d,\n", "references": "K%d = %%(X)s\n"} {
		var b strings.Builder
		b.WriteString("[aggregator]\nDESTINATIONS = h:1,\n")
		for i := 0; b.Len() < FileMax-100; i++ {
			fmt.Fprintf(&b, line, i)
		}
		if _, problems := Convert("f", []byte(b.String()), Options{Dir: "/"}); problems.Err() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// No text makes it panic; what it returns without error is a config.
func FuzzConvert(f *testing.F) {
	for _, name := range []string{"debian.conf", "site.conf"} {
		text, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, "b")
	}
	f.Add([]byte("[DEFAULT]\na=%(b)s\nb=x\r\n y\n[aggregator]\nDESTINATIONS=%(a)s:1:\x01\nUSER=\u2028\"\\\n"), "a")
	f.Fuzz(func(t *testing.T, text []byte, instance string) {
		toml, problems := Convert("f", text, Options{Instance: instance, Dir: "/"})
		if (problems.Err() == nil) != (toml != nil) {
			t.Fatalf("%q beside %v", toml, problems)
		}
		for _, p := range problems {
			if strings.ContainsAny(p.String(), "\r\n") {
				t.Errorf("%q has several lines", p)
			}
		}
		if toml == nil {
			return
		}
		if _, wrong := config.Parse("f.toml", toml); wrong.Err() != nil {
			t.Errorf("%v in\n%s", wrong, toml)
		}
	})
}
