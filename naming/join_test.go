package naming

import (
	"strings"
	"testing"
)

func TestJoin(t *testing.T) {
	for name, c := range map[string]struct {
		metric string
		tags   map[string]string
		want   string // "" is an error
	}{
		"plain":              {"a.b", nil, "a.b"},
		"sorted":             {"a", map[string]string{"y": "2", "x": "1"}, "a;x=1;y=2"},
		"blanks in a value":  {"a", map[string]string{"x": "disk full;\n now"}, "a;x=disk_full___now"},
		"a value with =":     {"a", map[string]string{"x": "y=z"}, "a;x=y=z"},
		"a value of ~":       {"a", map[string]string{"x": "~y"}, "a;x=y"},
		"without value":      {"a", map[string]string{"x": "", "y": "1"}, "a;y=1"},
		"unicode":            {"grüße", map[string]string{"ö": "ü"}, "grüße;ö=ü"},
		"name":               {"a", map[string]string{"name": "b"}, ""},
		"no metric":          {"", map[string]string{"x": "1"}, ""},
		"metric with ;":      {"a;b=c", nil, ""},
		"metric with {":      {"a{b", nil, ""},
		"metric with blanks": {"a b", nil, ""},
		"key with =":         {"a", map[string]string{"x=": "1"}, ""},
		"key with blanks":    {"a", map[string]string{"x y": "1"}, ""},
		"no key":             {"a", map[string]string{"": "1"}, ""},
		"no UTF-8":           {"a\xff", nil, ""},
		"too long":           {strings.Repeat("a", MaxName+1), nil, ""},
	} {
		got, err := Join(c.metric, c.tags)
		if got != c.want || err == nil != (c.want != "") {
			t.Errorf("%s: %q, %v; want %q", name, got, err, c.want)
		}
	}
}
