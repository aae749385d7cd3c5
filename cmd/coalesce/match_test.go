package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/rules"
)

const matchRules = `# three rules
<env>.all.of.<app>.requests (60) = sum <env>.<app>.*.requests

latency.<method> (10) = max,p99.9 *.*.*.requests grace=1s
by.<dc>;dc=<dc> (30) = count requests;dc=<dc>;host=web*
`

func TestMatch(t *testing.T) {
	path := write(t, t.TempDir(), "r.conf", matchRules)
	text := func(s string) string { return strings.ReplaceAll(s, "FILE", path) }
	for name, c := range map[string]struct {
		args  []string
		stdin string
		want  string
	}{
		"text": {
			args: []string{"prod.shop.web1.requests", "nothing.of.it", "requests;host=web7;dc=eu"},
			want: "prod.shop.web1.requests\n" +
				"  aggregates.prod.all.of.shop.requests  sum of 60 s  (FILE:2)\n" +
				"  aggregates.latency.max  max of 10 s  (FILE:4)\n" +
				"  aggregates.latency.p999  p99.9 of 10 s  (FILE:4)\n" +
				"nothing.of.it\n" +
				"  no rule matches\n" +
				"requests;host=web7;dc=eu\n" +
				"  aggregates.by.eu;dc=eu  count of 30 s  (FILE:5)\n",
		},
		"json": {
			args: []string{"--json", "prod.shop.web1.requests", "a.b.c.d", `with"quotes`, "requests;host=web7;dc=<eu>"},
			want: `{"metric":"prod.shop.web1.requests","outputs":[` +
				`{"output":"aggregates.prod.all.of.shop.requests","method":"sum","period":60,"line":2,"fields":{"app":"shop","env":"prod"}},` +
				`{"output":"aggregates.latency.max","method":"max","period":10,"line":4,"fields":{}},` +
				`{"output":"aggregates.latency.p999","method":"p99.9","period":10,"line":4,"fields":{}}]}` + "\n" +
				`{"metric":"a.b.c.d","outputs":[]}` + "\n" +
				`{"metric":"with\"quotes","outputs":[]}` + "\n" +
				`{"metric":"requests;host=web7;dc=<eu>","outputs":[{"output":"aggregates.by.<eu>;dc=<eu>","method":"count","period":30,"line":5,"fields":{"dc":"<eu>"}}]}` + "\n",
		},
		"names from standard input": {
			stdin: "a\n\n  b.c\t\r\nlast",
			want:  "a\n  no rule matches\nb.c\n  no rule matches\nlast\n  no rule matches\n",
		},
		"another prefix": {
			args: []string{"--prefix", "sums", "prod.shop.web1.requests"},
			want: "prod.shop.web1.requests\n" +
				"  sums.prod.all.of.shop.requests  sum of 60 s  (FILE:2)\n" +
				"  sums.latency.max  max of 10 s  (FILE:4)\n" +
				"  sums.latency.p999  p99.9 of 10 s  (FILE:4)\n",
		},
		"no prefix": {
			args: []string{"--prefix=", "requests;dc=eu;host=web"},
			want: "requests;dc=eu;host=web\n  by.eu;dc=eu  count of 30 s  (FILE:5)\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			out, report, err := execute(c.stdin, append([]string{"match", "--rules", path}, c.args...)...)
			if err != nil || report != "" {
				t.Errorf("error %v, on standard error %q", err, report)
			}
			if want := text(c.want); out != want {
				t.Errorf("prints\n%swant\n%s", out, want)
			}
		})
	}
}

func TestMatchFailures(t *testing.T) {
	dir := t.TempDir()
	good := write(t, dir, "good.conf", matchRules)
	bad := write(t, dir, "bad.conf", "a (60) = sum b\nrubbish\n")

	out, report, err := execute("", "match", "--rules", bad, "b")
	if want := bad + ":2:8: error: no = in the line: expected OUTPUT (SECONDS) = METHOD PATTERN [OPTION=VALUE ...]\n"; out != "" || report != want || !errors.Is(err, errReported) {
		t.Errorf("bad rules: prints %q and %q, error %v; want %q", out, report, err, want)
	}
	if _, _, err := execute("", "match", "--rules", dir+"/none.conf", "b"); err == nil || !strings.Contains(err.Error(), "none.conf") {
		t.Errorf("no rules: error %v", err)
	}
	// What was asked before is answered.
	out, _, err = execute("a\n"+strings.Repeat("x", rules.MaxName+10)+"\nb\n", "match", "--rules", good)
	if out != "a\n  no rule matches\n" || err == nil || !strings.Contains(err.Error(), "standard input") {
		t.Errorf("an endless name: prints %q, error %v", out, err)
	}
}
