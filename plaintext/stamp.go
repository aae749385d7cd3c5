package plaintext

import "math"

// Stamp returns the timestamp under which a datapoint counts that came with t:
// now where the integer part of t is -1, floored to a multiple of resolution
// where that is above 0. All are in seconds. ok is false where the result is
// infinite or not a number.
func Stamp(t, now, resolution float64) (stamp float64, ok bool) {
	if math.Trunc(t) == -1 {
		t = now
	}
	if resolution > 0 {
		t = math.Floor(math.Trunc(t)/resolution) * resolution
	}
	if t-t != 0 { // infinite or not a number
		return 0, false
	}
	return t, true
}
