package plaintext

import (
	"bytes"
	"testing"
)

func TestValidName(t *testing.T) {
	tests := map[string]struct {
		name string
		want bool
	}{
		"plain":               {"prod.app.requests", true},
		"short":               {"a", true},
		"eight bytes":         {"abcdefgh", true},
		"not ascii":           {"prod.\u00fc.requests", true},
		"tagged":              {"cpu;host=a", true},
		"control character":   {"a\x01b", true},
		"empty":               {"", false},
		"blank in the tail":   {"prod.app.requ ests", false},
		"blank at the end":    {"prod.app.requests ", false},
		"newline":             {"a\nb", false},
		"carriage return":     {"prod.app.requests\r", false},
		"unit separator":      {"a\x1fb", false},
		"no-break space":      {"prod.app\u00a0requests", false},
		"line separator":      {"a\u2028b", false},
		"invalid utf-8":       {"prod.app.\xff.requests", false},
		"surrogate":           {"a\xed\xa0\x80", false},
		"cut utf-8 character": {"prod.app.\xc3", false},
	}
	for name, tt := range tests {
		if got := ValidName([]byte(tt.name)); got != tt.want {
			t.Errorf("%s: %q gives %v, want %v", name, tt.name, got, tt.want)
		}
	}
}

// A valid name is one that comes back from a line.
func FuzzValidName(f *testing.F) {
	for _, s := range []string{"a.b", "", "a b", "\u00fc\u0085", "prod.app\x7f.requests", "a\xff", "\u2029xxxxxxxxx", "\x1c"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, name []byte) {
		want := false
		if bytes.IndexByte(name, '\n') < 0 {
			got := scanAll(NewScanner(1<<20), Append(nil, name, 1, 1500000000))
			want = len(got) == 1 && got[0].Metric == string(name)
		}
		if got := ValidName(name); got != want {
			t.Fatalf("%q: got %v, want %v", name, got, want)
		}
	})
}

func BenchmarkValidName(b *testing.B) {
	name := []byte("prod.applications.app001.server00042.requests003.count")
	for range b.N {
		if !ValidName(name) {
			b.Fatal("refused")
		}
	}
}
