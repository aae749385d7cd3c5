package sqlite

import (
	"bufio"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/store"
)

// cycle returns a cell of size bytes for each of n series.
func cycle(n int, start int64, size int) store.Write {
	w := store.Write{}
	for i := range n {
		data := make([]byte, size)
		copy(data, fmt.Sprint(i, start))
		w.Series = append(w.Series, store.SeriesCells{
			Series: store.Series{Name: fmt.Sprint("series.", i), Period: 60, Seen: start},
			Cells:  []store.Cell{{Step: 60, Start: start, Data: data}},
		})
	}
	return w
}

func write(t testing.TB, s *Store, w store.Write) {
	t.Helper()
	if err := s.Write(t.Context(), w); err != nil {
		t.Fatal(err)
	}
}

// count scans the starts of the step 60, and returns how many cells each has.
func count(t testing.TB, s *Store) map[int64]int {
	t.Helper()
	starts := map[int64]int{}
	err := s.Scan(t.Context(), 60, math.MinInt64, math.MaxInt64, func(_ *store.Series, c store.Cell) error {
		starts[c.Start]++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return starts
}

func TestPaths(t *testing.T) {
	for _, name := range []string{"plain.db", "with space", "question?mode=ro", "percent%41", "hash#tag", "ümlaut", "file:x", "a&b=c;d"} {
		path := filepath.Join(t.TempDir(), name)
		s := openAt(t, path, Options{})
		write(t, s, cycle(1, 60, 10))
		for _, suffix := range []string{"", "-wal", "-shm"} {
			fi, err := os.Stat(path + suffix)
			if err != nil {
				t.Error(err)
			} else if fi.Mode().Perm()&^0o640 != 0 {
				t.Errorf("%s has mode %v, expected at most 0640", fi.Name(), fi.Mode())
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		files, err := os.ReadDir(filepath.Dir(path))
		if err != nil || len(files) != 1 || files[0].Name() != name {
			t.Errorf("files are %v, %v; expected only %s", files, err, name)
		}
	}
}

func TestRefused(t *testing.T) {
	sqlFile := func(text string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec(text); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name string
		make func(t *testing.T, path string)
		want string
	}{
		{"another program's", sqlFile("CREATE TABLE dashboards (id)"), "another program"},
		{"another program's mark", sqlFile("PRAGMA application_id = 7"), "another program"},
		{"newer version", func(t *testing.T, path string) {
			if err := openAt(t, path, Options{}).Close(); err != nil {
				t.Fatal(err)
			}
			sqlFile(fmt.Sprintf("PRAGMA user_version = %d", schemaVersion+1))(t, path)
		}, "has version 2, and this program reads version 1: run the newer program"},
		{"no database", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "is damaged"},
		{"a directory", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "is a directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			c.make(t, path)
			before, _ := os.ReadFile(path)
			_, err := Open(path, Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("%v, expected %q and the path", err, c.want)
			}
			if after, _ := os.ReadFile(path); string(after) != string(before) {
				t.Error("the file was changed")
			}
		})
	}
	if _, err := Open(filepath.Join(t.TempDir(), "x"), Options{MaxBytes: -1}); err == nil {
		t.Error("a negative bound was accepted")
	}
}

// TestFull writes until the bound is reached, sees that nothing is half written,
// makes room and goes on.
func TestFull(t *testing.T) {
	const n, bound = 300, 3 << 20
	path := filepath.Join(t.TempDir(), "store.db")
	s := openAt(t, path, Options{MaxBytes: bound})
	start := int64(0)
	fill := func() (starts int) {
		for ; ; start += 60 {
			err := s.Write(t.Context(), cycle(n, start, 100))
			if errors.Is(err, store.ErrFull) {
				if !strings.Contains(err.Error(), path) {
					t.Errorf("%v does not name the file", err)
				}
				return starts
			}
			if err != nil {
				t.Fatal(err)
			}
			starts++
		}
	}
	whole := func(want int) {
		t.Helper()
		starts := count(t, s)
		for at, cells := range starts {
			if cells != n {
				t.Errorf("start %d has %d cells, expected %d", at, cells, n)
			}
		}
		if len(starts) != want {
			t.Errorf("%d starts are there, expected %d", len(starts), want)
		}
	}
	first := fill()
	if first < 40 {
		t.Fatalf("full after %d starts, expected that more fit into the bound", first)
	}
	whole(first)
	if _, err := s.Expire(t.Context(), map[int64]int64{60: start + store.SliceLength(60)}, 0); err != nil {
		t.Fatal(err)
	}
	if second := fill(); second < first-5 {
		t.Errorf("%d starts fit after Expire, %d before", second, first)
	} else {
		whole(second)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(path); err != nil || fi.Size() > bound {
		t.Errorf("%v, %v; expected at most %d bytes", fi.Size(), err, bound)
	}
}

// TestSize sees that a file does not grow when as much expires as is written.
func TestSize(t *testing.T) {
	s := open(t).(*Store)
	s.tuning.wide = 16
	length := store.SliceLength(60)
	var sizes []int64
	for hour := range int64(24) {
		for i := range int64(20) {
			write(t, s, cycle(60, hour*3600+i*180, 30))
		}
		if hour%3 == 2 {
			now := (hour + 1) * 3600
			if _, err := s.Expire(t.Context(), map[int64]int64{60: now - length}, math.MinInt64); err != nil {
				t.Fatal(err)
			}
			pages, err := s.w.number("PRAGMA page_count")
			if err != nil {
				t.Fatal(err)
			}
			sizes = append(sizes, pages)
		}
	}
	if last := sizes[len(sizes)-1]; last > sizes[len(sizes)/2]*11/10 {
		t.Errorf("the file has grown: %v pages", sizes)
	}
}

func TestShrink(t *testing.T) {
	s := open(t).(*Store)
	s.tuning.shrinkFrom = 1024
	write(t, s, cycle(10, 0, store.MaxData)) // 10 MiB
	write(t, s, cycle(1, 1<<20*60, store.MaxData))
	before, err := s.w.number("PRAGMA page_count")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Expire(t.Context(), map[int64]int64{60: 1 << 20 * 60}, 0); err != nil {
		t.Fatal(err)
	}
	after, err := s.w.number("PRAGMA page_count")
	if err != nil || after > before*2/3 {
		t.Errorf("the file had %d pages, and has %d, %v", before, after, err)
	}
	if got := count(t, s); len(got) != 1 || got[1<<20*60] != 1 {
		t.Errorf("cells by start are %v, expected the later one", got)
	}
}

// TestSeenIsWrittenSeldom sees that rows of series are not written with every cell,
// and not all in the same cycle.
func TestSeenIsWrittenSeldom(t *testing.T) {
	s := open(t).(*Store)
	const n = 300
	write(t, s, cycle(n, 0, 10))
	seen := func() map[string]int64 {
		m := map[string]int64{}
		err := s.Load(t.Context(), func(sr store.Series) error {
			m[sr.Name] = sr.Seen
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	last := seen()
	writes := map[string]int{}
	for start := int64(300); start <= 4*store.SeenLag; start += 300 {
		write(t, s, cycle(n, start, 10))
		now, moved := seen(), 0
		for name := range now {
			if now[name] != last[name] {
				moved++
				writes[name]++
			}
		}
		if moved > n/6 {
			t.Errorf("%d of %d series were written in one cycle", moved, n)
		}
		last = now
	}
	for name, times := range writes {
		if times != 4 {
			t.Errorf("%s was written %d times in 4 hours, expected 4", name, times)
		}
	}
}

// TestPlans sees that no query sorts, or reads a table wholly to find a few rows.
func TestPlans(t *testing.T) {
	s := open(t).(*Store)
	for i := range int64(60) {
		write(t, s, cycle(300, 60*i, 10))
	}
	table, fresh := slice{60, 0}.table(), freshTable(60)
	for _, query := range []string{
		"SELECT start, data FROM " + table + " WHERE series = 1 AND start >= 0 AND start < 100 ORDER BY start",
		"SELECT start, data FROM " + fresh + " WHERE start IN (0,60,120) AND series = 1 ORDER BY start",
		"SELECT series, start, data FROM " + fresh + " WHERE start = 60 ORDER BY series",
		"SELECT c.series, c.start, c.data FROM series s CROSS JOIN " + table + " c ON c.series = s.id WHERE c.start >= 60 AND c.start < 120 ORDER BY s.id, c.start",
		"SELECT id FROM series WHERE name = 'n'",
		"SELECT id FROM series WHERE name IN ('n', 'm')",
		"SELECT series FROM " + fresh + " WHERE start = 60 AND series >= 7 ORDER BY series LIMIT 1 OFFSET 9",
		"DELETE FROM " + fresh + " WHERE start IN (0,60) AND series >= 7 AND series < 9",
		"DELETE FROM " + fresh + " WHERE start IN (0,60) AND series IN (7,9)",
		"DELETE FROM " + table + " WHERE series IN (7,9)",
		"SELECT id FROM series WHERE name IN ('n', 'm')",
		"DELETE FROM series WHERE name IN ('n', 'm')",
	} {
		var plan []string
		rows, err := s.w.conn.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, detail)
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
		for _, step := range plan {
			if strings.Contains(step, "TEMP B-TREE") || strings.HasPrefix(step, "SCAN") && step != "SCAN s" {
				t.Errorf("%s: plan %q", query, plan)
			}
		}
	}
}

const childPath = "COALESCE_TEST_KILLED_STORE"

// TestKilled kills a process that writes, and sees that all that was acknowledged
// is there, and no batch is half there.
func TestKilled(t *testing.T) {
	if path := os.Getenv(childPath); path != "" {
		s := openAt(t, path, Options{})
		for start := int64(0); ; start += 60 {
			write(t, s, cycle(300, start, 50))
			fmt.Println("written", start)
		}
	}
	path := filepath.Join(t.TempDir(), "store.db")
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), childPath+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	acknowledged, last := 0, int64(0)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, err := fmt.Sscanf(lines.Text(), "written %d", &last); err != nil {
			continue
		}
		if acknowledged++; acknowledged == 100 {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || acknowledged < 100 {
		t.Fatalf("the writer ended with %v after %d batches", err, acknowledged)
	}
	s := openAt(t, path, Options{})
	starts := count(t, s)
	for at, cells := range starts {
		if cells != 300 {
			t.Errorf("start %d has %d cells, expected 300", at, cells)
		}
	}
	for at := int64(0); at <= last; at += 60 {
		if starts[at] == 0 {
			t.Errorf("start %d was acknowledged and is not there", at)
		}
	}
	write(t, s, cycle(300, last+600, 50))
}

// A file that was made before periods were remembered is used as it is.
func TestFileWithoutPeriods(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	s := openAt(t, path, Options{})
	write(t, s, cycle(3, 60, 10))
	if err := s.w.script("ALTER TABLE series DROP COLUMN periods"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s = openAt(t, path, Options{})
		write(t, s, cycle(3, 120, 10))
		if got := count(t, s); got[60] != 3 || got[120] != 3 {
			t.Errorf("%v cells by start, want 3 each", got)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
