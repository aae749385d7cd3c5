package system

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/bench/internal/workload"
)

var site = Site{Dir: "/tmp/x", Port: 2023, SparePort: 2024, SinkPort: 2003, Period: 5,
	Rules: []workload.Rule{{Method: "p99", Tail: "requests000.count"}, {Method: "sum", Tail: "requests001.count"}}}

func TestConfigure(t *testing.T) {
	tests := map[string]struct {
		system  *System
		forward bool
		file    string
		want    []string
	}{
		"coalesce": {Coalesce("coalesce", "x"), false, "aggregation-rules.conf", []string{
			"aggregates.<env>.app.<app>.all.requests000.count (5) = p99 <env>.applications.<app>.*.requests000.count\n" +
				"aggregates.<env>.app.<app>.all.requests001.count (5) = sum <env>.applications.<app>.*.requests001.count\n"}},
		"carbon-c-relay": {CarbonCRelay(), false, "relay.conf", []string{
			`aggregate ^([^.]+)\.applications\.([^.]+)\.[^.]+\.requests000\.count$`, "every 5 seconds",
			`compute percentile99 write to aggregates.\1.app.\2.all.requests000.count`,
			`compute sum write to aggregates.\1.app.\2.all.requests001.count`,
			"cluster out forward 127.0.0.1:2003;", "match * send to blackhole stop;", "linemode 127.0.0.1:2023 "}},
		"carbon-c-relay, forwarding": {CarbonCRelay(), true, "relay.conf", []string{"match * send to out stop;"}},
		"carbon-aggregator": {CarbonAggregator(), false, "carbon.conf", []string{
			"LINE_RECEIVER_PORT = 2023\n", "PICKLE_RECEIVER_PORT = 2024\n", "DESTINATIONS = 127.0.0.1:2003\n",
			"CONF_DIR = /tmp/x\n", "FORWARD_ALL = False\n"}},
		"carbon-aggregator, forwarding": {CarbonAggregator(), true, "carbon.conf", []string{"FORWARD_ALL = True\n"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			site := site
			site.Forward = tt.forward
			got := tt.system.Configure(site).Files[tt.file]
			for _, want := range tt.want {
				if !strings.Contains(got, want) {
					t.Errorf("%s has no %q:\n%s", tt.file, want, got)
				}
			}
		})
	}
	args := Coalesce("coalesce", "x").Configure(site).Args
	for _, want := range []string{"run", "127.0.0.1:2023", "127.0.0.1:2003", "--forward-all=false"} {
		if !slices.Contains(args, want) {
			t.Errorf("coalesce is started without %q: %q", want, args)
		}
	}
}

// Systems without calibration must have a number of points for each workload.
func TestPoints(t *testing.T) {
	for _, s := range []*System{CarbonCRelay(), CarbonAggregator()} {
		for _, w := range workload.All() {
			if s.Points[w.Name] <= 0 {
				t.Errorf("%s has no points for %s", s.Name, w.Name)
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
