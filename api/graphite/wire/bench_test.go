package wire

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/query/functions"
)

// A day of 100 series by the minute, one point in ten missing.
func BenchmarkRender(b *testing.B) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var series []*functions.Series
	for i := range 100 {
		name := fmt.Sprintf("aggregates.web.frontend%03d.requests.p99", i)
		s := &functions.Series{Name: name, Path: "aggregates.web.*.requests.p99", Tags: map[string]string{"name": name},
			Start: 1_700_000_040, End: 1_700_000_040 + 1440*60, Step: 60}
		for range 1440 {
			v := math.Round(rnd.Float64()*1e6) / 100
			if rnd.IntN(10) == 0 {
				v = math.NaN()
			}
			s.Values = append(s.Values, v)
		}
		series = append(series, s)
	}
	req := &FetchRequest{Name: "aggregates.web.*.requests.p99", PathExpression: "aggregates.web.*.requests.p99", Start: 1_700_000_000, Stop: 1_700_086_400}
	for _, c := range []struct {
		name   string
		append func([]byte) []byte
	}{
		{"json", func(dst []byte) []byte { return AppendRenderJSON(dst, series, false) }},
		{"csv", func(dst []byte) []byte { return AppendRenderCSV(dst, series, time.UTC) }},
		{"raw", func(dst []byte) []byte { return AppendRenderRaw(dst, series) }},
		{"pickle", func(dst []byte) []byte { return AppendRenderPickle(dst, series) }},
		{"msgpack", func(dst []byte) []byte { return AppendRenderMsgPack(dst, series) }},
		{"v2", func(dst []byte) []byte { return AppendRenderV2(dst, series) }},
		{"v3", func(dst []byte) []byte { return AppendRenderV3(dst, req, series) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			var size int
			for b.Loop() {
				body := c.append(nil)
				if size = len(body); size < 100*1440 {
					b.Fatalf("%d bytes", size)
				}
			}
			b.ReportMetric(float64(size), "bytes")
			b.SetBytes(int64(size))
		})
	}
}

// A tree of 10 000 nodes.
func BenchmarkFind(b *testing.B) {
	var nodes []Node
	for i := range 10_000 {
		nodes = append(nodes, Node{Path: fmt.Sprintf("aggregates.web.frontend%04d", i), Leaf: i%2 == 0, Branch: i%2 != 0, First: 1_700_000_000, Last: 1_700_086_400})
	}
	for _, c := range []struct {
		name   string
		append func([]byte) []byte
	}{
		{"treejson", func(dst []byte) []byte { return AppendFindTreeJSON(dst, "aggregates.web.*", nodes, false) }},
		{"json", func(dst []byte) []byte { return AppendFindJSON(dst, nodes) }},
		{"pickle", func(dst []byte) []byte { return AppendFindPickle(dst, nodes) }},
		{"msgpack", func(dst []byte) []byte { return AppendFindMsgPack(dst, nodes) }},
		{"v3", func(dst []byte) []byte { return AppendFindV3(dst, "aggregates.web.*", nodes) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if body := c.append(nil); len(body) < 10*len(nodes) {
					b.Fatalf("%d bytes", len(body))
				}
			}
		})
	}
}
