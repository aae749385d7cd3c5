// Package ledger keeps a list of changes in a file.
//
// Each change is one line: the CRC-32C of what follows in eight hexadecimal
// digits, a blank, and the change in JSON. The file grows by a line with each
// change and is written anew when most of it is history. A line without an end
// is what a crash has left of a change that nobody was told of.
package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
)

// maxFile bounds what is read, in bytes.
const maxFile = 1 << 30

// slack is how many lines of history are always left alone.
const slack = 1000

// Config is what Open needs.
type Config struct {
	Path string
	// What says in the log what the changes are of, such as "views".
	What string
	// Take is given each change of the file in its order, in JSON, during Open. It
	// reports whether it understands it; the text is only valid during the call.
	Take func(change []byte) bool
	// All returns the changes that lead to what there is now, each a value that
	// package json can write. They are what the file is made anew of.
	All func() []any
	// Len returns how many these are at most.
	Len func() int
	// Logger is told of damage.
	Logger *slog.Logger
}

// File is an open file of changes. It is used by one goroutine at a time.
type File struct {
	cfg   Config
	f     *os.File
	size  int64 // of what is known to be whole
	lines int
	// suspect: what is behind size is not known, so it must be written anew.
	suspect bool
}

// Open opens or makes the file and gives what is in it to Take. Lines that are
// damaged are logged and left out; a copy of such a file is kept beside it.
func Open(cfg Config) (*File, error) {
	f, err := os.OpenFile(cfg.Path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	l := &File{cfg: cfg, f: f}
	if err = l.load(); err == nil {
		err = syncDir(filepath.Dir(cfg.Path))
	}
	if err != nil {
		l.f.Close()
		return nil, err
	}
	return l, nil
}

// load reads the file, and mends it where it is not whole.
func (l *File) load() error {
	info, err := l.f.Stat()
	if err != nil {
		return err
	}
	if info.Size() > maxFile {
		return fmt.Errorf("%s has %d bytes, at most %d are read", l.cfg.Path, info.Size(), maxFile)
	}
	text, err := os.ReadFile(l.cfg.Path)
	if err != nil {
		return err
	}
	h := read(text, l.cfg.Take)
	l.size, l.lines = int64(len(text)-h.torn), h.lines
	if h.torn > 0 {
		l.cfg.Logger.Warn("the last change of the "+l.cfg.What+" was not written whole, and never acknowledged", "file", l.cfg.Path, "bytes", h.torn)
		if err := errors.Join(l.f.Truncate(l.size), l.f.Sync()); err != nil {
			return err
		}
	}
	if h.damaged == 0 {
		return nil
	}
	aside := l.cfg.Path + ".damaged"
	if err := setAside(text, aside); err != nil {
		return fmt.Errorf("%s has damaged lines, and no copy of it can be made: %w", l.cfg.Path, err)
	}
	all := l.cfg.All()
	l.cfg.Logger.Error("the file of "+l.cfg.What+" is damaged: the changes in those lines are lost; look at the copy and at what is left",
		"file", l.cfg.Path, "lines", h.damaged, "first", h.first, "left", len(all), "kept_as", aside)
	return l.rewrite(all)
}

// setAside keeps a copy of what is damaged.
func setAside(text []byte, path string) error {
	err := os.Remove(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.WriteFile(path, text, 0o640)
}

// history is what a file holds.
type history struct {
	lines   int
	torn    int // bytes of a last line without an end
	damaged int // lines that are none
	first   int // of these, from 1
}

// read reads the content of a file.
func read(text []byte, take func(change []byte) bool) (h history) {
	for len(text) > 0 {
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		if !whole {
			h.torn = len(line)
			break
		}
		text = rest
		h.lines++
		if change, ok := parseLine(line); !ok || !take(change) {
			if h.damaged++; h.first == 0 {
				h.first = h.lines
			}
		}
	}
	return h
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// parseLine reads a line without its end.
func parseLine(line []byte) (change []byte, ok bool) {
	if len(line) < 9 || line[8] != ' ' {
		return nil, false
	}
	sum, err := strconv.ParseUint(string(line[:8]), 16, 32)
	return line[9:], err == nil && uint32(sum) == crc32.Checksum(line[9:], castagnoli)
}

func appendLine(dst []byte, change any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // for people who read it
	if err := e.Encode(change); err != nil {
		panic("BUG: " + err.Error()) // a change has nothing that JSON cannot say
	}
	text := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	dst = fmt.Appendf(dst, "%08x ", crc32.Checksum(text, castagnoli))
	return append(append(dst, text...), '\n')
}

// Append makes further changes durable, which All does not return yet. After an
// error none of them is in the file, and they may be tried again; after a crash
// within the call the first of several may be.
func (l *File) Append(changes ...any) error {
	if l.suspect || l.lines > 2*l.cfg.Len()+slack {
		if err := l.rewrite(l.cfg.All()); err != nil && l.suspect {
			return err
		}
	}
	var text []byte
	for _, change := range changes {
		text = appendLine(text, change)
	}
	_, err := l.f.WriteAt(text, l.size)
	if err == nil {
		err = l.f.Sync()
	}
	if err != nil {
		// It must not come back after a restart as if it had been acknowledged.
		l.suspect = true
		return errors.Join(err, l.f.Truncate(l.size))
	}
	l.size += int64(len(text))
	l.lines += len(changes)
	return nil
}

// rewrite puts the changes into a new file and that in the place of the old one.
func (l *File) rewrite(all []any) error {
	var text []byte
	for _, change := range all {
		text = appendLine(text, change)
	}
	path := l.cfg.Path
	f, err := os.OpenFile(path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	if _, err = f.Write(text); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return errors.Join(err, f.Close(), os.Remove(path+".new"))
	}
	l.f.Close() // nobody finds it any more
	l.f, l.size, l.lines = f, int64(len(text)), len(all)
	// Until the directory is on the disk the old file may come back.
	err = syncDir(filepath.Dir(path))
	l.suspect = err != nil
	return err
}

// Close closes the file. All that Append returned from without an error is on the
// disk.
func (l *File) Close() error { return l.f.Close() }

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
