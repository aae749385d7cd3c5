package plaintext

import (
	"encoding/binary"
	"unicode/utf8"
)

// ValidName reports whether a line can carry name: it is not empty, valid UTF-8
// and free of what Scan takes for white space. Decoders of formats that can
// carry any name ask it, because every name may be written as a line later.
func ValidName(name []byte) bool {
	if len(name) < 8 {
		return len(name) > 0 && validSlow(name)
	}
	last := len(name) - 8 // overlaps the word before
	for i := 0; i < last; i += 8 {
		if stops(binary.LittleEndian.Uint64(name[i:])) != 0 {
			return validSlow(name)
		}
	}
	return stops(binary.LittleEndian.Uint64(name[last:])) == 0 || validSlow(name)
}

func validSlow(name []byte) bool {
	if !utf8.Valid(name) {
		return false
	}
	for i := 0; i < len(name); {
		size, blank := space(name[i:])
		if blank {
			return false
		}
		i += size
	}
	return true
}
