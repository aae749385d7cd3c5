package pickle

import (
	"bytes"
	"math"
	"os"
	"testing"
)

func frameOf(points ...datapoint) []byte {
	f := BeginFrame([]byte("before"))
	for _, p := range points {
		f = AppendPoint(f, []byte(p.name), p.value, p.time)
	}
	return EndFrame(f, len("before"))[len("before"):]
}

// The file holds what Python's pickletools.optimize(pickle.dumps(points, 2))
// writes for the same datapoints.
func TestEncodeAsPythonDoes(t *testing.T) {
	want, err := os.ReadFile("testdata/optimized.frame")
	if err != nil {
		t.Fatal(err)
	}
	got := frameOf(
		datapoint{"prod.app0.count", 1763811000, 0},
		datapoint{"prod.app1.count", 1763811010, math.Copysign(0, -1)},
		datapoint{"prod.app2.count", 1763811020, 1.5},
		datapoint{"prod.app3.count", 1763811030, -2.25},
		datapoint{"prod.app4.count", 1763811040, 1e300},
		datapoint{"prod.app5.count", 1763811050, 5e-324},
		datapoint{"prod.app6.count", 1763811060, math.Inf(1)},
		datapoint{"prod.app7.count", 1763811070, 0.1},
		datapoint{"\u00fc.b", 1763811000.5, 3},
		datapoint{"cpu;host=a", -100000, 4},
	)
	if !bytes.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestEncodeDecode(t *testing.T) {
	tests := map[string][]datapoint{
		"none":       nil,
		"one":        {{"a", 1500000000, 1}},
		"after 2038": {{"a", 1 << 31, 1}, {"b", 1<<53 - 1, 2}, {"c", -1<<31 - 1, 3}},
		"not whole":  {{"a", 0.5, 1}, {"b", 1e300, 2}},
	}
	for name, want := range tests {
		frame := frameOf(want...)
		n, err := ParseHeader(frame, 1000)
		if err != nil || n != len(frame)-HeaderSize {
			t.Errorf("%s: header says %d, %v", name, n, err)
		}
		if got, refused, err := decode(NewDecoder(100), frame[HeaderSize:]); err != nil || refused != 0 || !same(got, want) {
			t.Errorf("%s: got %v, %d refused, %v; want %v", name, got, refused, err, want)
		}
		if most := 10 + len(want)*(PointSize+1); len(frame) > most {
			t.Errorf("%s: %d bytes, PointSize promises %d", name, len(frame), most)
		}
	}
}
