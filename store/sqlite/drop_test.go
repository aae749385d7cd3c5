package sqlite

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/coalesce-metrics/coalesce/store"
	"github.com/coalesce-metrics/coalesce/store/storetest"
)

func TestReopenDropped(t *testing.T) {
	storetest.ReopenDropped(t, func(t testing.TB) func(testing.TB) store.Store {
		path := filepath.Join(t.TempDir(), "store.db")
		return func(t testing.TB) store.Store { return openAt(t, path, Options{}) }
	}, func(s store.Store) int { return rowsOf(t, s.(*Store)) })
}

// rowsOf counts the rows of cells, whosever they are.
func rowsOf(t testing.TB, s *Store) (rows int) {
	t.Helper()
	for step := range s.known.fresh {
		rows += numberOf(t, s, "SELECT count(*) FROM "+freshTable(step))
	}
	for table := range s.known.slices {
		rows += numberOf(t, s, "SELECT count(*) FROM "+table.table())
	}
	if left := numberOf(t, s, "SELECT count(*) FROM dropped"); left != 0 {
		t.Errorf("%d series are still to be swept", left)
	}
	return rows
}

func numberOf(t testing.TB, s *Store, query string) int {
	t.Helper()
	n, err := s.w.number(query)
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}

const childDrops = "COALESCE_TEST_KILLED_DROP"

// TestKilledDropping kills a process that writes, drops and sweeps, and sees that what
// was said to be dropped is gone, and that nothing is half there.
func TestKilledDropping(t *testing.T) {
	const n, starts = 300, 52
	named := func(round int, start int64) (w store.Write, names []string) {
		w = cycle(n, start, 50)
		for i := range w.Series {
			w.Series[i].Series.Name = fmt.Sprint("round.", round, ".", i)
			names = append(names, w.Series[i].Series.Name)
		}
		return w, names
	}
	if path := os.Getenv(childDrops); path != "" {
		s := openAt(t, path, Options{})
		for round := 0; ; round++ {
			var names []string
			for i := range int64(starts) {
				var w store.Write
				w, names = named(round, 60*i)
				write(t, s, w)
			}
			fmt.Println("written", round)
			if err := s.Drop(t.Context(), names); err != nil {
				t.Fatal(err)
			}
			fmt.Println("dropped", round)
			for range 3 { // a part of them
				if _, err := s.Sweep(t.Context()); err != nil {
					t.Fatal(err)
				}
				fmt.Println("swept", round)
			}
		}
	}
	for lines := 6; lines <= 8; lines++ { // a kill after each kind of line
		path := filepath.Join(t.TempDir(), "store.db")
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledDropping$")
		cmd.Env = append(os.Environ(), childDrops+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		last := map[string]int{"written": -1, "dropped": -1}
		said := bufio.NewScanner(out)
		for met := 0; said.Scan(); {
			var what string
			var round int
			if _, err := fmt.Sscan(said.Text(), &what, &round); err != nil {
				continue
			}
			last[what] = round
			if met++; met == lines {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil || last["dropped"] < 0 {
			t.Fatalf("the child ended with %v after %v", err, last)
		}
		s := openAt(t, path, Options{})
		cells := map[int]int{}
		err = s.Scan(t.Context(), 60, math.MinInt64, math.MaxInt64, func(sr *store.Series, _ store.Cell) error {
			var round int
			_, err := fmt.Sscanf(sr.Name, "round.%d.", &round)
			cells[round]++
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for round, got := range cells {
			switch {
			case round <= last["dropped"]:
				t.Errorf("%v: %d cells of round %d are there, which was dropped", last, got, round)
			case round <= last["written"] && got != n*starts || got%n != 0:
				t.Errorf("%v: %d cells of round %d are there", last, got, round)
			}
		}
		for more := true; more; {
			if more, err = s.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		left := 0
		for _, got := range cells {
			left += got
		}
		if rows := rowsOf(t, s); rows != left {
			t.Errorf("%v: %d rows of cells are left, expected %d", last, rows, left)
		}
	}
}
