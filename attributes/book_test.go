package attributes

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shelf is a book with what it logs.
type shelf struct {
	*Book
	t   testing.TB
	cfg Config
	log bytes.Buffer
}

func newShelf(t testing.TB, path string) *shelf {
	s := &shelf{t: t}
	s.cfg = Config{Path: path, MaxMetrics: 100, Period: 60, Logger: slog.New(slog.NewTextHandler(&s.log, nil))}
	s.reopen()
	t.Cleanup(func() { s.Close() })
	return s
}

// reopen reads the file as after a crash: nothing was closed.
func (s *shelf) reopen() {
	s.t.Helper()
	var err error
	if s.Book, err = Open(s.cfg); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shelf) put(name string, c Change) *Metric {
	s.t.Helper()
	m, _, err := s.Put(name, c)
	if err != nil {
		s.t.Fatal(err)
	}
	return m
}

func gauge(more ...any) Change {
	c := Change{"type": "gauge"}
	for i := 0; i < len(more); i += 2 {
		c[more[i].(string)] = more[i+1]
	}
	return c
}

func (s *shelf) names(l List) (names []string) {
	for _, m := range s.List(l).Metrics {
		names = append(names, m.Name)
	}
	return names
}

func TestJSON(t *testing.T) {
	s := newShelf(t, "")
	m := s.put("cpu_temp", gauge("attributes.aggregate", true, "attributes.created_by_ua", "curl/8"))
	got, err := json.Marshal(m)
	// As the public documentation shows it.
	want := `{"name":"cpu_temp","display_name":null,"description":null,"period":60,"type":"gauge",` +
		`"attributes":{"aggregate":true,"summarize_function":"average","gap_detection":false,"created_by_ua":"curl/8"}}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
}

func TestRefused(t *testing.T) {
	long := strings.Repeat("x", MaxText+1)
	cases := []struct {
		name   string
		metric string
		change Change
		want   string // property and some of the text
	}{
		{"no name", "", gauge(), "name \"\"; accepted"},
		{"long name", strings.Repeat("x", MaxName+1), gauge(), "name \"xxx"},
		{"blank in a name", "a b", gauge(), `name "a b"; accepted`},
		{"not ASCII", "ä", gauge(), `name "ä"`},
		{"no type", "new", Change{}, `type is missing, and there is no metric "new"`},
		{"empty type", "new", Change{"type": ""}, `type is missing`},
		{"composite", "new", Change{"type": "composite"}, "type composite is not supported"},
		{"no such type", "new", Change{"type": "timer"}, `type "timer"; accepted: gauge or counter`},
		{"type is a number", "new", Change{"type": json.Number("1")}, `type "1"; accepted`},
		{"period 0", "new", gauge("period", json.Number("0")), `period "0"; accepted: whole seconds from 1`},
		{"period with a fraction", "new", gauge("period", json.Number("1.5")), `period "1.5"`},
		{"period is a truth value", "new", gauge("period", true), `period "true"`},
		{"period too long", "new", gauge("period", "31622401"), `period "31622401"; accepted: whole seconds from 1 to 31622400`},
		{"short and aggregated", "new", gauge("period", "9", "attributes.aggregate", true), "period 9; accepted where attributes.aggregate is true: 10 to 600"},
		{"long and aggregated", "new", gauge("period", "601", "attributes.aggregate", "1"), "period 601; accepted where"},
		{"aggregated becomes long", "there", Change{"period": "900"}, "period 900; accepted where"},
		{"aggregate", "there", Change{"attributes.aggregate": "yes"}, `attributes.aggregate "yes"; accepted: true or false`},
		{"gap_detection", "there", Change{"attributes.gap_detection": json.Number("2")}, `attributes.gap_detection "2"`},
		{"stacked", "there", Change{"attributes.display_stacked": json.RawMessage("[]")}, `attributes.display_stacked "`},
		{"summary", "there", Change{"attributes.summarize_function": "mean"}, `attributes.summarize_function "mean"; accepted: average, sum, count, min or max`},
		{"color", "there", Change{"attributes.color": "F00"}, `attributes.color "F00"; accepted: #RRGGBB`},
		{"color's digits", "there", Change{"attributes.color": "#12345g"}, `attributes.color "#12345g"`},
		{"color with a sign", "there", Change{"attributes.color": "#+12345"}, `attributes.color "#+12345"`},
		{"color is a number", "there", Change{"attributes.color": json.Number("1")}, `attributes.color "1"`},
		{"minimum", "there", Change{"attributes.display_min": "low"}, `attributes.display_min "low"; accepted: a number`},
		{"hexadecimal", "there", Change{"attributes.display_max": "0x10"}, `attributes.display_max "0x10"`},
		{"infinite", "there", Change{"attributes.display_max": "inf"}, `attributes.display_max "inf"`},
		{"too large", "there", Change{"attributes.display_max": json.Number("1e999")}, `attributes.display_max "1e999"`},
		{"long text", "there", Change{"description": long}, `description "xxx`},
		{"text is a number", "there", Change{"display_name": json.Number("1")}, `display_name "1"; accepted: a text of at most 255 bytes`},
		{"not UTF-8", "there", Change{"attributes.display_units_long": "\xff"}, `attributes.display_units_long "\xff"`},
	}
	s := newShelf(t, "")
	before := s.put("there", gauge("attributes.aggregate", true))
	for _, c := range cases {
		_, _, err := s.Put(c.metric, c.change)
		var problems Problems
		if !errors.As(err, &problems) || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
		if s.Len() != 1 || s.Get("there") != before {
			t.Fatalf("%s: something has changed", c.name)
		}
	}
	_, _, err := s.Put("new", gauge("period", "x", "attributes.color", "y"))
	var problems Problems
	if !errors.As(err, &problems) || len(problems) != 2 || problems[0].Property != "attributes.color" || problems[1].Property != "period" {
		t.Errorf("several: %v", problems)
	}
}

func kindOf(err error) Kind {
	var e *Error
	if !errors.As(err, &e) {
		return -1
	}
	return e.Kind
}

func TestChanges(t *testing.T) {
	s := newShelf(t, filepath.Join(t.TempDir(), "metrics"))
	if _, created, err := s.Put("A", gauge()); !created || err != nil {
		t.Error(created, err)
	}
	if m, created, err := s.Put("a", Change{"type": "gauge", "period": "10"}); created || err != nil || m.Period != 10 || m.Name != "A" {
		t.Error(m, created, err)
	}
	if _, _, err := s.Put("a", Change{"type": "counter"}); kindOf(err) != Conflict {
		t.Error(err)
	}
	s.put("b", gauge())
	if err := s.Update([]string{"A", "c"}, Change{"period": "20"}); kindOf(err) != Unknown || s.Get("a").Period != 10 {
		t.Error(err)
	}
	if err := s.Update([]string{"A", "b"}, Change{"period": "20"}); err != nil || s.Get("a").Period != 20 || s.Get("b").Period != 20 {
		t.Error(err)
	}
	if err := s.Update([]string{"b"}, Change{"period": "x"}); kindOf(err) != -1 || err == nil {
		t.Error(err)
	}
	if err := s.Delete([]string{"a", "c"}); kindOf(err) != Unknown || s.Len() != 2 {
		t.Error(err)
	}
	if err := s.Delete([]string{"a"}); err != nil || s.Get("A") != nil || s.Len() != 1 {
		t.Error(err)
	}
	s.reopen()
	if s.Get("A") != nil || s.Get("b").Period != 20 || s.Len() != 1 {
		t.Error(s.names(List{Length: 10}))
	}
}

func TestCreate(t *testing.T) {
	s := newShelf(t, filepath.Join(t.TempDir(), "metrics"))
	s.put("there", gauge("period", "10"))
	make := func(names ...string) (list []*Metric) {
		for _, name := range names {
			m, err := s.New(name, Change{})
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, m)
		}
		return list
	}
	if err := s.Create(make("There", "New", "new", "other")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := s.names(List{Length: 10}); !slices.Equal(got, []string{"New", "other", "there"}) || s.Get("there").Period != 10 {
			t.Error(got)
		}
		s.reopen()
	}
	s.cfg.MaxMetrics = 4
	s.reopen()
	if err := s.Create(make("x", "y")); kindOf(err) != Full || s.Len() != 3 {
		t.Error(err)
	}
	if err := s.Create(make("x", "new")); err != nil || s.Len() != 4 {
		t.Error(err)
	}
	if _, _, err := s.Put("y", gauge()); kindOf(err) != Full {
		t.Error(err)
	}
	if err := s.Create(make("x")); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{s.Delete([]string{"x"}), s.Update([]string{"x"}, Change{}), s.Close()} {
		if err != nil && kindOf(err) != Unsaved {
			t.Error(err)
		}
	}
	if s.Len() != 4 {
		t.Error("something was deleted after the end")
	}
}

// Readers and writers at once; the race detector looks on.
func TestConcurrent(t *testing.T) {
	s := newShelf(t, filepath.Join(t.TempDir(), "metrics"))
	var running sync.WaitGroup
	for g := range 4 {
		running.Go(func() {
			for i := range 20 {
				name := fmt.Sprintf("m%d", (g+i)%5)
				s.Put(name, gauge("period", fmt.Sprint(10+i)))
				s.Find(nil, [][]byte{[]byte(name)})
				s.List(List{Length: 10})
				if i%7 == 0 {
					s.Delete([]string{name})
				}
			}
		})
	}
	running.Wait()
	before := s.List(List{Length: 10}).Metrics
	s.reopen()
	if diff := cmp.Diff(before, s.List(List{Length: 10}).Metrics); diff != "" {
		t.Error(diff)
	}
}

// Any sequence of changes and crashes leaves what a map would have.
func TestModel(t *testing.T) {
	for seed := range uint64(5) {
		rng := rand.New(rand.NewPCG(seed, 1))
		s := newShelf(t, filepath.Join(t.TempDir(), "metrics"))
		model := map[string]int64{}
		for range 200 {
			name := fmt.Sprintf("M%d", rng.IntN(10))
			switch n := rng.IntN(10); {
			case n == 0:
				s.reopen()
			case n < 4:
				err := s.Delete([]string{name})
				if _, ok := model[name]; ok != (err == nil) {
					t.Fatal(err)
				}
				delete(model, name)
			default:
				period := int64(rng.IntN(100) + 1)
				s.put(name, gauge("period", fmt.Sprint(period)))
				model[name] = period
			}
			got := map[string]int64{}
			for _, m := range s.List(List{Length: 100}).Metrics {
				got[m.Name] = m.Period
			}
			if diff := cmp.Diff(model, got); diff != "" {
				t.Fatalf("seed %d: %s", seed, diff)
			}
		}
	}
}
