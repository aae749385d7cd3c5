package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// While datapoints come as fast as they can, no report and no answer shows a count
// without its bucket, and in the end views have what was sent.
func TestViewsUnderLoad(t *testing.T) {
	t.Parallel()
	const (
		senders = 2
		reports = 4 // so many, and then no more is sent
	)
	bounds := []float64{1, 2, 4, 8, 16}
	out := newSink(t)
	d := start(t, settings{
		rules: noRules(t), upstream: out.address, flags: []string{"--forward-all=false"}, config: "[views]\nreport_period = \"1s\"\n",
	})
	a := viewAPI{t, d}
	a.want(201, "POST", "/v1/views", "["+viewBody("by", "load.m", `{"type":"distribution","bounds":[1,2,4,8,16]}`, "k", "z")+","+
		viewBody("all", "load.m", `{"type":"distribution","bounds":[1,2,4,8,16]}`)+"]")
	model := make([]map[string][]int64, senders)
	var running sync.WaitGroup
	var over atomic.Bool
	for s := range senders {
		model[s] = map[string][]int64{}
		conn, rng := d.dial("tcp"), rand.New(rand.NewPCG(uint64(s), 1))
		running.Go(func() {
			for !over.Load() {
				var b strings.Builder
				for range 2000 {
					k, v := rng.IntN(20), rng.IntN(40)
					row := fmt.Sprintf("map[k:k%d z:z%d]", k, k%3)
					fmt.Fprintf(&b, "load.m;z=z%d;host=h%d;k=k%d %d -1\n", k%3, rng.IntN(50), k, v)
					i := 0
					for i < len(bounds) && float64(v) >= bounds[i] {
						i++
					}
					for _, row := range []string{row, "map[]"} {
						if model[s][row] == nil {
							model[s][row] = make([]int64, len(bounds)+1)
						}
						model[s][row][i]++
					}
				}
				if _, err := io.WriteString(conn, b.String()); err != nil {
					t.Error(err)
					return
				}
			}
			conn.Close()
		})
	}
	var churning sync.WaitGroup
	churning.Go(func() {
		for !over.Load() {
			for _, name := range []string{"all", "by"} {
				for _, r := range a.data(name).Rows {
					if n := sumOf(r.Data.Counts); float64(n) != r.Data.Count {
						t.Errorf("%s %v: %d in buckets, count %v", name, r.Tags, n, r.Data.Count)
					}
				}
			}
			a.want(201, "POST", "/v1/views", viewBody("comes", "load.m", `{"type":"count"}`, "k"))
			a.want(204, "DELETE", "/v1/views/comes", "")
			checkBalance(t, d)
		}
	})
	out.wait("some reports", func(r *received) bool {
		n := 0
		for key := range r.values {
			if strings.HasPrefix(key, "aggregates.views.all.count ") {
				n++
			}
		}
		return n >= reports
	})
	over.Store(true)
	running.Wait()
	churning.Wait()

	want := map[string][]int64{}
	total := int64(0)
	for _, m := range model {
		for row, counts := range m {
			if want[row] == nil {
				want[row] = make([]int64, len(counts))
			}
			for i, n := range counts {
				want[row][i] += n
			}
		}
	}
	total = sumOf(want["map[]"])
	d.taken(float64(total))
	got := map[string][]int64{}
	for _, r := range append(a.data("all").Rows, a.data("by").Rows...) {
		got[fmt.Sprint(r.Tags)] = r.Data.Counts
		if float64(sumOf(r.Data.Counts)) != r.Data.Count {
			t.Errorf("%+v", r)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	out.wait("all of it", func(r *received) bool { return isReport(r, map[string]string{"all.count": fmt.Sprint(total)}) })
	d.stop()
	s := out.got()
	counts := 0
	for key, values := range s.values {
		name, at, _ := strings.Cut(key, " ")
		head, tags, ok := strings.Cut(strings.TrimPrefix(name, "aggregates.views."), ".count")
		if !ok {
			continue
		}
		counts++
		tags = strings.TrimPrefix(tags, ";")
		last := "0"
		for _, le := range []string{"1", "2", "4", "8", "16", "+Inf"} {
			all := []string{"le=" + le}
			if tags != "" {
				all = append(strings.Split(tags, ";"), all...)
			}
			slices.Sort(all)
			bucket := s.last(fmt.Sprintf("aggregates.views.%s.bucket;%s %s", head, strings.Join(all, ";"), at))
			if asInt(bucket) < asInt(last) {
				t.Errorf("%s at %s: le=%s has %q, the one below %q", name, at, le, bucket, last)
			}
			last = bucket
		}
		if last != values[len(values)-1] {
			t.Errorf("%s at %s: le=+Inf is %s, count %s", name, at, last, values)
		}
	}
	if counts < 21*(reports-1) { // not all rows are in the first
		t.Errorf("only %d counts were reported", counts)
	}
	t.Logf("%d datapoints, %d counts reported", total, counts)
}

func sumOf(list []int64) (sum int64) {
	for _, n := range list {
		sum += n
	}
	return sum
}

func asInt(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return -1
	}
	return n
}
