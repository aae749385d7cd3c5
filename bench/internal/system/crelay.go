package system

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// CarbonCRelay is carbon-c-relay with settings in its favour: no rule is tried
// after one that matched, and its queues hold a whole run.
func CarbonCRelay() *System {
	slowest := small
	slowest.Conns, slowest.Rate = 2, 150 // at full speed most of W3 arrives too late for it
	return &System{
		Name:     "carbon-c-relay",
		Package:  "Debian package carbon-c-relay",
		Lateness: cRelayExpiry * time.Second,
		Points: map[string]int{
			"W1": 400_000, "W2": 60_000, "W3": 1_000, "W4": 400_000, "W5": 300_000, "W5+hash": 300_000, "W6": 400_000,
		},
		Paces:   map[string]Pace{"W2": small, "W3": slowest},
		version: []string{"", "-v"},
		configure: func(site Site) Setup {
			return Setup{
				Files: map[string]string{"relay.conf": cRelayConfig(site)},
				Args:  []string{"-f", "relay.conf", "-H", "bench", "-s", "-q", "250000", "-w", "2"},
			}
		},
	}
}

const cRelayExpiry = 8 // seconds, more than a period as it demands

func cRelayConfig(site Site) string {
	var b strings.Builder
	kind := "forward"
	if len(site.SinkPorts) > 1 {
		kind = "carbon_ch replication 1"
	}
	fmt.Fprintf(&b, "cluster out %s %s;\n", kind, strings.Join(site.destinations("="), " "))
	methods := map[string]string{"p99": "percentile99"}
	for _, r := range site.Rules {
		method := r.Method
		if m := methods[method]; m != "" {
			method = m
		}
		fmt.Fprintf(&b, `aggregate ^([^.]+)\.applications\.([^.]+)\.[^.]+\.%s$
    every %d seconds
    expire after %d seconds
    timestamp at start of bucket
    compute %s write to aggregates.\1.app.\2.all.%s
    send to out
    stop;
`, regexp.QuoteMeta(r.Tail), site.Period, cRelayExpiry, method, r.Tail)
	}
	rest := "blackhole"
	if site.Workload.Forward {
		rest = "out"
	}
	fmt.Fprintf(&b, "match * send to %s stop;\nlisten type linemode 127.0.0.1:%d proto tcp;\n", rest, site.Port)
	return b.String()
}
