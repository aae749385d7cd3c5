package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// match --config shows every step of a name. The rings have one owner each, so
// that what is expected needs no hash.
func TestMatchWithConfig(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"r.conf":    "all.<x>.<method> (60) = sum,p99 servers.*.<x>\nkept.<x> (10) = max kept.<x> forward=off\n",
		"rw.conf":   "[pre]\n^host\\.(.*) = servers.\\1\n[post]\n^servers = srv\n",
		"deny.conf": "^secret\n",
		"c.toml": `rules = "r.conf"
[names]
rewrite_rules = "rw.conf"
deny_list = "deny.conf"
normalise_tags = true
[[destination]]
name = "a"
address = "pickle://10.0.0.1:2004:a"
[[destination]]
name = "b"
address = "10.0.0.2:2003"
[[route]]
send = "aggregates"
to = ["a"]
mode = "hash"
[[route]]
send = "raw"
pattern = "^srv"
to = ["b", "a"]
[[route]]
send = "raw"
to = ["b"]
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := map[string]struct{ metric, json, text string }{
		"rewritten": {
			"host.w1.cpu",
			`{"metric":"host.w1.cpu","name":"servers.w1.cpu","outputs":[` +
				`{"output":"aggregates.all.cpu.sum","method":"sum","period":60,"line":1,"fields":{"x":"cpu"},"destinations":["10.0.0.1:2004:a"]},` +
				`{"output":"aggregates.all.cpu.p99","method":"p99","period":60,"line":1,"fields":{"x":"cpu"},"destinations":["10.0.0.1:2004:a"]}],` +
				`"forward":{"name":"srv.w1.cpu","destinations":["10.0.0.1:2004:a","10.0.0.2:2003"]}}`,
			"host.w1.cpu\n  is then servers.w1.cpu  (pre, DIR/rw.conf:2: ^host\\.(.*) = servers.\\1)\n" +
				"  aggregates.all.cpu.sum  sum of 60 s  (DIR/r.conf:1)  to 10.0.0.1:2004:a\n" +
				"  aggregates.all.cpu.p99  p99 of 60 s  (DIR/r.conf:1)  to 10.0.0.1:2004:a\n" +
				"  is forwarded as srv.w1.cpu  to 10.0.0.1:2004:a, 10.0.0.2:2003\n",
		},
		"denied": {
			"secret.x", `{"metric":"secret.x","dropped":"denied","outputs":[]}`, "secret.x\n  is dropped: denied\n",
		},
		"consumed": {
			"kept.y",
			`{"metric":"kept.y","name":"kept.y","outputs":[{"output":"aggregates.kept.y","method":"max","period":10,"line":2,"fields":{"x":"y"},"destinations":["10.0.0.1:2004:a"]}]}`,
			"kept.y\n  aggregates.kept.y  max of 10 s  (DIR/r.conf:2)  to 10.0.0.1:2004:a\n",
		},
		"tags in order": {
			"cpu;b=1;a=2",
			`{"metric":"cpu;b=1;a=2","name":"cpu;a=2;b=1","outputs":[],"forward":{"name":"cpu;a=2;b=1","destinations":["10.0.0.2:2003"]}}`,
			"cpu;b=1;a=2\n  is then cpu;a=2;b=1  (tags)\n  no rule matches\n  is forwarded as cpu;a=2;b=1  to 10.0.0.2:2003\n",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out, report, err := execute("", "match", "--config", filepath.Join(dir, "c.toml"), "--json", tt.metric)
			if err != nil || out != tt.json+"\n" {
				t.Errorf("--json: %v %s\n%s\nwant\n%s", err, report, out, tt.json)
			}
			out, _, err = execute("", "match", "--config", filepath.Join(dir, "c.toml"), tt.metric)
			if want := replaceDir(tt.text, dir); err != nil || out != want {
				t.Errorf("text: %v\n%s\nwant\n%s", err, out, want)
			}
		})
	}
}

func replaceDir(text, dir string) string { return strings.ReplaceAll(text, "DIR", dir) }

// A row that no route takes is shown to go nowhere, not to be unknown where it goes.
func TestExplainUnrouted(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "r.conf", "a (60) = sum x\n")
	conf := write(t, dir, "c.toml", "rules = \"r.conf\"\nupstream = [\"h:1\"]\n[[route]]\npattern = \"^y\"\nto = [\"h:1\"]\n")
	out, report, err := execute("", "match", "--config", conf, "--json", "x")
	want := `{"metric":"x","name":"x","outputs":[{"output":"aggregates.a","method":"sum","period":60,"line":1,"fields":{},"destinations":[]}],` +
		`"forward":{"name":"x","destinations":[]}}` + "\n"
	if err != nil || out != want {
		t.Errorf("--json: %v %s\n%swant\n%s", err, report, out, want)
	}
	out, _, err = execute("", "match", "--config", conf, "x")
	want = "x\n  aggregates.a  sum of 60 s  (DIR/r.conf:1)  to no destination\n  is forwarded as x  to no destination\n"
	if want = replaceDir(want, dir); err != nil || out != want {
		t.Errorf("text: %v\n%swant\n%s", err, out, want)
	}
}
