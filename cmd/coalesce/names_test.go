package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/s2"
)

// The same two lists, read as regular expressions and as globs.
func TestListSyntax(t *testing.T) {
	regex := map[string]string{
		"prod.web.cpu": "", "x.prod.cpu": "", "prod.a.b.cpu": "", "prod.tmp.cpu": "denied", "tmp": "denied", "dev.web.cpu": "not_allowed",
	}
	glob := map[string]string{
		"prod.web.cpu": "", "x.prod.cpu": "not_allowed", "prod.a.b.cpu": "not_allowed", "prod.tmp.cpu": "", "tmp": "denied", "dev.web.cpu": "not_allowed",
	}
	for syntax, want := range map[string]map[string]string{"": regex, "regex": regex, "glob": glob} {
		t.Run(syntax, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "r.conf", "")
			write(t, dir, "allow.conf", "prod.*.cpu\n")
			write(t, dir, "deny.conf", "# temporary\ntmp\n")
			config := "rules = \"r.conf\"\n[names]\nallow_list = \"allow.conf\"\ndeny_list = \"deny.conf\"\n"
			if syntax != "" {
				config += fmt.Sprintf("list_syntax = %q\n", syntax)
			}
			path := write(t, dir, "c.toml", config)
			for name, dropped := range want {
				out, report, err := execute("", "match", "--config", path, "--json", name)
				var got struct{ Dropped string }
				if err != nil || json.Unmarshal([]byte(out), &got) != nil || got.Dropped != dropped {
					t.Errorf("%s: %v %s\n%s\nwant it dropped as %q", name, err, report, out, dropped)
				}
			}
		})
	}
}

// A mistake in a list of globs is found by check, where it stands.
func TestCheckGlobs(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "r.conf", "a (60) = sum b\n")
	list := write(t, dir, "deny.conf", "tmp.**\ndev.{a,b\n")
	path := write(t, dir, "c.toml", "rules = \"r.conf\"\n[names]\ndeny_list = \"deny.conf\"\nlist_syntax = \"glob\"\n")
	out, _, err := execute("", "check", "--config", path)
	if want := list + ":2:9: error: choice { is never closed; \\{ is a brace\n"; out != want || !errors.Is(err, errReported) {
		t.Errorf("prints %q, error %v, want %q and one", out, err, want)
	}
}

// A listener takes snappy's framing format; what is flushed arrives at once.
func TestSnappyListener(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := newSink(t)
	socket := filepath.Join(dir, "in.sock")
	d := start(t, settings{
		rules: write(t, dir, "rules.conf", ""), upstream: out.address,
		config: fmt.Sprintf("[[listener]]\ntransport = \"unix\"\naddress = %q\ncompression = \"snappy\"\n", socket),
	})
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	w := s2.NewWriter(conn, s2.WriterSnappyCompat(), s2.WriterBlockSize(64<<10), s2.WriterConcurrency(1))
	for _, line := range []string{"a.b 1 1500000000", "a.b 2 1500000060"} {
		fmt.Fprintln(w, line)
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		out.waitLine(line)
	}
	d.stop()
}
