package neighbours

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"testing"
	"time"
)

// A carbon-cache stores what the daemon sends, to the last bit of each value.
func TestCarbonCache(t *testing.T) {
	for _, protocol := range []string{"plaintext", "pickle"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			c := startCache(t)
			address := c.plaintext
			if protocol == "pickle" {
				address = c.pickle
			}
			d := start(t, "total.<app>.<what> (2) = sum app.<app>.*.<what>\nlargest.<app>.<what> (2) = max app.<app>.*.<what>\n",
				fmt.Sprintf("upstream = [\"%s://%s\"]\n", protocol, address))

			now := (time.Now().Unix() + 1) &^ 1
			text, want := "", make(store)
			raw := func(name string, value float64, at int64) {
				text += fmt.Sprintf("%s %v %d\n", name, value, at)
				want[fmt.Sprintf("%s %d", name, at)] = value
			}
			raw("app.shop.www1.load", 0.1, now)
			raw("app.shop.www2.load", 0.2, now+1)
			raw("app.shop.www1.load", -3, now+2)
			raw("app.shop.www2.bytes", 9007199254740991, now)
			raw("app.shop.www2.bytes", 1e-300, now+3)
			raw("other", -1.5e300, now+1)
			for key, value := range map[string]float64{
				"total.shop.load": 0.30000000000000004, "largest.shop.load": 0.2,
				"total.shop.bytes": 9007199254740991, "largest.shop.bytes": 9007199254740991,
			} {
				want[fmt.Sprintf("%s %d", key, now)] = value
			}
			for key, value := range map[string]float64{
				"total.shop.load": -3, "largest.shop.load": -3, "total.shop.bytes": 1e-300, "largest.shop.bytes": 1e-300,
			} {
				want[fmt.Sprintf("%s %d", key, now+2)] = value
			}
			send(t, "tcp", d.plaintext, text)

			await(t, "the whisper files", func() string { return c.read(now, now+5).differs(want) })
			fetched := whisperFetch(t, c.dir+"/whisper/total/shop/load.wsp", now)
			if !slices.Contains(fetched, 0.30000000000000004) || !slices.Contains(fetched, -3) {
				t.Errorf("whisper-fetch reads %v", fetched)
			}
			d.settle()
			d.stop()
		})
	}
}

// whisperFetch returns what the program of this name prints, from a time on.
func whisperFetch(t *testing.T, path string, from int64) (values []float64) {
	t.Helper()
	out, err := exec.Command(need(t, "whisper-fetch"), "--json", fmt.Sprintf("--from=%d", from-1), path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var fetched struct{ Values []*float64 }
	if err := json.Unmarshal(out, &fetched); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	for _, v := range fetched.Values {
		if v != nil {
			values = append(values, *v)
		}
	}
	return values
}
