package sqlite

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/store"
)

func TestDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openAt(t, path, Options{})
	for i := range int64(60) {
		write(t, s, cycle(300, 60*i, 100))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	clear(whole[len(whole)/4 : len(whole)/2])
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err = Open(path, Options{})
	if err == nil {
		defer s.Close()
		err = s.Scan(t.Context(), 60, 0, 1<<30, func(*store.Series, store.Cell) error { return nil })
	}
	if err == nil || !strings.Contains(err.Error(), "is damaged") || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), ".recover") {
		t.Errorf("%v, expected that the file is damaged, its path, and what to do", err)
	}
}

// FuzzDamaged reads a file of which some bytes are others: that may fail, and must
// end, and give no cell that is too large.
func FuzzDamaged(f *testing.F) {
	path := filepath.Join(f.TempDir(), "store.db")
	s, err := Open(path, Options{})
	if err != nil {
		f.Fatal(err)
	}
	s.tuning.wide = 16
	for i := range int64(50) {
		write(f, s, cycle(40, 60*i, 20))
	}
	if err := s.Close(); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(100), []byte{1})
	f.Add(uint32(4096), []byte("\x00\x00\x00\x00"))
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 { // in the headers of pages, where it hurts
		patch := make([]byte, 1+r.IntN(8))
		for i := range patch {
			patch[i] = byte(r.Uint32())
		}
		f.Add(uint32(r.IntN(len(whole)/4096)*4096+r.IntN(24)), patch)
	}
	f.Add(uint32(3*4096), []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, at uint32, bytes []byte) {
		path := filepath.Join(t.TempDir(), "store.db")
		damaged := append([]byte(nil), whole...)
		copy(damaged[int(at)%len(damaged):], bytes)
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(path, Options{})
		if err != nil {
			return
		}
		defer s.Close()
		names := []string{"series.7"}
		_ = s.Load(t.Context(), func(sr store.Series) error {
			names = append(names, sr.Name)
			return nil
		})
		_ = s.Read(t.Context(), names, 60, 0, 1<<30, func(_ int, c store.Cell) error {
			if len(c.Data) > 2*store.MaxData {
				t.Errorf("a cell of %d bytes", len(c.Data))
			}
			return nil
		})
		_ = s.Scan(t.Context(), 60, 0, 1<<30, func(*store.Series, store.Cell) error { return nil })
		_ = s.Write(t.Context(), cycle(40, 60*50, 20))
		_, _ = s.Expire(t.Context(), map[int64]int64{60: 1 << 30}, 1<<30)
	})
}
