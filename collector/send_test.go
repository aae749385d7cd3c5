package collector_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coalesce-metrics/coalesce/collector"
)

func TestRetry(t *testing.T) {
	refuse := func(until int, code int) func(int, *http.Request) (*http.Response, error) {
		return func(n int, _ *http.Request) (*http.Response, error) {
			if n < until {
				return status(code, "come back\n")
			}
			return status(http.StatusAccepted, "")
		}
	}
	cases := map[string]struct {
		answer  func(int, *http.Request) (*http.Response, error)
		cfg     collector.Config
		sent    int
		tries   int           // 0: more than 1
		longest time.Duration // that it may take
		says    string
	}{
		"accepted":        {refuse(1, 500), collector.Config{}, 1, 1, 0, ""},
		"500 twice":       {refuse(3, 500), collector.Config{}, 1, 3, time.Second, ""},
		"503 for ever":    {refuse(1e9, 503), collector.Config{}, 0, 0, 30 * time.Second, "503 Service Unavailable: come back"},
		"429 for a while": {refuse(4, 429), collector.Config{}, 1, 4, 2 * time.Second, ""},
		"400":             {refuse(1e9, 400), collector.Config{}, 0, 1, 0, "400 Bad Request: come back"},
		"401":             {refuse(1e9, 401), collector.Config{}, 0, 1, 0, "401 Unauthorized"},
		"a redirection":   {refuse(1e9, 304), collector.Config{}, 0, 1, 0, "304"},
		"a short patience": {
			refuse(1e9, 500), collector.Config{RetryFor: time.Second}, 0, 0, time.Second, "500",
		},
		"no patience": {refuse(1e9, 500), collector.Config{RetryFor: -1}, 0, 1, 0, "500"},
		"network": {
			func(n int, _ *http.Request) (*http.Response, error) {
				if n < 3 {
					return nil, errors.New("no route")
				}
				return status(http.StatusAccepted, "")
			}, collector.Config{}, 1, 3, time.Second, "",
		},
		"network for ever": {
			func(int, *http.Request) (*http.Response, error) { return nil, errors.New("no route") },
			collector.Config{}, 0, 0, 30 * time.Second, "no route",
		},
		"no answer": {
			func(n int, r *http.Request) (*http.Response, error) {
				if n == 1 {
					<-r.Context().Done()
					return nil, r.Context().Err()
				}
				return status(http.StatusAccepted, "")
			}, collector.Config{Timeout: 2 * time.Second}, 1, 2, 3 * time.Second, "",
		},
		"Retry-After": {
			func(n int, _ *http.Request) (*http.Response, error) {
				r, err := status(http.StatusAccepted, "")
				if n == 1 {
					r, err = status(http.StatusTooManyRequests, "")
					r.Header.Set("Retry-After", "7")
				}
				return r, err
			}, collector.Config{}, 1, 2, 7 * time.Second, "",
		},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := server{answer: tt.answer}
				var told []error
				tt.cfg.OnError = func(err error) { told = append(told, err) }
				c := connect(t, &s, tt.cfg)
				begin := time.Now()
				c.Record("m", 1, nil)
				err := c.Flush(t.Context())
				took := time.Since(begin)
				if got := len(s.got()); got != tt.sent || int(c.Dropped()) != 1-tt.sent {
					t.Errorf("%d sent, %d dropped; want %d sent", got, c.Dropped(), tt.sent)
				}
				if n := len(s.tries); n != tt.tries && (tt.tries > 0 || n < 2) {
					t.Errorf("%d tries, want %d", n, tt.tries)
				}
				if took > tt.longest || tt.sent == 0 && tt.longest > 0 && took < tt.longest/3 {
					t.Errorf("took %v, want %v", took, tt.longest)
				}
				if (err == nil) != (tt.sent == 1) || (len(told) == 1) != (tt.sent == 0) || err != nil && !strings.Contains(err.Error(), tt.says) {
					t.Errorf("Flush %v, told %v", err, told)
				}
				closed(t, c)
			})
		})
	}
}

// TestNeverBlocks records far more than fits while the server hangs.
func TestNeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		s := server{answer: func(int, *http.Request) (*http.Response, error) {
			<-gate
			return status(http.StatusAccepted, "")
		}}
		var told []error
		c := connect(t, &s, collector.Config{
			BufferSize: 10, BatchSize: 5, Timeout: time.Hour, OnError: func(err error) { told = append(told, err) },
		})
		for range 5 {
			c.Record("m", 1, nil)
		}
		synctest.Wait() // these are under way
		for range 100 {
			c.Record("m", 1, nil)
		}
		if n := c.Dropped(); n != 90 {
			t.Errorf("%d dropped, want 90", n)
		}
		close(gate)
		if err := c.Flush(t.Context()); err == nil || len(told) != 1 || !strings.Contains(err.Error(), "90 measurements dropped: the buffer of 10 was full") {
			t.Errorf("Flush %v, told %v", err, told)
		}
		if n := len(s.got()); n != 15 {
			t.Errorf("%d sent, want 15", n)
		}
		closed(t, c)
	})
}

func TestClose(t *testing.T) {
	t.Run("what comes later is dropped", func(t *testing.T) {
		var s server
		c := connect(t, &s, collector.Config{})
		c.Record("m", 1, nil)
		closed(t, c)
		c.Record("m", 2, nil)
		closed(t, c)
		if err := c.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		if len(s.got()) != 1 || c.Dropped() != 1 {
			t.Errorf("%d sent, %d dropped", len(s.got()), c.Dropped())
		}
	})
	t.Run("while trying again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := server{answer: func(int, *http.Request) (*http.Response, error) { return status(500, "") }}
			c := connect(t, &s, collector.Config{BatchSize: 3, RetryFor: time.Hour})
			for range 10 {
				c.Record("m", 1, nil)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			begin := time.Now()
			err := c.Close(ctx)
			if took := time.Since(begin); err == nil || took != 2*time.Second || c.Dropped() != 10 {
				t.Errorf("%v after %v, %d dropped", err, took, c.Dropped())
			}
		})
	})
	t.Run("Flush gives up alone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var s server
			s.answer = func(n int, _ *http.Request) (*http.Response, error) {
				if n < 5 {
					return status(500, "")
				}
				return status(http.StatusAccepted, "")
			}
			c := connect(t, &s, collector.Config{})
			c.Record("m", 1, nil)
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			if err := c.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			closed(t, c)
			if len(s.got()) != 1 {
				t.Errorf("%d sent", len(s.got()))
			}
		})
	})
	t.Run("nil", func(t *testing.T) {
		var c *collector.Client
		c.Record("m", 1, nil)
		c.RecordSystemMetrics(map[string]float64{"a": 1}, nil)
		closed(t, c)
		if err := c.Flush(t.Context()); err != nil || c.Dropped() != 0 {
			t.Error(err, c.Dropped())
		}
	})
}

func TestRequest(t *testing.T) {
	cases := map[string]struct {
		cfg        collector.Config
		path       string
		user, pass string
		encoding   string
		header     string
	}{
		"plain":          {collector.Config{}, "/v1/collect", "", "", "", ""},
		"a slash":        {collector.Config{URL: "/"}, "/v1/collect", "", "", "", ""},
		"a path":         {collector.Config{URL: "/coalesce/v1/collect"}, "/coalesce/v1/collect", "", "", "", ""},
		"a key":          {collector.Config{Key: "s3cret"}, "/v1/collect", "s3cret", "", "", ""},
		"gzip":           {collector.Config{Gzip: true}, "/v1/collect", "", "", "gzip", ""},
		"a header":       {collector.Config{Header: http.Header{"X-Team": {"blue"}}}, "/v1/collect", "", "", "", "blue"},
		"a user":         {collector.Config{URL: "user:pw@"}, "/v1/collect", "user", "pw", "", ""},
		"a user and key": {collector.Config{URL: "user:pw@", Key: "k"}, "/v1/collect", "k", "", "", ""},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			var s server
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				resp, err := s.RoundTrip(r)
				if err != nil {
					http.Error(w, err.Error(), http.StatusBadRequest)
					return
				}
				w.WriteHeader(resp.StatusCode)
			}))
			defer web.Close()
			if user, ok := strings.CutSuffix(tt.cfg.URL, "@"); ok {
				tt.cfg.URL = strings.Replace(web.URL, "//", "//"+user+"@", 1)
			} else {
				tt.cfg.URL = web.URL + tt.cfg.URL
			}
			c, err := collector.New(tt.cfg)
			if err != nil {
				t.Fatal(err)
			}
			c.Record("m", 1, nil)
			closed(t, c)
			if len(s.got()) != 1 {
				t.Fatalf("%d sent", len(s.got()))
			}
			user, pass, _ := s.last.BasicAuth()
			h := s.last.Header
			if s.last.Method != "POST" || s.last.URL.Path != tt.path || user != tt.user || pass != tt.pass ||
				h.Get("Content-Type") != "application/json" || h.Get("Content-Encoding") != tt.encoding || h.Get("X-Team") != tt.header {
				t.Errorf("%s %s, user %q, password %q, %v", s.last.Method, s.last.URL.Path, user, pass, h)
			}
		})
	}
}
