package system

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/bench/internal/workload"
	"github.com/coalesce-metrics/coalesce/config"
)

// offer is a site for a workload.
func offer(w *workload.Workload) Site {
	s := Site{Dir: "/tmp/x", Port: 2023, SparePort: 2024, Period: 5, Workload: w,
		Rules: []workload.Rule{{Method: "p99", Tail: "requests000.count"}, {Method: "sum", Tail: "requests001.count"}}}
	for i := range w.Sinks() {
		s.SinkPorts = append(s.SinkPorts, 2003+i)
	}
	return s
}

func TestConfigure(t *testing.T) {
	var (
		plain   = &workload.Workload{}
		forward = &workload.Workload{Forward: true}
		pickle  = &workload.Workload{Pickle: true}
		hash    = &workload.Workload{Forward: true, Destinations: 4}
		spool   = &workload.Workload{Forward: true, Spool: true}
		kept    = &workload.Workload{Store: true, Keep: 10, HTTP: true}
		names   = &workload.Workload{Settings: map[string]string{"names.deny_list": `"deny.conf"`, "data": `"elsewhere"`},
			Files: map[string]string{"deny.conf": "secret\n"}}
	)
	coalesce := Coalesce("coalesce", "x")
	tests := map[string]struct {
		system *System
		w      *workload.Workload
		file   string
		want   []string
	}{
		"rules of coalesce": {coalesce, plain, "aggregation-rules.conf", []string{
			"aggregates.<env>.app.<app>.all.requests000.count (5) = p99 <env>.applications.<app>.*.requests000.count\n" +
				"aggregates.<env>.app.<app>.all.requests001.count (5) = sum <env>.applications.<app>.*.requests001.count\n"}},
		"coalesce": {coalesce, plain, "coalesce.toml", []string{
			"listen = \"127.0.0.1:2023\"\n", "listen_pickle = \"\"\n", "data = \"\"\n", "forward_all = false\n", "store = \"off\"\n", "http.listen = \"\"\n",
			"\n[[destination]]\nname = \"sink0\"\naddress = \"127.0.0.1:2003\"\n"}},
		"coalesce, forwarding": {coalesce, forward, "coalesce.toml", []string{"forward_all = true\n"}},
		"coalesce, pickle": {coalesce, pickle, "coalesce.toml", []string{
			"listen = \"\"\n", "listen_pickle = \"127.0.0.1:2023\"\n"}},
		"coalesce, hashing": {coalesce, hash, "coalesce.toml", []string{
			"address = \"127.0.0.1:2003:a\"\n", "address = \"127.0.0.1:2006:d\"\n",
			"[[route]]\nmode = \"hash\"\nto = [\"sink0\", \"sink1\", \"sink2\", \"sink3\"]\n"}},
		"coalesce, spooling": {coalesce, spool, "coalesce.toml", []string{
			"data = \"data\"\n", "spool.rate = 100000000\n", "when_full = \"spool\"\nqueue_datapoints = 200000\n"}},
		"coalesce, keeping": {coalesce, kept, "coalesce.toml", []string{
			"data = \"data\"\n", "http.listen = \"127.0.0.1:2024\"\n",
			"[[keep]]\npattern = \"<env>.applications.<app>.*.*.count\"\nperiod = \"10s\"\n"}},
		"coalesce, settings": {coalesce, names, "coalesce.toml", []string{
			"names.deny_list = \"deny.conf\"\n", "data = \"elsewhere\"\n"}},
		"coalesce, files": {coalesce, names, "deny.conf", []string{"secret\n"}},
		"carbon-c-relay": {CarbonCRelay(), plain, "relay.conf", []string{
			`aggregate ^([^.]+)\.applications\.([^.]+)\.[^.]+\.requests000\.count$`, "every 5 seconds",
			`compute percentile99 write to aggregates.\1.app.\2.all.requests000.count`,
			`compute sum write to aggregates.\1.app.\2.all.requests001.count`,
			"cluster out forward 127.0.0.1:2003;", "match * send to blackhole stop;", "linemode 127.0.0.1:2023 "}},
		"carbon-c-relay, forwarding": {CarbonCRelay(), forward, "relay.conf", []string{"match * send to out stop;"}},
		"carbon-c-relay, hashing": {CarbonCRelay(), hash, "relay.conf", []string{
			"cluster out carbon_ch replication 1 127.0.0.1:2003=a 127.0.0.1:2004=b 127.0.0.1:2005=c 127.0.0.1:2006=d;"}},
		"carbon-aggregator": {CarbonAggregator(), plain, "carbon.conf", []string{
			"LINE_RECEIVER_PORT = 2023\n", "PICKLE_RECEIVER_PORT = 2024\n", "DESTINATIONS = 127.0.0.1:2003\n",
			"CONF_DIR = /tmp/x\n", "FORWARD_ALL = False\n"}},
		"carbon-aggregator, forwarding": {CarbonAggregator(), forward, "carbon.conf", []string{"FORWARD_ALL = True\n"}},
		"carbon-aggregator, pickle": {CarbonAggregator(), pickle, "carbon.conf", []string{
			"LINE_RECEIVER_PORT = 2024\n", "PICKLE_RECEIVER_PORT = 2023\n"}},
		"carbon-aggregator, hashing": {CarbonAggregator(), hash, "carbon.conf", []string{
			"DESTINATIONS = 127.0.0.1:2003:a, 127.0.0.1:2004:b, 127.0.0.1:2005:c, 127.0.0.1:2006:d\n"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := tt.system.Configure(offer(tt.w)).Files[tt.file]
			for _, want := range tt.want {
				if !strings.Contains(got, want) {
					t.Errorf("%s has no %q:\n%s", tt.file, want, got)
				}
			}
		})
	}
}

// What coalesce is given must be a configuration without mistakes.
func TestCoalesceConfig(t *testing.T) {
	groups, err := workload.Select(workload.Default())
	if err != nil {
		t.Fatal(err)
	}
	all := append(slices.Concat(groups...), workload.Named(), workload.History())
	for _, w := range all {
		t.Run(w.Name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, DataDir), 0o755); err != nil {
				t.Fatal(err)
			}
			w.APIRules = min(w.APIRules, rulesEach+1) // enough for two keys, and sooner made
			files := Coalesce("coalesce", "x").Configure(offer(w)).Files
			if n := strings.Count(files[rulesFile], "\n"); n != w.APIRules {
				t.Errorf("%d rules made over HTTP, want %d", n, w.APIRules)
			}
			for name, content := range files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			cfg, problems := config.Load(filepath.Join(dir, "coalesce.toml"))
			if err := problems.Err(); err != nil {
				t.Fatal(err)
			}
			if n := len(cfg.AllDestinations()); n != w.Sinks() {
				t.Errorf("%d destinations, want %d", n, w.Sinks())
			}
			if w.Store != (cfg.StoreFile() != "") || !w.Store && cfg.Store.At != "off" || (w.Keep > 0) != (len(cfg.Keeps) == 1) {
				t.Errorf("store %q in file %q, %d kept", cfg.Store.At, cfg.StoreFile(), len(cfg.Keeps))
			}
			if file := filepath.Join(dir, StoreFile); w.Store && cfg.StoreFile() != file {
				t.Errorf("the store is %s, want %s", cfg.StoreFile(), file)
			}
		})
	}
}

// Systems without calibration must have a number of points for each workload, but for
// what they cannot do.
func TestPoints(t *testing.T) {
	groups, err := workload.Select(workload.Default())
	if err != nil {
		t.Fatal(err)
	}
	cannot := map[string][]string{
		"carbon-c-relay":    {"W1+names", "W1+pickle", "W1+store", "W1+keep", "W1+api", "W4+api", "W5+spool"}, // it reads no pickle
		"carbon-aggregator": {"W1+names", "W1+store", "W1+keep", "W1+api", "W4+api", "W5+spool"},
	}
	for _, s := range []*System{CarbonCRelay(), CarbonAggregator()} {
		for _, w := range slices.Concat(groups...) {
			if can := s.Points[w.Name] > 0; can == slices.Contains(cannot[s.Name], w.Name) {
				t.Errorf("%s has %d points for %s", s.Name, s.Points[w.Name], w.Name)
			}
			if p := s.Pace(w.Name); p.Conns <= 0 || p.Chunk <= 0 {
				t.Errorf("%s, %s: pace %+v", s.Name, w.Name, p)
			}
		}
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "some-coalesce")
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho \"$1 $A\"\necho more\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	s := Coalesce("coalesce", path)
	s.Env = []string{"A=1.2"}
	if err := s.Find(context.Background()); err != nil || s.Version != "version 1.2" || s.Path != path {
		t.Errorf("version %q of %q, %v", s.Version, s.Path, err)
	}
	if err := Coalesce("coalesce", filepath.Join(dir, "none")).Find(context.Background()); err == nil {
		t.Error("a missing program was found")
	}
}
