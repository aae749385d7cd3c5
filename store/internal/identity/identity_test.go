package identity

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/store"
)

func TestKinds(t *testing.T) {
	table := NewTable()
	a := store.Series{Name: "a", Methods: []cell.Method{cell.Sum, cell.Max}, Period: 60}
	b := store.Series{Name: "b", Methods: []cell.Method{cell.Sum, cell.Max}, Period: 60}
	kindOf := func(s store.Series) *Kind { return table.KindOf(&store.SeriesCells{Series: s}) }
	if kindOf(a) != kindOf(b) || table.Intern(Kind{"sum,max", 60, false, ""}) != kindOf(a) {
		t.Error("series of one kind have two")
	}
	for name, c := range map[string]store.Series{
		"methods": {Methods: []cell.Method{cell.Max, cell.Sum}, Period: 60},
		"period":  {Methods: a.Methods, Period: 10},
		"input":   {Methods: a.Methods, Period: 60, Input: true},
	} {
		if kindOf(c) == kindOf(a) {
			t.Errorf("other %s, and the same kind", name)
		}
	}
	// Those that have had several are not kept by the table.
	b.Name = "c"
	table.Put("c", &Identity{ID: 8, Kind: kindOf(b)})
	b.Period, b.Seen = 10, 600
	changed := kindOf(b)
	table.Put("c", &Identity{ID: 8, Kind: changed})
	if n := len(table.kinds); changed.Period != 10 || changed.Periods == "" || kindOf(b) != changed || n != 4 {
		t.Errorf("%+v, then %+v, with %d kinds; want the same, with 4", changed, kindOf(b), n)
	}
	table.Put("a", &Identity{ID: 7})
	if i := table.Get("a"); i == nil || i.ID != 7 {
		t.Errorf("a is %v, expected the id 7", i)
	}
	if table.Forget("a"); table.Get("a") != nil || table.Get("b") != nil {
		t.Error("a name is known that was forgotten, or never was")
	}
}

// TestDue sees that a row is never further behind than it may be, nor written
// without need, and never goes back.
func TestDue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		i := Identity{ID: rapid.Int64Range(1, 1<<62).Draw(t, "id"), Seen: rapid.Int64Range(-1<<30, 1<<30).Draw(t, "seen")}
		first := i.Seen
		writes := int64(0)
		seen := i.Seen
		for range 100 {
			seen += rapid.Int64Range(-60, 900).Draw(t, "step")
			if i.Due(seen) {
				if seen <= i.Seen {
					t.Fatalf("the row goes back from %d to %d", i.Seen, seen)
				}
				i.Seen = seen
				writes++
			}
			if seen-i.Seen >= store.SeenLag {
				t.Fatalf("the row has %d while %d was seen", i.Seen, seen)
			}
		}
		if most := (i.Seen-first)/store.SeenLag + 1; writes > most {
			t.Fatalf("written %d times from %d to %d, expected at most %d", writes, first, i.Seen, most)
		}
	})
}
