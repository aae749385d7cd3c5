package archive

import (
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// The file "state" beside the segments says what the archive can vouch for. It is
// written over itself, which a full disk cannot refuse:
//
//	  0  "coalesce archive 1\n", zeros to 24
//	 24  16 bytes  identity, also kept in the store: another store knows nothing of
//	               what was emitted
//	 40  int64     since: buckets that began before may have been emitted without
//	               the archive
//	 48  2 int64   the span of emitted cells that the journal failed to take; they
//	               are lost with the process. Empty where its end is not after its start
//	 64  8 times   2 int64, lost spans, likewise
//	192  uint32    1 if a store has been told of the identity, else 0
//	196  uint32    CRC-32C of bytes 0 to 195
//
// A file that does not verify stands for an archive that begins now.
const (
	stateMagic = "coalesce archive 1\n"
	stateSize  = 200
	stateName  = "state"
)

type state struct {
	id    [16]byte
	since int64
	risk  span
	lost  spans
	met   bool
}

func newState(since int64) (s state) {
	rand.Read(s.id[:]) // never fails
	s.since = since
	return s
}

func (s state) name() string { return fmt.Sprintf("%x", s.id) }

func (s *state) equal(x *state) bool {
	return s.id == x.id && s.since == x.since && s.risk == x.risk && s.met == x.met && slices.Equal(s.lost, x.lost)
}

func (s *state) encode() []byte {
	b := make([]byte, stateSize)
	copy(b, stateMagic)
	copy(b[24:], s.id[:])
	le.PutUint64(b[40:], uint64(s.since))
	put := func(at int, x span) {
		le.PutUint64(b[at:], uint64(x.from))
		le.PutUint64(b[at+8:], uint64(x.to))
	}
	put(48, s.risk)
	for i, x := range s.lost {
		put(64+16*i, x)
	}
	if s.met {
		b[192] = 1
	}
	le.PutUint32(b[196:], crc32.Checksum(b[:196], castagnoli))
	return b
}

var errState = errors.New("damaged state")

func decodeState(b []byte) (s state, err error) {
	if len(b) != stateSize || string(b[:len(stateMagic)]) != stateMagic || le.Uint32(b[196:]) != crc32.Checksum(b[:196], castagnoli) {
		return s, errState
	}
	copy(s.id[:], b[24:])
	s.since = int64(le.Uint64(b[40:]))
	get := func(at int) span { return span{int64(le.Uint64(b[at:])), int64(le.Uint64(b[at+8:]))} }
	s.risk = get(48)
	s.met = b[192] == 1
	for i := range maxSpans {
		s.lost = s.lost.add(get(64 + 16*i))
	}
	return s, nil
}

// loadState reads the state of dir. Where there is none it makes one that begins
// then, and where it is damaged one that begins now. What it returns is open for
// writing.
func loadState(fs layer, dir string, begin, now int64) (f file, s state, fresh bool, err error) {
	path := filepath.Join(dir, stateName)
	s, fresh = newState(now), true
	b, err := readFile(path, stateSize+1)
	if err != nil && !isNotExist(err) {
		return nil, s, false, err
	}
	if isNotExist(err) {
		s.since = begin
	}
	if found, err := decodeState(b); err == nil {
		s, fresh = found, false
	}
	if f, err = fs.open(path, os.O_RDWR|os.O_CREATE); err != nil {
		return nil, s, false, err
	}
	if fresh {
		if err = saveState(f, &s, true); err == nil {
			err = errors.Join(fs.syncDir(dir), fs.syncDir(filepath.Dir(dir)))
		}
	}
	if err != nil {
		f.Close()
		return nil, s, false, err
	}
	return f, s, fresh, nil
}

func saveState(f file, s *state, sync bool) error {
	if _, err := f.WriteAt(s.encode(), 0); err != nil {
		return err
	}
	if sync {
		return f.Sync()
	}
	return nil
}

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
