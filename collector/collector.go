// Package collector sends measurements to coalesce.
//
// A [Client] takes measurements from any goroutine, buffers them, and sends
// them in batches. It never blocks its caller for the network, never panics,
// and holds a bounded number: what does not fit, or cannot be sent in time, is
// counted by [Client.Dropped] and told to Config.OnError.
//
//	client, err := collector.New(collector.Config{URL: "http://127.0.0.1:2080"})
//	if err != nil {
//		return err
//	}
//	defer client.Close(context.Background())
//	client.RecordQueueSize("mail", 12, nil)
//
// A batch whose answer is lost on the way is sent again, so that coalesce may
// count it twice.
package collector

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Config is what New needs. All but URL may be left zero.
type Config struct {
	// URL is the address of coalesce, such as "http://127.0.0.1:2080". Without
	// a path it is that of /v1/collect.
	URL string
	// Key is the API key, sent as the user name of basic authentication. Empty
	// leaves that to the user in URL, if there is one.
	Key string
	// Header is added to each request.
	Header http.Header
	// Client sends the requests; nil is a client of its own, which uses the
	// proxy of the environment.
	Client *http.Client
	// Gzip compresses what is sent.
	Gzip bool

	// Tags are added to each measurement that has no tag of the same key.
	Tags map[string]string

	// FlushInterval is how long a measurement waits for others at most; 0 is 1 s.
	FlushInterval time.Duration
	// BatchSize is how many measurements a request holds at most; 0 is 1000.
	// Requests of more than 512 KiB are split, too.
	BatchSize int
	// BufferSize is how many measurements are held while they cannot be sent,
	// besides the batch under way; 0 is 10 000. Further ones are dropped.
	BufferSize int

	// Timeout bounds each request; 0 is 10 s.
	Timeout time.Duration
	// RetryFor is how long a batch is tried again, after network errors and the
	// statuses 429 and 5xx, before it is dropped; 0 is 30 s, less than 0 never.
	RetryFor time.Duration

	// OnError is told of all that is dropped, one call at a time and from a
	// goroutine of the client's; it should return soon, and must not call Flush
	// or Close.
	OnError func(error)
}

// Client sends measurements. Its methods may be called concurrently, and on a
// nil *Client, which takes everything and sends nothing.
type Client struct {
	cfg  Config
	url  string
	user *url.Userinfo   // nil without credentials
	own  *http.Transport // to be closed with the client; nil for the caller's
	tags map[string]string

	wake    chan struct{} // a batch is full
	flushes chan chan error
	closing chan struct{}
	closed  sync.Once
	done    chan struct{} // the goroutine has ended
	ctx     context.Context
	cancel  context.CancelFunc
	errs    []error // of the goroutine: what the next Flush returns
	result  error   // of Close, to be read after done

	mu       sync.Mutex // guards what follows; nothing else is done under it
	buffer   [][]byte   // JSON objects
	stopped  bool
	dropped  uint64
	overflow int   // dropped since OnError was told, because buffer was full
	refused  int   // dropped since OnError was told, because they cannot be sent
	lastBad  error // why the last of these
}

// New returns a Client, whose goroutine runs until [Client.Close].
func New(cfg Config) (*Client, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil {
		var parse *url.Error
		if errors.As(err, &parse) {
			err = parse.Err // without the URL, which may have a key in it
		}
		return nil, fmt.Errorf("collector: URL: %w; it must be like http://127.0.0.1:2080", err)
	}
	user := u.User
	u.User = nil // it may be a key, which no message should show
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("collector: URL %q: must be like http://127.0.0.1:2080", u)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/v1/collect"
	}
	for _, n := range []int64{int64(cfg.FlushInterval), int64(cfg.BatchSize), int64(cfg.BufferSize), int64(cfg.Timeout)} {
		if n < 0 {
			return nil, errors.New("collector: FlushInterval, BatchSize, BufferSize and Timeout must not be negative")
		}
	}
	for k, v := range cfg.Tags {
		if err := checkTag(k, v); err != nil {
			return nil, fmt.Errorf("collector: Tags: %w", err)
		}
	}
	c := &Client{
		cfg: cfg, url: u.String(), tags: maps.Clone(cfg.Tags),
		wake: make(chan struct{}, 1), flushes: make(chan chan error),
		closing: make(chan struct{}), done: make(chan struct{}),
	}
	c.cfg.Header = cfg.Header.Clone()
	if user != nil && cfg.Key == "" {
		c.user = user
	} else if cfg.Key != "" {
		c.user = url.User(cfg.Key)
	}
	c.setDefaults()
	c.ctx, c.cancel = context.WithCancel(context.Background())
	go c.run()
	return c, nil
}

func (c *Client) setDefaults() {
	cfg := &c.cfg
	if cfg.Client == nil {
		c.own = &http.Transport{Proxy: http.ProxyFromEnvironment, IdleConnTimeout: 90 * time.Second, ForceAttemptHTTP2: true}
		cfg.Client = &http.Client{Transport: c.own}
	}
	if cfg.FlushInterval == 0 {
		cfg.FlushInterval = time.Second
	}
	if cfg.BatchSize == 0 {
		cfg.BatchSize = 1000
	}
	if cfg.BufferSize == 0 {
		cfg.BufferSize = 10_000
	}
	cfg.BatchSize = min(cfg.BatchSize, cfg.BufferSize)
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.RetryFor == 0 {
		cfg.RetryFor = 30 * time.Second
	}
	if cfg.OnError == nil {
		cfg.OnError = func(error) {}
	}
}

// Flush waits until all that was recorded before has been sent or dropped. It
// returns what was dropped since the last Flush as OnError was told, up to 16
// errors, or ctx's error if that ends first; sending goes on then.
func (c *Client) Flush(ctx context.Context) error {
	if c == nil {
		return nil
	}
	answer := make(chan error, 1)
	select {
	case c.flushes <- answer:
	case <-c.done:
		return c.result
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close sends what is buffered and ends the client; what is recorded later is
// dropped. When ctx ends first the rest is dropped, too. The error is as that of
// Flush. Further calls wait for the first and return the same.
func (c *Client) Close(ctx context.Context) error {
	if c == nil {
		return nil
	}
	c.closed.Do(func() {
		c.mu.Lock()
		c.stopped = true
		c.mu.Unlock()
		close(c.closing)
	})
	stop := context.AfterFunc(ctx, c.cancel)
	defer stop()
	<-c.done
	return c.result
}

// Dropped returns how many measurements were not sent, for whatever reason.
func (c *Client) Dropped() uint64 {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dropped
}

// checkTag refuses keys and values that no measurement can have.
func checkTag(key, value string) error {
	switch {
	case key == "" || key == "name":
		return fmt.Errorf("tag %q: a key is not empty, and not the word name", key)
	case len(key)+len(value) > maxItem:
		return fmt.Errorf("tag %.20q: longer than %d bytes", key, maxItem)
	}
	return nil
}

// clean replaces what cannot stand in a series name.
func clean(s, more string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f || r == ';' || strings.ContainsRune(more, r) {
			return '_'
		}
		return r
	}, s)
}
