// Command report says what the output of go test -json comes to.
//
//	report FILE
//
// It prints how long packages and the slowest tests took, and all that failing tests
// have said. The exit status is 1 if any test has failed or was skipped.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: report FILE")
		os.Exit(2)
	}
	ok, err := report(os.Args[1], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

func report(path string, to io.Writer) (ok bool, err error) {
	file, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer file.Close()
	r, err := read(file)
	if err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	out := bufio.NewWriter(to)
	ok = r.print(out)
	return ok, out.Flush()
}

// read returns the results that events tell of. A line that is none of them, such as
// one of the go command itself, is taken as output of nothing in particular.
func read(from io.Reader) (*results, error) {
	r := &results{of: make(map[id]*result)}
	for lines := bufio.NewReader(from); ; {
		line, err := lines.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil {
				e = event{Action: "output", Output: string(line)}
			}
			r.add(e)
		}
		if errors.Is(err, io.EOF) {
			return r, nil
		}
		if err != nil {
			return nil, err
		}
	}
}
