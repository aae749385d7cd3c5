package upstream

import (
	"os"
	"path/filepath"

	"github.com/coalesce-metrics/coalesce/spool"
)

// spoolDir returns the directory of the spool of d.
func spoolDir(cfg *Config, d *Destination) string {
	return filepath.Join(cfg.Spool.Dir, spool.DirName(d.Name))
}

// strays warns of spools that no destination sends any more.
func (u *Upstream) strays() {
	if u.cfg.Spool.Dir == "" {
		return
	}
	used := make(map[string]bool, len(u.dests))
	for _, d := range u.dests {
		if d.spool != nil {
			used[spool.DirName(d.to.Name)] = true
		}
	}
	entries, err := os.ReadDir(u.cfg.Spool.Dir)
	if err != nil {
		return // there is none yet
	}
	for _, e := range entries {
		if e.IsDir() && !used[e.Name()] {
			u.cfg.Logger.Warn("a spool belongs to no destination with when_full spool; its rows stay there",
				"directory", filepath.Join(u.cfg.Spool.Dir, e.Name()))
		}
	}
}
