package node

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkStored asks for the last hour of a metric.
func BenchmarkStored(b *testing.B) {
	for _, series := range []int{1, 100} {
		m := newMemory(10)
		for i := range series {
			for at := 0; at < 3600; at += 10 {
				m.put(b, fmt.Sprintf("m;service=s%d %d %d", i, at%7, -at))
			}
		}
		for _, members := range []string{
			`"aggregator":"sum","group_by":["service"]`, `"aggregator":"p99"`, `"aggregator":"avg","rollup":"1m"`,
		} {
			b.Run(fmt.Sprintf("series=%d/%s", series, strings.ReplaceAll(members, `"`, "")), func(b *testing.B) {
				n := newNode(m)
				message := `{"type":"aggregate_metric","metric":"m",` + members + `}`
				b.ReportAllocs()
				for b.Loop() {
					if reply := answer(b, n, message); !strings.HasPrefix(reply, `{"type":"aggregation_result"`) {
						b.Fatal(reply)
					}
				}
				b.ReportMetric(float64(b.N*series*360)/b.Elapsed().Seconds(), "cells/s")
			})
		}
	}
}

// BenchmarkInline reads a large message.
func BenchmarkInline(b *testing.B) {
	n := newNode(newMemory(10))
	message := `{"type":"aggregate_metric","metric":"m","aggregator":"p99","values":[` + strings.Repeat("123.25,", 1e5) + `1]}`
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	for b.Loop() {
		if reply := answer(b, n, message); reply != `{"type":"aggregation_result","value":123.25,"sample_count":100001}`+"\n" {
			b.Fatal(reply)
		}
	}
}
