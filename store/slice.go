package store

// Bounds of what can be kept.
const (
	// MaxStep is the largest step, in seconds: a leap year.
	MaxStep = 366 * day
	// MaxTime is the largest start, and -MaxTime the smallest, in Unix seconds:
	// the year 4147. Every store can express it.
	MaxTime = 1 << 36
	// MaxName bounds the name of a series, in bytes.
	MaxName = 1 << 20
	// MaxData bounds the data of a cell, and a value of Meta, in bytes. The largest
	// cell that package cell makes is a tenth of it.
	MaxData = 1 << 20
	// MaxKey bounds a key of Meta, in bytes.
	MaxKey = 1 << 10
)

const (
	hour = 3600
	day  = 24 * hour
)

// minSteps is how many steps a slice has at least.
const minSteps = 360

// SliceLength returns how many seconds of a step make a slice, which is what
// expires at once: 360 steps, rounded up to hours, or to days where it is more than
// one. It is part of every store's form: another length needs another schema.
func SliceLength(step int64) int64 {
	n := minSteps * step
	unit := int64(hour)
	if n > day {
		unit = day
	}
	return (n + unit - 1) / unit * unit
}

// SliceStart returns the start of the slice of a step that holds the time t.
func SliceStart(step, t int64) int64 {
	return Floor(t, SliceLength(step))
}

// SliceEnd returns when the last cell of the slice that begins at start has
// ended. That is past the end of the slice where steps do not divide its length.
func SliceEnd(step, start int64) int64 {
	return Floor(start+SliceLength(step)-1, step) + step
}

// Floor returns the greatest multiple of n, which is positive, up to t.
func Floor(t, n int64) int64 {
	r := t % n
	if r < 0 {
		r += n
	}
	return t - r
}

// Clamp brings a range of starts into what a store can hold. Every integer may be
// asked for; what is empty stays empty.
func Clamp(from, until int64) (int64, int64) {
	return max(from, -MaxTime), min(until, MaxTime+1)
}
