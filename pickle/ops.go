package pickle

import "strconv"

func (d *Decoder) push(i int, v value) int {
	if len(d.stack) >= d.maxStack {
		return d.full(i)
	}
	d.stack = append(d.stack, v)
	return i
}

// pushIf pushes what a maker of tuples or lists returned.
func (d *Decoder) pushIf(i int, v value, ok bool) int {
	if !ok {
		return d.full(i)
	}
	return d.push(i, v)
}

// unmark closes the last mark and returns its place.
func (d *Decoder) unmark() (at int, ok bool) {
	n := len(d.marks)
	if n == 0 {
		return 0, false
	}
	at = d.marks[n-1]
	d.marks = d.marks[:n-1]
	d.fence = 0
	if n > 1 {
		d.fence = d.marks[n-2]
	}
	return at, true
}

// lastTuple replaces the last n values by a tuple.
func (d *Decoder) lastTuple(i, n int) int {
	at := len(d.stack) - n
	if at < d.fence {
		return d.underflow(i)
	}
	v, ok := d.tuple(d.stack[at:])
	d.stack = d.stack[:at]
	return d.pushIf(i, v, ok)
}

// markedTuple replaces the values above the last mark by a tuple.
func (d *Decoder) markedTuple(i int) int {
	at, ok := d.unmark()
	if !ok {
		return d.underflow(i)
	}
	v, ok := d.tuple(d.stack[at:])
	d.stack = d.stack[:at]
	return d.pushIf(i, v, ok)
}

func (d *Decoder) empty(k kind, i int) int {
	v, ok := d.container(k)
	return d.pushIf(i, v, ok)
}

// gather replaces the values above the last mark by a list, set or dict of
// them; of each group of values, the first is an item.
func (d *Decoder) gather(k kind, i, group int) int {
	at, ok := d.unmark()
	if !ok || (len(d.stack)-at)%group != 0 {
		return d.underflow(i)
	}
	v, ok := d.container(k)
	ok = ok && d.extend(v, d.stack[at:], group)
	d.stack = d.stack[:at]
	return d.pushIf(i, v, ok)
}

// addLast moves the last group of values to the container below them.
func (d *Decoder) addLast(k kind, i, group int) int {
	at := len(d.stack) - group
	if at <= d.fence {
		return d.underflow(i)
	}
	return d.add(k, i, at, group)
}

// addMarked moves the values above the last mark to the container below it.
func (d *Decoder) addMarked(k kind, i, group int) int {
	at, ok := d.unmark()
	if !ok || at <= d.fence || (len(d.stack)-at)%group != 0 {
		return d.underflow(i)
	}
	return d.add(k, i, at, group)
}

func (d *Decoder) add(k kind, i, at, group int) int {
	to := d.stack[at-1]
	if to.kind() != k && len(d.stack) > at {
		return d.underflow(i)
	}
	if !d.extend(to, d.stack[at:], group) {
		return d.full(i)
	}
	d.stack = d.stack[:at]
	return i
}

// drop executes POP, POP_MARK and DUP.
func (d *Decoder) drop(op byte, i int) int {
	n := len(d.stack)
	switch {
	case op == opPopMark || op == opPop && n == d.fence:
		// To POP, a mark is a value, too.
		at, ok := d.unmark()
		if !ok {
			return d.underflow(i)
		}
		d.stack = d.stack[:at]
		return i
	case n <= d.fence:
		return d.underflow(i)
	case op == opPop:
		d.stack = d.stack[:n-1]
		return i
	}
	return d.push(i, d.stack[n-1])
}

func (d *Decoder) memoPut(op byte, i int) int {
	if len(d.stack) <= d.fence {
		return d.underflow(i)
	}
	index, next := d.memoized, i
	if op != opMemoize {
		if index, next = d.index(op, i); next < 0 {
			return next
		}
	}
	if !d.put(index, d.stack[len(d.stack)-1]) {
		return d.full(i)
	}
	return next
}

func (d *Decoder) memoGet(op byte, i int) int {
	index, next := d.index(op, i)
	if next < 0 {
		return next
	}
	v, ok := d.get(index)
	if !ok {
		return d.fail(i-1, Corrupt, "nothing was stored as %d", index)
	}
	return d.push(next, v)
}

// index reads a place in the memo.
func (d *Decoder) index(op byte, i int) (index, next int) {
	f := d.frame
	switch op {
	case opBinPut, opBinGet:
		if i < len(f) {
			return int(f[i]), i + 1
		}
	case opLongBinPut, opLongBinGet:
		if len(f)-i >= 4 {
			return le32(f[i:]), i + 4
		}
	default:
		s, next := d.readLine(i)
		if next < 0 {
			return 0, next
		}
		n, err := strconv.ParseUint(string(s), 10, 32)
		if err != nil {
			return 0, d.fail(i-1, Corrupt, "a place in the memo is a number from 0 to 4294967295")
		}
		return int(n), next
	}
	return 0, d.short(i)
}
