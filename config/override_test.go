package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOverrides(t *testing.T) {
	src := "rules = \"r\"\ndata = \"d\"\nlisten = \"bad\"\nupstream = [\"\"]\nlog.level = \"loud\"\nhttp.listen = \":80\"\n"
	c, problems := Parse("/etc/x/f.toml", []byte(src), []Override{
		{"rules", "mine"}, {"prefix", "p."}, {"data", ""}, {"listen", ":1"}, {"listen-pickle", ":2"}, {"upstream", "a:1, b:2"},
		{"forward-all", "false"}, {"http", ""}, {"log-level", "warn"}, {"log-format", "json"},
	}...)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want, no := Default(), false
	want.Rules, want.Prefix, want.Data, want.Listen, want.ListenPickle = "mine", "p.", "", ":1", ":2"
	want.Upstream, want.ForwardAll = []string{"a:1", "b:2"}, &no
	want.HTTP.Listen, want.Log.Level, want.Log.Format = "", "warn", "json"
	if diff := cmp.Diff(&want, c, sameSettings); diff != "" {
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
		`--level: error: no such flag; accepted: --rules, --prefix, --data, --listen, --listen-pickle, --upstream, --forward-all, --http, --log-level, --log-format`,
		`--log-level: error: log.level = "loud": not accepted; accepted: "debug", "info", "warn" or "error"`,
		`--rules: error: rules = "": empty; accepted: the path of the aggregation rules`,
		`--upstream: error: upstream[1] = "": ` + emptyDestWant,
		`f.toml:2:15: error: http.listen = "127.0.0.1:7": listens where listen = ":7" does already (tcp); ` + anotherPort,
	}
	if diff := cmp.Diff(want, lines(problems)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Every path of a file is relative to its directory.
func TestRelativePathsOfFiles(t *testing.T) {
	c, problems := Parse("/etc/f.toml", []byte(`
[names]
rewrite_rules = "a"
allow_list = "b"
deny_list = "c"
[[listener]]
address = ":1"
tls_cert = "d"
tls_key = "e"
tls_client_ca = "f"
[[destination]]
address = "tls://h:1"
tls_ca = "g"
tls_cert = "h"
tls_key = "i"
[[destination]]
address = "whisper:///w"
schemas = "j"
aggregation = "/k"
`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	l, d, w := c.Listeners[0], c.Destinations[0], c.Destinations[1]
	got := []string{c.Names.RewriteRules, c.Names.AllowList, c.Names.DenyList, l.TLSCert, l.TLSKey, l.TLSClientCA,
		d.TLSCA, d.TLSCert, d.TLSKey, w.Schemas, w.Aggregation}
	want := []string{"/etc/a", "/etc/b", "/etc/c", "/etc/d", "/etc/e", "/etc/f", "/etc/g", "/etc/h", "/etc/i", "/etc/j", "/k"}
	if diff := cmp.Diff(want, got); diff != "" {
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
