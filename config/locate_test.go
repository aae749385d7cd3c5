package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
)

func TestLocate(t *testing.T) {
	tests := []struct {
		name, src string
		want      []string // path, key's line:column, value's line:column, value
	}{
		{"bare, quoted and dotted keys", "a = 1\n \"b c\" = 2 # x = 3\nd . 'e' . f=4", []string{
			`a 1:1 1:5 1`, `"b c" 2:2 2:10 2`, `d 3:1`, `d.e 3:5`, `d.e.f 3:11 3:13 4`}},
		{"names that need no quotes lose them", "\"a\".'b-c'.\"\\u0064\" = 1", []string{`a 1:1`, `a.b-c 1:5`, `a.b-c.d 1:11 1:22 1`}},
		{"empty key", "\"\" = 1\na . '' = 2", []string{`"" 1:1 1:6 1`, `a 2:1`, `a."" 2:5 2:10 2`}},
		{"tables", "[a]\nb=1\n[ a . c ]\nd=2\n[e.f]", []string{
			`a 1:2`, `a.b 2:1 2:3 1`, `a.c 3:7`, `a.c.d 4:1 4:3 2`, `e 5:2`, `e.f 5:4`}},
		{"arrays of tables", "[[a]]\nb=1\n[[a]]\n[a.c]\nd=2\n[[a.e]]\n[[a.e]]\n[[a]]\nb=3", []string{
			`a 1:3`, `a[0] 1:3`, `a[0].b 2:1 2:3 1`, `a[1] 3:3`, `a[1].c 4:4`, `a[1].c.d 5:1 5:3 2`, `a[1].e 6:5`,
			`a[1].e[0] 6:5`, `a[1].e[1] 7:5`, `a[2] 8:3`, `a[2].b 9:1 9:3 3`}},
		{"arrays", "a = [ 1,\n# [2,\n 'x,]', [3], ]\nb = []", []string{
			`a 1:1 1:5 [ 1,|# [2,| 'x,]', [3], ]`, `a[0] 1:7 1:7 1`, `a[1] 3:2 3:2 'x,]'`, `a[2] 3:9 3:9 [3]`, `a[2][0] 3:10 3:10 3`,
			`b 4:1 4:5 []`}},
		{"inline tables", "a = {b = 1, c.d = {e = [{f = 2}]} }", []string{
			`a 1:1 1:5 {b = 1, c.d = {e = [{f = 2}]} }`, `a.b 1:6 1:10 1`, `a.c 1:13`, `a.c.d 1:15 1:19 {e = [{f = 2}]}`,
			`a.c.d.e 1:20 1:24 [{f = 2}]`, `a.c.d.e[0] 1:25 1:25 {f = 2}`, `a.c.d.e[0].f 1:26 1:30 2`}},
		{"strings that look like more", `a = "b = 1 # \" x"` + "\nc = 'd\\'\ne = \"\"\"\nf = 1\n\\\"\"\" \"\"\"\"\"\ng = '''\nh = 1\n'''''\ni = 1", []string{
			`a 1:1 1:5 "b = 1 # \" x"`, `c 2:1 2:5 'd\'`, `e 3:1 3:5 """|f = 1|\""" """""`, `g 6:1 6:5 '''|h = 1|'''''`, `i 9:1 9:5 1`}},
		{"scalars end before blanks and comments", "a = 1979-05-27 07:32:00 \t# x\nb = +1_0.5e3#\r\nc = true\r\n", []string{
			`a 1:1 1:5 1979-05-27 07:32:00`, `b 2:1 2:5 +1_0.5e3`, `c 3:1 3:5 true`}},
		{"columns are bytes behind the byte order mark", "\ufeff'é' = 1\n", []string{`"é" 1:1 1:8 1`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var tree map[string]any
			if _, err := toml.Decode(test.src, &tree); err != nil {
				t.Fatal(err)
			}
			src := source{text: test.src}
			places, again := locate(test.src)
			var got []string
			byKey := func(a, b string) int { return (places[a].key-places[b].key)*1000 + len(a) - len(b) }
			for _, path := range slices.SortedFunc(maps.Keys(places), byKey) {
				p := places[path]
				line, col := src.position(p.key)
				entry := fmt.Sprintf("%s %d:%d", path, line, col)
				if p.end > p.key {
					line, col = src.position(p.val)
					entry += fmt.Sprintf(" %d:%d %s", line, col, strings.ReplaceAll(test.src[p.val:p.end], "\n", "|"))
				}
				got = append(got, entry)
			}
			if diff := cmp.Diff(test.want, got); diff != "" || len(again) > 0 {
				t.Errorf("again %v (-want +got):\n%s", again, diff)
			}
		})
	}
}

// What the parser lets pass although TOML forbids it.
func TestLocateAgain(t *testing.T) {
	for src, want := range map[string]string{
		"a.b = 1\na = 2":             "a",
		"a = [{b = 1}]\na = [{}]":    "a",
		"a.b = 1\na = {b = 2}":       "a",
		"[a.b]\nc = 1\n[a]\nb = 5\n": "a.b",
	} {
		_, again := locate(src)
		if _, ok := again[want]; !ok {
			t.Errorf("%q: %v, want %s", src, again, want)
		}
	}
}

func TestLocateDeep(t *testing.T) {
	for _, src := range []string{
		"a = " + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000),
		"a = " + strings.Repeat("{a=", 10_000) + "1" + strings.Repeat("}", 10_000),
		strings.Repeat("a.", 20_000) + "a = 1",
	} {
		places, again := locate(src + "\nb = 5")
		size := 0
		for path := range places {
			size += len(path)
		}
		if p := places["b"]; src[:1] != "a" || p.key != len(src)+1 || len(again) > 0 || size > 1<<20 {
			t.Errorf("%.20s…: b at %v, %d again, %d bytes of paths", src, p, len(again), size)
		}
	}
}
