package config

import (
	"bufio"
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// sameSettings compares configs by their settings alone.
var sameSettings = cmpopts.IgnoreUnexported(Config{})

// keysOf lists the paths of all keys, those of a list of tables as "listener[0].key".
func keysOf(t reflect.Type, path string) []string {
	var keys []string
	for _, s := range settings(t) {
		key, field := join(path, s.key), t.Field(s.index).Type
		switch {
		case isTables(field):
			keys = append(keys, keysOf(field.Elem(), element(key, 0))...)
		case field.Kind() == reflect.Struct:
			keys = append(keys, keysOf(field, key)...)
		default:
			keys = append(keys, key)
		}
	}
	return keys
}

// at returns the value of a key outside lists of tables.
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
	c.Destinations = []Destination{{Kind: "relay", Resend: -1}}
	c.Routes = []Route{{}}
	want := []string{
		`error: limits.max_connections = -1: not accepted; accepted: 1 to 1000000`,
		`error: listener[0].protocol = "": not accepted; accepted: "plaintext", "pickle" or "protobuf"`,
		`error: listener[0].transport = "": not accepted; accepted: "tcp", "udp" or "unix"`,
		`error: listener[0].max_connections = 0: not accepted; accepted: 1 to 1000000`,
		`error: listener[0].max_line = "0B": not accepted; accepted: "128B" to "1MiB"`,
		`error: listener[0].max_frame = "0B": not accepted; accepted: "1KiB" to "256MiB"`,
		`error: listener[0].compression = "": not accepted; accepted: "none", "gzip", "zstd" or "snappy"`,
		`error: aggregation.grace = "-1s": not accepted; accepted: "0s" to "1d"`,
		`error: destination[0].kind = "relay": not accepted; accepted: "store" or "aggregator"`,
		`error: destination[0].when_full = "": not accepted; accepted: "drop-oldest", "spool" or "block"`,
		`error: destination[0].resend = "-1ns": not accepted; accepted: "0s" to "1h"`,
		`error: destination[0].max_datapoints_per_message = 0: not accepted; accepted: 1 to 100000`,
		`error: destination[0].queue_datapoints = 0: not accepted; accepted: 1 to 1000000000`,
		`error: destination[0].queue_bytes = "0B": not accepted; accepted: "64KiB" to "1TiB"`,
		`error: route[0].send = "": not accepted; accepted: "all", "raw" or "aggregates"`,
		`error: route[0].mode = "": not accepted; accepted: "all", "hash", "failover", "round-robin" or "aggregated-hash"`,
		`error: route[0].hash = "": not accepted; accepted: "carbon_ch", "fnv1a_ch" or "mmh3_ch"`,
		`error: route[0].replication = 0: not accepted; accepted: 1 to 256`,
		`error: log.level = "loud": not accepted; accepted: "debug", "info", "warn" or "error"`,
		`error: listener[0].address = "": empty; accepted: an address to listen on`,
		`error: destination[0].address = "": ` + emptyDestWant,
		`error: route[0].to: ` + emptyToWant,
	}
	if diff := cmp.Diff(want, lines(c.Validate())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestForwardsAll(t *testing.T) {
	yes, no := true, false
	for _, test := range []struct {
		upstream     []string
		destinations []Destination
		set          *bool
		want         bool
	}{
		{nil, nil, nil, false}, {[]string{"a:1"}, nil, nil, true}, {[]string{"a:1"}, nil, &no, false}, {nil, nil, &yes, true},
		{nil, []Destination{{Address: "a:1"}}, nil, true},
	} {
		c := Default()
		c.Upstream, c.Destinations, c.ForwardAll = test.upstream, test.destinations, test.set
		if got := c.ForwardsAll(); got != test.want {
			t.Errorf("upstream %v: %v, want %v", test.upstream, got, test.want)
		}
	}
}

func TestAllListeners(t *testing.T) {
	c := Default()
	c.Limits.IdleTimeout = Minute
	socket := Listener{Protocol: "protobuf", Transport: "unix", Address: "/s", MaxConnections: 1}
	c.Listeners = []Listener{socket}
	want := []Listener{
		{Protocol: "plaintext", Transport: "tcp", Address: ":2023"},
		{Protocol: "plaintext", Transport: "udp", Address: ":2023"},
		{Protocol: "pickle", Transport: "tcp", Address: ":2024"},
		socket,
	}
	for i := range want[:3] {
		l := &want[i]
		l.MaxConnections, l.IdleTimeout, l.MaxLine, l.MaxFrame, l.Compression = 10_000, Minute, 16*KiB, MiB, "none"
	}
	if diff := cmp.Diff(want, c.AllListeners()); diff != "" {
		t.Error(diff)
	}
	c.Listen = ""
	if diff := cmp.Diff(want[2:], c.AllListeners()); diff != "" {
		t.Error(diff)
	}
	c.ListenPickle = ""
	if diff := cmp.Diff(want[3:], c.AllListeners()); diff != "" {
		t.Error(diff)
	}
}

func TestAllowedNetworks(t *testing.T) {
	l := Listener{Allow: []string{"10.0.0.0/8", "no network", "fd00::/8"}}
	want := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	if got := l.AllowedNetworks(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAllDestinations(t *testing.T) {
	c, problems := Parse("/etc/c/f.toml", []byte(`
upstream = ["h:1:a", "udp://h:2", "whisper:///w", "h:3:udp://x"]
[queue]
datapoints = 7
[[destination]]
address = "pickle://h:4"
name = "four"
kind = "aggregator"
[[destination]]
address = "whisper:///v"
schemas = "s.conf"
aggregation = ""
resend = "0s"
[[destination]]
address = "stdout:"
queue_datapoints = 8
`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	type row struct {
		Key, Name, Address   string
		Resend               Duration
		Queue                int
		Schemas, Aggregation string
	}
	const schemas, aggregation = "/etc/c/storage-schemas.conf", "/etc/c/storage-aggregation.conf"
	want := []row{
		{"upstream[0]", "h:1:a", "h:1:a", 10 * Second, 7, "", ""},
		{"upstream[1]", "udp://h:2", "udp://h:2", 0, 7, "", ""},
		{"upstream[2]", "whisper:///w", "whisper:///w", 0, 7, schemas, aggregation},
		{"upstream[3]", "h:3:udp://x", "h:3:udp://x", 10 * Second, 7, "", ""},
		{"destination[0].address", "four", "pickle://h:4", 0, 7, "", ""},
		{"destination[1].address", "whisper:///v", "whisper:///v", 0, 7, "/etc/c/s.conf", ""},
		{"destination[2].address", "stdout:", "stdout:", 0, 8, "", ""},
	}
	var got []row
	for i, d := range c.AllDestinations() {
		got = append(got, row{c.DestinationKey(i), d.Name, d.Address, d.Resend, d.QueueDatapoints, d.Schemas, d.Aggregation})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Problem places what others find wrong with a value.
func TestProblem(t *testing.T) {
	c, _ := Parse("f.toml", []byte("upstream = [\n \"a:x\"]\n[[route]]\npattern = '('\n"), Override{"rules", "r"})
	for key, want := range map[string]string{
		"upstream[0]":      `f.toml:2:2: error: upstream[0] = "a:x": bad`,
		"route[0].pattern": `f.toml:4:11: error: route[0].pattern = '(': bad`,
		"rules":            `--rules: error: rules: bad`,
		"listen":           `f.toml: error: listen: bad`,
	} {
		if got := c.Problem(key, "bad").String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	made := Default()
	if got, want := made.Problem("rules", "bad").String(), "error: rules: bad"; got != want {
		t.Errorf("got %s, want %s", got, want)
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
	if diff := cmp.Diff(&want, got, sameSettings); diff != "" {
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
	commented := regexp.MustCompile(`^# ([a-z_]+ = .*|\[\[[a-z]+\]\])$`)
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
	want := Default()
	listener, destination, route := want.newListener(), want.newDestination(), newRoute()
	listener.Address, listener.Allow = "127.0.0.1:2123", []string{}
	destination.Name, destination.Address = "graphite-a", "pickle://127.0.0.1:2004:a"
	route.To = []string{"graphite-a"}
	keep := newKeep()
	keep.Pattern = "app.*.requests"
	want.Keys = []Key{{"grafana", "sha256:4773056df63a5631a561de6ec66504035f6360ec4531daf199fd4664d34a4f5c", []string{"read"}}}
	want.Windows, want.Keeps = []Window{{"30d", 30 * Day, Hour, 730 * Day}}, []Keep{keep}
	measure := newMeasure()
	measure.Name = "rpc.latency"
	want.Measures, want.ViewList = []Measure{measure}, []View{{"", "", "rpc.latency", []string{}, "count", []float64{}}}
	want.Upstream, want.Place.Ring, want.APIRules.ForwardViews = []string{}, []string{}, []string{}
	want.Listeners, want.Destinations, want.Routes = []Listener{listener}, []Destination{destination}, []Route{route}
	if diff := cmp.Diff(&want, got, sameSettings); diff != "" {
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
			section = strings.Trim(title, "[]")
			switch {
			case strings.HasPrefix(title, "[["):
				section = element(section, 0)
			case title == "Top of the file":
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
	want.Upstream, want.Place.Ring = []string{}, []string{}
	if diff := cmp.Diff(&want, got, sameSettings, cmpopts.EquateEmpty()); diff != "" || len(problems) > 0 {
		t.Errorf("%v (-default +documented):\n%s", problems, diff)
	}
}

// checkRows takes the rows of one table's keys out of rows and appends their
// defaults as TOML. Those of a list of tables are compared at once.
func checkRows(t *testing.T, table reflect.Type, path string, rows map[string][]string, defaults *strings.Builder) {
	zero := reflect.New(table).Elem()
	for _, s := range settings(table) {
		key, field := join(path, s.key), zero.Field(s.index)
		if isTables(field.Type()) {
			elem := field.Type().Elem()
			text := "[[" + key + "]]\n"
			for _, e := range settings(elem) {
				// The others are sentences.
				if cells := rows[join(element(key, 0), e.key)]; len(cells) > 1 && strings.HasPrefix(cells[1], "`") {
					text += e.key + " = " + strings.Trim(cells[1], "`") + "\n"
				}
			}
			c := Default()
			want := (&checker{config: &c}).newElement(elem)
			got, _ := Parse("docs", []byte(text)) // without the keys that must be given
			documented := reflect.ValueOf(got).Elem().Field(s.index).Index(0)
			if diff := cmp.Diff(want.Interface(), documented.Interface(), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s (-default +documented):\n%s", key, diff)
			}
			checkRows(t, elem, element(key, 0), rows, new(strings.Builder))
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
		if key != "forward_all" { // its default is a sentence
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

// The settings that docs/migrate.md shows are right as they stand.
func TestMigrateExamples(t *testing.T) {
	text, err := os.ReadFile("../docs/migrate.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)\n```toml\n(.*?)\n```\n").FindAllStringSubmatch(string(text), -1)
	for _, block := range blocks {
		if _, problems := Parse("docs/migrate.md", []byte(block[1])); len(problems) > 0 {
			t.Errorf("%v in\n%s", problems, block[1])
		}
	}
	if len(blocks) < 3 {
		t.Errorf("only %d examples found", len(blocks))
	}
	// What it names as a key is one.
	known := map[string]bool{}
	for _, key := range keysOf(reflect.TypeFor[Config](), "") {
		key = strings.ReplaceAll(key, "[0]", "")
		known[key] = true
		known[key[strings.LastIndexByte(key, '.')+1:]] = true
	}
	for _, m := range regexp.MustCompile("`((?:names|metrics|queue|limits|aggregation|log|http|spool|listen|prefix|data)(?:\\.[a-z_]+)?)`").FindAllStringSubmatch(string(text), -1) {
		if !known[m[1]] {
			t.Errorf("docs/migrate.md names the key %s", m[1])
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
