package plot

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	a := Series{Name: "a", Points: []Point{{1792886400, 1}, {1792886460, nan}, {1792886520, 12345678.125}}}
	b := Series{Name: "requests;dc=\x1b", Points: []Point{{1792886400, math.Inf(1)}, {1792886520, 1e-9}}}
	late := Series{Name: "ü", Points: []Point{{1792888200, 0.1}, {1792891800, -2}}}
	var nine []Series
	for i := range 9 {
		nine = append(nine, Series{Name: fmt.Sprint("s", i), Points: a.Points[:2]})
	}
	for name, c := range map[string]struct {
		series []Series
		TableOptions
		want string
	}{
		"nothing": {nil, TableOptions{}, "time\n"},
		"no points": {[]Series{{Name: "a"}}, TableOptions{}, `
time  a
`},
		"one": {[]Series{a}, TableOptions{}, `
time (UTC)                      a
2026-10-25 00:00:00             1
2026-10-25 00:01:00             -
2026-10-25 00:02:00  12345678.125
`},
		"two, of other times": {[]Series{a, b}, TableOptions{Width: 51}, `
time (UTC)                      a  requests;dc=\x1b
2026-10-25 00:00:00             1               inf
2026-10-25 00:01:00             -                 -
2026-10-25 00:02:00  12345678.125              1e-9
`},
		"too narrow": {[]Series{a, b}, TableOptions{Width: 50}, `
time (UTC)           series                   value
2026-10-25 00:00:00  a                            1
2026-10-25 00:01:00  a                            -
2026-10-25 00:02:00  a                 12345678.125
2026-10-25 00:00:00  requests;dc=\x1b           inf
2026-10-25 00:02:00  requests;dc=\x1b          1e-9
`},
		"too narrow for one": {[]Series{late}, TableOptions{Width: 10, ASCII: true}, `
time (UTC)           \u00fc
2026-10-25 00:30:00     0.1
2026-10-25 01:30:00      -2
`},
		// The hour from 2 to 3 comes twice.
		"clocks change": {[]Series{late}, TableOptions{Location: berlin(t)}, `
time                        ü
2026-10-25 02:30:00 CEST  0.1
2026-10-25 02:30:00 CET    -2
`},
		"zone": {[]Series{a}, TableOptions{Location: berlin(t)}, `
time (CEST)                     a
2026-10-25 02:00:00             1
2026-10-25 02:01:00             -
2026-10-25 02:02:00  12345678.125
`},
		"eight": {nine[:8], TableOptions{}, `
time (UTC)           s0  s1  s2  s3  s4  s5  s6  s7
2026-10-25 00:00:00   1   1   1   1   1   1   1   1
2026-10-25 00:01:00   -   -   -   -   -   -   -   -
`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := string(AppendTable(nil, c.series, c.TableOptions)); got != strings.TrimPrefix(c.want, "\n") {
				t.Errorf("got\n%swant%s", got, c.want)
			}
		})
	}
	got := string(AppendTable(nil, nine, TableOptions{}))
	if n := strings.Count(got, "\n"); n != 1+9*2 || !strings.HasPrefix(got, "time (UTC)           series  value\n") {
		t.Errorf("nine series:\n%s", got)
	}
}
