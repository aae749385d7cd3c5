package functions

import (
	"math"
	"slices"
)

// aggFunc makes one value out of some, which it leaves as they are. Missing ones
// count only where said.
type aggFunc func(values []float64) float64

// aggFuncs are Graphite's, by each of their names.
var aggFuncs = map[string]aggFunc{
	"average": average, "avg": average,
	"avg_zero": averageZero,
	"median":   median,
	"sum":      sum, "total": sum,
	"min":    minimum,
	"max":    maximum,
	"diff":   difference,
	"stddev": deviation,
	"count":  func(values []float64) float64 { return float64(present(values)) },
	"range":  spread, "rangeOf": spread,
	"multiply": product,
	"last":     last, "current": last,
}

// aggNames are the names in order.
var aggNames = func() []string {
	names := make([]string, 0, len(aggFuncs))
	for name := range aggFuncs {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}()

func present(values []float64) int {
	n := 0
	for _, v := range values {
		if !missing(v) {
			n++
		}
	}
	return n
}

// enough reports whether so many of all values may be combined.
func enough(present int, all, xff float64) bool {
	return present > 0 && all > 0 && float64(present)/all >= xff
}

func sum(values []float64) float64 {
	total, n := 0.0, 0
	for _, v := range values {
		if !missing(v) {
			total += v
			n++
		}
	}
	if n == 0 {
		return nan
	}
	return total
}

func average(values []float64) float64 { return sum(values) / float64(present(values)) }

// averageZero takes what is missing for 0.
func averageZero(values []float64) float64 {
	total := 0.0
	for _, v := range values {
		if !missing(v) {
			total += v
		}
	}
	return total / float64(len(values))
}

func minimum(values []float64) float64 {
	least := nan
	for _, v := range values {
		if missing(least) || v < least {
			least = v
		}
	}
	return least
}

func maximum(values []float64) float64 {
	most := nan
	for _, v := range values {
		if missing(most) || v > most {
			most = v
		}
	}
	return most
}

func spread(values []float64) float64 { return maximum(values) - minimum(values) }

// difference takes all others from the first that is there.
func difference(values []float64) float64 {
	total := nan
	for _, v := range values {
		switch {
		case missing(v):
		case missing(total):
			total = v
		default:
			total -= v
		}
	}
	return total
}

// product is missing where one value is.
func product(values []float64) float64 {
	if len(values) == 0 {
		return nan
	}
	total := 1.0
	for _, v := range values {
		total *= v
	}
	return total
}

func last(values []float64) float64 {
	for _, v := range slices.Backward(values) {
		if !missing(v) {
			return v
		}
	}
	return nan
}

// deviation is that of the whole population.
func deviation(values []float64) float64 {
	mean, squares := average(values), 0.0
	for _, v := range values {
		if !missing(v) {
			squares += (v - mean) * (v - mean)
		}
	}
	return math.Sqrt(squares / float64(present(values)))
}

func median(values []float64) float64 {
	s := ascending(values)
	if len(s) == 0 {
		return nan
	}
	mid := len(s) / 2
	if len(s)%2 == 0 {
		return (s[mid-1] + s[mid]) / 2
	}
	return s[mid]
}

// ascending returns the values that are there in order.
func ascending(values []float64) []float64 {
	s := make([]float64, 0, len(values))
	for _, v := range values {
		if !missing(v) {
			s = append(s, v)
		}
	}
	slices.Sort(s)
	return s
}

// percentile returns what n percent, above 0 and up to 100, of the values are
// at or below: one of them, or between two by how far the rank lies.
func percentile(values []float64, n float64, interpolate bool) float64 {
	s := ascending(values)
	if len(s) == 0 {
		return nan
	}
	exact := n / 100 * float64(len(s)+1)
	rank := int(exact)
	fraction := exact - float64(rank)
	if !interpolate && fraction > 0 {
		rank++
	}
	if rank > len(s) {
		return s[len(s)-1]
	}
	value := s[max(rank, 1)-1]
	if interpolate && rank < len(s) {
		value += fraction * (s[rank] - value)
	}
	return value
}
