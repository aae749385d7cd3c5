package neighbours

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
)

// ownedRules give each datapoint outputs of different owners.
const ownedRules = `total.<app>.<what> (2) = sum app.<app>.*.<what>
largest.<app>.<what> (2) = max app.<app>.*.<what>
server.<server>.<what> (2) = sum app.*.<server>.<what>
`

// Two daemons behind a relay that hashes by output make every output once,
// each those that it owns.
func TestOwners(t *testing.T) {
	t.Parallel()
	for name, front := range map[string]func(t *testing.T, owners [2]*owner) (address string, check func()){
		"coalesce":     coalesceInFront,
		"carbon-relay": carbonRelayInFront,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			owners := startOwners(t)
			address, check := front(t, owners)

			at := (time.Now().Unix() + 1) &^ 1
			text, want, inputs := ownedInput(at)
			send(t, "tcp", address, text)
			await(t, "every output", func() string {
				all := owners[0].out.got("")
				maps.Copy(all, owners[1].out.got(""))
				return all.differs(want)
			})
			for i, o := range owners {
				s := o.settle()
				if s.sum("contributions_dropped_total") != 0 || s.sum("refused_items_total") != 0 {
					t.Errorf("owner %d drops contributions or refuses items: %v", i, s)
				}
				o.stop() // nothing comes after that
				if again := o.out.repeated(); again != "" {
					t.Errorf("owner %d: %s", i, again)
				}
				if n := len(o.out.got("")); n == 0 || n == len(want) {
					t.Errorf("owner %d makes %d of %d rows", i, n, len(want))
				}
			}
			for key := range owners[0].out.got("") {
				if _, both := owners[1].out.got("")[key]; both {
					t.Errorf("both owners make %s", key)
				}
			}
			checkOwners(t, owners, inputs)
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
	place  string // in the ring
	config string // its file
	out    *sink
}

// ring is how a relay lists the owners.
func ring(owners [2]*owner) string { return fmt.Sprintf("[%q, %q]", owners[0].place, owners[1].place) }

// startOwners starts two. The ring has the ports where they take pickle.
func startOwners(t *testing.T) (owners [2]*owner) {
	t.Helper()
	ports := [2]int{port(t), port(t)}
	for i := range owners {
		owners[i] = &owner{place: fmt.Sprintf("%s:%c", local(ports[i]), 'a'+i), out: newSink(t)}
	}
	for i, o := range owners {
		dir, plaintext := t.TempDir(), port(t)
		write(t, dir, "aggregation-rules.conf", ownedRules)
		o.config = write(t, dir, "coalesce.toml", fmt.Sprintf(`listen = %q
listen_pickle = %q
prefix = ""
upstream = [%q]
forward_all = false
[place]
ring = %s
self = %q
[metrics]
interval = "0s"
`, local(plaintext), local(ports[i]), o.out.address, ring(owners), o.place))
		o.daemon = run(t, dir, o.config, local(plaintext), local(ports[i]))
	}
	return owners
}

// checkOwners compares what each has made with what it says that it would make.
func checkOwners(t *testing.T, owners [2]*owner, inputs []string) {
	t.Helper()
	divided := false
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
			divided = divided || len(match.Outputs) == 1 || len(match.Outputs) == 2
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
	if !divided {
		t.Error("no name has outputs of different owners")
	}
}

// coalesceInFront starts the daemon as the relay.
func coalesceInFront(t *testing.T, owners [2]*owner) (address string, check func()) {
	t.Helper()
	config := ""
	for _, o := range owners {
		config += fmt.Sprintf("[[destination]]\nname = %[1]q\naddress = \"pickle://%[1]s\"\nkind = \"aggregator\"\n", o.place)
	}
	d := start(t, ownedRules, config+fmt.Sprintf("[[route]]\nsend = \"raw\"\nto = %s\nmode = \"aggregated-hash\"\n", ring(owners)))
	return d.plaintext, func() {
		t.Helper()
		s := d.settle()
		accepted := s.sum("datapoints_accepted_total")
		sent := s.sum("destination_rows_written_total")
		if sent <= accepted || sent >= 2*accepted {
			t.Errorf("%v rows sent for %v datapoints, want more, and fewer than two for each", sent, accepted)
		}
		d.stop()
	}
}

// carbonRelayInFront starts the real carbon-relay.
func carbonRelayInFront(t *testing.T, owners [2]*owner) (address string, check func()) {
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
REPLICATION_FACTOR = 1
DESTINATIONS = %[4]s, %[5]s
CARBON_METRIC_INTERVAL = 0
ENABLE_LOGROTATION = False
`, dir, line, pickle, owners[0].place, owners[1].place))
	relay := launchCarbon(t, "carbon-relay", dir, "a")
	relay.awaitPorts(local(line))
	return local(line), func() {}
}
