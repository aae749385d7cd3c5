package collector_test

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coalesce-metrics/coalesce/collector"
)

func TestRecord(t *testing.T) {
	type tags = map[string]string
	at := time.Unix(1700000000, 123456789)
	cases := map[string]struct {
		record func(c *collector.Client)
		want   []measurement
	}{
		"plain": {
			func(c *collector.Client) { c.RecordAt("a.b", -1.5e-9, nil, at) },
			[]measurement{{"a.b", -1.5e-9, tags{"host": "web01"}, 1700000000.123}},
		},
		"tags beat those of the client": {
			func(c *collector.Client) { c.RecordAt("m", 1, tags{"host": "db", "k": "ü\"\\"}, at) },
			[]measurement{{"m", 1, tags{"host": "db", "k": "ü\"\\"}, 1700000000.123}},
		},
		"an empty value leaves the tag out": {
			func(c *collector.Client) { c.RecordAt("m", 1, tags{"host": "", "k": ""}, at) },
			[]measurement{{"m", 1, nil, 1700000000.123}},
		},
		"what no name can hold": {
			func(c *collector.Client) { c.RecordAt("~a;b c\n", 1, tags{"k =!^;": "~x; y=\x00"}, at) },
			[]measurement{{"_a_b_c_", 1, tags{"host": "web01", "k_____": "_x__y=_"}, 1700000000.123}},
		},
		"processing time": {
			func(c *collector.Client) { c.RecordProcessingTime("index", 12500*time.Microsecond, "", nil) },
			[]measurement{{"processing_time", 0.0125, tags{"host": "web01", "operation": "index", "status": "success"}, 946684800}},
		},
		"processing time that failed": {
			func(c *collector.Client) {
				c.RecordProcessingTime("index", time.Minute, "timeout", tags{"operation": "search", "shard": "7"})
			},
			[]measurement{{"processing_time", 60, tags{"host": "web01", "operation": "search", "status": "timeout", "shard": "7"}, 946684800}},
		},
		"queue size": {
			func(c *collector.Client) { c.RecordQueueSize("mail", 12, tags{"host": "x"}) },
			[]measurement{{"queue_size", 12, tags{"host": "x", "queue": "mail"}, 946684800}},
		},
		"error": {
			func(c *collector.Client) { c.RecordError("timeout", "reading a page", nil) },
			[]measurement{{"error_count", 1, tags{"host": "web01", "error_type": "timeout", "context": "reading_a_page"}, 946684800}},
		},
		"vector operation": {
			func(c *collector.Client) { c.RecordVectorOperation("embed", 2*time.Second, 64, nil) },
			[]measurement{
				{"vector_operation_time", 2, tags{"host": "web01", "operation": "embed"}, 946684800},
				{"vector_count", 64, tags{"host": "web01", "operation": "embed"}, 946684800},
			},
		},
		"system metrics": {
			func(c *collector.Client) {
				c.RecordSystemMetrics(map[string]float64{"cpu_percent": 12.5}, tags{"core": "0"})
			},
			[]measurement{{"system_cpu_percent", 12.5, tags{"host": "web01", "core": "0"}, 946684800}},
		},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // whose clock begins at 946684800
				var s server
				c := connect(t, &s, collector.Config{Tags: tags{"host": "web01"}})
				tt.record(c)
				closed(t, c)
				if diff := cmp.Diff(tt.want, s.got()); diff != "" {
					t.Error(diff)
				}
				if n := c.Dropped(); n != 0 {
					t.Errorf("%d dropped", n)
				}
			})
		})
	}
}

func TestRefused(t *testing.T) {
	cases := map[string]func(c *collector.Client){
		"no metric":      func(c *collector.Client) { c.Record("", 1, nil) },
		"NaN":            func(c *collector.Client) { c.Record("m", math.NaN(), nil) },
		"infinity":       func(c *collector.Client) { c.Record("m", math.Inf(-1), nil) },
		"no key":         func(c *collector.Client) { c.Record("m", 1, map[string]string{"": "v"}) },
		"reserved key":   func(c *collector.Client) { c.Record("m", 1, map[string]string{"name": "v"}) },
		"long metric":    func(c *collector.Client) { c.Record(strings.Repeat("m", 1<<20), 1, nil) },
		"long tag":       func(c *collector.Client) { c.Record("m", 1, map[string]string{"k": strings.Repeat("v", 1<<20)}) },
		"long as a JSON": func(c *collector.Client) { c.Record("m", 1, map[string]string{"k": strings.Repeat("\"", 9000)}) },
	}
	for name, record := range cases {
		t.Run(name, func(t *testing.T) {
			var s server
			var told []error
			c := connect(t, &s, collector.Config{OnError: func(err error) { told = append(told, err) }})
			record(c)
			c.Record("good", 1, nil)
			err := c.Close(t.Context())
			if err == nil || len(told) != 1 || c.Dropped() != 1 {
				t.Errorf("Close %v, told %v, %d dropped", err, told, c.Dropped())
			}
			if got := s.got(); len(got) != 1 || got[0].Metric != "good" {
				t.Errorf("got %v", got)
			}
		})
	}
}

// TestTagsAreCopied changes the caller's maps after the calls.
func TestTagsAreCopied(t *testing.T) {
	var s server
	shared := map[string]string{"all": "1"}
	c := connect(t, &s, collector.Config{Tags: shared})
	shared["all"] = "2"
	tags := map[string]string{"k": "1"}
	c.Record("m", 1, tags)
	tags["k"] = "2"
	c.Record("m", 2, tags)
	clear(tags)
	closed(t, c)
	for i, m := range s.got() {
		if want := map[string]string{"all": "1", "k": fmt.Sprint(i + 1)}; !maps.Equal(m.Tags, want) {
			t.Errorf("measurement %d has %v, want %v", i, m.Tags, want)
		}
	}
}

func TestBatches(t *testing.T) {
	sizes := func(s *server) (sizes []int) {
		for _, b := range s.batches {
			sizes = append(sizes, len(b))
		}
		return sizes
	}
	t.Run("after the interval", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var s server
			c := connect(t, &s, collector.Config{FlushInterval: 3 * time.Second})
			c.Record("m", 1, nil)
			c.Record("m", 2, nil)
			time.Sleep(3*time.Second - time.Nanosecond)
			synctest.Wait()
			if got := s.got(); len(got) != 0 {
				t.Errorf("%d sent before the interval has passed", len(got))
			}
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			if diff := cmp.Diff([]int{2}, sizes(&s)); diff != "" {
				t.Error(diff)
			}
			closed(t, c)
		})
	})
	t.Run("when full", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var s server
			c := connect(t, &s, collector.Config{BatchSize: 2, FlushInterval: time.Hour})
			c.Record("m", 1, nil)
			c.Record("m", 2, nil)
			synctest.Wait()
			if diff := cmp.Diff([]int{2}, sizes(&s)); diff != "" {
				t.Error(diff)
			}
			closed(t, c)
		})
	})
	t.Run("when the buffer is smaller than a batch", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var s server
			c := connect(t, &s, collector.Config{BufferSize: 2, FlushInterval: time.Hour})
			for range 5 {
				c.Record("m", 1, nil)
				c.Record("m", 2, nil)
				synctest.Wait()
			}
			if got := s.got(); len(got) != 10 || c.Dropped() != 0 {
				t.Errorf("%d sent, %d dropped", len(got), c.Dropped())
			}
			closed(t, c)
		})
	})
	t.Run("by bytes", func(t *testing.T) {
		var s server
		c := connect(t, &s, collector.Config{FlushInterval: time.Hour})
		for range 40 { // 16 000 bytes each, 512 KiB a request
			c.Record("m", 1, map[string]string{"k": strings.Repeat("v", 15_940)})
		}
		closed(t, c)
		if diff := cmp.Diff([]int{32, 8}, sizes(&s)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("Flush", func(t *testing.T) {
		var s server
		c := connect(t, &s, collector.Config{BatchSize: 4, FlushInterval: time.Hour})
		for n := range 3 {
			for range 10 {
				c.Record("m", 1, nil)
			}
			if err := c.Flush(t.Context()); err != nil {
				t.Error(err)
			}
			if got := s.got(); len(got) != 10*(n+1) {
				t.Errorf("%d sent after %d flushes of 10", len(got), n+1)
			}
		}
		closed(t, c)
	})
}

func TestNewRefuses(t *testing.T) {
	for name, cfg := range map[string]collector.Config{
		"no URL":             {},
		"no scheme":          {URL: "localhost:2080"},
		"another scheme":     {URL: "ftp://key@localhost"},
		"no host":            {URL: "http:///v1/collect"},
		"no URL at all":      {URL: "http://[::1"},
		"an address alone":   {URL: "127.0.0.1:2080"},
		"a port that is not": {URL: "http://key@localhost:http"},
		"a negative size":    {URL: "http://localhost", BatchSize: -1},
		"a negative timeout": {URL: "http://localhost", Timeout: -1},
		"a tag name":         {URL: "http://localhost", Tags: map[string]string{"name": "x"}},
	} {
		if c, err := collector.New(cfg); err == nil {
			c.Close(t.Context())
			t.Errorf("%s is accepted", name)
		} else if strings.Contains(err.Error(), "key@") {
			t.Errorf("%s: the error shows the key: %v", name, err)
		} else if cfg.URL != "http://localhost" && !strings.Contains(err.Error(), "must be like http://127.0.0.1:2080") {
			t.Errorf("%s: the error does not say what is accepted: %v", name, err)
		}
	}
}

// TestConcurrent is for the race detector; its totals must balance.
func TestConcurrent(t *testing.T) {
	var s server
	c := connect(t, &s, collector.Config{BufferSize: 100, BatchSize: 10, FlushInterval: time.Millisecond})
	const lanes, each = 8, 500
	tags := map[string]string{"k": "v"}
	var wg sync.WaitGroup
	for i := range lanes {
		wg.Go(func() {
			for j := range each {
				c.Record("m", 1, tags)
				if j%100 == i {
					c.Flush(t.Context()) // what it tells of is counted below
				}
				c.Dropped()
			}
		})
	}
	wg.Wait()
	c.Close(t.Context())
	if sent, dropped := len(s.got()), int(c.Dropped()); sent+dropped != lanes*each || sent == 0 {
		t.Errorf("%d sent, %d dropped of %d", sent, dropped, lanes*each)
	}
}

func BenchmarkRecord(b *testing.B) {
	s := server{answer: func(int, *http.Request) (*http.Response, error) { return status(http.StatusBadRequest, "") }}
	c, err := collector.New(collector.Config{URL: "http://coalesce.invalid", Client: &http.Client{Transport: &s}})
	if err != nil {
		b.Fatal(err)
	}
	tags := map[string]string{"operation": "index", "status": "success"}
	b.ReportAllocs()
	for b.Loop() {
		c.Record("processing_time", 0.25, tags)
	}
	c.Close(b.Context())
	if c.Dropped() != uint64(b.N) {
		b.Errorf("%d of %d counted", c.Dropped(), b.N)
	}
}
