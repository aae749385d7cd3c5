package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestViewsProblems(t *testing.T) {
	const prefixWant = `cannot begin a metric name; accepted: nodes joined by dots, none of them empty, at most 255 bytes without blanks, control characters and ;, or "" for none`
	for name, c := range map[string]struct{ src, want string }{
		"period": {`views.report_period = "1500ms"`,
			`f.toml:1:23: error: views.report_period = "1500ms": not whole seconds; accepted: whole seconds such as "10s"`},
		"no period": {`views.report_period = "0s"`,
			`f.toml:1:23: error: views.report_period = "0s": not accepted; accepted: "1s" to "1d"`},
		"mode":          {"[views]\nmode = \"Delta\"", `f.toml:2:8: error: views.mode = "Delta": not accepted; accepted: "cumulative" or "delta"`},
		"dot at end":    {`views.prefix = "a."`, `f.toml:1:16: error: views.prefix = "a.": ` + prefixWant},
		"blank":         {`views.prefix = "a b"`, `f.toml:1:16: error: views.prefix = "a b": ` + prefixWant},
		"rows":          {`views.rows = 0`, `f.toml:1:14: error: views.rows = 0: not accepted; accepted: 1 to 1000000`},
		"bounds":        {"[[view]]\nbounds = 5", `f.toml:2:10: error: view[0].bounds = 5: not an array; accepted: an array of numbers, such as [1, 10]`},
		"bound as text": {"[[view]]\nbounds = [1, \"x\"]", `f.toml:2:14: error: view[0].bounds[1] = "x": not a number; accepted: an array of numbers, such as [1, 10]`},
		"one view":      {"[view]\nmeasure = \"m\"", `f.toml:1:2: error: view: not a list of tables; accepted: keys under [[view]], once for each view`},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := Parse("f.toml", []byte(c.src))
			if diff := cmp.Diff([]string{c.want}, lines(problems)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if _, problems := Parse("f.toml", []byte("views.prefix = \"\"\n[[view]]\nbounds = [1, 2.5, 1e-3]")); len(problems) > 0 {
		t.Error(problems)
	}
}
