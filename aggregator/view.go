package aggregator

import (
	"math"
	"strings"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/rules"
)

// View is a number read from a closed cell, sent as a row of its own.
type View struct {
	// Suffix is put behind the name of the output, before its tags.
	Suffix string
	// Value reads it from a cell of a period in seconds; values is nil where the
	// cell holds none. NaN is left out.
	Value func(c *cell.Cell, values *cell.Values, period int64) float64
}

// serve gives o what one more rule that feeds it asks for.
func (o *output) serve(r *rules.Rule) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.values = o.values || r.Percentiles
	o.views = o.views || r.ForwardViews
}

// addViews makes the rows of a bucket's views. values is nil where they are not
// whole. The caller holds b.out.mu.
func (a *Aggregator) addViews(b *bucket, values *cell.Values) {
	o := b.out
	name, tags, tagged := strings.Cut(o.rows[0].claim.name, ";")
	if tagged {
		tags = ";" + tags
	}
	for _, v := range a.cfg.Views {
		if x := v.Value(&b.cell, values, o.spec.period); !math.IsNaN(x) {
			a.tick.rows = append(a.tick.rows, Row{name + v.Suffix + tags, x, b.start})
		}
	}
}

// retireViews ends the views of an output that goes on for rules without.
// The caller holds Aggregator.mu.
func (o *output) retireViews() {
	if !o.views || o.pos() == gone || len(o.feeds) == 0 {
		return // what it holds is emitted as it was; after a restart nothing feeds it yet
	}
	for _, f := range o.feeds {
		for _, st := range f.rules {
			if st.pos != gone && st.rule.ForwardViews {
				return
			}
		}
	}
	o.mu.Lock()
	o.views = false
	o.mu.Unlock()
}
