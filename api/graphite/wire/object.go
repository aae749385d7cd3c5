package wire

import (
	"slices"

	"github.com/coalesce-metrics/coalesce/query/functions"
)

// An objectWriter writes lists and dicts, whose lengths are told before they
// begin.
type objectWriter interface {
	list(n int)
	endList()
	dict(n int)
	endDict()
	str(s string)
	int(n int64)
	float(v float64)
	bool(v bool)
	floats(values []float64) // a list, not-a-number as none
	room() *[]byte           // what is written to
}

// writeSeries writes what graphite-web's TimeSeries.getInfo returns.
func writeSeries(w objectWriter, series []*functions.Series) {
	const perSeries, perPoint = 200, 9 // typical
	b := w.room()
	*b = slices.Grow(*b, perSeries*len(series)+perPoint*points(series))
	w.list(len(series))
	for _, s := range series {
		w.dict(9)
		w.str("name")
		w.str(s.Name)
		w.str("start")
		w.int(s.Start)
		w.str("end")
		w.int(s.End)
		w.str("step")
		w.int(s.Step)
		w.str("values")
		w.floats(s.Values)
		w.str("pathExpression")
		w.str(pathExpression(s))
		w.str("valuesPerPoint")
		w.int(1)
		w.str("consolidationFunc")
		w.str(consolidation(s))
		w.str("xFilesFactor")
		w.float(s.XFilesFactor)
		w.endDict()
	}
	w.endList()
}

func pathExpression(s *functions.Series) string {
	if s.Path == "" {
		return s.Name
	}
	return s.Path
}

func consolidation(s *functions.Series) string {
	if s.Consolidate == "" {
		return "average"
	}
	return s.Consolidate
}

// writeNodes writes dicts with the keys of graphite-web 1.x and of 0.9.
func writeNodes(w objectWriter, nodes []Node) {
	b := w.room()
	*b = growFor(*b, nodes, 2, 90)
	w.list(entries(nodes))
	for n, leaf := range each(nodes) {
		keys := 4
		if leaf {
			keys++
		}
		w.dict(keys)
		w.str("path")
		w.str(n.Path)
		w.str("metric_path")
		w.str(n.Path)
		w.str("is_leaf")
		w.bool(leaf)
		w.str("isLeaf")
		w.bool(leaf)
		if leaf {
			w.str("intervals")
			writeIntervals(w, n)
		}
		w.endDict()
	}
	w.endList()
}

func writeIntervals(w objectWriter, n *Node) {
	first, last, ok := n.interval()
	if !ok {
		w.list(0)
		w.endList()
		return
	}
	w.list(1)
	w.list(2)
	w.int(first)
	w.int(last)
	w.endList()
	w.endList()
}
