package upstream

// timesShift makes one number of 16 seconds of timestamps.
const timesShift = 4

// maxTimes bounds the numbers kept: 12 days on end.
const maxTimes = 1 << 16

// times is a set that holds the timestamps of the rows in a spool, and some more. A
// row whose timestamp is not in it has no older value there.
type times struct {
	all  bool // it holds every timestamp
	set  map[int64]struct{}
	last int64 // the number added last, if any is in set
}

// add puts the timestamps of lines into the set.
func (t *times) add(lines []byte) {
	for len(lines) > 0 && !t.all {
		n := lineLen(lines)
		if k := stampOf(lines[:n]) >> timesShift; len(t.set) == 0 || k != t.last {
			if t.set == nil {
				t.set = make(map[int64]struct{})
			}
			t.set[k], t.last = struct{}{}, k
			if len(t.set) > maxTimes {
				t.fill()
			}
		}
		lines = lines[n:]
	}
}

// fill puts every timestamp into the set.
func (t *times) fill() { *t = times{all: true} }

func (t *times) has(stamp int64) bool {
	if t.all {
		return true
	}
	_, ok := t.set[stamp>>timesShift]
	return ok
}

func (t *times) clear() { *t = times{} }
