package system

import (
	"fmt"
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
			return Setup{
				Files: map[string]string{
					"aggregation-rules.conf": carbonRules(site),
					"coalesce.toml":          "", // so that none from /etc is read
				},
				Args: []string{
					"run",
					"--listen", fmt.Sprintf("127.0.0.1:%d", site.Port),
					"--rules", "aggregation-rules.conf",
					"--upstream", fmt.Sprintf("127.0.0.1:%d", site.SinkPort),
					fmt.Sprintf("--forward-all=%t", site.Forward),
					"--listen-pickle", "",
					"--prefix", "",
					"--http", "",
					"--data", "",
					"--log-level", "warn",
				},
			}
		},
	}
}
