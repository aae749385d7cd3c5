package plaintext

import "bytes"

// Datagram makes a datagram readable by Scan: it ends it with a newline and
// turns every other line break that carbon honours in datagrams (CR, VT, FF,
// U+001C to U+001E, U+0085, U+2028, U+2029) into a newline. buf is changed in
// place; the result has Pad bytes of spare capacity.
func Datagram(buf []byte) []byte {
	if len(buf) == 0 || buf[len(buf)-1] != '\n' {
		buf = append(buf, '\n')
	}
	for i, c := range buf {
		switch {
		case c == '\r' && buf[i+1] == '\n': // the last byte is a newline
			buf[i] = ' '
		case c == '\r' || c == '\v' || c == '\f' || c >= 0x1c && c <= 0x1e:
			buf[i] = '\n'
		case c == 0xc2 && bytes.HasPrefix(buf[i:], []byte("\u0085")):
			buf[i], buf[i+1] = ' ', '\n'
		case c == 0xe2 && (bytes.HasPrefix(buf[i:], []byte("\u2028")) || bytes.HasPrefix(buf[i:], []byte("\u2029"))):
			buf[i], buf[i+1], buf[i+2] = ' ', ' ', '\n'
		}
	}
	if cap(buf)-len(buf) < Pad {
		buf = append(make([]byte, 0, len(buf)+Pad), buf...)
	}
	return buf
}
