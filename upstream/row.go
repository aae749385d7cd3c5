package upstream

import (
	"bytes"
	"math"

	"github.com/coalesce-metrics/coalesce/plaintext"
)

// noStamp stands for a timestamp that is no number that an int64 can hold.
const noStamp = math.MinInt64

// stampOf returns the timestamp of a line with its newline in whole Unix seconds,
// rounded down.
func stampOf(line []byte) int64 {
	text := line[bytes.LastIndexByte(line, ' ')+1 : len(line)-1]
	if len(text) == 0 || len(text) > 18 {
		return oddStamp(text)
	}
	n := int64(0)
	for _, c := range text {
		if c < '0' || c > '9' {
			return oddStamp(text)
		}
		n = 10*n + int64(c-'0')
	}
	return n
}

// oddStamp reads a timestamp that is not just digits.
func oddStamp(text []byte) int64 {
	f, ok := plaintext.ParseFloat(text)
	if f = math.Floor(f); !ok || !(f > math.MinInt64 && f < math.MaxInt64) {
		return noStamp
	}
	return int64(f)
}

// nameLen returns the length of a line's name.
func nameLen(line []byte) int {
	if i := bytes.IndexByte(line, ' '); i >= 0 {
		return i
	}
	return max(len(line)-1, 0)
}
