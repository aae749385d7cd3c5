package aggregator

import (
	"math"
	"testing"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/rules"
)

// viewed are the rules of a text, of which those from the at-th on ask for views.
func viewed(t *testing.T, text string, at int) *rules.Set {
	var list []*rules.Rule
	for i, r := range parseRules(t, text).Rules() {
		changed := *r
		changed.ForwardViews, changed.Percentiles = i >= at, i >= at
		list = append(list, &changed)
	}
	return rules.NewSet(list)
}

func withViews(cfg *Config) {
	cfg.Views = []View{
		{":rate", func(c *cell.Cell, _ *cell.Values, period int64) float64 { return c.Sum / float64(period) }},
		{":p50", func(c *cell.Cell, values *cell.Values, _ int64) float64 {
			if values == nil {
				return math.NaN()
			}
			return values.Quantile(.5, c.Min, c.Max)
		}},
	}
}

func TestViews(t *testing.T) {
	const text = "file (60) = sum in\nout (60) = avg in\ntagged;dc=x (60) = avg in\n"
	k := start(t, 1000, "", withViews)
	k.a.SetRules(viewed(t, text, 1))
	k.add("in", 60, 1000)
	k.add("in", 120, 1000)
	k.tick(1025)
	k.want(Row{"file", 180, 960}, Row{"out", 90, 960}, Row{"out:rate", 3, 960}, Row{"out:p50", 90, 960},
		Row{"tagged;dc=x", 90, 960}, Row{"tagged:rate;dc=x", 3, 960}, Row{"tagged:p50;dc=x", 90, 960})
	k.add("in", 180, 1000) // late
	k.through(1031)
	k.want(Row{"file", 360, 960}, Row{"out", 120, 960}, Row{"out:rate", 6, 960}, Row{"out:p50", 120, 960},
		Row{"tagged;dc=x", 120, 960}, Row{"tagged:rate;dc=x", 6, 960}, Row{"tagged:p50;dc=x", 120, 960})
}

// The views of an output come and go with the rules that ask for them, but for
// what it holds when they go with the last rule.
func TestViewsComeAndGo(t *testing.T) {
	k := start(t, 1000, "", withViews)
	k.a.SetRules(viewed(t, "out (60) = avg in\n", 0))
	k.add("in", 60, 1000)
	k.a.SetRules(rules.NewSet(nil))
	k.tick(1025)
	k.want(Row{"out", 60, 960}, Row{"out:rate", 1, 960}, Row{"out:p50", 60, 960})

	// A rule of the file feeds it, then one with views too, then only the first.
	const both = "out (60) = avg <a>\nout (60) = avg i<b>\n"
	k.a.SetRules(viewed(t, "out (60) = avg <a>\n", 1))
	k.add("in", 60, 1025)
	k.tick(1085)
	k.want(Row{"out", 60, 1020})
	k.a.SetRules(viewed(t, both, 1))
	k.add("in", 60, 1085)
	k.tick(1145)
	k.want(Row{"out", 60, 1080}, Row{"out:rate", 1, 1080}, Row{"out:p50", 60, 1080})
	k.a.SetRules(viewed(t, "out (60) = avg <a>\n", 1))
	k.add("in", 60, 1145)
	k.tick(1205)
	k.want(Row{"out", 60, 1140})
}

func TestViewsAfterRestart(t *testing.T) {
	k := start(t, 1000, "", withViews)
	k.a.SetRules(viewed(t, "out (60) = avg in\n", 0))
	k.add("in", 60, 1000)
	k.restart("") // the rule is gone meanwhile
	k.tick(1025)
	k.want(Row{"out", 60, 960}, Row{"out:rate", 1, 960}, Row{"out:p50", 60, 960})
}
