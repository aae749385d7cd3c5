package sink

import (
	"bytes"
	"fmt"
	"strconv"
)

// eachLine calls f for every complete line in b, without its end ("\n", or
// "\r\n" as carbon writes it), and returns what follows the last of them. The
// slices are parts of b.
func eachLine(b []byte, f func(line []byte)) (rest []byte) {
	for {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			return b
		}
		f(bytes.TrimSuffix(b[:i], []byte{'\r'}))
		b = b[i+1:]
	}
}

// parseLine splits "name value timestamp". The name is a part of the line.
func parseLine(line []byte) (name []byte, value float64, second int64, err error) {
	name, rest, ok := bytes.Cut(line, []byte{' '})
	v, t, ok2 := bytes.Cut(rest, []byte{' '})
	if !ok || !ok2 || len(name) == 0 {
		return nil, 0, 0, fmt.Errorf("line %q: want name, value and timestamp", line)
	}
	if value, err = strconv.ParseFloat(string(v), 64); err != nil {
		return nil, 0, 0, fmt.Errorf("line %q: value: %w", line, err)
	}
	if second, err = strconv.ParseInt(string(t), 10, 64); err != nil {
		return nil, 0, 0, fmt.Errorf("line %q: timestamp: %w", line, err)
	}
	return name, value, second, nil
}
