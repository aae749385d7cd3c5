package config

import (
	"bufio"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// keysOf lists the paths of all keys, those of a listener as "listener[0].key".
func keysOf(t reflect.Type, path string) []string {
	var keys []string
	for _, s := range settings(t) {
		key, field := join(path, s.key), t.Field(s.index).Type
		switch {
		case field == reflect.TypeFor[[]Listener]():
			keys = append(keys, keysOf(field.Elem(), element(key, 0))...)
		case field.Kind() == reflect.Struct:
			keys = append(keys, keysOf(field, key)...)
		default:
			keys = append(keys, key)
		}
	}
	return keys
}

// at returns the value of a key outside the listeners.
func at(v reflect.Value, path string) any {
	for key := range strings.SplitSeq(path, ".") {
		for _, s := range settings(v.Type()) {
			if s.key == key {
				v = v.Field(s.index)
				break
			}
		}
	}
	return v.Interface()
}

func TestEveryFieldHasAKey(t *testing.T) {
	for _, key := range keysOf(reflect.TypeFor[Config](), "") {
		if key == "" || strings.HasSuffix(key, `""`) {
			t.Errorf("a field without toml tag: %q", key)
		}
	}
}

func TestDefaultIsValid(t *testing.T) {
	c := Default()
	if problems := c.Validate(); len(problems) > 0 {
		t.Error(problems)
	}
}

func TestValidateWithoutFile(t *testing.T) {
	c := Default()
	c.Limits.MaxConnections = -1
	c.Aggregation.Grace = -Second
	c.Log.Level = "loud"
	c.Listeners = []Listener{{}}
	want := []string{
		`error: limits.max_connections = -1: not accepted; accepted: 1 to 1000000`,
		`error: listener[0].protocol = "": not accepted; accepted: "plaintext"`,
		`error: listener[0].transport = "": not accepted; accepted: "tcp", "udp" or "unix"`,
		`error: listener[0].max_connections = 0: not accepted; accepted: 1 to 1000000`,
		`error: listener[0].max_line = "0B": not accepted; accepted: "128B" to "1MiB"`,
		`error: aggregation.grace = "-1s": not accepted; accepted: "0s" to "1d"`,
		`error: log.level = "loud": not accepted; accepted: "debug", "info", "warn" or "error"`,
		`error: listener[0].address = "": empty; accepted: an address to listen on`,
	}
	if diff := cmp.Diff(want, lines(c.Validate())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestForwardsAll(t *testing.T) {
	yes, no := true, false
	for _, test := range []struct {
		upstream []string
		set      *bool
		want     bool
	}{
		{nil, nil, false}, {[]string{"a:1"}, nil, true}, {[]string{"a:1"}, &no, false}, {nil, &yes, true},
	} {
		c := Default()
		c.Upstream, c.ForwardAll = test.upstream, test.set
		if got := c.ForwardsAll(); got != test.want {
			t.Errorf("upstream %v: %v, want %v", test.upstream, got, test.want)
		}
	}
}

func TestAllListeners(t *testing.T) {
	c := Default()
	c.Limits.IdleTimeout = Minute
	c.Listeners = []Listener{{"plaintext", "unix", "/s", 1, 2, 3}}
	want := []Listener{
		{"plaintext", "tcp", ":2023", 10_000, Minute, 16 * KiB},
		{"plaintext", "udp", ":2023", 10_000, Minute, 16 * KiB},
		{"plaintext", "unix", "/s", 1, 2, 3},
	}
	if diff := cmp.Diff(want, c.AllListeners()); diff != "" {
		t.Error(diff)
	}
	c.Listen = ""
	if diff := cmp.Diff(want[2:], c.AllListeners()); diff != "" {
		t.Error(diff)
	}
}

func TestProblemsErr(t *testing.T) {
	warning := Problem{"f", 1, 2, Warning, "w"}
	if err := (Problems{warning}).Err(); err != nil {
		t.Errorf("a warning is the error %v", err)
	}
	err := Problems{warning, {Message: "a"}, {File: "f", Message: "b"}}.Err()
	if err == nil || err.Error() != "error: a\nf: error: b" {
		t.Errorf("got %v", err)
	}
}

const shipped = "../coalesce.toml"

// The values that make `coalesce run` show something, all others are defaults.
func TestShippedFile(t *testing.T) {
	text, err := os.ReadFile(shipped)
	if err != nil {
		t.Fatal(err)
	}
	got, problems := Parse("coalesce.toml", text)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want, no := Default(), false
	want.Upstream, want.ForwardAll = []string{"stdout:"}, &no
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Every "# key = value" of the shipped file is the key's default, and every key
// is there.
func TestShippedDefaults(t *testing.T) {
	f, err := os.Open(shipped)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	commented := regexp.MustCompile(`^# ([a-z_]+ = .*|\[\[listener\]\])$`)
	var src strings.Builder
	for in := bufio.NewScanner(f); in.Scan(); {
		line := in.Text()
		if m := commented.FindStringSubmatch(line); m != nil {
			line = m[1]
		} else if strings.HasPrefix(line, "upstream = ") || strings.HasPrefix(line, "forward_all = ") {
			continue // not defaults
		}
		src.WriteString(line + "\n")
	}
	got, problems := Parse("coalesce.toml", []byte(src.String()))
	if len(problems) > 0 {
		t.Fatalf("%v in\n%s", problems, src.String())
	}
	example := got.newListener()
	example.Address = "127.0.0.1:2123"
	want := Default()
	want.Upstream, want.Listeners = []string{}, []Listener{example}
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Errorf("(-default +documented):\n%s", diff)
	}
	present, _ := locate(src.String())
	for _, key := range keysOf(reflect.TypeFor[Config](), "") {
		if _, ok := present[key]; !ok && key != "forward_all" { // seen by TestShippedFile
			t.Errorf("%s has no %s", shipped, key)
		}
	}
}

// docs/config.md lists every key of every table with its default, what is
// accepted and its flag.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{} // cells by key
	section := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if title, ok := strings.CutPrefix(line, "## "); ok {
			switch section = strings.Trim(title, "[]"); section {
			case "listener":
				section = element(section, 0)
			case "Top of the file":
				section = ""
			}
		}
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if key := strings.Trim(cells[0], "`"); len(cells) == 4 && key != cells[0] {
			if section != "" {
				key = section + "." + key
			}
			rows[key] = cells
		}
	}
	var defaults strings.Builder
	checkRows(t, reflect.TypeFor[Config](), "", rows, &defaults)
	if len(rows) > 0 {
		t.Errorf("keys that do not exist: %v", rows)
	}
	got, problems := Parse("docs", []byte(defaults.String()))
	want := Default()
	want.Upstream = []string{}
	if diff := cmp.Diff(&want, got); diff != "" || len(problems) > 0 {
		t.Errorf("%v (-default +documented):\n%s", problems, diff)
	}
}

// checkRows takes the rows of one table's keys out of rows and appends their
// defaults as TOML.
func checkRows(t *testing.T, table reflect.Type, path string, rows map[string][]string, defaults *strings.Builder) {
	zero := reflect.New(table).Elem()
	for _, s := range settings(table) {
		key, field := join(path, s.key), zero.Field(s.index)
		if field.Type() == reflect.TypeFor[[]Listener]() {
			checkRows(t, field.Type().Elem(), element(key, 0), rows, defaults)
			continue
		}
		if field.Kind() == reflect.Struct {
			checkRows(t, field.Type(), key, rows, defaults)
			continue
		}
		cells, ok := rows[key]
		delete(rows, key)
		if !ok {
			t.Errorf("no row for %s", key)
			continue
		}
		if key != "forward_all" && !strings.HasPrefix(key, "listener") { // their defaults are sentences
			defaults.WriteString(key + " = " + strings.Trim(cells[1], "`") + "\n")
		}
		if s.accept != "" && cells[2] != acceptText(s.accept, field.Interface()) {
			t.Errorf("%s: accepted %s, want %s", key, cells[2], acceptText(s.accept, field.Interface()))
		}
		if s.flag != "" && !strings.Contains(cells[3], "Flag `--"+s.flag+"`") {
			t.Errorf("%s: no word of --%s", key, s.flag)
		}
	}
}

func TestNearest(t *testing.T) {
	keys := []string{"max_series", "max_outputs", "max_buckets", "grace", "keep"}
	for typed, want := range map[string][]string{
		"max_serie":     {"max_series"},
		"maxSeries":     {"max_series"},
		"gracee":        {"grace"},
		"garce":         {"grace"}, // neighbours swapped
		"k":             nil,
		"max_bucketses": {"max_buckets"},
		"":              nil,
		"entirely else": nil,
	} {
		if got := nearest(typed, keys); !slices.Equal(got, want) {
			t.Errorf("nearest(%q) = %q, want %q", typed, got, want)
		}
	}
}
