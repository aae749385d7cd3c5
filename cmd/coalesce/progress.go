package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// largeInput is the size from which on a progress bar is worth its place.
const largeInput = 64 << 20

// progress draws a bar on a terminal. A nil progress draws nothing.
type progress struct {
	out        io.Writer
	read, size int64
	drawn      int // percent
}

// newProgress returns nil unless out is a terminal and the files are large.
func newProgress(out io.Writer, files []string) *progress {
	f, ok := out.(*os.File)
	if !ok {
		return nil
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	p := &progress{out: out, drawn: -1}
	for _, path := range files {
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() {
			return nil // its size is not known
		}
		p.size += info.Size()
	}
	if p.size < largeInput {
		return nil
	}
	return p
}

func (p *progress) add(n int) {
	if p == nil {
		return
	}
	p.read += int64(n)
	percent := int(min(100, p.read*100/p.size))
	if percent == p.drawn {
		return
	}
	p.drawn = percent
	fmt.Fprintf(p.out, "\r[%-50s] %3d %% of %d MiB", strings.Repeat("=", percent/2), percent, p.size>>20)
}

// done clears the bar away.
func (p *progress) done() {
	if p != nil {
		fmt.Fprintf(p.out, "\r%80s\r", "")
	}
}
