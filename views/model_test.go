package views

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/rules"
)

// Whatever happens at the same time, and whoever asks meanwhile: each name has one
// view, and the rules in force at the end are those of the views.
func TestConcurrent(t *testing.T) {
	var mu sync.Mutex
	var force []string
	b := newBoard(t, func(c *Config) {
		c.Path = filepath.Join(t.TempDir(), "views")
		c.Max = 100
		c.Now = time.Now
		c.Rows = func(string) []aggregator.ViewRow { return []aggregator.ViewRow{row("-", nil, 1)} }
		c.Export.Send = func([]byte, int, bool) {}
		c.Apply = func(list []*rules.Rule) {
			mu.Lock()
			defer mu.Unlock()
			force = nil
			for _, r := range list {
				force = append(force, r.Output)
			}
		}
	})
	var running sync.WaitGroup
	for w := range 4 {
		running.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 7))
			for range 100 {
				name := fmt.Sprint("v", rng.IntN(6))
				switch rng.IntN(5) {
				case 0:
					if err := b.DeleteView(name); err != nil && kindOf(err) != Unknown {
						t.Error(err)
					}
				case 1:
					b.report()
				case 2:
					if d, ok := b.Data(name); ok && (d.View.Name != name || len(d.Rows) != 1) {
						t.Errorf("%s has %+v", name, d)
					}
				default:
					aggregation := []string{Count, Sum}[rng.IntN(2)]
					made, _, err := b.RegisterViews([]Definition{viewOf(name, "m", "", aggregation)})
					if err != nil && kindOf(err) != Conflict || err == nil && made[0].Aggregation.Type != aggregation {
						t.Error(made, err)
					}
				}
				b.Measures()
				b.Stats()
			}
		})
	}
	running.Wait()
	if got := strings.Join(force, " "); got != b.names() {
		t.Errorf("rules of %q, views %q", got, b.names())
	}
	views := b.Views()
	b.reopen()
	if diff := cmp.Diff(views, b.Views()); diff != "" || b.log.Len() > 0 {
		t.Error(diff, &b.log)
	}
}

// Any sequence of changes and crashes leaves what maps would have.
func TestModel(t *testing.T) {
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 1))
		b := newBoard(t, func(c *Config) { c.Path = filepath.Join(t.TempDir(), "views") })
		model := map[string]string{}    // measure and columns by view
		measures := map[string]string{} // units of registered ones
		unit := func(m string) string {
			if u, ok := measures[m]; ok {
				return u
			}
			for _, def := range model {
				if strings.HasPrefix(def, m+" ") {
					return "1"
				}
			}
			return ""
		}
		for range 300 {
			name, m := fmt.Sprint("v", rng.IntN(7)), fmt.Sprint("m", rng.IntN(3))
			switch n := rng.IntN(20); {
			case n == 0:
				b.reopen()
			case n < 6:
				err := b.DeleteView(name)
				if _, known := model[name]; known != (err == nil) {
					t.Fatalf("seed %d: delete %s: %v", seed, name, err)
				}
				delete(model, name)
			case n < 8:
				err := b.DeleteMeasure(m)
				_, known := measures[m]
				for _, def := range model {
					known = known && !strings.HasPrefix(def, m+" ")
				}
				if known != (err == nil) {
					t.Fatalf("seed %d: delete %s: %v", seed, m, err)
				}
				if known {
					delete(measures, m)
				}
			case n < 10:
				u := []string{"1", "ms"}[rng.IntN(2)]
				want := "created"
				switch is := unit(m); {
				case is == u:
					want = "known"
				case is != "":
					want = "refused"
				}
				if got := b.registerMeasures(Measure{m, "", u, Double}); !strings.HasPrefix(got, want) {
					t.Fatalf("seed %d: measure %s: %s, want %s", seed, m, got, want)
				}
				if want != "refused" {
					measures[m] = u
				}
			default:
				column := string(rune('a' + rng.IntN(2)))
				want := "created"
				switch is, known := model[name]; {
				case known && is == m+" "+column:
					want = "known"
				case known, len(model) == 5:
					want = "refused"
				}
				if got := b.register(viewOf(name, m, column, Count)); !strings.HasPrefix(got, want) {
					t.Fatalf("seed %d: view %s: %s, want %s", seed, name, got, want)
				}
				if want == "created" {
					model[name] = m + " " + column
				}
			}
			got := map[string]string{}
			for _, v := range b.Views() {
				got[v.Name] = v.Measure + " " + v.Columns[0]
			}
			if diff := cmp.Diff(model, got); diff != "" || len(b.Rules()) != len(model) {
				t.Fatalf("seed %d: %s", seed, diff)
			}
			for _, m := range []string{"m0", "m1", "m2"} {
				if got, _ := b.Measure(m); got.Unit != unit(m) {
					t.Fatalf("seed %d: %s has the unit %q, want %q", seed, m, got.Unit, unit(m))
				}
			}
			if all := b.Measures(); !slices.IsSortedFunc(all, func(x, y Measure) int { return strings.Compare(x.Name, y.Name) }) {
				t.Fatal(all)
			}
		}
		if b.log.Len() > 0 {
			t.Fatal(b.log.String())
		}
	}
}
