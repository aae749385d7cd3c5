package cell

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"testing"
)

// number is a JSON number or one of "inf", "-inf" and "nan".
type number float64

func (n *number) UnmarshalJSON(b []byte) error {
	s := string(b)
	if u, err := strconv.Unquote(s); err == nil {
		s = u
	}
	f, err := strconv.ParseFloat(s, 64)
	*n = number(f)
	return err
}

// identical tells 0 from -0 and takes every NaN for the same.
func identical(a, b float64) bool {
	return math.Float64bits(a) == math.Float64bits(b) || a != a && b != b
}

// TestVectors compares with what carbon computed.
func TestVectors(t *testing.T) {
	var cases []struct {
		Method string
		Values []number
		Result number
	}
	raw, err := os.ReadFile("testdata/methods.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	for i, tc := range cases {
		t.Run(fmt.Sprintf("%d_%s", i, tc.Method), func(t *testing.T) {
			m, err := ParseMethod(tc.Method)
			if err != nil {
				t.Fatal(err)
			}
			var c Cell
			var v Values
			var magnitude float64
			for i, x := range tc.Values {
				c.Add(float64(x), float64(i))
				v.Add(float64(x))
				magnitude += math.Abs(float64(x))
			}
			got, want := m.Value(&c, &v), float64(tc.Result)
			if identical(got, want) {
				return
			}
			var tolerance float64
			switch m { // carbon sums without compensation
			case Sum:
				tolerance = 1e-12 * magnitude
			case Avg:
				tolerance = 1e-12 * magnitude / float64(c.Count)
			}
			if !(math.Abs(got-want) <= tolerance) || math.IsInf(tolerance, 0) {
				t.Errorf("%s of %v is %v, carbon says %v", m, tc.Values, got, want)
			}
		})
	}
	if len(cases) != 402 {
		t.Errorf("%d cases read", len(cases))
	}
}
