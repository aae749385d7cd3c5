package main

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/config"
)

// A duration reads the same in both forms of the log, also within a group.
func TestLoggedDurations(t *testing.T) {
	for format, want := range map[string]string{"text": "after=3s in.every=1m30s", "json": `"after":"3s","in":{"every":"1m30s"}`} {
		var out strings.Builder
		log := newLogger(&out, config.Log{Level: "info", Format: format})
		log.Info("it happened", "after", 3*time.Second, slog.Group("in", "every", 90*time.Second))
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s: %s, want %s in it", format, out.String(), want)
		}
		if format == "json" && !json.Valid([]byte(out.String())) {
			t.Errorf("not JSON: %s", out.String())
		}
	}
}
