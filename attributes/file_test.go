package attributes

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPropertiesAreKept(t *testing.T) {
	s := newShelf(t, filepath.Join(t.TempDir(), "metrics"))
	low, high := -1.5, 1e9
	display, text := "CPU ü", "line\none"
	want := &Metric{
		Name: "Cpu.Temp", DisplayName: &display, Description: &text, Period: 30,
		Attributes: Attributes{
			Aggregate: true, Summary: Max, GapDetection: true, Color: "#ff00AA", DisplayMin: &low, DisplayMax: &high,
			UnitsShort: "°C", UnitsLong: "degrees", Stacked: true, CreatedByUA: "curl/8",
		},
	}
	s.put("Cpu.Temp", gauge("display_name", display, "description", text, "period", json.Number("30"),
		"attributes.aggregate", true, "attributes.summarize_function", "max", "attributes.gap_detection", "true",
		"attributes.color", "#ff00AA", "attributes.display_min", json.Number("-1.5"), "attributes.display_max", "1e9",
		"attributes.display_units_short", "°C", "attributes.display_units_long", "degrees",
		"attributes.display_stacked", "1", "attributes.created_by_ua", "curl/8", "attributes.unknown", "x", "unknown", nil))
	counter := s.put("requests", Change{"type": "counter"})
	for range 2 {
		for _, name := range []string{"Cpu.Temp", "cpu.temp", "CPU.TEMP"} {
			if diff := cmp.Diff(want, s.Get(name)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
		if diff := cmp.Diff(&Metric{Name: "requests", Period: 60, Type: Counter}, s.Get("requests")); diff != "" {
			t.Error(diff)
		}
		s.reopen()
	}
	if counter.Aggregated() || !s.Get("cpu.temp").Aggregated() {
		t.Error("what is aggregated is wrong")
	}
	// null is the default.
	s.put("cpu.temp", Change{
		"display_name": nil, "description": "", "period": nil, "type": nil, "attributes.aggregate": nil, "attributes.summarize_function": nil,
		"attributes.gap_detection": nil, "attributes.color": nil, "attributes.display_min": nil, "attributes.display_max": nil,
		"attributes.display_units_short": nil, "attributes.display_units_long": nil, "attributes.display_stacked": nil, "attributes.created_by_ua": nil,
	})
	if diff := cmp.Diff(&Metric{Name: "Cpu.Temp", Period: 60}, s.Get("cpu.temp")); diff != "" {
		t.Errorf("(-default +got):\n%s", diff)
	}
}

// A change that cannot be saved is not made.
func TestUnsaved(t *testing.T) {
	s := newShelf(t, filepath.Join(t.TempDir(), "metrics"))
	s.put("a", gauge())
	s.file.Close()
	if err := os.Mkdir(s.cfg.Path+".new", 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Put("b", gauge()); kindOf(err) != Unsaved || s.Len() != 1 || s.log.Len() == 0 {
		t.Error(err)
	}
	if err := s.Delete([]string{"a"}); kindOf(err) != Unsaved || s.Len() != 1 {
		t.Error(err)
	}
	if err := os.Remove(s.cfg.Path + ".new"); err != nil {
		t.Fatal(err)
	}
	s.put("c", gauge())
	s.reopen()
	if got := s.names(List{Length: 9}); !slices.Equal(got, []string{"a", "c"}) {
		t.Error(got)
	}
}

// Wherever a crash cuts the file off, all that was acknowledged is there.
func TestTorn(t *testing.T) {
	s := newShelf(t, filepath.Join(t.TempDir(), "metrics"))
	type state struct {
		end   int64
		names []string
	}
	states := []state{{}}
	note := func() {
		info, err := os.Stat(s.cfg.Path)
		if err != nil {
			t.Fatal(err)
		}
		states = append(states, state{info.Size(), s.names(List{Length: 9})})
	}
	s.put("a", gauge())
	note()
	s.put("b", gauge("description", "bé"))
	note()
	if err := s.Delete([]string{"a"}); err != nil {
		t.Fatal(err)
	}
	note()
	text, err := os.ReadFile(s.cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(text) + 1 {
		other := newShelf(t, "")
		other.cfg.Path = filepath.Join(t.TempDir(), "metrics")
		if err := os.WriteFile(other.cfg.Path, text[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		other.reopen()
		i := len(states) - 1
		for states[i].end > int64(cut) {
			i--
		}
		if got := other.names(List{Length: 9}); !slices.Equal(got, states[i].names) {
			t.Fatalf("cut at %d: %q, want %q", cut, got, states[i].names)
		}
		other.put("after", gauge())
		other.reopen()
		if other.Get("after") == nil {
			t.Fatalf("cut at %d: what was made afterwards is lost", cut)
		}
		other.Close()
	}
}

func TestDamage(t *testing.T) {
	s := newShelf(t, filepath.Join(t.TempDir(), "metrics"))
	for _, name := range []string{"a", "b", "c"} {
		s.put(name, gauge())
	}
	text, _ := os.ReadFile(s.cfg.Path)
	if err := os.WriteFile(s.cfg.Path, bytes.Replace(text, []byte(`"b"`), []byte(`"x"`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	s.reopen()
	if got := s.names(List{Length: 9}); !slices.Equal(got, []string{"a", "c"}) || !strings.Contains(s.log.String(), "the file of metrics is damaged") {
		t.Error(got, s.log.String())
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, c := range []Config{{}, {MaxMetrics: 1}, {Period: 60}, {MaxMetrics: 1, Period: 9}, {MaxMetrics: 1, Period: 601}} {
		if _, err := Open(c); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
	if _, err := Open(Config{MaxMetrics: 1, Period: 60, Path: filepath.Join(t.TempDir(), "none", "metrics")}); err == nil {
		t.Error("a file in no directory is opened")
	}
}

// Whatever a line says: what is taken can be written, and read again as it is.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"put":{"name":"a","period":60,"type":"gauge","attributes":{"summarize_function":"max"}}}`))
	f.Add([]byte(`{"delete":"a"}`))
	f.Add([]byte(`{"put":null}`))
	f.Fuzz(func(t *testing.T, change []byte) {
		b := &Book{cfg: Config{Period: 60, MaxMetrics: 9}, metrics: map[string]*Metric{}}
		if !b.read(change) {
			return
		}
		for _, r := range b.all() {
			text, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			again := &Book{cfg: b.cfg, metrics: map[string]*Metric{}}
			if !again.read(text) || !cmp.Equal(again.metrics, b.metrics) {
				t.Fatalf("%s, of %s", text, change)
			}
		}
	})
}
