package attributes

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestList(t *testing.T) {
	s := newShelf(t, "")
	for _, name := range []string{"cpu.user", "CPU.idle", "disk", "mem.cpu", "b"} {
		s.put(name, gauge())
	}
	cases := []struct {
		name  string
		list  List
		want  string
		found int
	}{
		{"all", List{Length: 100}, "b CPU.idle cpu.user disk mem.cpu", 5},
		{"descending", List{Length: 100, Descending: true}, "mem.cpu disk cpu.user CPU.idle b", 5},
		{"part", List{Contains: "Cpu", Length: 100}, "CPU.idle cpu.user mem.cpu", 3},
		{"a page", List{Contains: "cpu", Offset: 1, Length: 1}, "cpu.user", 3},
		{"behind the end", List{Offset: 5, Length: 10}, "", 5},
		{"nothing", List{}, "", 5},
		{"none", List{Contains: "x", Length: 1}, "", 0},
	}
	for _, c := range cases {
		p := s.List(c.list)
		if got := strings.Join(s.names(c.list), " "); got != c.want || p.Found != c.found || p.Total != 5 {
			t.Errorf("%s: %q, %d of %d found", c.name, got, p.Found, p.Total)
		}
	}
	if err := s.Delete([]string{"disk"}); err != nil {
		t.Fatal(err)
	}
	if got := s.names(List{Length: 9}); len(got) != 4 {
		t.Error(got)
	}
}

func TestMatch(t *testing.T) {
	s := newShelf(t, "")
	for _, name := range []string{"cpu.user", "CPU.idle", "disk", "aXbXc", "ab"} {
		s.put(name, gauge())
	}
	for pattern, want := range map[string]string{
		"cpu.USER": "cpu.user", "cpu": "", "cpu*": "CPU.idle cpu.user", "*": "ab aXbXc CPU.idle cpu.user disk", "": "",
		"*.IDLE": "CPU.idle", "*u.*d*": "CPU.idle", "a*b*c": "aXbXc", "a*bx*xc": "", "ab*b": "", "**": "ab aXbXc CPU.idle cpu.user disk", "*x": "",
	} {
		var got []string
		for _, m := range s.Match(pattern) {
			got = append(got, m.Name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q, want %q", pattern, got, want)
		}
	}
}

func TestFind(t *testing.T) {
	s := newShelf(t, "")
	a, b := s.put("A.b", gauge()), s.put("c", gauge())
	names := [][]byte{[]byte("a.B"), []byte("x"), []byte("C"), []byte(strings.Repeat("x", 1000)), nil}
	want := []*Metric{a, nil, b, nil, nil}
	dst := make([]*Metric, 0, len(names))
	if got := s.Find(dst, names); !slices.Equal(got, want) {
		t.Error(got)
	}
	if n := testing.AllocsPerRun(100, func() { s.Find(dst, names) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkFind(b *testing.B) {
	s := newShelf(b, "")
	s.Book.cfg.MaxMetrics = 100_000
	var all []*Metric
	var names [][]byte
	for i := range 100_000 {
		m, _ := s.New(fmt.Sprintf("servers.web%05d.requests", i), Change{})
		all = append(all, m)
		if i%100 == 0 {
			names = append(names, []byte(m.Name))
		}
	}
	if err := s.Create(all); err != nil {
		b.Fatal(err)
	}
	dst := make([]*Metric, 0, len(names))
	b.ReportAllocs()
	for b.Loop() {
		if s.Find(dst, names)[999] == nil {
			b.Fatal("not found")
		}
	}
}
