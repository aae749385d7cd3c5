package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Of a rule whose period is changed by reloads, all that is kept is answered, each
// datapoint once, by /render and by the query node; also after a kill, and when what is
// late comes for an earlier period.
func TestChangedPeriods(t *testing.T) {
	t.Parallel()
	for name, periods := range map[string][]int64{"longer": {10, 30}, "shorter": {30, 10}, "into no window": {10, 7}, "there and back": {10, 30, 10}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			rule := func(period int64) string { return fmt.Sprintf("sums.<h> (%d) = sum r.<h> grace=0s\n", period) }
			out := newSink(t)
			s := settings{
				rules: write(t, dir, "rules.conf", rule(periods[0])), data: filepath.Join(dir, "data"),
				upstream: out.address, config: quickStore + "[aggregation]\ngrace = \"0s\"\n[reload]\nwatch = false\n",
			}
			d := start(t, s)
			begin := time.Now().Unix()/900*900 - 3600
			total := 0
			// Ten minutes for each period, with a gap between them.
			for i, period := range periods {
				if i > 0 {
					replace(t, s.rules, rule(period))
					d.signal(syscall.SIGHUP)
					d.waitLog("rules reloaded", i)
				}
				for k := range int64(60) {
					feed(d, out, begin+900*int64(i)+10*k, "r.a 1", "r.a 1")
					total += 2
				}
			}
			check := func(when string) {
				t.Helper()
				want := float64(total)
				await(t, fmt.Sprintf("%v datapoints, %s", want, when), nil, func() bool {
					sum := 0.0
					for _, v := range render(t, d, begin-100, time.Now().Unix(), "aggregates.sums.a:obvs")["aggregates.sums.a:obvs"] {
						sum += v
					}
					return sum == want && nodeCount(t, d, "aggregates.sums.a") == want
				})
			}
			check("held or kept")
			await(t, "the rows", nil, func() bool { return emitted(out) == float64(total) }) // so that none is open
			d.written()
			check("stored")
			d.kill()
			d = start(t, s)
			d.loaded()
			check("after a kill")
			d.stop()
			d = start(t, s)
			d.loaded()
			check("after a restart")
			d.stop()
		})
	}
}

// emitted is the sum of the rows of aggregates.sums.a, as they came last.
func emitted(out *sink) (sum float64) {
	for key, values := range out.got().values {
		if strings.HasPrefix(key, "aggregates.sums.a ") {
			v, _ := strconv.ParseFloat(values[len(values)-1], 64)
			sum += v
		}
	}
	return sum
}

// nodeCount asks the query node how many datapoints of two hours a metric has; -1 is no
// answer.
func nodeCount(t *testing.T, d *process, metric string) float64 {
	t.Helper()
	_, reply := post(t, d, "/v1/query", fmt.Sprintf(`{"type":"aggregate_metric","msg_id":1,"metric":%q,"aggregator":"count","time_range":"2h"}`, metric))
	found := regexp.MustCompile(`"value":([0-9.]+)`).FindStringSubmatch(reply)
	if found == nil {
		return -1
	}
	n, _ := strconv.ParseFloat(found[1], 64)
	return n
}
