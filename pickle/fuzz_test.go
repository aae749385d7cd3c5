package pickle

import (
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/coalesce-metrics/coalesce/plaintext"
)

func seeds(f *testing.F) {
	for _, v := range load[struct {
		Payload []byte `json:"payload_b64"`
	}](f, "python.json") {
		f.Add(v.Payload)
	}
	for _, v := range load[struct {
		Chunks [][]byte `json:"chunks_b64"`
	}](f, "pickle.json") {
		if c := v.Chunks[0]; len(c) > HeaderSize && len(c) < 1000 {
			f.Add(c[HeaderSize:])
		}
	}
	carbon, err := os.ReadFile("testdata/carbon-500.frame")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(carbon[HeaderSize : HeaderSize+500]) // broken off
}

// The fast path and the machine must agree on every payload; what is handed out
// can be written as a line, and all memory is bounded.
func FuzzDecode(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, payload []byte) {
		run := func(slowly bool) string {
			d := NewDecoder(1000)
			d.slowly = slowly
			var shown []byte
			d.OnRefuse = func(r Reason) {
				if shown = d.AppendRefused(shown[:0]); len(shown) > 5000 {
					t.Fatalf("%q shown in %d bytes", payload, len(shown))
				}
			}
			got, _, err := decode(d, payload)
			if len(d.stack)+len(d.nodes)+len(d.memo)+len(d.sparse)+len(d.frame)+len(d.scratch) > 0 {
				t.Fatalf("%q: something is held after the end", payload)
			}
			for _, p := range got {
				if !plaintext.ValidName([]byte(p.name)) || math.IsNaN(p.value) || math.IsNaN(p.time) || math.IsInf(p.time, 0) {
					t.Fatalf("%q gives %v", payload, p)
				}
			}
			return fmt.Sprint(got, d.Refused, err)
		}
		if fast, slow := run(false), run(true); fast != slow {
			t.Fatalf("%q:\nfast %s\nslow %s", payload, fast, slow)
		}
	})
}

func FuzzEncodeDecode(f *testing.F) {
	f.Add("a.b", 1500000000.0, 1.5, "\u00fc", -1.0, math.Inf(1))
	f.Add("a", 2147483648.0, 0.0, "b", 1e300, math.Copysign(0, -1))
	f.Fuzz(func(t *testing.T, n1 string, t1, v1 float64, n2 string, t2, v2 float64) {
		var want []datapoint
		var points []datapoint
		for _, p := range []datapoint{{n1, t1, v1}, {n2, t2, v2}} {
			points = append(points, p)
			if len(p.name) <= 1000 && plaintext.ValidName([]byte(p.name)) && !math.IsNaN(p.value) && !math.IsNaN(p.time) && !math.IsInf(p.time, 0) {
				if p.time == 0 {
					p.time = 0 // written as an integer
				}
				want = append(want, p)
			}
		}
		got, refused, err := decode(NewDecoder(1000), frameOf(points...)[HeaderSize:])
		if err != nil || !same(got, want) || len(got)+int(refused) != 2 {
			t.Fatalf("got %v, %d refused, %v; want %v", got, refused, err, want)
		}
	})
}
