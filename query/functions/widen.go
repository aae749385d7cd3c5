package functions

// Widen merges points of s so that it has another step, by its Consolidate and
// XFilesFactor. The new points begin at multiples of step, so that they stay as
// they are when a range moves on; old ones before the first such are left out,
// because it would be a part of a point only. step must be above 0; the old
// Values are left as they are.
func (s *Series) Widen(step int64) {
	start, n := s.widened(step)
	values := make([]float64, n)
	s.widenInto(values, start, step)
	s.place(start, step, values)
}

// widened returns where the first point of step is, and how many there are.
func (s *Series) widened(step int64) (start int64, n int) {
	end := s.Start + int64(len(s.Values))*s.Step
	start = ceil(s.Start, step)
	if start >= end {
		start = floor(s.Start, step)
	}
	return start, int((ceil(end, step) - start) / step)
}

// widenInto sets values, which begin at start, to the merged points of s.
func (s *Series) widenInto(values []float64, start, step int64) {
	merge := consolidations[s.Consolidate]
	if merge == nil {
		merge = average
	}
	full := max(float64(step)/float64(s.Step), 1)
	for i := range values {
		at := start + int64(i)*step
		from, to := s.index(at), s.index(at+step)
		values[i] = nan
		if part := s.Values[from:to]; enough(present(part), full, s.XFilesFactor) {
			values[i] = merge(part)
		}
	}
}

// index returns the first value at or behind a time.
func (s *Series) index(at int64) int {
	if at <= s.Start {
		return 0
	}
	return int(min(ceil(at-s.Start, s.Step)/s.Step, int64(len(s.Values))))
}

// consolidations are the functions that Consolidate names.
var consolidations = map[string]aggFunc{
	"average": average, "avg": average, "avg_zero": averageZero,
	"sum": sum, "min": minimum, "max": maximum, "last": last, "count": aggFuncs["count"],
	"first": first,
}

func first(values []float64) float64 {
	for _, v := range values {
		if !missing(v) {
			return v
		}
	}
	return nan
}

func floor(t, step int64) int64 {
	over := t % step
	if over < 0 {
		over += step
	}
	return t - over
}

func ceil(t, step int64) int64 { return floor(t+step-1, step) }
