package rulebook

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
	"time"
)

// A file of rules is a list of changes, one a line: the CRC-32C of what follows
// in eight hexadecimal digits, a blank, and a record in JSON. It grows by a line
// with each change and is written anew when most of it is history. A line
// without an end is what a crash has left of one that nobody was told of.

// record is one change.
type record struct {
	Op      string     `json:"op"`
	ID      string     `json:"id"`
	Owner   string     `json:"owner,omitempty"`
	Pattern string     `json:"pattern,omitempty"`
	Output  string     `json:"output,omitempty"`
	Created *time.Time `json:"created,omitempty"`
}

func addition(r *Rule) record {
	return record{opAdd, r.ID, r.Owner, r.Pattern, r.Output, &r.Created}
}

const (
	opAdd    = "add"
	opDelete = "delete"
)

// maxFile bounds what is read, in bytes.
const maxFile = 1 << 30

// slack is how many lines of history are always left alone.
const slack = 1000

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendLine(dst []byte, r record) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // for people who read it
	if err := e.Encode(r); err != nil {
		panic("BUG: " + err.Error()) // a record has nothing that JSON cannot say
	}
	text := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	dst = fmt.Appendf(dst, "%08x ", crc32.Checksum(text, castagnoli))
	return append(append(dst, text...), '\n')
}

// parseLine reads a line without its end.
func parseLine(line []byte) (r record, ok bool) {
	if len(line) < 9 || line[8] != ' ' {
		return r, false
	}
	sum, err := strconv.ParseUint(string(line[:8]), 16, 32)
	if err != nil || uint32(sum) != crc32.Checksum(line[9:], castagnoli) || json.Unmarshal(line[9:], &r) != nil {
		return r, false
	}
	return r, r.ID != "" && (r.Op == opDelete || r.Op == opAdd && r.Created != nil)
}

// history is what a file holds.
type history struct {
	rules   []Rule
	lines   int
	torn    int // bytes of a last line without an end
	damaged int // lines that are none
	first   int // of these, from 1
}

// readHistory reads the content of a file.
func readHistory(text []byte) history {
	var h history
	var order []string
	rules := make(map[string]Rule)
	for len(text) > 0 {
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		if !whole {
			h.torn = len(line)
			break
		}
		text = rest
		h.lines++
		r, ok := parseLine(line)
		if _, known := rules[r.ID]; ok && r.Op == opAdd && known {
			ok = false
		}
		switch {
		case !ok:
			if h.damaged++; h.first == 0 {
				h.first = h.lines
			}
		case r.Op == opAdd:
			order = append(order, r.ID)
			rules[r.ID] = Rule{r.ID, r.Owner, r.Pattern, r.Output, *r.Created}
		default:
			delete(rules, r.ID)
		}
	}
	for _, id := range order {
		if r, ok := rules[id]; ok {
			h.rules = append(h.rules, r)
			delete(rules, id) // an id that came twice
		}
	}
	return h
}

// file is an open file of rules. It is used by one goroutine at a time.
type file struct {
	path  string
	f     *os.File
	size  int64 // of what is known to be whole
	lines int
	// suspect: what is behind size is not known, so it must be written anew.
	suspect bool
}

// openFile opens or makes the file and returns the rules in it.
func openFile(path string, log *slog.Logger) (*file, []Rule, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, nil, err
	}
	w := &file{path: path, f: f}
	kept, err := w.load(log)
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return w, kept, nil
}

// load reads the file, and mends it where it is not whole.
func (w *file) load(log *slog.Logger) ([]Rule, error) {
	info, err := w.f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s has %d bytes, at most %d are read", w.path, info.Size(), maxFile)
	}
	text, err := os.ReadFile(w.path)
	if err != nil {
		return nil, err
	}
	h := readHistory(text)
	w.size, w.lines = int64(len(text)-h.torn), h.lines
	if h.torn > 0 {
		log.Warn("the last change of the rules made over HTTP was not written whole, and never acknowledged", "file", w.path, "bytes", h.torn)
		if err := errors.Join(w.f.Truncate(w.size), w.f.Sync()); err != nil {
			return nil, err
		}
	}
	if h.damaged > 0 {
		aside := w.path + ".damaged"
		if err := setAside(text, aside); err != nil {
			return nil, fmt.Errorf("%s has damaged lines, and no copy of it can be made: %w", w.path, err)
		}
		log.Error("the file of rules made over HTTP is damaged: the changes in those lines are lost; look at the copy and at the rules",
			"file", w.path, "lines", h.damaged, "first", h.first, "rules", len(h.rules), "kept_as", aside)
		all := make([]record, len(h.rules))
		for i := range h.rules {
			all[i] = addition(&h.rules[i])
		}
		if err := w.rewrite(all); err != nil {
			return nil, err
		}
	}
	return h.rules, nil
}

// setAside keeps a copy of what is damaged.
func setAside(text []byte, path string) error {
	err := os.Remove(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.WriteFile(path, text, 0o640)
}

// append makes one more change durable. live is how many rules there are, all
// returns them, as they were before it.
func (w *file) append(r record, live int, all func() []record) error {
	if w.suspect || w.lines > 2*live+slack {
		if err := w.rewrite(all()); err != nil && w.suspect {
			return err
		}
	}
	line := appendLine(nil, r)
	_, err := w.f.WriteAt(line, w.size)
	if err == nil {
		err = w.f.Sync()
	}
	if err != nil {
		// It must not come back after a restart as if it had been acknowledged.
		w.suspect = true
		return errors.Join(err, w.f.Truncate(w.size))
	}
	w.size += int64(len(line))
	w.lines++
	return nil
}

// rewrite puts the rules into a new file and that in the place of the old one.
func (w *file) rewrite(all []record) error {
	var text []byte
	for _, r := range all {
		text = appendLine(text, r)
	}
	f, err := os.OpenFile(w.path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	if _, err = f.Write(text); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(w.path+".new", w.path)
	}
	if err != nil {
		return errors.Join(err, f.Close(), os.Remove(w.path+".new"))
	}
	w.f.Close() // nobody finds it any more
	w.f, w.size, w.lines = f, int64(len(text)), len(all)
	// Until the directory is on the disk the old file may come back.
	err = syncDir(filepath.Dir(w.path))
	w.suspect = err != nil
	return err
}

func (w *file) close() error { return w.f.Close() }

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
