package config

import (
	"bufio"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

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
