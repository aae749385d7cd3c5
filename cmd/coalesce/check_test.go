package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/coalesce-metrics/coalesce/config"
)

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		config, rules string
		args          []string
		want          string // DIR stands for the directory, DESTINATIONS for their forms
		bad           bool
	}{
		"good": {
			config: "rules = \"r.conf\"\nupstream = [\"graphite:2003\"]\n",
			rules:  "a.<x> (60) = sum b.<x>.*\n",
		},
		"warnings are no errors": {
			config: "rules = \"r.conf\"\nforward_all = true\n",
			rules:  "a.<x> (60) = sum b.<x>.*\na.<x> (60) = sum b.<x>.*\n",
			want: "DIR/c.toml:2:15: warning: forward_all = true: has no effect without an upstream; accepted: one in upstream, or forward_all = false\n" +
				"DIR/r.conf:2: warning: the same rule as in line 1; it changes nothing\n",
		},
		"every error of both files": {
			config: "rules = \"r.conf\"\nupstream = [\"graphite:2003\", \"nowhere\"]\nlisten = \"x\"\n\n[queue]\ndatapoints = 0\n",
			rules:  "# comment\na.<y> (60) = sum b.<x>.*\n\na.<x> (0) = sum b.<x>.*\nrubbish\n",
			want: "DIR/c.toml:3:10: error: listen = \"x\": not an address; accepted: \"host:port\", \"[IPv6]:port\" or \":port\", with a port from 0 to 65535 in digits, or \"\" for no such listener\n" +
				"DIR/c.toml:6:14: error: queue.datapoints = 0: not accepted; accepted: 1 to 1000000000\n" +
				"DIR/c.toml:2:30: error: upstream[1] = \"nowhere\": destination \"nowhere\": no port; accepted: DESTINATIONS\n" +
				"DIR/r.conf:2:3: error: unknown field \"y\": known are <x> and <method>\n" +
				"DIR/r.conf:4:7: error: period \"(0)\": expected 1 to 31622400 seconds\n" +
				"DIR/r.conf:5:8: error: no = in the line: expected OUTPUT (SECONDS) = METHOD PATTERN [OPTION=VALUE ...]\n",
			bad: true,
		},
		"no rules": {
			config: "rules = \"none.conf\"\n",
			want:   "DIR/none.conf: error: rules: open DIR/none.conf: no such file or directory\n",
			bad:    true,
		},
		"of a file with wrong syntax nothing else": {
			config: "prefix = \"a\"\nprefix = \"b\"\nrules = \"none.conf\"\n",
			want:   "DIR/c.toml:2:1: error: Key 'prefix' has already been defined, in the line \"prefix = \\\"b\\\"\"\n",
			bad:    true,
		},
		"a ring that cannot tell two apart": {
			config: "rules = \"r.conf\"\nupstream = [\"h:1\", \"h:2\"]\n[[route]]\nto = [\"h:1\", \"h:2\"]\nstop = false\n[[route]]\nto = [\"h:2\", \"h:1\"]\nmode = \"hash\"\n",
			rules:  "a (60) = sum b\n",
			want: "DIR/c.toml:7:6: error: route[1].to = [\"h:2\", \"h:1\"]: destinations \"h:2\" and \"h:1\" have one host and instance, which a hash ring cannot tell apart; " +
				"accepted: a distinct instance behind the port, like \"h:1:b\"\n",
			bad: true,
		},
		"one place twice": {
			config: "rules = \"r.conf\"\nupstream = [\"stdout:\", \"h:1\"]\n[[destination]]\nname = \"x\"\naddress = \"H:1\"\n",
			rules:  "a (60) = sum b\n",
			want:   "DIR/c.toml:5:11: error: destination[0].address = \"H:1\": where upstream[1] is already; accepted: a place of its own for each destination\n",
			bad:    true,
		},
		"files that the daemon would refuse": {
			config: "rules = \"r.conf\"\ndata = \"r.conf\"\n[[destination]]\naddress = \"tls://h:1\"\ntls_ca = \"r.conf\"\n" +
				"[[listener]]\naddress = \":1\"\ntls_cert = \"none.pem\"\ntls_key = \"none.pem\"\n[http]\ntls_cert = \"r.conf\"\ntls_key = \"r.conf\"\n",
			rules: "a (60) = sum b\n",
			want: "DIR/c.toml:2:8: error: data = \"r.conf\": it is there and no directory; accepted: a directory, or a path where one can be made\n" +
				"DIR/c.toml:11:12: error: http.tls_cert = \"r.conf\": TLS certificate \"DIR/r.conf\" with key \"DIR/r.conf\": tls: failed to find any PEM data in certificate input\n" +
				"DIR/c.toml:8:12: error: listener[0].tls_cert = \"none.pem\": TLS certificate \"DIR/none.pem\" with key \"DIR/none.pem\": open DIR/none.pem: no such file or directory\n" +
				"DIR/c.toml:4:11: error: destination[0].address = \"tls://h:1\": TLS.CA: DIR/r.conf holds no certificate in PEM form\n",
			bad: true,
		},
		"files of TLS that the daemon does not read": {
			config: "rules = \"r.conf\"\n[http]\nlisten = \"\"\ntls_cert = \"none.pem\"\ntls_key = \"none.pem\"\n",
			rules:  "a (60) = sum b\n",
		},
		"the flag wins over the key": {
			config: "rules = \"none.conf\"\n", rules: "a (60) = sum b\n", args: []string{"--rules", "DIR/r.conf"},
		},
		"the flag counts where the configuration cannot be read": {
			config: "rules = r.conf\n", rules: "rubbish\n", args: []string{"--rules", "DIR/r.conf"},
			want: "DIR/c.toml:1:9: error: expected value but found \"r\" instead, in the line \"rules = r.conf\"; text, durations and sizes are written in quotes, such as key = \"5s\"\n" +
				"DIR/r.conf:1:8: error: no = in the line: expected OUTPUT (SECONDS) = METHOD PATTERN [OPTION=VALUE ...]\n",
			bad: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			args := []string{"check", "--config", write(t, dir, "c.toml", c.config)}
			if c.rules != "" {
				write(t, dir, "r.conf", c.rules)
			}
			for _, a := range c.args {
				args = append(args, strings.ReplaceAll(a, "DIR", dir))
			}
			out, _, err := execute("", args...)
			out = regexp.MustCompile(`(destination ".*accepted: ).*`).ReplaceAllString(out, "${1}DESTINATIONS")
			if want := strings.ReplaceAll(c.want, "DIR", dir); out != want {
				t.Errorf("prints\n%swant\n%s", out, want)
			}
			if c.bad != errors.Is(err, errReported) || !c.bad && err != nil {
				t.Errorf("error %v, want one: %v", err, c.bad)
			}
		})
	}
}

// A key that only the daemon's user may read does not fail the check of another one.
func TestCheckUnreadableKey(t *testing.T) {
	cfg, _ := config.Parse("c.toml", []byte("[http]\ntls_cert = \"a.pem\"\n"))
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"not allowed": {fmt.Errorf("TLS: %w", &fs.PathError{Op: "open", Path: "a.pem", Err: syscall.EACCES}),
			`c.toml:2:12: warning: http.tls_cert = "a.pem": TLS: open a.pem: permission denied; accepted: a file that the daemon's user may read`},
		"not there": {&fs.PathError{Op: "open", Path: "a.pem", Err: syscall.ENOENT},
			`c.toml:2:12: error: http.tls_cert = "a.pem": open a.pem: no such file or directory`},
	} {
		if got := tlsProblem(cfg, "http.tls_cert", c.err).String(); got != c.want {
			t.Errorf("%s: %s\nwant %s", name, got, c.want)
		}
	}
}

// What is wrong with the files of whisper destinations is said where it stands; a file
// that is not there, where it is named.
func TestCheckWhisperRules(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "r.conf", "a (60) = sum b\n")
	write(t, dir, "storage-schemas.conf", "[carbon]\npattern = ^carbon\\.\nretentions = 60:90d\n\n[default]\npattern = (\nretentions = 60s:1d,90s:7d\n")
	write(t, dir, "storage-aggregation.conf", "[min]\npattern = \\.min$\naggregationMethod = least\n")
	config := write(t, dir, "c.toml", `rules = "r.conf"
[[destination]]
address = "whisper:///nowhere/a"
[[destination]]
address = "whisper:///nowhere/b"
aggregation = ""
[[destination]]
address = "whisper:///nowhere/c"
schemas = "none.conf"
aggregation = ""
`)
	out, _, err := execute("", "check", "--config", config)
	want := strings.ReplaceAll("DIR/storage-schemas.conf:6: error: [default]: pattern \"(\": error parsing regexp: missing closing ): `(`\n"+
		"DIR/storage-schemas.conf:7: error: [default]: retentions \"60s:1d,90s:7d\": 90 s is not a multiple of 60 s; want those like 10s:6h,60s:7d\n"+
		"DIR/storage-aggregation.conf:3: error: [min]: aggregationMethod \"least\"; want average, sum, last, max or min\n"+
		"DIR/c.toml:8:11: error: destination[2].address = \"whisper:///nowhere/c\": schemas \"DIR/none.conf\": no such file or directory\n", "DIR", dir)
	if out != want || !errors.Is(err, errReported) {
		t.Errorf("prints\n%swant\n%s(error %v)", out, want, err)
	}
	if _, err := os.Stat("/nowhere"); err == nil {
		t.Error("check makes directories")
	}
}

// The files at the root of the repository are what a newcomer begins with.
func TestCheckShippedFiles(t *testing.T) {
	root := filepath.Join("..", "..")
	out, report, err := execute("", "check", "--config", filepath.Join(root, "coalesce.toml"))
	if out != "" || err != nil {
		t.Errorf("prints %q, error %v, want neither", out, err)
	}
	if want := "../../coalesce.toml and ../../aggregation-rules.conf (1 rule): no errors\n"; report != want {
		t.Errorf("reports %q, want %q", report, want)
	}

	// The examples in comments are good rules, too.
	text, err := os.ReadFile(filepath.Join(root, "aggregation-rules.conf"))
	if err != nil {
		t.Fatal(err)
	}
	var rules []string
	for line := range strings.Lines(string(text)) {
		if example, ok := strings.CutPrefix(line, "#   "); ok && strings.Contains(example, ") = ") && !strings.Contains(example, "OUTPUT") {
			rules = append(rules, example)
		}
	}
	if len(rules) < 4 {
		t.Fatalf("%d examples found", len(rules))
	}
	path := write(t, t.TempDir(), "examples.conf", strings.Join(rules, ""))
	if out, _, err := execute("", "check", "--config", filepath.Join(root, "coalesce.toml"), "--rules", path); out != "" || err != nil {
		t.Errorf("the examples: %s%v", out, err)
	}
}
