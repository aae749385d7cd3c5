package system

import (
	"fmt"
	"strings"
	"time"
)

// CarbonAggregator is Graphite's own carbon-aggregator.
func CarbonAggregator() *System {
	return &System{
		Name:     "carbon-aggregator",
		Package:  "Debian package graphite-carbon",
		Lateness: 5 * time.Second,
		Points: map[string]int{
			// W3 has to send its 10 000 metrics more than once: the first time costs
			// more. W5 stays below the send queue, beyond which datapoints are dropped.
			"W1": 400_000, "W1+pickle": 400_000, "W2": 30_000, "W3": 15_000, "W4": 200_000, "W5": 90_000, "W5+hash": 90_000, "W6": 400_000,
		},
		Paces:   map[string]Pace{"W2": small, "W3": small},
		version: []string{"dpkg-query", "-W", "-f", "graphite-carbon ${Version}", "graphite-carbon"},
		configure: func(site Site) Setup {
			return Setup{
				Files: map[string]string{
					"carbon.conf":            carbonConfig(site),
					"aggregation-rules.conf": carbonRules(site),
					"rewrite-rules.conf":     "",
					"storage-schemas.conf":   "[default]\npattern = .*\nretentions = 60s:1d\n",
				},
				Args: []string{
					"--config=" + site.Dir + "/carbon.conf",
					"--rules=" + site.Dir + "/aggregation-rules.conf",
					"--logdir=" + site.Dir,
					"--pidfile=" + site.Dir + "/carbon.pid",
					"--nodaemon", "start",
				},
				Env: []string{"GRAPHITE_ROOT=" + site.Dir},
			}
		},
	}
}

func carbonConfig(site Site) string {
	forward := "False"
	if site.Workload.Forward {
		forward = "True"
	}
	plaintext, pickle := site.ports()
	return fmt.Sprintf(`[aggregator]
STORAGE_DIR = %[1]s
CONF_DIR = %[1]s
LOG_DIR = %[1]s
PID_DIR = %[1]s
USER =
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = %[2]d
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_PORT = %[3]d
FORWARD_ALL = %[4]s
AGGREGATION_RULES = aggregation-rules.conf
REWRITE_RULES = rewrite-rules.conf
DESTINATIONS = %[5]s
DESTINATION_PROTOCOL = line
REPLICATION_FACTOR = 1
MAX_QUEUE_SIZE = 100000
USE_FLOW_CONTROL = True
MAX_DATAPOINTS_PER_MESSAGE = 500
MAX_AGGREGATION_INTERVALS = 5
CARBON_METRIC_INTERVAL = 0
LOG_LISTENER_CONN_SUCCESS = False
`, site.Dir, plaintext, pickle, forward, strings.Join(site.destinations(":"), ", "))
}
