package views

import (
	"strings"
	"testing"
)

func TestNode(t *testing.T) {
	for name, want := range map[string]string{
		"rpc_latency": "rpc_latency", "grpc.io/latency": "grpc_io_latency", "a b-c;d": "a_b_c_d", "9lives": "key_9lives", "_x": "key_x",
		".x": "key_x", "~": "key_", "A": "A", "/": "key_",
		strings.Repeat("x", 200): strings.Repeat("x", 128), "1" + strings.Repeat("y", 200): "key_1" + strings.Repeat("y", 127),
	} {
		if got := nodeOf(name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
}

func TestSafe(t *testing.T) {
	for _, c := range []struct{ in, key, value, node string }{
		{"", "", "", "_"},
		{"plain-1", "plain-1", "plain-1", "plain-1"},
		{"a;b!c^d=e", "a_b_c_d_e", "a_b!c^d=e", "a_b!c^d=e"},
		{"~~a~", "~~a~", "a~", "~~a~"},
		{"~", "~", "", "~"},
		{" a\tb\n", "_a_b_", "_a_b_", "_a_b_"},
		{"a\u2003b\u0085\x00", "a_b__", "a_b__", "a_b__"},
		{"1.2/../x\\", "1.2/../x\\", "1.2/../x\\", "1_2____x_"},
		{"größe", "größe", "größe", "größe"},
	} {
		if key, value, node := safeKey(c.in), safeValue(c.in), safeNode(c.in); key != c.key || value != c.value || node != c.node {
			t.Errorf("%q: key %q, value %q, node %q; want %q, %q, %q", c.in, key, value, node, c.key, c.value, c.node)
		}
	}
}

// Whatever a view and the values are called: a line has three fields, and a name
// has the tags that it should.
func FuzzSeriesName(f *testing.F) {
	f.Add("v", "a", "b", "x", "y", "p", true)
	f.Add("~;!", "z", "=", " ;", "~~", "", false)
	f.Add("1", "le!", "k", "", "\xff\n", "a.b", false)
	f.Fuzz(func(t *testing.T, name, c1, c2, v1, v2, prefix string, nodes bool) {
		v := View{Name: name, Measure: "m", Columns: []string{c1, c2}, Aggregation: Aggregation{Distribution, []float64{0.001, 2.5}}}
		if checkView(&v) != nil || blankIn(prefix) || strings.Contains(prefix, ";") {
			t.Skip()
		}
		n := newSeriesName(Export{Prefix: prefix, Nodes: nodes}, &v)
		before, behind := n.values([]string{v1, v2})
		text := string(n.appendName(nil, "bucket", before, behind, les(v.Aggregation.Bounds)[0]))
		if blankIn(text) || strings.Contains(text, "\xff") && !strings.Contains(prefix, "\xff") {
			t.Fatalf("%q", text)
		}
		head, tags, _ := strings.Cut(text, ";")
		if nodes {
			if tags != "" || strings.Count(head, ".") != strings.Count(n.head, ".")+4 || !strings.HasSuffix(head, ".0_001") {
				t.Fatalf("%q", text)
			}
			return
		}
		if head != n.head+".bucket" {
			t.Fatalf("%q", text)
		}
		last, found := "", false
		for tag := range strings.SplitSeq(tags, ";") {
			key, value, ok := strings.Cut(tag, "=")
			if !ok || key == "" || value == "" || value[0] == '~' || key <= last || strings.ContainsAny(key, "!^") {
				t.Fatalf("%q", text)
			}
			last, found = key, found || key == "le" && value == "0.001"
		}
		if !found {
			t.Fatalf("%q", text)
		}
	})
}

func blankIn(s string) bool { return strings.ContainsFunc(s, blank) }
