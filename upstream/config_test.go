package upstream

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestNewRefuses(t *testing.T) {
	to := func(list ...string) []Destination {
		var ds []Destination
		for _, s := range list {
			ds = append(ds, mustParse(t, s))
		}
		return ds
	}
	with := func(edit func(*Destination)) Config {
		ds := to("h:1")
		edit(&ds[0])
		return Config{Destinations: ds}
	}
	tests := map[string]struct {
		cfg  Config
		want string
	}{
		"one name for two":              {Config{Destinations: []Destination{{Scheme: Plaintext, Host: "h", Port: 1, Name: "h:2"}, to("h:2")[0]}}, `two destinations are called "h:2"`},
		"a role that is none":           {with(func(d *Destination) { d.Role = "cache" }), `Role is "cache", want "store" or "aggregator"`},
		"no such way when full":         {with(func(d *Destination) { d.WhenFull = "drop" }), `WhenFull is "drop"`},
		"no directory for the spool":    {with(func(d *Destination) { d.WhenFull = ToSpool }), "needs a directory"},
		"negative resend":               {with(func(d *Destination) { d.Resend = -1 }), "Resend is -1ns"},
		"negative message":              {with(func(d *Destination) { d.MaxDatapoints = -1 }), "MaxDatapoints is -1, want 1 to 100000"},
		"message too large":             {with(func(d *Destination) { d.MaxDatapoints = 100_001 }), "MaxDatapoints is 100001"},
		"its own negative queue":        {with(func(d *Destination) { d.QueueDatapoints = -1 }), `"h:1": QueueDatapoints is -1`},
		"its own negative bytes":        {with(func(d *Destination) { d.QueueBytes = -1 }), `"h:1": QueueBytes is -1`},
		"a tiny spool":                  {Config{Spool: SpoolConfig{Bytes: 1}}, "Spool.Bytes is 1, want 65536 or more"},
		"negative spool rate":           {Config{Spool: SpoolConfig{Rate: -1}}, "Spool.Rate is -1"},
		"negative spool age":            {Config{Spool: SpoolConfig{Age: -1}}, "Spool.Age is -1ns"},
		"spool is no directory":         {Config{Spool: SpoolConfig{Dir: "/dev/null"}, Destinations: []Destination{{Scheme: Stdout, WhenFull: ToSpool}}}, `"stdout:": opening spool`},
		"the same twice":                {Config{Destinations: to("h:1", "plaintext://h:1")}, `"h:1" is given twice`},
		"the same instance twice":       {Config{Destinations: to("h:1:a", "h:1:a")}, `"h:1:a" is given twice`},
		"the same in capitals":          {Config{Destinations: to("h:1", "H:1")}, `"H:1" is given twice`},
		"the same IPv6 at length":       {Config{Destinations: to("[::1]:1", "[0::1]:1")}, `"[0::1]:1" is given twice`},
		"stdout twice":                  {Config{Destinations: to("stdout:", "stdout:")}, `"stdout:" is given twice`},
		"a destination made by hand":    {Config{Destinations: []Destination{{Host: "h", Port: 0}}}, `port "0"`},
		"a scheme made by hand":         {Config{Destinations: []Destination{{Scheme: "http", Host: "h", Port: 1}}}, "not supported"},
		"negative queue datapoints":     {Config{QueueDatapoints: -1}, "QueueDatapoints is -1"},
		"negative queue bytes":          {Config{QueueBytes: -1}, "QueueBytes is -1"},
		"negative duration":             {Config{WriteTimeout: -time.Second}, "WriteTimeout is -1s"},
		"first pause above the longest": {Config{ReconnectMin: time.Minute}, "ReconnectMin 1m0s is above ReconnectMax 5s"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := New(tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("New: %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestNewAccepts(t *testing.T) {
	u := newUpstream(t, "h:1,h:1:a,h:1:b,h:2,[::1]:1,unix:///s", nil)
	if got := len(u.Stats()); got != 6 {
		t.Errorf("%d destinations, want 6", got)
	}
	none, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	none.Start()
	send(none, 0, 10)
	if got := none.Stop(t.Context()); got != nil {
		t.Errorf("Stop without destinations = %v", got)
	}
}

func TestDestinationSettings(t *testing.T) {
	cfg, err := Config{Destinations: []Destination{
		mustParse(t, "h:1"),
		{Scheme: Pickle, Host: "h", Port: 1, Name: "two", MaxDatapoints: 7, QueueDatapoints: 8, QueueBytes: 9, Role: Aggregator, WhenFull: Block},
	}, QueueDatapoints: 5}.complete()
	if err != nil {
		t.Fatal(err)
	}
	want := []Destination{
		{Scheme: Plaintext, Host: "h", Port: 1, Name: "h:1", Role: Store, WhenFull: DropOldest, MaxDatapoints: 500, QueueDatapoints: 5, QueueBytes: 128 << 20},
		{Scheme: Pickle, Host: "h", Port: 1, Name: "two", Role: Aggregator, WhenFull: Block, MaxDatapoints: 7, QueueDatapoints: 8, QueueBytes: 9},
	}
	if diff := cmp.Diff(want, cfg.Destinations); diff != "" {
		t.Error("destinations (-want +got):", diff)
	}
}

func TestDefaultsAreComplete(t *testing.T) {
	def := Defaults()
	got, err := Config{}.complete()
	if err != nil {
		t.Fatal(err)
	}
	if got.QueueDatapoints != def.QueueDatapoints || got.QueueBytes != def.QueueBytes ||
		got.ConnectTimeout != def.ConnectTimeout || got.WriteTimeout != def.WriteTimeout ||
		got.ReconnectMin != def.ReconnectMin || got.ReconnectMax != def.ReconnectMax ||
		got.Spool != def.Spool ||
		got.FlushInterval != def.FlushInterval || got.DrainTimeout != def.DrainTimeout ||
		got.Dial == nil || got.Stdout != def.Stdout || got.Logger != def.Logger {
		t.Errorf("the zero Config becomes %+v, want %+v", got, def)
	}
}
