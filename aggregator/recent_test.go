package aggregator

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestRecentNames(t *testing.T) {
	k := start(t, 1000, "out (60) = sum in.<<x>>\n", nil)
	if got := k.a.RecentNames(); len(got) > 0 {
		t.Errorf("%q before any name", got)
	}
	for _, name := range []string{"a", "in.b", "a", "c"} {
		k.add(name, 1, 1000)
	}
	if got, want := k.a.RecentNames(), []string{"c", "in.b", "a"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	// Known names that new rules concern come again, others do not.
	k.reload("out (60) = sum in.<<x>>\nmore (60) = sum a\n")
	for _, name := range []string{"c", "a", "in.b"} {
		k.add(name, 1, 1000)
	}
	if got, want := k.a.RecentNames(), []string{"a", "c", "in.b"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// The newest are there whatever came before, and memory has a bound.
func TestRecentNamesBounds(t *testing.T) {
	for name, c := range map[string]struct{ names, length, least int }{
		"short": {3*MaxRecent + 5, 10, MaxRecent},
		"long":  {3000, 16 << 10, maxRecentBytes/(16<<10) - 1},
	} {
		t.Run(name, func(t *testing.T) {
			var a Aggregator
			text := func(i int) string { return fmt.Sprintf("%0*d", c.length, i) }
			for i := range c.names {
				a.recent.add([]byte(text(i)))
			}
			got := a.RecentNames()
			if len(got) < c.least || len(got) > MaxRecent {
				t.Errorf("%d names, want %d to %d", len(got), c.least, MaxRecent)
			}
			for i, n := range got {
				if want := text(c.names - 1 - i); n != want {
					t.Fatalf("name %d is %.20s…, want %.20s…", i, n, want)
				}
			}
			if n := cap(a.recent.newer.text) + cap(a.recent.before.text); n > 3*maxRecentBytes {
				t.Errorf("%d bytes are held", n)
			}
		})
	}
}

func BenchmarkRecentNames(b *testing.B) {
	var a Aggregator
	name := []byte(strings.Repeat("prod.applications.", 3))
	b.Run("add", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			a.recent.add(name)
		}
	})
	b.Run("read", func(b *testing.B) {
		for i := range 2 * MaxRecent {
			a.recent.add(fmt.Appendf(name[:len(name):len(name)], "%d", i))
		}
		for b.Loop() {
			a.RecentNames()
		}
	})
}
