package catalog

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coalesce-metrics/coalesce/cell"
)

func TestBounds(t *testing.T) {
	c := New(2)
	e := Entry{Series: "s", Method: cell.Max, Period: 10}
	cases := []struct {
		name, add string
		want      bool
	}{
		{"first", "a", true},
		{"empty", "", false},
		{"too long", strings.Repeat("x", MaxName+1), false},
		{"longest", strings.Repeat("x.", MaxName/2), true},
		{"full", "c", false},
		{"known where it is full", "a", true},
		{"tagged where it is full", "a;b=c", false},
	}
	refused := uint64(0)
	for _, tc := range cases {
		if got := c.Add(tc.add, e, 0); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
		if !tc.want {
			refused++
		}
	}
	if c.Len() != 2 || c.Refused() != refused {
		t.Errorf("%d names, %d refused, want 2 and %d", c.Len(), c.Refused(), refused)
	}
	c.Remove("a")
	for _, name := range []string{strings.Repeat(";", MaxName), strings.Repeat("a;b=c", MaxName/5)} {
		if !c.Add(name, e, 0) {
			t.Fatalf("a name with many parts is not taken")
		}
		if names, err := c.FindSeries(t.Context(), []string{"name!=x", "name=~" + name[:1] + "|", "name=~.|$"}, 0); err == nil {
			t.Errorf("%d names for what may be empty", len(names))
		}
		c.Remove(name)
	}
	c.Remove(strings.Repeat("x.", MaxName/2))
	c.Remove("unknown")
	checkEmpty(t, c)
}

func TestEntries(t *testing.T) {
	p99, err := cell.ParseMethod("p99.9")
	if err != nil {
		t.Fatal(err)
	}
	c := New(100)
	steps := []struct {
		name, row string
		e         Entry
	}{
		{"name itself", "a", Entry{"a", cell.Sum, 60, false}},
		{"another method", "a", Entry{"a", cell.Max, 60, false}},
		{"another period", "a", Entry{"a", cell.Max, 10, false}},
		{"an input", "a", Entry{"a", cell.Max, 10, true}},
		{"several methods", "a.p999.b", Entry{"a.\x00.b", p99, 60, false}},
		{"several methods, another place", "a.p999.b", Entry{"\x00.p999.b", p99, 60, false}},
		{"several methods twice", "a.sum.sum", Entry{"a.\x00.\x00", cell.Sum, 60, false}},
		{"several methods, one of two places", "a.sum.sum", Entry{"a.\x00.sum", cell.Sum, 60, false}},
		{"several methods in a tag", "a;m=sum", Entry{"a;m=\x00", cell.Sum, 60, false}},
		{"longer text than the method's", "a.summ", Entry{"a.\x00", cell.Sum, 60, false}},
		{"shorter text than the method's", "a.su", Entry{"a.\x00", cell.Sum, 60, false}},
		{"something else", "a.sum.sum", Entry{"b", cell.Sum, 60, false}},
		{"nothing", "a", Entry{"", cell.Sum, 60, false}},
		{"zero byte at the end", "a.sum", Entry{"a.\x00", cell.Sum, 60, false}},
	}
	for _, s := range steps {
		for range 2 {
			if !c.Add(s.row, s.e, 0) {
				t.Fatalf("%s: not taken", s.name)
			}
			if got, ok := c.Get(s.row); !ok || got != s.e {
				t.Errorf("%s: got %+v, %v, want %+v", s.name, got, ok, s.e)
			}
		}
	}
	for _, s := range steps {
		c.Remove(s.row)
		if got, ok := c.Get(s.row); ok || got != (Entry{}) {
			t.Errorf("%s: got %+v, %v of what was removed", s.name, got, ok)
		}
	}
	checkEmpty(t, c)
}

func TestAddKnownAllocations(t *testing.T) {
	names := []string{"a.b.c", "a.sum", "m;dc=x;host=y"}
	entries := []Entry{{"a.b.c", cell.Sum, 60, false}, {"a.\x00", cell.Sum, 60, false}, {"m;dc=x;host=y", cell.Sum, 60, false}}
	c := New(10)
	seen := int64(0)
	if n := testing.AllocsPerRun(100, func() {
		seen++
		for i, name := range names {
			c.Add(name, entries[i], seen)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestNamesAreCopied changes the memory of a name that was added.
func TestNamesAreCopied(t *testing.T) {
	c := New(10)
	buf := []byte("aaa.bbb;ccc=ddd")
	c.Add(string(buf), Entry{Series: "aaa"}, 0)
	c.Add(string(buf[:7]), Entry{Series: string(buf[:3])}, 0)
	copy(buf, "xxxxxxxxxxxxxxx")
	if _, ok := c.Get("aaa.bbb;ccc=ddd"); !ok {
		t.Error("the name is gone")
	}
	if names := c.ByName("aaa.bbb"); !slices.Equal(names, []string{"aaa.bbb", "aaa.bbb;ccc=ddd"}) {
		t.Errorf("got %q", names)
	}
}

// TestConcurrent has names come and go while others, which stay, are looked up.
func TestConcurrent(t *testing.T) {
	const stay, writers, readers, rounds = 50, 2, 4, 300
	c := New(1 << 16)
	var plain, tagged []string
	for i := range stay {
		plain = append(plain, fmt.Sprintf("stay.n%02d.x", i))
		tagged = append(tagged, fmt.Sprintf("m;kind=stay;n=%02d", i))
	}
	for _, name := range slices.Concat(plain, tagged) {
		c.Add(name, Entry{Series: name}, 1)
	}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(w)))
			for range rounds * 20 {
				i := r.IntN(200)
				name := fmt.Sprintf("stay.w%dn%d.x", w, i)
				if r.IntN(2) == 0 {
					name = fmt.Sprintf("m;kind=go%d;n=%02d", i%7, i)
				}
				if r.IntN(2) == 0 {
					c.Add(name, Entry{Series: name, Period: int64(r.IntN(3))}, int64(r.IntN(100)))
				} else {
					c.Remove(name)
				}
			}
		})
	}
	for r := range readers {
		wg.Go(func() {
			for i := range rounds {
				seen := int64(r*rounds + i)
				if !c.Add(plain[i%stay], Entry{Series: plain[i%stay]}, seen) {
					t.Error("not taken")
				}
				got, err := c.Leaves("*.n*.x", 0, 0, 0)
				if err != nil || !slices.Equal(got, plain) {
					t.Errorf("Leaves: %q, %v", got, err)
				}
				got, err = c.FindSeries(t.Context(), []string{"kind=~stay|gone", "n!=~x"}, 0)
				if err != nil || !slices.Equal(got, tagged) {
					t.Errorf("FindSeries: %q, %v", got, err)
				}
				if _, err := c.FindSeries(t.Context(), []string{"kind=~go", "n=~.*[13579]$"}, 0); err != nil {
					t.Error(err)
				}
				if values, err := c.CompleteValues(t.Context(), []string{"kind=stay"}, "n", "", 1); err != nil || !slices.Equal(values, []string{"00"}) {
					t.Errorf("CompleteValues: %q, %v", values, err)
				}
				last, n := "", 0
				for name := range c.Index {
					if name <= last {
						t.Errorf("Index: %q after %q", name, last)
					}
					if last = name; strings.HasPrefix(name, "stay.n") {
						n++
					}
				}
				if n != stay {
					t.Errorf("Index: %d names, want %d", n, stay)
				}
			}
		})
	}
	wg.Wait()
	if first, last := c.Interval(plain[0]); first != 1 || last != 3*rounds+250 {
		t.Errorf("seen from %d to %d", first, last)
	}
}
