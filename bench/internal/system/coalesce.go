package system

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Coalesce is the project's own daemon, at the given path.
func Coalesce(name, path string) *System {
	return &System{
		Name:     name,
		Path:     path,
		Lateness: 5 * time.Second,
		version:  []string{"", "version"},
		configure: func(site Site) Setup {
			files := map[string]string{
				"aggregation-rules.conf": carbonRules(site),
				"coalesce.toml":          coalesceConfig(site),
			}
			maps.Copy(files, site.Workload.Files)
			if n := site.Workload.APIRules; n > 0 {
				files[rulesFile] = apiRules(n)
			}
			return Setup{Files: files, Args: []string{"run", "--config", "coalesce.toml"}}
		},
	}
}

// coalesceConfig writes the configuration in TOML: the settings, of which those of the
// workload go first, then the destinations.
func coalesceConfig(site Site) string {
	w := site.Workload
	address := strconv.Quote(fmt.Sprintf("127.0.0.1:%d", site.Port))
	settings := map[string]string{
		"rules":         `"aggregation-rules.conf"`,
		"prefix":        `""`,
		"data":          `""`,
		"store":         `"off"`,
		"listen":        address,
		"listen_pickle": `""`,
		"forward_all":   strconv.FormatBool(w.Forward),
		"http.listen":   `""`,
		"log.level":     `"warn"`,
	}
	if w.Pickle {
		settings["listen"], settings["listen_pickle"] = `""`, address
	}
	if w.Spool {
		settings["data"] = strconv.Quote(DataDir)
		settings["queue.reconnect_max"] = `"100ms"`
		settings["spool.bytes"] = `"64GiB"`
		settings["spool.rate"] = "100000000" // its bound, which is none
	}
	if w.Store {
		settings["data"] = strconv.Quote(DataDir)
		delete(settings, "store") // as by default, SQLite
	}
	if w.APIRules > 0 {
		settings["data"] = strconv.Quote(DataDir)
	}
	if w.HTTP {
		settings["http.listen"] = strconv.Quote(fmt.Sprintf("127.0.0.1:%d", site.SparePort))
	}
	maps.Copy(settings, w.Settings)
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&b, "%s = %s\n", key, settings[key])
	}
	var names []string
	for i, address := range site.destinations(":") {
		names = append(names, fmt.Sprintf("\"sink%d\"", i))
		fmt.Fprintf(&b, "\n[[destination]]\nname = %s\naddress = %q\n", names[i], address)
		if w.Spool {
			fmt.Fprintf(&b, "when_full = \"spool\"\nqueue_datapoints = %d\n", SpoolRows)
		}
	}
	if len(names) > 1 {
		fmt.Fprintf(&b, "\n[[route]]\nmode = \"hash\"\nto = [%s]\n", strings.Join(names, ", "))
	}
	if w.Keep > 0 {
		fmt.Fprintf(&b, "\n[[keep]]\npattern = \"<env>.applications.<app>.*.*.count\"\nperiod = \"%ds\"\n", w.Keep)
	}
	return b.String()
}
