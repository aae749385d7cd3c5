package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/plaintext"
)

// lineReader reads plaintext into an aggregator.
type lineReader struct {
	agg       *aggregator.Aggregator
	collected bool // the series are kept themselves
	scanner   *plaintext.Scanner
	batch     plaintext.Batch
	bar       *progress
	points    uint64
	err       error // why reading on makes no sense
}

const offlineBuffer = 1 << 20

func (r *lineReader) readFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return r.read(path, f)
}

// read takes in a stream of lines; the last may lack its newline.
func (r *lineReader) read(name string, in io.Reader) error {
	max := r.scanner.MaxLine
	buf := make([]byte, offlineBuffer+1+plaintext.Pad)
	have := 0
	skipping := false
	for {
		n, err := in.Read(buf[have:offlineBuffer])
		r.bar.add(n)
		have += n
		if err == io.EOF && have > 0 && !skipping {
			buf[have] = '\n' // the one byte that is never read into
			have++
		}
		whole := plaintext.Complete(buf[:have])
		from := 0
		if skipping && whole > 0 {
			from = indexNewline(buf[:whole])
			skipping = false
		}
		r.take(buf, from, whole)
		have = copy(buf, buf[whole:have])
		if skipping {
			have = 0
		} else if have > max {
			r.scanner.RefuseLong(buf[:max])
			skipping, have = true, 0
		}
		if err == io.EOF {
			return r.err
		}
		if err = errors.Join(err, r.err); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
}

// indexNewline returns the position behind the first newline.
func indexNewline(b []byte) int {
	for i, c := range b {
		if c == '\n' {
			return i + 1
		}
	}
	return len(b)
}

// take adds the whole lines buf[from:to].
func (r *lineReader) take(buf []byte, from, to int) {
	if from >= to {
		return
	}
	r.batch.Buf = buf
	l := r.agg.Acquire()
	for from < to {
		from = r.scanner.Scan(&r.batch, from, to)
		if r.collected {
			l.AddCollected(&r.batch)
		} else {
			l.Add(&r.batch)
		}
		r.points += uint64(r.batch.N)
	}
	l.Release()
}
