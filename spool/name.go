package spool

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// maxName bounds a directory's name in bytes; file systems allow 255.
const maxName = 200

// DirName returns a name for the directory of the spool of a destination: different
// names for different destinations, safe as a single path element. Letters, digits
// and "_.:-" stand for themselves, all else for "%XX" for each byte, a dot at the
// start included. What would be too long ends in "%~" with a part of its SHA-256
// instead.
func DirName(destination string) string {
	var b strings.Builder
	for i, c := range []byte(destination) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '_', c == ':', c == '-', c == '.' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	name := b.String()
	switch {
	case name == "":
		return "%"
	case len(name) > maxName:
		sum := sha256.Sum256([]byte(destination))
		tail := fmt.Sprintf("%%~%x", sum[:16])
		return name[:maxName-len(tail)] + tail
	}
	return name
}
