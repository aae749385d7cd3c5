package config

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// sameSettings compares configs by their settings alone.
var sameSettings = cmpopts.IgnoreUnexported(Config{})

// keysOf lists the paths of all keys, those of a list of tables as "listener[0].key".
func keysOf(t reflect.Type, path string) []string {
	var keys []string
	for _, s := range settings(t) {
		key, field := join(path, s.key), t.Field(s.index).Type
		switch {
		case isTables(field):
			keys = append(keys, keysOf(field.Elem(), element(key, 0))...)
		case field.Kind() == reflect.Struct:
			keys = append(keys, keysOf(field, key)...)
		default:
			keys = append(keys, key)
		}
	}
	return keys
}

// at returns the value of a key outside lists of tables.
func at(v reflect.Value, path string) any {
	for key := range strings.SplitSeq(path, ".") {
		for _, s := range settings(v.Type()) {
			if s.key == key {
				v = v.Field(s.index)
				break
			}
		}
	}
	return v.Interface()
}

func TestEveryFieldHasAKey(t *testing.T) {
	for _, key := range keysOf(reflect.TypeFor[Config](), "") {
		if key == "" || strings.HasSuffix(key, `""`) {
			t.Errorf("a field without toml tag: %q", key)
		}
	}
}

func TestDefaultIsValid(t *testing.T) {
	c := Default()
	if problems := c.Validate(); len(problems) > 0 {
		t.Error(problems)
	}
}

func TestValidateWithoutFile(t *testing.T) {
	c := Default()
	c.Limits.MaxConnections = -1
	c.Aggregation.Grace = -Second
	c.Log.Level = "loud"
	c.Listeners = []Listener{{}}
	c.Destinations = []Destination{{Kind: "relay", Resend: -1}}
	c.Routes = []Route{{}}
	want := []string{
		`error: limits.max_connections = -1: not accepted; accepted: 1 to 1000000`,
		`error: listener[0].protocol = "": not accepted; accepted: "plaintext", "pickle" or "protobuf"`,
		`error: listener[0].transport = "": not accepted; accepted: "tcp", "udp" or "unix"`,
		`error: listener[0].max_connections = 0: not accepted; accepted: 1 to 1000000`,
		`error: listener[0].max_line = "0B": not accepted; accepted: "128B" to "1MiB"`,
		`error: listener[0].max_frame = "0B": not accepted; accepted: "1KiB" to "256MiB"`,
		`error: listener[0].compression = "": not accepted; accepted: "none", "gzip", "zstd" or "snappy"`,
		`error: aggregation.grace = "-1s": not accepted; accepted: "0s" to "1d"`,
		`error: destination[0].kind = "relay": not accepted; accepted: "store" or "aggregator"`,
		`error: destination[0].when_full = "": not accepted; accepted: "drop-oldest", "spool" or "block"`,
		`error: destination[0].resend = "-1ns": not accepted; accepted: "0s" to "1h"`,
		`error: destination[0].max_datapoints_per_message = 0: not accepted; accepted: 1 to 100000`,
		`error: destination[0].queue_datapoints = 0: not accepted; accepted: 1 to 1000000000`,
		`error: destination[0].queue_bytes = "0B": not accepted; accepted: "64KiB" to "1TiB"`,
		`error: route[0].send = "": not accepted; accepted: "all", "raw" or "aggregates"`,
		`error: route[0].mode = "": not accepted; accepted: "all", "hash", "failover", "round-robin" or "aggregated-hash"`,
		`error: route[0].hash = "": not accepted; accepted: "carbon_ch", "fnv1a_ch" or "mmh3_ch"`,
		`error: route[0].replication = 0: not accepted; accepted: 1 to 256`,
		`error: log.level = "loud": not accepted; accepted: "debug", "info", "warn" or "error"`,
		`error: listener[0].address = "": empty; accepted: an address to listen on`,
		`error: destination[0].address = "": ` + emptyDestWant,
		`error: route[0].to: ` + emptyToWant,
	}
	if diff := cmp.Diff(want, lines(c.Validate())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestForwardsAll(t *testing.T) {
	yes, no := true, false
	for _, test := range []struct {
		upstream     []string
		destinations []Destination
		set          *bool
		want         bool
	}{
		{nil, nil, nil, false}, {[]string{"a:1"}, nil, nil, true}, {[]string{"a:1"}, nil, &no, false}, {nil, nil, &yes, true},
		{nil, []Destination{{Address: "a:1"}}, nil, true},
	} {
		c := Default()
		c.Upstream, c.Destinations, c.ForwardAll = test.upstream, test.destinations, test.set
		if got := c.ForwardsAll(); got != test.want {
			t.Errorf("upstream %v: %v, want %v", test.upstream, got, test.want)
		}
	}
}

func TestAllListeners(t *testing.T) {
	c := Default()
	c.Limits.IdleTimeout = Minute
	socket := Listener{Protocol: "protobuf", Transport: "unix", Address: "/s", MaxConnections: 1}
	c.Listeners = []Listener{socket}
	want := []Listener{
		{Protocol: "plaintext", Transport: "tcp", Address: ":2023"},
		{Protocol: "plaintext", Transport: "udp", Address: ":2023"},
		{Protocol: "pickle", Transport: "tcp", Address: ":2024"},
		socket,
	}
	for i := range want[:3] {
		l := &want[i]
		l.MaxConnections, l.IdleTimeout, l.MaxLine, l.MaxFrame, l.Compression = 10_000, Minute, 16*KiB, MiB, "none"
	}
	if diff := cmp.Diff(want, c.AllListeners()); diff != "" {
		t.Error(diff)
	}
	c.Listen = ""
	if diff := cmp.Diff(want[2:], c.AllListeners()); diff != "" {
		t.Error(diff)
	}
	c.ListenPickle = ""
	if diff := cmp.Diff(want[3:], c.AllListeners()); diff != "" {
		t.Error(diff)
	}
}

func TestAllowedNetworks(t *testing.T) {
	l := Listener{Allow: []string{"10.0.0.0/8", "no network", "fd00::/8"}}
	want := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	if got := l.AllowedNetworks(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAllDestinations(t *testing.T) {
	c, problems := Parse("/etc/c/f.toml", []byte(`
upstream = ["h:1:a", "udp://h:2", "whisper:///w", "h:3:udp://x"]
[queue]
datapoints = 7
[[destination]]
address = "pickle://h:4"
name = "four"
kind = "aggregator"
[[destination]]
address = "whisper:///v"
schemas = "s.conf"
aggregation = ""
resend = "0s"
[[destination]]
address = "stdout:"
queue_datapoints = 8
`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	type row struct {
		Key, Name, Address   string
		Resend               Duration
		Queue                int
		Schemas, Aggregation string
	}
	const schemas, aggregation = "/etc/c/storage-schemas.conf", "/etc/c/storage-aggregation.conf"
	want := []row{
		{"upstream[0]", "h:1:a", "h:1:a", 10 * Second, 7, "", ""},
		{"upstream[1]", "udp://h:2", "udp://h:2", 0, 7, "", ""},
		{"upstream[2]", "whisper:///w", "whisper:///w", 0, 7, schemas, aggregation},
		{"upstream[3]", "h:3:udp://x", "h:3:udp://x", 10 * Second, 7, "", ""},
		{"destination[0].address", "four", "pickle://h:4", 0, 7, "", ""},
		{"destination[1].address", "whisper:///v", "whisper:///v", 0, 7, "/etc/c/s.conf", ""},
		{"destination[2].address", "stdout:", "stdout:", 0, 8, "", ""},
	}
	var got []row
	for i, d := range c.AllDestinations() {
		got = append(got, row{c.DestinationKey(i), d.Name, d.Address, d.Resend, d.QueueDatapoints, d.Schemas, d.Aggregation})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Problem places what others find wrong with a value.
func TestProblem(t *testing.T) {
	c, _ := Parse("f.toml", []byte("upstream = [\n \"a:x\"]\n[[route]]\npattern = '('\n"), Override{"rules", "r"})
	for key, want := range map[string]string{
		"upstream[0]":      `f.toml:2:2: error: upstream[0] = "a:x": bad`,
		"route[0].pattern": `f.toml:4:11: error: route[0].pattern = '(': bad`,
		"rules":            `--rules: error: rules: bad`,
		"listen":           `f.toml: error: listen: bad`,
	} {
		if got := c.Problem(key, "bad").String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	made := Default()
	if got, want := made.Problem("rules", "bad").String(), "error: rules: bad"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestProblemsErr(t *testing.T) {
	warning := Problem{"f", 1, 2, Warning, "w"}
	if err := (Problems{warning}).Err(); err != nil {
		t.Errorf("a warning is the error %v", err)
	}
	err := Problems{warning, {Message: "a"}, {File: "f", Message: "b"}}.Err()
	if err == nil || err.Error() != "error: a\nf: error: b" {
		t.Errorf("got %v", err)
	}
}

const shipped = "../coalesce.toml"

func TestNearest(t *testing.T) {
	keys := []string{"max_series", "max_outputs", "max_buckets", "grace", "keep"}
	for typed, want := range map[string][]string{
		"max_serie":     {"max_series"},
		"maxSeries":     {"max_series"},
		"gracee":        {"grace"},
		"garce":         {"grace"}, // neighbours swapped
		"k":             nil,
		"max_bucketses": {"max_buckets"},
		"":              nil,
		"entirely else": nil,
	} {
		if got := nearest(typed, keys); !slices.Equal(got, want) {
			t.Errorf("nearest(%q) = %q, want %q", typed, got, want)
		}
	}
}
