package plaintext

import (
	"math"
	"testing"
)

func TestStamp(t *testing.T) {
	const now = 1600000000.25
	inf, nan := math.Inf(1), math.NaN()
	tests := map[string]struct {
		t, now, resolution, want float64
		refused                  bool
	}{
		"as it came":                {t: 1500000000.75, now: now, want: 1500000000.75},
		"zero":                      {t: 0, now: now, want: 0},
		"arrival":                   {t: -1, now: now, want: now},
		"its integer part is -1":    {t: -1.9, now: now, want: now},
		"another negative one":      {t: -2, now: now, want: -2},
		"between 0 and -1":          {t: -0.5, now: now, want: -0.5},
		"floored":                   {t: 1500000059.9, now: now, resolution: 60, want: 1500000000},
		"floored on the boundary":   {t: 1500000060, now: now, resolution: 60, want: 1500000060},
		"arrival floored":           {t: -1, now: now, resolution: 60, want: 1599999960},
		"floored below zero":        {t: -5, now: now, resolution: 60, want: -60},
		"infinite":                  {t: inf, now: now, refused: true},
		"negative infinite":         {t: -inf, now: now, resolution: 60, refused: true},
		"infinite once floored":     {t: math.MaxFloat64, now: now, resolution: 0.5, refused: true},
		"not a number":              {t: nan, now: now, refused: true},
		"arrival without a clock":   {t: -1, now: nan, refused: true},
		"as it came without clock":  {t: 5, now: nan, want: 5},
		"arrival, a clock gone mad": {t: -1, now: inf, refused: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, ok := Stamp(tt.t, tt.now, tt.resolution)
			if ok == tt.refused || ok && got != tt.want {
				t.Errorf("got %v, %v; want %v, %v", got, ok, tt.want, !tt.refused)
			}
		})
	}
}
