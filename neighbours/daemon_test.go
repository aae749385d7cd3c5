package neighbours

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/internal/stubborn"
	"github.com/coalesce-metrics/coalesce/metrics/metricstest"
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

// samples is one scrape of /metrics.
type samples metricstest.Samples

func (d *daemon) scrape() samples {
	d.t.Helper()
	_, body := d.get("/metrics")
	found, err := metricstest.Parse(body)
	if err != nil {
		d.t.Error(err)
	}
	return samples(found)
}

// sum adds up the samples of a name with the given labels.
func (s samples) sum(name string, labels ...string) float64 {
	return metricstest.Samples(s).Sum(name, labels...)
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
	if s.sum("datapoints_accepted_total") == 0 {
		d.t.Error("no datapoint has come in")
	}
	for _, wrong := range metricstest.Samples(s).Unbalanced() {
		d.t.Error(wrong)
	}
	if points, items := s.sum("datapoints_accepted_total"), s.sum("accepted_items_total"); points != items {
		d.t.Errorf("%v datapoints of %v items", points, items)
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
