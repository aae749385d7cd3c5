package measurements

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/attributes"
	"github.com/coalesce-metrics/coalesce/rules"
)

// newEngine returns the family over an aggregator.
func newEngine(b *testing.B) (*API, *aggregator.Aggregator) {
	agg, err := aggregator.New(aggregator.Config{
		Rules: rules.NewSet(nil), Lanes: 2, MaxSeries: 1e5, MaxOutputs: 1e5, MaxBuckets: 1e6, Keep: 5, Future: 600,
		Now: func() float64 { return benchTime }, Emit: func([]aggregator.Row, bool) {}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	book, err := attributes.Open(attributes.Config{MaxMetrics: 1000, Period: 60})
	if err != nil {
		b.Fatal(err)
	}
	return New(Config{
		Book: book, Stream: agg.Stream, Add: agg.AddMeasurements, Grace: 10 * time.Second, Past: 2 * time.Hour, Future: 10 * time.Minute,
		MaxBatch: 1000, MaxTags: 50, MaxBody: 5 << 20, MaxTagSets: 40_000, MaxSeries: 1e6,
		Now: func() time.Time { return time.Unix(benchTime, 0) }, Logger: slog.New(slog.DiscardHandler),
	}), agg
}

const benchTime = 1_476_218_700

// benchBody is a request of 1000 measurements of as many series of 10 metrics.
func benchBody(aggregated bool) []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"time":%d,"measurements":[`, benchTime)
	for i := range 1000 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"name":"requests.duration.%d","value":%.3f,"tags":{"host":"web-%03d.example.com","region":"us-east-1","service":"checkout"},"attributes":{"aggregate":%v}}`,
			i%10, rng.ExpFloat64()*100, i/10, aggregated)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

func BenchmarkIngest(b *testing.B) {
	for _, aggregated := range []bool{false, true} {
		for _, zipped := range []bool{false, true} {
			b.Run(fmt.Sprintf("aggregate=%v/gzip=%v", aggregated, zipped), func(b *testing.B) {
				a, agg := newEngine(b)
				body := benchBody(aggregated)
				b.SetBytes(int64(len(body)))
				if zipped {
					var packed bytes.Buffer
					z := gzip.NewWriter(&packed)
					z.Write(body)
					z.Close()
					body = packed.Bytes()
				}
				h := a.Routes()[0].Handler
				b.ReportAllocs()
				n := 0
				for b.Loop() {
					r := httptest.NewRequest(http.MethodPost, Path, bytes.NewReader(body))
					r.Header.Set("Content-Type", "application/json")
					if zipped {
						r.Header.Set("Content-Encoding", "gzip")
					}
					w := httptest.NewRecorder()
					if h.ServeHTTP(w, r); w.Code != http.StatusAccepted {
						b.Fatal(w.Code, w.Body)
					}
					n += 1000
				}
				if s := agg.Stats(); s.Accepted != uint64(n) || a.Stats().Accepted != uint64(n) {
					b.Fatalf("%d of %d are taken", s.Accepted, n)
				}
				b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "measurements/s")
			})
		}
	}
}
