package neighbours

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/internal/stubborn"
)

// daemon is a running coalesce.
type daemon struct {
	*child
	plaintext, pickle, http string // addresses
}

// start runs a daemon and returns when it is ready. The configuration goes on
// after ports and directories; its rules file is made of rules.
func start(t *testing.T, rules, config string) *daemon {
	t.Helper()
	return startOn(t, port(t), port(t), rules, config)
}

// startOn does the same on given ports.
func startOn(t *testing.T, plaintext, pickle int, rules, config string) *daemon {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "aggregation-rules.conf", rules)
	if !strings.Contains(config, "[metrics]") {
		config += "\n[metrics]\ninterval = \"0s\"\n"
	}
	head := fmt.Sprintf("listen = %q\nlisten_pickle = %q\nprefix = \"\"\n", local(plaintext), local(pickle))
	return run(t, dir, write(t, dir, "coalesce.toml", head+config), local(plaintext), local(pickle))
}

// run starts a daemon with a whole configuration.
func run(t *testing.T, dir, config, plaintext, pickle string) *daemon {
	t.Helper()
	d := &daemon{plaintext: plaintext, pickle: pickle, http: local(port(t))}
	d.child = launch(t, dir, binary, "run", "--config", config, "--http", d.http)
	d.awaitPorts(d.http)
	await(t, "the daemon to be ready", func() string {
		if status, body := d.get("/readyz"); status != http.StatusOK {
			return fmt.Sprint(status, body)
		}
		return ""
	})
	return d
}

// get asks the daemon over HTTP.
func (d *daemon) get(path string) (status int, body string) {
	d.t.Helper()
	resp, err := stubborn.Client(patience).Get("http://" + d.http + path)
	if err != nil {
		d.t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Error(err)
	}
	return resp.StatusCode, string(text)
}

// sample is one line of /metrics.
type sample struct {
	name   string // without coalesce_
	labels map[string]string
	value  float64
}

// samples is one scrape of /metrics.
type samples []sample

var (
	sampleLine  = regexp.MustCompile(`^coalesce_([a-z_]+)(?:\{(.*)\})? (\S+)$`)
	sampleLabel = regexp.MustCompile(`([a-z_]+)="((?:[^"\\]|\\.)*)"`)
)

func (d *daemon) scrape() (found samples) {
	d.t.Helper()
	_, body := d.get("/metrics")
	for lines := bufio.NewScanner(strings.NewReader(body)); lines.Scan(); {
		m := sampleLine.FindStringSubmatch(lines.Text())
		if m == nil {
			continue // comments, and the numbers of process and runtime
		}
		s := sample{name: m[1], labels: make(map[string]string)}
		for _, l := range sampleLabel.FindAllStringSubmatch(m[2], -1) {
			s.labels[l[1]] = l[2]
		}
		var err error
		if s.value, err = strconv.ParseFloat(m[3], 64); err != nil {
			d.t.Errorf("%s: %v", lines.Text(), err)
		}
		found = append(found, s)
	}
	return found
}

// sum adds up the samples of a name with the given labels.
func (s samples) sum(name string, labels ...string) (sum float64) {
	for _, x := range s {
		fits := x.name == name
		for i := 0; i < len(labels); i += 2 {
			fits = fits && x.labels[labels[i]] == labels[i+1]
		}
		if fits {
			sum += x.value
		}
	}
	return sum
}

// values returns, once each, what a label of a name is.
func (s samples) values(name, label string) map[string]bool {
	found := make(map[string]bool)
	for _, x := range s {
		if x.name == name {
			found[x.labels[label]] = true
		}
	}
	return found
}

// awaitSum returns when a number has come to be at least n.
func (d *daemon) awaitSum(n float64, name string, labels ...string) {
	d.t.Helper()
	await(d.t, name, func() string {
		if got := d.scrape().sum(name, labels...); got < n {
			return fmt.Sprintf("%v, want at least %v", got, n)
		}
		return ""
	})
}

// settle waits until the daemon has sent all it has to, and checks that nothing
// is unaccounted for.
func (d *daemon) settle() samples {
	d.t.Helper()
	var s samples
	await(d.t, "the queues to empty", func() string {
		s = d.scrape()
		for _, name := range []string{"in_flight", "queued", "spooled"} {
			if n := s.sum("destination_rows_" + name); n > 0 {
				return fmt.Sprint(n, " rows are ", name)
			}
		}
		return ""
	})
	equal := func(what string, whole float64, parts ...float64) {
		d.t.Helper()
		sum := 0.0
		for _, p := range parts {
			sum += p
		}
		if whole != sum {
			d.t.Errorf("%s: %v is not the sum of %v", what, whole, parts)
		}
	}
	if s.sum("datapoints_accepted_total") == 0 {
		d.t.Error("no datapoint has come in")
	}
	for l := range s.values("received_items_total", "listener") {
		equal("items received by "+l, s.sum("received_items_total", "listener", l),
			s.sum("accepted_items_total", "listener", l), s.sum("refused_items_total", "listener", l))
	}
	equal("datapoints of all listeners", s.sum("datapoints_accepted_total"), s.sum("accepted_items_total"))
	equal("datapoints", s.sum("datapoints_accepted_total"),
		s.sum("datapoints_matched_total"), s.sum("datapoints_unmatched_total"), s.sum("datapoints_filtered_total"))
	equal("contributions", s.sum("contributions_total"), s.sum("contributions_added_total"), s.sum("contributions_dropped_total"))
	for to := range s.values("destination_rows_written_total", "destination") {
		of := func(name string) float64 { return s.sum("destination_rows_"+name, "destination", to) }
		equal("rows for "+to, of("made_total")+of("found_total"), of("written_total"), of("moved_total"), of("dropped_total"))
	}
	return s
}

// command runs one of the daemon's other commands and returns what it prints.
func command(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(binary, args...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("coalesce %q: %v\n%s", args, err, exit.Stderr)
		}
		t.Fatal(err)
	}
	return string(out)
}
