package cell

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"
)

// forms returns cells of every shape with their values.
func forms() map[string]struct {
	c *Cell
	v *Values
} {
	type form = struct {
		c *Cell
		v *Values
	}
	r := rand.New(rand.NewPCG(6, 6))
	inf := math.Inf(1)
	out := map[string]form{
		"empty":        {&Cell{}, nil},
		"no values":    {of(1, 2, 3), nil},
		"empty values": {of(1), &Values{}},
		"infinities":   {of(inf, -inf, 1), valuesOf(inf, -inf, 1)},
		"unknown m2":   {&Cell{Count: math.MaxInt64, Sum: 1, M2: math.NaN(), LastTime: -1.5}, nil},
		"one bin":      {of(5), valuesOf(make([]float64, 2000)...)},
		"bounds":       {of(5), boundedOf([]float64{-1, 0, 2.5}, 1, 2, 3)},
		"no bounds":    {of(5), boundedOf(nil, 1, 2, 3)},
	}
	several := new(Values)
	several.AddN(3, 2)
	out["of a mean"] = form{of(3, 3), several}
	means := NewBounded([]float64{1})
	means.AddN(3, 2)
	out["between, of a mean"] = form{of(3, 3), means}
	for name, n := range map[string]int{"few": 10, "cap": ValuesCap, "sketch": 5000} {
		xs := make([]float64, n)
		for i := range xs {
			xs[i] = wide(r)
		}
		out[name] = form{of(xs...), valuesOf(xs...)}
	}
	return out
}

func TestBinary(t *testing.T) {
	for name, f := range forms() {
		t.Run(name, func(t *testing.T) {
			b := AppendBinary([]byte("before"), f.c, f.v)
			if !bytes.HasPrefix(b, []byte("before")) {
				t.Fatal("what was in dst is gone")
			}
			b = b[len("before"):]
			c, v, rest, err := Decode(append(b, "after"...))
			if err != nil {
				t.Fatal(err)
			}
			if string(rest) != "after" {
				t.Errorf("rest is %q", rest)
			}
			if !same(&c, f.c, 0) || !identical(c.Comp, f.c.Comp) || !identical(c.Sum, f.c.Sum) {
				t.Errorf("got %+v, want %+v", c, *f.c)
			}
			if (v == nil) != (f.v == nil) {
				t.Fatalf("values are %v, were %v", v, f.v)
			}
			if v != nil {
				equalValues(t, v, f.v)
				v.Merge(valuesOf(1, -1)) // what was read works on
				f.v.Merge(valuesOf(1, -1))
				equalValues(t, v, f.v)
			}
			for i := range b {
				if c, v, _, err := Decode(b[:i]); err == nil || c != (Cell{}) || v != nil {
					t.Fatalf("cut at %d of %d bytes it is read as %v, %v", i, len(b), c, err)
				}
			}
		})
	}
}

func TestBinaryIsCompact(t *testing.T) {
	c := of(5)
	if n := len(AppendBinary(nil, c, nil)); n > 20 {
		t.Errorf("one value takes %d bytes", n)
	}
	if n := len(AppendBinary(nil, &Cell{}, nil)); n > 3 {
		t.Errorf("nothing takes %d bytes", n)
	}
}

func TestDecodeRefuses(t *testing.T) {
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}
	endless := bytes.Repeat([]byte{0xff}, 11)
	with := func(head []byte, tail ...byte) []byte { return append(bytes.Clone(head), tail...) }
	for _, tc := range []struct {
		name string
		in   []byte
	}{
		{"nothing", nil},
		{"version only", []byte{binaryVersion}},
		{"other version", []byte{binaryVersion + 1, 0, 0}},
		{"unknown mode", []byte{binaryVersion, 4, 0}},
		{"endless count", with([]byte{binaryVersion, 0}, endless...)},
		{"negative count", with([]byte{binaryVersion, 0}, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1)},
		{"more values than the cap", with([]byte{binaryVersion, modeExact, 0}, huge...)},
		{"more values than bytes", []byte{binaryVersion, modeExact, 0, 200, 1, 0}},
		{"NaN among values", append(appendFloat([]byte{binaryVersion, modeExact, 0, 1}, math.NaN()), 0)},
		{"sketch of one", []byte{binaryVersion, modeSketch, 0, 1, 0, 0, 0, 0}},
		{"approximate in another way", []byte{binaryVersion, modeBounds, 0, 2, 0, 0}},
		{"too many bounds", with([]byte{binaryVersion, modeBounds, 0, 0}, huge...)},
		{"more bounds than bytes", []byte{binaryVersion, modeBounds, 0, 0, 200, 1, 0}},
		{"equal bounds", []byte{binaryVersion, modeBounds, 0, 0, 2, 0, 0, 1, 1, 1}},
		{"counts between bounds overflow", with(with(append(appendFloat([]byte{binaryVersion, modeBounds, 0, 0, 1}, 1), huge...), 1), 0)},
		{"too many bins", with([]byte{binaryVersion, modeSketch, 0, 0, 0, 0}, huge...)},
		{"bin above the highest", with([]byte{binaryVersion, modeSketch, 0, 0, 0, 0, 1}, huge...)},
		{"more bins than lie below the highest", []byte{binaryVersion, modeSketch, 0, 0, 0, 0, 3, 1, 0x80, 0x10, 0, 0, 1, 0}},
		{"first bin empty", []byte{binaryVersion, modeSketch, 0, 0, 0, 0, 2, 9, 0, 0, 0x80, 0x10, 0}},
		{"last bin empty", []byte{binaryVersion, modeSketch, 0, 0, 0, 0, 2, 9, 0x80, 0x10, 0, 0, 0}},
		{"run past the bins", []byte{binaryVersion, modeSketch, 0, 0, 0, 0, 2, 9, 0x80, 0x10, 0, 9, 0}},
		{"counts overflow", with(with(with([]byte{binaryVersion, modeSketch, 0}, huge...), huge...), 0, 0, 0)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if c, v, rest, err := Decode(tc.in); err == nil || c != (Cell{}) || v != nil || rest != nil {
				t.Errorf("read as %+v, %+v, rest %v, error %v", c, v, rest, err)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, x := range forms() {
		f.Add(AppendBinary(nil, x.c, x.v))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		c, v, rest, err := Decode(in)
		if err != nil {
			return
		}
		if !bytes.HasSuffix(in, rest) {
			t.Fatal("rest is no rest")
		}
		again := AppendBinary(nil, &c, v)
		c2, v2, rest, err := Decode(again)
		if err != nil || len(rest) != 0 || !bytes.Equal(AppendBinary(nil, &c2, v2), again) {
			t.Fatalf("written again it is read as %+v, %v", c2, err)
		}
		if v != nil {
			if counts := v.Counts(); counts != nil && v2.Counts() == nil {
				t.Fatal("the bounds are gone")
			}
			n := v.Len()
			v.Quantile(0.99, c.Min, c.Max)
			v.Merge(v2)
			v.Add(-1.5)
			if n < math.MaxInt64/2 && v.Len() != 2*n+1 {
				t.Fatalf("%d values, then %d", n, v.Len())
			}
		}
		c.Merge(&c2)
		c.Stddev()
	})
}
