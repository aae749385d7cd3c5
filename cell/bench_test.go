package cell

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// sample returns n values as timings are distributed.
func sample(n int) []float64 {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]float64, n)
	for i := range out {
		out[i] = 20 + 100*r.ExpFloat64()
	}
	return out
}

func BenchmarkAdd(b *testing.B) {
	xs := sample(1 << 12)
	for _, n := range []int{1, 100, 10000} {
		b.Run(fmt.Sprintf("cells=%d", n), func(b *testing.B) {
			cells := make([]Cell, n)
			b.ReportAllocs()
			k := 0
			for i := range b.N {
				cells[k].Add(xs[i&(1<<12-1)], float64(i&63))
				if k++; k == n {
					k = 0
				}
			}
			var total int64
			for i := range cells {
				total += cells[i].Count
			}
			if total != int64(b.N) {
				b.Fatalf("counted %d of %d", total, b.N)
			}
		})
	}
}

// BenchmarkAddFew gives every cell only ten values, as short buckets do.
func BenchmarkAddFew(b *testing.B) {
	xs := sample(1 << 12)
	order := make([]uint16, 10240)
	for i := range order {
		order[i] = uint16(i % 1024)
	}
	rand.New(rand.NewPCG(3, 4)).Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	cells := make([]Cell, 1024)
	k := 0
	for i := range b.N {
		cells[order[k]].Add(xs[i&(1<<12-1)], float64(i&63))
		if k++; k == len(order) {
			k = 0
			clear(cells)
		}
	}
}

func BenchmarkMerge(b *testing.B) {
	parts := make([]Cell, 1024)
	for i, x := range sample(1 << 14) {
		parts[i&1023].Add(x, float64(i))
	}
	var c Cell
	for i := range b.N {
		c.Merge(&parts[i&1023])
	}
	if c.Count != int64(b.N)*16 {
		b.Fatal("lost")
	}
}

func BenchmarkValuesAdd(b *testing.B) {
	xs := sample(1 << 12)
	b.Run("exact", func(b *testing.B) {
		var v Values
		b.ReportAllocs()
		for i := range b.N {
			if i&1023 == 0 {
				v.Reset()
			}
			v.Add(xs[i&(1<<12-1)])
		}
	})
	b.Run("sketch", func(b *testing.B) {
		var v Values
		b.ReportAllocs()
		for i := range b.N {
			v.Add(xs[i&(1<<12-1)])
		}
		if v.Len() != int64(b.N) {
			b.Fatal("lost")
		}
	})
	b.Run("sketches=1000", func(b *testing.B) {
		vs := make([]Values, 1000)
		for i := range vs {
			for _, x := range xs {
				vs[i].Add(x)
			}
		}
		b.ResetTimer()
		k := 0
		for i := range b.N {
			vs[k].Add(xs[i&(1<<12-1)])
			if k++; k == len(vs) {
				k = 0
			}
		}
	})
}

func BenchmarkValuesMerge(b *testing.B) {
	for _, n := range []int{100, 100000} {
		var o Values
		for _, x := range sample(n) {
			o.Add(x)
		}
		b.Run(fmt.Sprintf("values=%d", n), func(b *testing.B) {
			var v Values
			b.ReportAllocs()
			for range b.N {
				v.Reset()
				v.Merge(&o)
				v.Merge(&o)
			}
			if v.Len() != int64(2*n) {
				b.Fatal("lost")
			}
		})
	}
}

func BenchmarkQuantile(b *testing.B) {
	for _, n := range []int{100, ValuesCap, 100000} {
		var c Cell
		var v Values
		xs := sample(n)
		for _, x := range xs {
			c.Add(x, 0)
		}
		b.Run(fmt.Sprintf("values=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				b.StopTimer()
				v.Reset()
				for _, x := range xs {
					v.Add(x)
				}
				b.StartTimer()
				if q := v.Quantile(0.99, c.Min, c.Max); !(q > 0) {
					b.Fatal(q)
				}
			}
		})
	}
}

func BenchmarkBinary(b *testing.B) {
	var c Cell
	for i, x := range sample(100) {
		c.Add(x, float64(i))
	}
	buf := AppendBinary(nil, &c, nil)
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			buf = AppendBinary(buf[:0], &c, nil)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			if got, _, _, err := Decode(buf); err != nil || got.Count != 100 {
				b.Fatal(got, err)
			}
		}
	})
}
