package neighbours

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// The daemon's ring gives each name to the stores that carbon-c-relay's carbon_ch
// gives it to.
func TestCarbonCRelayRing(t *testing.T) {
	t.Parallel()
	apart := []string{"127.0.0.1=a", "127.0.0.1=b", "127.0.0.2=a", "127.0.0.4", "127.0.0.9=long-name"}
	for name, tt := range map[string]struct {
		places      []string
		replication int
	}{
		"one copy":     {apart, 1},
		"two copies":   {apart, 2},
		"three copies": {apart, 3},
		// The third and the fourth meet on the ring. carbon-c-relay takes the lower
		// address then and forgets the other, carbon the one that is listed first, and
		// moves the other by one: that shows in further copies.
		"places that meet": {[]string{"127.0.0.1=a", "127.0.0.1=b", "127.0.0.2=a", "127.0.0.3", "127.0.0.9=long-name"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var theirs, ours []*sink
			places, replication := tt.places, tt.replication
			cluster, destinations := fmt.Sprintf("carbon_ch replication %d", replication), ""
			var to []string
			for _, p := range places {
				host, instance, _ := strings.Cut(p, "=")
				their, our := newSinkOn(t, host), newSinkOn(t, host)
				theirs, ours = append(theirs, their), append(ours, our)
				address := our.address
				cluster += " " + their.address
				if instance != "" {
					cluster += "=" + instance
					address += ":" + instance
				}
				cluster += " proto tcp"
				to = append(to, fmt.Sprintf("%q", address))
				destinations += fmt.Sprintf("[[destination]]\naddress = %q\n", address)
			}
			relay := startCarbonCRelay(t, cluster, "")
			d := start(t, "", destinations+fmt.Sprintf("[[route]]\nto = [%s]\nmode = \"hash\"\nreplication = %d\ndiverse = false\n",
				strings.Join(to, ", "), replication))

			const names = 3000
			at := time.Now().Unix()
			var text strings.Builder
			for i := range names {
				fmt.Fprintf(&text, "servers.www%d.cpu-%d.load 1 %d\n", i%97, i, at)
			}
			send(t, "tcp", relay, text.String())
			send(t, "tcp", d.plaintext, text.String())
			for who, sinks := range map[string][]*sink{"carbon-c-relay": theirs, "coalesce": ours} {
				await(t, "all copies of "+who, func() string {
					n := 0
					for _, s := range sinks {
						n += len(s.got(""))
					}
					if n != names*replication {
						return fmt.Sprintf("%d, want %d", n, names*replication)
					}
					return ""
				})
			}
			for i := range places {
				their, our := theirs[i].got(""), ours[i].got("")
				if len(their) == 0 {
					t.Errorf("%v gets nothing", places[i])
				}
				if why := our.differs(their); why != "" {
					t.Errorf("%v gets %d names, from carbon-c-relay %d:%s", places[i], len(our), len(their), why)
				}
			}
			d.settle()
			d.stop()
		})
	}
}

// Daemons behind carbon-c-relay, which hashes by the names of datapoints and knows
// no outputs, aggregate whole what has outputs of its own for each name.
func TestHashedByName(t *testing.T) {
	t.Parallel()
	var daemons []*daemon
	out := newSink(t)
	cluster := "carbon_ch"
	for i := range 2 {
		d := start(t, "most.<<name>> (2) = max app.<<name>>\n", fmt.Sprintf("upstream = [%q]\nforward_all = false\n", out.address))
		daemons = append(daemons, d)
		cluster += fmt.Sprintf(" %s=%c proto tcp", d.plaintext, 'a'+i)
	}
	relay := startCarbonCRelay(t, cluster, "")
	at := (time.Now().Unix() + 1) &^ 1
	text, want := "", make(store)
	for i := range 200 {
		for second := range int64(2) {
			value := float64(i) + float64(second)/4
			text += fmt.Sprintf("app.www%d.load %v %d\n", i, value, at+second)
			want[fmt.Sprintf("most.www%d.load %d", i, at)] = value
		}
	}
	send(t, "tcp", relay, text)
	await(t, "every output", func() string { return out.got("").differs(want) })
	var made []float64
	amended := 0.0
	for _, d := range daemons {
		s := d.settle()
		made = append(made, s.sum("destination_rows_made_total"))
		amended += s.sum("datapoints_late_total")
		d.stop()
	}
	// What was held up on the way amends its bucket.
	if again := out.repeated(); again != "" && amended == 0 || slices.Contains(made, 0) {
		t.Errorf("the daemons make %v rows: %s", made, again)
	}
}
