package pickle

import (
	"encoding/binary"
	"fmt"
)

// Python's names of the opcodes.
const (
	opMark            = '('
	opStop            = '.'
	opPop             = '0'
	opPopMark         = '1'
	opDup             = '2'
	opFloat           = 'F'
	opInt             = 'I'
	opBinInt          = 'J'
	opBinInt1         = 'K'
	opLong            = 'L'
	opBinInt2         = 'M'
	opNone            = 'N'
	opString          = 'S'
	opBinString       = 'T'
	opShortBinString  = 'U'
	opUnicode         = 'V'
	opBinUnicode      = 'X'
	opAppend          = 'a'
	opDict            = 'd'
	opEmptyDict       = '}'
	opAppends         = 'e'
	opGet             = 'g'
	opBinGet          = 'h'
	opLongBinGet      = 'j'
	opList            = 'l'
	opEmptyList       = ']'
	opPut             = 'p'
	opBinPut          = 'q'
	opLongBinPut      = 'r'
	opSetItem         = 's'
	opTuple           = 't'
	opEmptyTuple      = ')'
	opSetItems        = 'u'
	opBinFloat        = 'G'
	opProto           = 0x80
	opTuple1          = 0x85
	opTuple2          = 0x86
	opTuple3          = 0x87
	opNewTrue         = 0x88
	opNewFalse        = 0x89
	opLong1           = 0x8a
	opLong4           = 0x8b
	opBinBytes        = 'B'
	opShortBinBytes   = 'C'
	opShortBinUnicode = 0x8c
	opBinUnicode8     = 0x8d
	opBinBytes8       = 0x8e
	opEmptySet        = 0x8f
	opAddItems        = 0x90
	opFrozenSet       = 0x91
	opMemoize         = 0x94
	opFrame           = 0x95
	opByteArray8      = 0x96
)

// forbidden are the opcodes that name, call or build objects.
var forbidden = map[byte]string{
	'c': "GLOBAL", 'R': "REDUCE", 'b': "BUILD", 'i': "INST", 'o': "OBJ", 'P': "PERSID", 'Q': "BINPERSID",
	0x81: "NEWOBJ", 0x82: "EXT1", 0x83: "EXT2", 0x84: "EXT4", 0x92: "NEWOBJ_EX", 0x93: "STACK_GLOBAL",
	0x97: "NEXT_BUFFER", 0x98: "READONLY_BUFFER",
}

// run executes the frame's opcodes and returns the value they make. In what it
// calls, i is where an opcode's argument begins and the result where the next
// opcode is, or -1 with d.err set.
func (d *Decoder) run() value {
	f := d.frame
	for i := 0; i >= 0; {
		if i >= len(f) {
			d.fail(i, Corrupt, "the pickle ends without STOP")
			break
		}
		op := f[i]
		i++
		// First what carbon and its kin write for each datapoint.
		switch op {
		case opBinUnicode, opShortBinUnicode, opShortBinString:
			if next := d.fast(op, i); next > 0 {
				i = next
			} else {
				i = d.sized(op, i)
			}
		case opBinInt, opBinInt1, opBinInt2, opBinFloat, opNone, opNewTrue, opNewFalse:
			i = d.scalar(op, i)
		case opBinPut, opMemoize, opLongBinPut, opPut:
			i = d.memoPut(op, i)
		case opTuple2:
			i = d.lastTuple(i, 2)
		case opMark:
			if len(d.marks) >= d.maxStack {
				d.full(i)
				return value{}
			}
			d.fence = len(d.stack)
			d.marks = append(d.marks, d.fence)
		case opTuple:
			i = d.markedTuple(i)
		case opStop:
			if len(d.stack) > d.fence {
				return d.stack[len(d.stack)-1]
			}
			d.underflow(i)
			return value{}
		default:
			i = d.rare(op, i)
		}
	}
	return value{}
}

func (d *Decoder) rare(op byte, i int) int {
	switch op {
	case opBinString, opBinUnicode8, opBinBytes, opShortBinBytes, opBinBytes8, opByteArray8:
		return d.sized(op, i)
	case opLong1, opLong4:
		return d.long(op, i)
	case opInt, opLong, opFloat, opString, opUnicode:
		return d.line(op, i)
	case opGet, opBinGet, opLongBinGet:
		return d.memoGet(op, i)
	case opTuple1:
		return d.lastTuple(i, 1)
	case opTuple3:
		return d.lastTuple(i, 3)
	case opEmptyTuple:
		return d.lastTuple(i, 0)
	case opEmptyList:
		return d.empty(list, i)
	case opEmptyDict:
		return d.empty(dict, i)
	case opEmptySet:
		return d.empty(set, i)
	case opAppend:
		return d.addLast(list, i, 1)
	case opSetItem:
		return d.addLast(dict, i, 2)
	case opAppends:
		return d.addMarked(list, i, 1)
	case opSetItems:
		return d.addMarked(dict, i, 2)
	case opAddItems:
		return d.addMarked(set, i, 1)
	case opList:
		return d.gather(list, i, 1)
	case opDict:
		return d.gather(dict, i, 2)
	case opFrozenSet:
		return d.gather(set, i, 1)
	case opPop, opPopMark, opDup:
		return d.drop(op, i)
	case opProto:
		if i < len(d.frame) && d.frame[i] <= 5 {
			return i + 1
		}
		return d.fail(i-1, Corrupt, "unknown protocol, accepted are 0 to 5")
	case opFrame:
		if len(d.frame)-i >= 8 && binary.LittleEndian.Uint64(d.frame[i:]) <= uint64(len(d.frame)-i-8) {
			return i + 8
		}
		return d.short(i)
	}
	if name, ok := forbidden[op]; ok {
		return d.fail(i-1, Forbidden, "%s would make an object; accepted are numbers, texts, None, tuples, lists, dicts and sets", name)
	}
	return d.fail(i-1, Corrupt, "unknown opcode")
}

// fail records what is wrong with the opcode at i.
func (d *Decoder) fail(i int, r Reason, format string, args ...any) int {
	const shown = 40
	near := d.frame[min(i, len(d.frame)):min(i+shown, len(d.frame))]
	d.err = &Error{Reason: r, Offset: i, text: fmt.Sprintf("pickle, byte %d, %q: ", i, near) + fmt.Sprintf(format, args...)}
	return -1
}

// The opcodes' common failures; i is where the argument begins.

func (d *Decoder) short(i int) int {
	return d.fail(i-1, Corrupt, "the argument reaches beyond the frame's %d bytes", len(d.frame))
}

func (d *Decoder) underflow(i int) int {
	return d.fail(i-1, Corrupt, "the opcode finds too few values, or ones of the wrong type")
}

func (d *Decoder) full(i int) int {
	return d.fail(i-1, Corrupt, "more values than a frame of %d bytes may hold", len(d.frame))
}
