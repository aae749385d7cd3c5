package neighbours

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	twoArchives = "[total]\npattern = ^total\\.\nretentions = 1s:2m,10s:1h\n\n[default]\npattern = .*\nretentions = 1s:1h\n"
	rollups     = "[bytes]\npattern = \\.bytes$\nxFilesFactor = 0\naggregationMethod = sum\n\n[largest]\npattern = ^largest\\.\naggregationMethod = max\n"
)

// The daemon writes whisper files as carbon-cache does, to the last bit of headers
// and values, and whisper-fetch reads them.
func TestWhisper(t *testing.T) {
	t.Parallel()
	c := startCacheWith(t, twoArchives, rollups)
	files := filepath.Join(t.TempDir(), "whisper")
	d := start(t, "total.<app>.<what> (2) = sum app.<app>.*.<what>\nlargest.<app>.<what> (2) = max app.<app>.*.<what>\ntotal.tagged;app=<app> (2) = sum t;app=<app>;host=*\n",
		fmt.Sprintf(`upstream = [%q]
[[destination]]
address = "whisper://%s"
schemas = "%[3]s/storage-schemas.conf"
aggregation = "%[3]s/storage-aggregation.conf"
`, c.plaintext, files, c.dir))

	// The last two minutes, and some that only coarse archives still hold; the
	// minute about the end of an archive is left out, since two clocks read it.
	now := (time.Now().Unix() + 1) &^ 1
	var text strings.Builder
	rows := 0
	add := func(name string, value float64, at int64) {
		fmt.Fprintf(&text, "%s %v %d\n", name, value, at)
		rows++
	}
	for _, age := range []int64{3000, 2998, 2400, 1000, 50, 40, 4, 2, 0} {
		for server := range 3 {
			for _, what := range []string{"load", "bytes"} {
				add(fmt.Sprintf("app.shop.www%d.%s", server, what), float64(server+1)/10+float64(age), now-age)
			}
			add(fmt.Sprintf("t;host=www%d;app=a.b", server), float64(server)+0.1, now-age)
		}
	}
	send(t, "tcp", d.plaintext, text.String())

	const names = 2*3 + 3 + 2*2 + 1
	var ours, theirs map[string]whisperFile
	await(t, "equal files", func() string {
		s := d.scrape()
		made := float64(rows + (2*2+1)*9) // 9 periods
		for _, to := range []string{c.plaintext, "whisper://" + files} {
			if n := s.sum("destination_rows_written_total", "destination", to); n < made {
				return fmt.Sprint(n, " rows written to ", to, ", want ", made)
			}
		}
		ours, theirs = readFiles(t, files, now+1), readFiles(t, c.dir+"/whisper", now+1)
		if len(ours) != names || len(theirs) != names {
			return fmt.Sprint(len(ours), " files, carbon-cache has ", len(theirs), ", want ", names)
		}
		var why strings.Builder
		for name, file := range ours {
			if !reflect.DeepEqual(file, theirs[name]) {
				fmt.Fprintf(&why, "\n%s is\n%v, carbon-cache has\n%v", name, file, theirs[name])
			}
		}
		return why.String()
	})
	if fetched := whisperFetch(t, files+"/largest/shop/load.wsp", now-10); !slices.Equal(fetched, []float64{4.3, 2.3, 0.3}) {
		t.Errorf("whisper-fetch reads %v", fetched)
	}
	if coarse := ours["total/shop/bytes.wsp"].Archives; len(coarse) != 2 || coarse[1].Step != 10 || len(coarse[1].Values) < 4 {
		t.Errorf("total.shop.bytes has the archives %v", coarse)
	}
	s := d.settle()
	if dropped := s.sum("destination_rows_dropped_total"); dropped != 0 {
		t.Errorf("%v rows dropped", dropped)
	}
	d.stop()
}

// whisperFile is all that a file holds.
type whisperFile struct {
	Method       string
	XFilesFactor float64
	Retention    int
	Archives     []struct {
		Step, Points int
		Values       map[string]json.Number
	}
}

const readFilesPy = `
import json, os, struct, sys, whisper
root, now = sys.argv[1], int(sys.argv[2])
found = {}
for folder, _, files in os.walk(root):
    for name in files:
        path = os.path.join(folder, name)
        if not name.endswith(".wsp"):
            continue
        try:
            info = whisper.info(path)
            archives = []
            for a in info["archives"]:
                (first, _, step), values = whisper.fetch(path, now - a["retention"] + 1, now, now=now, archiveToSelect=a["secondsPerPoint"])
                archives.append({"Step": step, "Points": a["points"], "Values": {first + i * step: v for i, v in enumerate(values) if v is not None}})
        except (whisper.CorruptWhisperFile, struct.error, IOError):
            continue  # being made
        found[os.path.relpath(path, root)] = {
            "Method": info["aggregationMethod"], "XFilesFactor": info["xFilesFactor"], "Retention": info["maxRetention"], "Archives": archives}
json.dump(found, sys.stdout)
`

// readFiles returns the files of a directory, as carbon's own library reads them.
func readFiles(t *testing.T, dir string, now int64) (found map[string]whisperFile) {
	t.Helper()
	python(t, &found, readFilesPy, dir, fmt.Sprint(now))
	return found
}
