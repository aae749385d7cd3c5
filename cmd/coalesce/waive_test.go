package main

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/config"
	"github.com/coalesce-metrics/coalesce/ingest"
)

// The default pickle port of another program costs the pickle listener; one that
// was asked for does not go without saying.
func TestTakenPicklePort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	var log bytes.Buffer
	pickles := func(cfg *config.Config) (n int) {
		d := &daemon{cfg: cfg, log: slog.New(slog.NewTextHandler(&log, nil))}
		listeners, err := d.listeners()
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range listeners {
			if l.Protocol == ingest.Pickle {
				n++
			}
		}
		return n
	}
	byDefault, _ := config.Parse("c.toml", nil)
	byDefault.ListenPickle = taken.Addr().String()
	if n := pickles(byDefault); n != 0 || !strings.Contains(log.String(), "no pickle listener") {
		t.Errorf("by default: %d pickle listeners, log %q", n, log.String())
	}
	asked, problems := config.Parse("c.toml", nil, config.Override{Flag: "listen-pickle", Value: taken.Addr().String()})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	if n := pickles(asked); n != 1 {
		t.Errorf("asked for by flag: %d pickle listeners, want 1", n)
	}
	inFile, problems := config.Parse("c.toml", []byte("listen_pickle = \""+taken.Addr().String()+"\"\n"))
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	if n := pickles(inFile); n != 1 {
		t.Errorf("asked for in the file: %d pickle listeners, want 1", n)
	}
}
