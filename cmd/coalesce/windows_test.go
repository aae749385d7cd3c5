package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// windowSettings have buckets leave memory, and cells enter the store, soon.
const windowSettings = quickStore + "[aggregation]\ngrace = \"0s\"\nkeep = 1\n"

// collect sends values over HTTP, in requests of a thousand.
func collect(t *testing.T, d *process, values []string) {
	t.Helper()
	for len(values) > 0 {
		n := min(len(values), 1000)
		status, body := post(t, d, "/v1/collect", "["+strings.Join(values[:n], ",")+"]")
		if want := fmt.Sprintf(`{"accepted":%d}`, n); status != http.StatusAccepted || strings.TrimSpace(body) != want {
			t.Fatalf("/v1/collect: %d %s, want %s", status, body, want)
		}
		values = values[n:]
	}
}

// hour is an hour that has passed, of a value each second: 1 to 3600.
type hour struct{ from int64 }

func (h hour) values(metric string) (values []string) {
	for i := range int64(3600) {
		values = append(values, fmt.Sprintf(`{"metric":%q,"value":%d,"tags":{"b":"2","a":"1"},"timestamp":%d}`, metric, i+1, h.from+i))
	}
	return values
}

// check reads all windows of a metric.
func (h hour) check(t *testing.T, d *process, metric string) {
	t.Helper()
	if wrong := h.wrong(t, d, metric); wrong != "" {
		t.Fatal(wrong)
	}
}

// wrong says what is wrong with the windows of a metric.
func (h hour) wrong(t *testing.T, d *process, metric string) string {
	t.Helper()
	until, mid := h.from+3600, h.from+1800
	for _, w := range []struct {
		name string
		step int64
		rows []windowRow
	}{
		{"1h", 60, window(t, d, "1h", metric, h.from, until)},
		{"24h", 900, window(t, d, "24h", metric, h.from, until)},
		// The cells of 10 s are kept for a day, as their series have that period.
		{"5m", 10, window(t, d, "5m", metric, h.from, until)},
		// Ranges that lie side by side share no row, and start is aligned down.
		{"1h", 60, append(window(t, d, "1h", metric, h.from+59, mid, "&tag=a:1"), window(t, d, "1h", metric, mid, until, "&tag=b:2&tag=a:1")...)},
		{"1h", 60, window(t, d, "1h", metric, h.from, until, "&merge=1")},
	} {
		if len(w.rows) != int(3600/w.step) {
			return fmt.Sprintf("%s of %s has %d rows, want %d", w.name, metric, len(w.rows), 3600/w.step)
		}
		for k, r := range w.rows {
			// The mean of n numbers in a row, of which the first is step*k+1.
			first := float64(w.step*int64(k) + 1)
			last := first + float64(w.step) - 1
			want := windowRow{
				Timestamp: h.from + w.step*int64(k), Min: first, Max: last, Avg: (first + last) / 2,
				Sum: (first + last) / 2 * float64(w.step), Count: w.step, Tags: map[string]string{"a": "1", "b": "2"},
			}
			if !reflect.DeepEqual(r, want) {
				return fmt.Sprintf("%s of %s, row %d: %+v, want %+v", w.name, metric, k, r, want)
			}
		}
	}
	if rows := window(t, d, "1h", metric, h.from, until, "&tag=a:2"); len(rows) != 0 {
		return fmt.Sprintf("%s with another tag: %v", metric, rows)
	}
	return ""
}

// The acceptance of the windows: an hour of values gives the same rows in whatever
// order it comes, as long as the cells are in memory and when they are in the store,
// before and after windows are made of them, and after a restart in the middle.
func TestWindows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := settings{rules: write(t, dir, "rules.conf", restartRules), data: filepath.Join(dir, "data"), config: windowSettings}
	h := hour{time.Now().Unix()/3600*3600 - 3600}
	rng := rand.New(rand.NewPCG(1, 1))
	d := start(t, s)
	metrics := []string{"in.order", "reversed", "shuffled", "in_two_lives"}
	for _, m := range metrics[:3] {
		values := h.values(m)
		for i := range values {
			switch m {
			case "reversed":
				if j := len(values) - 1 - i; i < j {
					values[i], values[j] = values[j], values[i]
				}
			case "shuffled":
				j := i + rng.IntN(len(values)-i)
				values[i], values[j] = values[j], values[i]
			}
		}
		collect(t, d, values)
		await(t, "the rows of "+m, nil, func() bool { return h.wrong(t, d, m) == "" })
	}
	lives := h.values(metrics[3])
	rng.Shuffle(len(lives), func(i, j int) { lives[i], lives[j] = lives[j], lives[i] })
	collect(t, d, lives[:1234])
	d.stop()
	d = start(t, s)
	collect(t, d, lives[1234:])
	check := func() {
		t.Helper()
		for _, m := range metrics {
			h.check(t, d, m)
		}
	}
	d.forgotten()
	check()
	d.written()
	check()
	await(t, "windows to be made", nil, func() bool {
		s := scrape(t, d)
		return s.sum("windows_lag_seconds") < 3600 && s.sum("window_cells_total")+s.sum("window_cells_amended_total") > 0
	})
	check()
	d.stop()

	// The sum of counts is that of what was accepted, in every tier.
	cells, series := stored(t, s.data)
	counts := make(map[int64]int64)
	for k, c := range cells {
		counts[k.step] += c.cell.Count
	}
	if len(series) != len(metrics) || counts[10] != 4*3600 || counts[60] != 4*3600 || counts[900] != 4*3600 {
		t.Errorf("the store has %d series and counts of %v by step, want 4 and 14400 each", len(series), counts)
	}
	d = start(t, s)
	d.loaded()
	check()
	d.stop()
}
