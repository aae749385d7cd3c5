package route

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func readVectors[T any](t testing.TB, file string) []T {
	t.Helper()
	data, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var cases []T
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(file, err)
	}
	if len(cases) == 0 {
		t.Fatal(file, "is empty")
	}
	return cases
}

func TestParseNodeVectors(t *testing.T) {
	type vector struct {
		Input    string
		Server   string
		Port     int
		Instance *string
		Error    bool
	}
	for _, v := range readVectors[vector](t, "destinations.json") {
		t.Run(v.Input, func(t *testing.T) {
			got, err := ParseNode(v.Input)
			if v.Error {
				if err == nil {
					t.Fatalf("got %+v, want an error", got)
				}
				return
			}
			want := Node{Host: v.Server, Port: v.Port, HasInstance: v.Instance != nil}
			if v.Instance != nil {
				want.Instance = *v.Instance
			}
			if err != nil || got != want {
				t.Errorf("got %+v, %v, want %+v", got, err, want)
			}
		})
	}
}

func TestParseNode(t *testing.T) {
	for s, want := range map[string]Node{
		"h:2_004":          {Host: "h", Port: 2004}, // ports as Python's int reads them
		"h:02004":          {Host: "h", Port: 2004},
		"h:-1":             {Host: "h", Port: -1},
		"\u00a0h:1\u3000":  {Host: "h", Port: 1},
		"h:1: a":           {Host: "h", Port: 1, Instance: " a", HasInstance: true},
		"[::1]:1:":         {Host: "::1", Port: 1, HasInstance: true},
		"[name]:1":         {Host: "name", Port: 1},
		"h:1:[x]":          {Host: "h", Port: 1, Instance: "[x]", HasInstance: true},
		"o'brien:2004:ü,b": {Host: "o'brien", Port: 2004, Instance: "ü,b", HasInstance: true},
	} {
		if got, err := ParseNode(s); err != nil || got != want {
			t.Errorf("ParseNode(%q) = %+v, %v, want %+v", s, got, err, want)
		}
	}
}

func TestParseNodeErrors(t *testing.T) {
	for s, want := range map[string]string{
		"":                        "no port",
		"   ":                     "no port",
		"1234":                    "no port", // carbon makes host 123, port 1234 of it
		":2004":                   "no host",
		"::1:2004":                "no host",
		"[]:2004":                 "no host",
		"[::1]":                   "no port",
		"[::1:2004":               "no port",
		"[::1]:2004:a]:5":         "bracket",
		"h]:2004":                 "bracket",
		"h:":                      `port ""`,
		"h:x":                     `port "x"`,
		"h:0x10":                  `port "0x10"`,
		"h:_1":                    `port "_1"`,
		"[ h]:1":                  `host " h" begins with a blank`,
		"h:1__0":                  `port "1__0"`,
		"h:+-1":                   `port "+-1"`,
		"h:1.0":                   `port "1.0"`,
		"h:99999999999999999999":  `port "99999999999999999999"`,
		strings.Repeat("h", 2000): "2000 bytes",
	} {
		_, err := ParseNode(s)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "accepted: host:port") {
			t.Errorf("ParseNode(%q): got error %v, want %q and the accepted forms", s, err, want)
		}
	}
}

func TestParseNodes(t *testing.T) {
	got, err := ParseNodes(" 10.0.0.1:2004:a, 10.0.0.2:2004:a ,10.0.0.1:2004:a,10.0.0.1:2104:a")
	want := []Node{
		{"10.0.0.1", 2004, "a", true}, {"10.0.0.2", 2004, "a", true}, {"10.0.0.1", 2104, "a", true},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	for s, want := range map[string]string{
		"":           `destination ""`,
		"h:1,":       `destination ""`,
		"h:1,g:x":    `destination "g:x"`,
		manyNodes(1): "more than 512",
	} {
		if _, err := ParseNodes(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseNodes(%.20q): got error %v, want %q", s, err, want)
		}
	}
	if got, err := ParseNodes(manyNodes(0)); err != nil || len(got) != MaxDestinations {
		t.Errorf("%d nodes, %v", len(got), err)
	}
}

// manyNodes lists extra nodes more than are allowed.
func manyNodes(extra int) string {
	var b strings.Builder
	for i := range MaxDestinations + extra {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(ringNodes(i + 1)[i].String())
	}
	return b.String()
}

// FuzzParseNode checks that what is read is written such that it is read again.
func FuzzParseNode(f *testing.F) {
	for _, s := range []string{"127.0.0.1:2004:a", "[fe80::1%eth0]:2004:b", "host:2004:", "h:1:a:b", "[a]:1:b]:2", "h: +1_0 :x", "[ h]:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseNode(s)
		if err != nil {
			if n != (Node{}) {
				t.Errorf("error %v with node %+v", err, n)
			}
			return
		}
		again, err := ParseNode(n.String())
		if err != nil || again != n {
			t.Errorf("%q: %+v is written as %q and read as %+v, %v", s, n, n.String(), again, err)
		}
	})
}
