package main

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/config"
	"github.com/coalesce-metrics/coalesce/upstream"
)

// A carbon.conf becomes a configuration that check takes as it is.
func TestImport(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "aggregation-rules.conf", "total.<m> (60) = sum servers.*.<m>\n")
	conf := write(t, dir, "carbon.conf", "[aggregator]\nLINE_RECEIVER_PORT = 2023\nDESTINATIONS = 127.0.0.1:2004:a, [::1]:2104:b\n"+
		"[aggregator:b]\nLINE_RECEIVER_PORT = 2123\nENABLE_AMQP = True\n")

	out, warnings, err := execute("", "import", conf)
	if err != nil || warnings != "" {
		t.Fatalf("%v, %q", err, warnings)
	}
	c, problems := config.Parse("coalesce.toml", []byte(out))
	if len(problems) > 0 || c.Rules != filepath.Join(dir, "aggregation-rules.conf") || c.Listeners[0].Address != "0.0.0.0:2023" {
		t.Errorf("%v, rules %q, listeners %v", problems, c.Rules, c.Listeners)
	}
	for _, d := range c.AllDestinations() {
		if _, err := upstream.ParseDestination(d.Address); err != nil {
			t.Error(err)
		}
	}
	toml := write(t, dir, "coalesce.toml", out)
	if _, said, err := execute("", "check", "--config", toml); err != nil {
		t.Errorf("check: %v, %s", err, said)
	}

	out, warnings, err = execute("", "import", "--instance", "b", conf)
	if err != nil || !strings.HasPrefix(warnings, conf+":6:1: warning: ENABLE_AMQP = True: ") || strings.Count(warnings, "\n") != 1 {
		t.Errorf("%v, %q", err, warnings)
	}
	if !strings.Contains(out, "\naddress = \"0.0.0.0:2123\"\n") {
		t.Errorf("the instance's port is not in\n%s", out)
	}
}

func TestImportErrors(t *testing.T) {
	dir := t.TempDir()
	conf := write(t, dir, "carbon.conf", "[aggregator]\nFORWARD_ALL = perhaps\n")
	out, said, err := execute("", "import", conf)
	want := conf + ":2:1: error: FORWARD_ALL = \"perhaps\": not a truth value; accepted: True, yes, on, 1, False, no, off or 0\n"
	if !errors.Is(err, errReported) || out != "" || said != want {
		t.Errorf("%v, %q, %q", err, out, said)
	}
	absent := filepath.Join(dir, "absent.conf")
	if _, _, err := execute("", "import", absent); err == nil || !strings.Contains(err.Error(), absent) {
		t.Errorf("absent file: %v", err)
	}
	if _, _, err := execute("", "import"); err == nil {
		t.Error("no file is no error")
	}
}
