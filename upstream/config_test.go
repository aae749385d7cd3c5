package upstream

import (
	"strings"
	"testing"
	"time"
)

func TestNewRefuses(t *testing.T) {
	to := func(list ...string) []Destination {
		var ds []Destination
		for _, s := range list {
			ds = append(ds, mustParse(t, s))
		}
		return ds
	}
	tests := map[string]struct {
		cfg  Config
		want string
	}{
		"the same twice":                {Config{Destinations: to("h:1", "plaintext://h:1")}, `"h:1" is given twice`},
		"the same instance twice":       {Config{Destinations: to("h:1:a", "h:1:a")}, `"h:1:a" is given twice`},
		"the same in capitals":          {Config{Destinations: to("h:1", "H:1")}, `"H:1" is given twice`},
		"the same IPv6 at length":       {Config{Destinations: to("[::1]:1", "[0::1]:1")}, `"[0::1]:1" is given twice`},
		"stdout twice":                  {Config{Destinations: to("stdout:", "stdout:")}, `"stdout:" is given twice`},
		"a destination made by hand":    {Config{Destinations: []Destination{{Host: "h", Port: 0}}}, `port "0"`},
		"a scheme made by hand":         {Config{Destinations: []Destination{{Scheme: "udp", Host: "h", Port: 1}}}, "ParseDestination"},
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

func TestDefaultsAreComplete(t *testing.T) {
	def := Defaults()
	got, err := Config{}.complete()
	if err != nil {
		t.Fatal(err)
	}
	if got.QueueDatapoints != def.QueueDatapoints || got.QueueBytes != def.QueueBytes ||
		got.ConnectTimeout != def.ConnectTimeout || got.WriteTimeout != def.WriteTimeout ||
		got.ReconnectMin != def.ReconnectMin || got.ReconnectMax != def.ReconnectMax ||
		got.FlushInterval != def.FlushInterval || got.DrainTimeout != def.DrainTimeout ||
		got.Dial == nil || got.Stdout != def.Stdout || got.Logger != def.Logger {
		t.Errorf("the zero Config becomes %+v, want %+v", got, def)
	}
}
