package neighbours

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// twinConf is for two instances of carbon-aggregator; one of them is coalesce.
const twinConf = `[aggregator]
STORAGE_DIR = %[1]s
CONF_DIR = %[1]s
LOG_DIR = %[1]s
PID_DIR = %[1]s
USER =
LINE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
FORWARD_ALL = True
MAX_AGGREGATION_INTERVALS = 300
USE_WHITELIST = True
CARBON_METRIC_INTERVAL = 0
ENABLE_LOGROTATION = False

[aggregator:a]
LINE_RECEIVER_PORT = %[2]d
PICKLE_RECEIVER_PORT = %[3]d
DESTINATIONS = %[4]s

[aggregator:b]
LINE_RECEIVER_PORT = %[5]d
PICKLE_RECEIVER_PORT = %[6]d
DESTINATIONS = %[7]s
`

// carbonMethods are all that carbon-aggregator has.
var carbonMethods = []string{"sum", "avg", "min", "max", "count", "p50", "p75", "p80", "p90", "p95", "p99", "p999"}

const (
	twinPeriod = 2 // seconds
	periods    = 3 // with input
)

// TestTwins gives the same input to a carbon-aggregator, and to the daemon with
// the settings imported from the same carbon.conf.
func TestTwins(t *testing.T) {
	t.Parallel()
	need(t, "carbon-aggregator")
	var theirs, ours pair
	for i := range theirs {
		theirs[i], ours[i] = startCache(t), startCache(t)
	}
	dir := t.TempDir()
	line, pickle, twinLine, twinPickle := port(t), port(t), port(t), port(t)
	conf := write(t, dir, "carbon.conf", fmt.Sprintf(twinConf, dir, line, pickle, theirs.destinations(), twinLine, twinPickle, ours.destinations()))
	write(t, dir, "storage-schemas.conf", "[all]\npattern = .*\nretentions = 1s:1h\n")
	write(t, dir, "rewrite-rules.conf", "[pre]\n^staging\\. = prod.\n[post]\n\\.load$ = .load_avg\n")
	write(t, dir, "blacklist.conf", "^prod\\.app\\.secret\\.\n")
	write(t, dir, "whitelist.conf", "^prod\\.\n^other\\.\n")
	rules := ""
	for _, method := range carbonMethods {
		rules += fmt.Sprintf("<env>.all.<what>.%s (%d) = %s <env>.app.*.<what>\n", method, twinPeriod, method)
	}
	write(t, dir, "aggregation-rules.conf", rules)

	aggregator := launchCarbon(t, "carbon-aggregator", dir, "a")
	aggregator.awaitPorts(local(line), local(pickle))
	imported := write(t, dir, "coalesce.toml", command(t, "import", "--instance", "b", conf))
	command(t, "check", "--config", imported)
	d := run(t, dir, imported, local(twinLine), local(twinPickle))

	from := (time.Now().Unix()/twinPeriod + 1) * twinPeriod
	until := from + periods*twinPeriod - 1
	// The middle of a bucket, but not of a second: of two connections nobody knows
	// which one's value is the last.
	const first = twinPeriod + twinPeriod/2
	byLine, named := twinInput(from, from+first-1)
	byPickle, _ := twinInput(from+first, until)
	for _, to := range []string{local(line), local(twinLine)} {
		send(t, "tcp", to, byLine)
	}
	for _, to := range []string{local(pickle), local(twinPickle)} {
		sendPickle(t, to, byPickle)
	}

	stored := make(store)
	await(t, "equal whisper files", func() string {
		why := ""
		for i := range ours {
			at := ours[i].read(from, until)
			maps.Copy(stored, at)
			if d := at.differs(theirs[i].read(from, until)); d != "" {
				why += fmt.Sprintf("\nstore %d:%s", i, d)
			}
		}
		// Every output has a value in each period, whichever daemon makes it.
		if outputs, want := stored.count(".all."), named*len(carbonMethods)*periods; outputs != want {
			why += fmt.Sprintf("\n%d values of outputs, want %d", outputs, want)
		}
		return why
	})
	if stored.count("secret") != 0 || stored.count("unwanted") != 0 || stored.count("staging") != 0 ||
		stored.count(".load_avg ") == 0 || stored.count("other.") == 0 {
		t.Errorf("lists or rewrite rules did not work: %v", stored)
	}
	for i := range ours {
		if n := len(ours[i].read(from, until)); n == 0 || n == len(stored) {
			t.Errorf("store %d has %d of %d values", i, n, len(stored))
		}
	}
	d.settle()
	d.stop()
}

// pair is two stores that names are divided between.
type pair [2]*cache

// destinations lists them as in carbon.conf. Ports have no say in carbon's ring,
// so the same names are for the same place of both pairs.
func (p pair) destinations() string {
	return fmt.Sprintf("%s:a, %s:b", p[0].pickle, p[1].pickle)
}

// count returns how many of its names and times contain a text.
func (s store) count(part string) (n int) {
	for key := range s {
		if strings.Contains(key, part) {
			n++
		}
	}
	return n
}

// twinInput returns lines for each second, and how many names rules are applied
// to for each method. Sums of the values are exact in every order.
func twinInput(from, until int64) (text string, named int) {
	const servers, values = 7, 3
	what := []string{"requests", "load", "bytes"}
	random := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	for at := from; at <= until; at++ {
		for range values {
			for server := range servers {
				for _, w := range what {
					env := "prod"
					if server%2 == 1 {
						env = "staging"
					}
					fmt.Fprintf(&b, "%s.app.www%d.%s %v %d\n", env, server, w, float64(random.IntN(4000)-1000)/8, at)
				}
			}
			fmt.Fprintf(&b, "prod.app.secret.requests 1000000 %d\nother.metric %d %d\nunwanted.metric 1 %d\n", at, random.IntN(100), at, at)
		}
	}
	return b.String(), len(what)
}

// pickleOf makes the frames that carbon's own senders make of lines.
const pickleOf = `
import pickle, struct, sys
rows = []
for line in sys.stdin:
    name, value, at = line.split()
    rows.append((name, (int(at), float(value))))
for i in range(0, len(rows), 100):
    frame = pickle.dumps(rows[i:i+100], protocol=2)
    sys.stdout.buffer.write(struct.pack("!L", len(frame)) + frame)
`

func sendPickle(t *testing.T, address, lines string) {
	t.Helper()
	c := exec.Command("/usr/bin/python3", "-c", pickleOf)
	c.Stdin = strings.NewReader(lines)
	var frames bytes.Buffer
	c.Stdout = &frames
	if err := c.Run(); err != nil {
		t.Fatalf("pickling: %v", err)
	}
	send(t, "tcp", address, frames.String())
}
