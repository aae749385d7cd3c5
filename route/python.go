package route

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// appendRepr appends Python's representation of the str s, which must be UTF-8.
func appendRepr(dst []byte, s string) []byte {
	quote := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	dst = append(dst, quote)
	for _, c := range s {
		switch {
		case c == rune(quote) || c == '\\':
			dst = append(dst, '\\', byte(c))
		case c == '\t':
			dst = append(dst, `\t`...)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '\r':
			dst = append(dst, `\r`...)
		case unicode.IsPrint(c):
			dst = append(dst, string(c)...)
		case c <= 0xff:
			dst = fmt.Appendf(dst, `\x%02x`, c)
		case c <= 0xffff:
			dst = fmt.Appendf(dst, `\u%04x`, c)
		default:
			dst = fmt.Appendf(dst, `\U%08x`, c)
		}
	}
	return append(dst, quote)
}

// pythonInt reads s as Python's int does, but for digits outside ASCII and numbers
// beyond 64 bits: single underscores may stand between digits.
func pythonInt(s string) (int, bool) {
	s = strings.TrimSpace(s)
	digits := strings.TrimLeft(s, "+-")
	if len(s)-len(digits) > 1 || strings.HasPrefix(digits, "_") || strings.HasSuffix(digits, "_") ||
		strings.Contains(digits, "__") {
		return 0, false
	}
	n, err := strconv.Atoi(strings.ReplaceAll(s, "_", ""))
	return n, err == nil
}
