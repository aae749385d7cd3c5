package neighbours

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
)

// ownedRules give each datapoint outputs of different owners, ownedRule only one.
const (
	ownedRule  = "total.<app>.<what> (2) = sum app.<app>.*.<what>\n"
	ownedRules = ownedRule + `largest.<app>.<what> (2) = max app.<app>.*.<what>
server.<server>.<what> (2) = sum app.*.<server>.<what>
`
)

// Daemons behind a relay that hashes by output make every output as often as
// it has owners, each those that it owns.
func TestOwners(t *testing.T) {
	t.Parallel()
	two, four := []string{"127.0.0.1", "127.0.0.1"}, []string{"127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.3"}
	for name, tt := range map[string]struct {
		front       func(t *testing.T, owners []*owner, replication int) (address string, check func())
		rules       string
		hosts       []string
		replication int
	}{
		"coalesce":             {coalesceInFront, ownedRules, two, 1},
		"carbon-relay":         {carbonRelayInFront, ownedRules, two, 1},
		"carbon-c-relay":       {carbonCRelayInFront, ownedRule, two, 1},
		"coalesce, copies":     {coalesceInFront, ownedRules, four, 2},
		"carbon-relay, copies": {carbonRelayInFront, ownedRules, four, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			owners := startOwners(t, tt.rules, tt.hosts, tt.replication)
			address, check := tt.front(t, owners, tt.replication)

			at := (time.Now().Unix() + 1) &^ 1
			text, want, inputs := ownedInput(at)
			if tt.rules == ownedRule {
				maps.DeleteFunc(want, func(key string, _ float64) bool { return !strings.HasPrefix(key, "total.") })
			}
			send(t, "tcp", address, text)
			await(t, "every output", func() string {
				all, times := make(store), make(map[string]int)
				for _, o := range owners {
					for key, value := range o.out.got("") {
						all[key] = value
						times[key]++
					}
				}
				for key, n := range times {
					if n != tt.replication {
						return fmt.Sprintf("%s is made by %d", key, n)
					}
				}
				return all.differs(want)
			})
			for i, o := range owners {
				s := o.settle()
				if s.sum("contributions_dropped_total") != 0 || s.sum("refused_items_total") != 0 {
					t.Errorf("owner %d drops contributions or refuses items: %v", i, s)
				}
				o.stop() // nothing comes after that
				if again := o.out.repeated(); again != "" && s.sum("datapoints_late_total") == 0 {
					t.Errorf("owner %d: %s", i, again)
				}
				if n := len(o.out.got("")); n == 0 || n == len(want) {
					t.Errorf("owner %d makes %d of %d rows", i, n, len(want))
				}
			}
			if divided := checkOwners(t, owners, inputs); divided != (tt.rules == ownedRules) {
				t.Errorf("a name with outputs of different owners: %v", divided)
			}
			check()
		})
	}
}

// ownedInput returns lines for one period, the rows they make, and their names.
func ownedInput(at int64) (text string, want store, names []string) {
	want = make(store)
	largest := make(store)
	for app := range 12 {
		for server := range 5 {
			name := fmt.Sprintf("app.a%d.www%d.requests", app, server)
			names = append(names, name)
			value := float64(app) + float64(server)/4
			text += fmt.Sprintf("%s %v %d\n", name, value, at)
			want[fmt.Sprintf("total.a%d.requests %d", app, at)] += value
			want[fmt.Sprintf("server.www%d.requests %d", server, at)] += value
			key := fmt.Sprintf("largest.a%d.requests %d", app, at)
			largest[key] = max(largest[key], value)
		}
	}
	maps.Copy(want, largest)
	return text, want, names
}

// owner is a daemon behind the relay.
type owner struct {
	*daemon
	rules  string
	pickle string // its listener
	place  string // in the ring
	config string // its file
	out    *sink
}

// ring is how a relay lists the owners.
func ring(owners []*owner) string {
	var places []string
	for _, o := range owners {
		places = append(places, o.place)
	}
	return strings.Join(places, ", ")
}

// quotedRing is the same in TOML.
func quotedRing(owners []*owner) string {
	return `["` + strings.ReplaceAll(ring(owners), ", ", `", "`) + `"]`
}

// startOwners starts one on each host. The ring has the ports where they take pickle.
func startOwners(t *testing.T, rules string, hosts []string, replication int) (owners []*owner) {
	t.Helper()
	for i, host := range hosts {
		pickle := fmt.Sprintf("%s:%d", host, port(t))
		owners = append(owners, &owner{rules: rules, pickle: pickle, place: fmt.Sprintf("%s:%c", pickle, 'a'+i), out: newSink(t)})
	}
	for _, o := range owners {
		dir, plaintext := t.TempDir(), port(t)
		write(t, dir, "aggregation-rules.conf", rules)
		o.config = write(t, dir, "coalesce.toml", fmt.Sprintf(`listen = %q
listen_pickle = %q
prefix = ""
upstream = [%q]
forward_all = false
[place]
ring = %s
self = %q
replication = %d
[metrics]
interval = "0s"
`, local(plaintext), o.pickle, o.out.address, quotedRing(owners), o.place, replication))
		o.daemon = run(t, dir, o.config, local(plaintext), o.pickle)
	}
	return owners
}

// checkOwners compares what each has made with what it says that it would make. It
// returns whether a name has outputs of which an owner makes only some.
func checkOwners(t *testing.T, owners []*owner, inputs []string) (divided bool) {
	t.Helper()
	for i, o := range owners {
		own := make(map[string]bool)
		args := append([]string{"match", "--config", o.config, "--json"}, inputs...)
		for _, line := range strings.Split(strings.TrimSpace(command(t, args...)), "\n") {
			var match struct{ Outputs []struct{ Output string } }
			if err := json.Unmarshal([]byte(line), &match); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			for _, output := range match.Outputs {
				own[output.Output] = true
			}
			divided = divided || 0 < len(match.Outputs) && len(match.Outputs) < strings.Count(o.rules, "\n")
		}
		made := make(map[string]bool)
		for key := range o.out.got("") {
			name, _, _ := strings.Cut(key, " ")
			made[name] = true
		}
		if !maps.Equal(own, made) {
			t.Errorf("owner %d makes %v, and says that it would make %v", i, made, own)
		}
	}
	return divided
}

// carbonCRelayInFront starts carbon-c-relay, which is told what to hash. It sends a
// datapoint once for each line that matches, so that it can have one output only.
func carbonCRelayInFront(t *testing.T, owners []*owner, _ int) (address string, check func()) {
	t.Helper()
	cluster := "carbon_ch"
	for _, o := range owners {
		cluster += " " + o.plaintext + "=" + o.place[strings.LastIndexByte(o.place, ':')+1:] + " proto tcp"
	}
	cluster += ";\nmatch ^app\\.([^.]+)\\.[^.]+\\.(.+)$ route using total.\\1.\\2 send to out stop"
	return startCarbonCRelay(t, cluster, ""), func() {}
}

// coalesceInFront starts the daemon as the relay.
func coalesceInFront(t *testing.T, owners []*owner, replication int) (address string, check func()) {
	t.Helper()
	config := ""
	for _, o := range owners {
		config += fmt.Sprintf("[[destination]]\nname = %[1]q\naddress = \"pickle://%[1]s\"\nkind = \"aggregator\"\n", o.place)
	}
	d := start(t, ownedRules, config+fmt.Sprintf("[[route]]\nsend = \"raw\"\nto = %s\nmode = \"aggregated-hash\"\nreplication = %d\n", quotedRing(owners), replication))
	return d.plaintext, func() {
		t.Helper()
		s := d.settle()
		accepted := s.sum("datapoints_accepted_total")
		sent := s.sum("destination_rows_written_total")
		if sent <= accepted*float64(replication) || sent >= accepted*float64(len(owners)) {
			t.Errorf("%v rows sent for %v datapoints, want more than %d, and fewer than %d for each", sent, accepted, replication, len(owners))
		}
		d.stop()
	}
}

// carbonRelayInFront starts the real carbon-relay.
func carbonRelayInFront(t *testing.T, owners []*owner, replication int) (address string, check func()) {
	t.Helper()
	dir, line, pickle := t.TempDir(), port(t), port(t)
	write(t, dir, "aggregation-rules.conf", ownedRules)
	write(t, dir, "storage-schemas.conf", "[all]\npattern = .*\nretentions = 1s:1h\n")
	write(t, dir, "carbon.conf", fmt.Sprintf(`[relay]
STORAGE_DIR = %[1]s
CONF_DIR = %[1]s
LOG_DIR = %[1]s
PID_DIR = %[1]s
USER =
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = %[2]d
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_PORT = %[3]d
RELAY_METHOD = aggregated-consistent-hashing
REPLICATION_FACTOR = %[5]d
DESTINATIONS = %[4]s
CARBON_METRIC_INTERVAL = 0
ENABLE_LOGROTATION = False
`, dir, line, pickle, ring(owners), replication))
	relay := launchCarbon(t, "carbon-relay", dir, "a")
	relay.awaitPorts(local(line))
	return local(line), func() {}
}
