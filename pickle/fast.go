package pickle

import "encoding/binary"

// fastMost is how many bytes of a datapoint fast reads behind the name at most.
const fastMost = 3*5 + 2*9 + 2

// fast reads the everyday datapoint, at the argument of its name's opcode: a
// name, two numbers of fixed size and two TUPLE2, either nothing of it put in
// the memo or all of it, in the order of a pickler that counts. It returns where
// the next opcode is, or 0, having done nothing, for everything else.
func (d *Decoder) fast(op byte, i int) int {
	f := d.frame
	var n int
	if op == opBinUnicode {
		if len(f)-i < 4 {
			return 0
		}
		n = le32(f[i:])
		i += 4
	} else {
		if i == len(f) {
			return 0
		}
		n = int(f[i])
		i++
	}
	if n > len(f)-i-fastMost || len(d.stack)+3 > d.maxStack || d.slowly {
		return 0
	}
	at, memo := i, len(d.memo)
	i += n
	puts := f[i] == opBinPut || f[i] == opMemoize || f[i] == opLongBinPut
	if puts {
		if memo != d.memoized || memo+3 > d.maxNodes {
			return 0
		}
		if i = putNext(f, i, memo); i == 0 {
			return 0
		}
	}
	time, i := fixed(f, i)
	if i == 0 {
		return 0
	}
	val, i := fixed(f, i)
	if i == 0 || f[i] != opTuple2 {
		return 0
	}
	i++
	if puts {
		if i = putNext(f, i, memo+1); i == 0 {
			return 0
		}
	}
	if f[i] != opTuple2 {
		return 0
	}
	i++
	dp := value{time, val, uint32(at), uint32(point)<<nBits | uint32(n)}
	if puts {
		if i = putNext(f, i, memo+2); i == 0 {
			return 0
		}
		d.memo = append(d.memo, make1(text, at, n), value{a: time, b: val, kindN: uint32(pair) << nBits}, dp)
		d.memoized += 3
	}
	d.stack = append(d.stack, dp)
	return i
}

// putNext reads a put to the given place, or returns 0.
func putNext(f []byte, i, place int) int {
	switch f[i] {
	case opMemoize:
		return i + 1
	case opBinPut:
		if int(f[i+1]) == place {
			return i + 2
		}
	case opLongBinPut:
		if le32(f[i+1:]) == place {
			return i + 5
		}
	}
	return 0
}

// fixed reads a number of fixed size; next is 0 for everything else.
func fixed(f []byte, i int) (x float64, next int) {
	switch f[i] {
	case opBinFloat:
		return beFloat(f[i+1:]), i + 9
	case opBinInt:
		return float64(int32(le32(f[i+1:]))), i + 5
	case opBinInt1:
		return float64(f[i+1]), i + 2
	case opBinInt2:
		return float64(binary.LittleEndian.Uint16(f[i+1:])), i + 3
	}
	return 0, 0
}
