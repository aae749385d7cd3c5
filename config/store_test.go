package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStoreAsText(t *testing.T) {
	for _, text := range []string{"memory", "off", "sqlite", "postgres://u:p@h:1/d?sslmode=disable"} {
		c, problems := Parse("f.toml", []byte(`store = "`+text+`"`))
		if len(problems) > 0 || c.Store.At != text {
			t.Errorf("%s: at %q, %v", text, c.Store.At, problems)
		}
	}
}

func TestStoreProblems(t *testing.T) {
	for name, c := range map[string]struct{ src, want string }{
		"no store": {`store = "mysql://h"`,
			`f.toml:1:9: error: store.at = "mysql://h": no such store; accepted: "sqlite", "memory", "off", or a URL such as "postgres://user@host:5432/database"`},
		"no URL": {"[store]\nat = \"postgres://h:p%zz\"",
			`f.toml:2:6: error: store.at = "postgres://h:p%zz": not a URL; accepted: "sqlite", "memory", "off", or a URL such as "postgres://user@host:5432/database"`},
		"span":       {"[[window]]\nname = \"a\"\nspan = \"7m\"\nstep = \"5m\"\nretention = \"1h\"", `f.toml:3:8: error: window[0].span = "7m": not a multiple of step = "5m"; accepted: a multiple of it`},
		"retention":  {"[[window]]\nname = \"a\"\nspan = \"6m\"\nstep = \"3m\"\nretention = \"3m\"", `f.toml:5:13: error: window[0].retention = "3m": below span = "6m"; accepted: at least that`},
		"step":       {"[[window]]\nname = \"a\"\nspan = \"14m\"\nstep = \"7m\"\nretention = \"1h\"", `f.toml:4:8: error: window[0].step = "7m": the steps of the windows a (7m) and 24h (15m) do not fit; accepted: a multiple of the next finer window's`},
		"same step":  {"[[window]]\nname = \"a\"\nspan = \"1h\"\nstep = \"1m\"\nretention = \"1h\"", `f.toml:4:8: error: window[0].step = "1m": the steps of the windows 1h (1m) and a (1m) do not fit; accepted: a multiple of the next finer window's`},
		"no name":    {"[[window]]\nspan = \"1h\"\nstep = \"30m\"\nretention = \"1h\"", `f.toml:1:3: error: window[0].name = "": not a name; accepted: 1 to 64 bytes without dots, slashes and blanks`},
		"no pattern": {"[[keep]]\nperiod = \"20s\"", `f.toml:1:3: error: keep[0].pattern = "": empty; accepted: a pattern as in a rule, such as "app.*.requests"`},
		"half a second of an API's rule": {"[api_rules]\nperiod = \"1500ms\"",
			`f.toml:2:10: error: api_rules.period = "1500ms": not whole seconds; accepted: whole seconds such as "30s"`},
		"half a second": {"[[keep]]\npattern = \"a\"\nperiod = \"1500ms\"",
			`f.toml:3:10: error: keep[0].period = "1500ms": not whole seconds; accepted: whole seconds such as "10s"`},
		"half a second of a metric": {"[measurements]\nperiod = \"10500ms\"",
			`f.toml:2:10: error: measurements.period = "10500ms": not whole seconds; accepted: whole seconds such as "60s"`},
		"no client": {"[measurements.ssa]\nuser_agents = [\"a\", \"b/1\"]",
			`f.toml:2:21: error: measurements.ssa.user_agents[1] = "b/1": no product of a User-Agent; accepted: such as "librato-rails", without blanks, / and ( )`},
		"node": {"[node]\nlisten = \":1\"",
			`f.toml:2:10: error: node.listen = ":1": not a loopback address, and the query node asks for no key; accepted: "127.0.0.1:PORT", "[::1]:PORT", "localhost:PORT", or "" for none`},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := Parse("f.toml", []byte(c.src))
			if diff := cmp.Diff([]string{c.want}, lines(problems)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAllWindows(t *testing.T) {
	c := Default()
	c.Windows = []Window{{"y", 730 * Day, Hour, 730 * Day}, {"1h", 2 * Hour, 2 * Minute, Day}}
	c.Windows[1].Step = Minute
	var got []string
	for _, w := range c.AllWindows() {
		got = append(got, w.Name+" "+w.Span.String()+" "+w.Step.String())
	}
	if diff := cmp.Diff([]string{"5m 5m 10s", "1h 2h 1m", "24h 1d 15m", "y 730d 1h"}, got); diff != "" {
		t.Error(diff)
	}
}
