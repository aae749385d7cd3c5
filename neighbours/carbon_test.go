package neighbours

import (
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// cache is a real carbon-cache, with a place for each second of an hour in its
// whisper files.
type cache struct {
	*child
	dir               string
	plaintext, pickle string // addresses; plaintext is one of UDP as well
}

func startCache(t *testing.T) *cache {
	t.Helper()
	return startCacheWith(t, "[all]\npattern = .*\nretentions = 1s:1h\n", "[all]\npattern = .*\nxFilesFactor = 0\naggregationMethod = last\n")
}

// startCacheWith does the same with whisper files as its own files say.
func startCacheWith(t *testing.T, schemas, aggregation string) *cache {
	t.Helper()
	c := &cache{dir: t.TempDir()}
	line, pickle, query := port(t), port(t), port(t)
	c.plaintext, c.pickle = local(line), local(pickle)
	write(t, c.dir, "storage-schemas.conf", schemas)
	write(t, c.dir, "storage-aggregation.conf", aggregation)
	write(t, c.dir, "carbon.conf", fmt.Sprintf(`[cache]
STORAGE_DIR = %[1]s
LOCAL_DATA_DIR = %[1]s/whisper
CONF_DIR = %[1]s
LOG_DIR = %[1]s
PID_DIR = %[1]s
USER =
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = %[2]d
ENABLE_UDP_LISTENER = True
UDP_RECEIVER_INTERFACE = 127.0.0.1
UDP_RECEIVER_PORT = %[2]d
ENABLE_TAGS = False
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_PORT = %[3]d
CACHE_QUERY_INTERFACE = 127.0.0.1
CACHE_QUERY_PORT = %[4]d
MAX_CACHE_SIZE = inf
MAX_UPDATES_PER_SECOND = inf
MAX_CREATES_PER_MINUTE = inf
CARBON_METRIC_INTERVAL = 0
ENABLE_LOGROTATION = False
`, c.dir, line, pickle, query))
	need(t, "whisper-fetch") // comes with the library that read uses
	c.start(t)
	return c
}

// start runs it on the files that there are.
func (c *cache) start(t *testing.T) {
	t.Helper()
	c.child = launchCarbon(t, "carbon-cache", c.dir, "a")
	c.awaitPorts(c.plaintext, c.pickle)
	c.awaitUDP(c.plaintext)
}

// launchCarbon runs one of carbon's daemons on the carbon.conf of a directory.
func launchCarbon(t *testing.T, program, dir, instance string) *child {
	t.Helper()
	return launch(t, dir, need(t, program), "--config="+dir+"/carbon.conf", "--logdir="+dir,
		"--pidfile="+filepath.Join(dir, program+"-"+instance+".pid"), "--instance="+instance, "--nodaemon", "start")
}

// store is what whisper files hold: values by "name timestamp".
type store map[string]float64

// readWhisper prints what all files of a directory hold for some seconds. The
// time is given, because whisper returns nothing that is ahead of it.
const readWhisper = `
import json, os, struct, sys, whisper
root, start, end = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
found = {}
for folder, _, files in os.walk(root):
    for name in files:
        path = os.path.join(folder, name)
        try:
            (first, _, step), values = whisper.fetch(path, start - 1, end, now=end)
        except (whisper.CorruptWhisperFile, struct.error, IOError):
            continue  # being made
        metric = os.path.relpath(path, root)[:-len(".wsp")].replace(os.sep, ".")
        for i, value in enumerate(values):
            if value is not None:
                found["%s %d" % (metric, first + i * step)] = value
json.dump(found, sys.stdout)
`

// read returns what it has stored for the seconds from start to end.
func (c *cache) read(start, end int64) store {
	c.t.Helper()
	found := make(store)
	python(c.t, &found, readWhisper, c.dir+"/whisper", fmt.Sprint(start), fmt.Sprint(end))
	return found
}

// python runs a program of its language that prints JSON, for result.
func python(t *testing.T, result any, program string, args ...string) {
	t.Helper()
	// The system's Python is the one that Debian's whisper belongs to.
	cmd := exec.Command("/usr/bin/python3", append([]string{"-c", program}, args...)...)
	var says strings.Builder
	cmd.Stderr = &says
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("reading whisper files: %v\n%s", err, &says)
	}
	if err := json.Unmarshal(out, result); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
}

// differs says in what a store is not as wanted, "" for nothing.
func (s store) differs(want store) string {
	var b strings.Builder
	all := maps.Clone(s)
	maps.Copy(all, want)
	n := 0
	for _, key := range slices.Sorted(maps.Keys(all)) {
		got, stored := s[key]
		value, wanted := want[key]
		if stored == wanted && got == value {
			continue
		}
		if n++; n > 20 {
			continue
		}
		switch {
		case !stored:
			fmt.Fprintf(&b, "\n%s is missing, want %v", key, value)
		case !wanted:
			fmt.Fprintf(&b, "\n%s is %v, want none", key, got)
		default:
			fmt.Fprintf(&b, "\n%s is %v, want %v", key, got, value)
		}
	}
	if n > 0 {
		fmt.Fprintf(&b, "\n%d of %d differ", n, len(all))
	}
	return b.String()
}
