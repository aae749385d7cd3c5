package neighbours

import (
	"fmt"
	"testing"
)

// Datagrams from carbon-c-relay to the daemon, and from there to carbon-cache.
func TestUDP(t *testing.T) {
	t.Parallel()
	c := startCache(t)
	d := start(t, totalRule, fmt.Sprintf("upstream = [\"udp://%s\"]\n", c.plaintext))
	relay := startCarbonCRelay(t, fmt.Sprintf("forward %s proto udp", d.plaintext), "")

	const servers = 200 // several datagrams
	text, want := totalInput(servers)
	var at int64
	for key := range want {
		fmt.Sscanf(key, "total.shop %d", &at)
	}
	send(t, "tcp", relay, text)
	await(t, "the whisper files", func() string { return c.read(at, at+1).differs(want) })
	s := d.settle()
	if n := s.sum("accepted_items_total", "listener", "udp"); n != servers || s.sum("refused_items_total") != 0 {
		t.Errorf("%v items accepted over UDP and %v refused, want %d and 0", n, s.sum("refused_items_total"), servers)
	}
	d.stop()
}
