package pickle

import (
	"fmt"
	"os"
	"testing"

	"github.com/coalesce-metrics/coalesce/plaintext"
)

// fiveHundred is a frame of 500 datapoints as this package writes it.
func fiveHundred() []byte {
	f := BeginFrame(nil)
	for i := range 500 {
		name := fmt.Appendf(nil, "prod.applications.app%03d.server%05d.requests%03d.count", i/10%10, i/100, i%10)
		f = AppendPoint(f, name, float64(i)/4, 1763811000)
	}
	return EndFrame(f, 0)
}

func BenchmarkDecode(b *testing.B) {
	// The same as carbon's relay and carbon-c-relay write them.
	carbon, err := os.ReadFile("testdata/carbon-500.frame")
	if err != nil {
		b.Fatal(err)
	}
	relay, err := os.ReadFile("testdata/protocol4-500.frame")
	if err != nil {
		b.Fatal(err)
	}
	for name, frame := range map[string][]byte{"own": fiveHundred(), "carbon": carbon, "protocol 4": relay} {
		b.Run(name, func(b *testing.B) {
			d := NewDecoder(1000)
			var batch plaintext.Batch
			b.ReportAllocs()
			b.SetBytes(int64(len(frame) / 500))
			for done := 0; done < b.N; {
				if err := d.Decode(frame[HeaderSize:]); err != nil {
					b.Fatal(err)
				}
				n := 0
				for d.Fill(&batch) {
					n += batch.N
				}
				if n != 500 {
					b.Fatalf("%d datapoints, want 500", n)
				}
				done += n
			}
		})
	}
}

func BenchmarkAppendPoint(b *testing.B) {
	name := []byte("prod.applications.app001.server00042.requests003.count")
	buf := make([]byte, 0, 1000)
	b.ReportAllocs()
	for i := range b.N {
		buf = AppendPoint(buf[:0], name, float64(i)/4, 1763811000)
	}
	if len(buf) != len(name)+21 {
		b.Fatalf("%d bytes", len(buf))
	}
}

func TestDecodeAllocatesNothing(t *testing.T) {
	frame := fiveHundred()[HeaderSize:]
	d := NewDecoder(1000)
	var batch plaintext.Batch
	if n := testing.AllocsPerRun(10, func() {
		if err := d.Decode(frame); err != nil {
			t.Fatal(err)
		}
		for d.Fill(&batch) {
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
