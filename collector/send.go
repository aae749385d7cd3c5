package collector

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxBody is how long a request may be, in bytes before compression. coalesce
// takes 4 MiB and 20 000 values, of which the shortest takes more than 40 bytes.
const maxBody = 512 << 10

// Pauses between tries double from the first to the longest.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 5 * time.Second
)

// run sends what is buffered until the client is closed.
func (c *Client) run() {
	defer close(c.done)
	defer c.cancel()
	if c.own != nil {
		defer c.own.CloseIdleConnections()
	}
	tick := time.NewTicker(c.cfg.FlushInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.sendAll()
		case <-c.wake:
			c.sendAll()
		case answer := <-c.flushes:
			c.sendAll()
			answer <- c.report()
		case <-c.closing:
			c.sendAll()
			c.result = c.report()
			return
		}
	}
}

// sendAll sends all that is buffered now, and tells OnError what was dropped.
func (c *Client) sendAll() {
	errs := c.losses()
	c.mu.Lock()
	left := len(c.buffer)
	c.mu.Unlock()
	for left > 0 {
		batch := c.take(left)
		left -= len(batch)
		if err := c.deliver(batch); err != nil {
			c.mu.Lock()
			c.dropped += uint64(len(batch))
			c.mu.Unlock()
			errs = append(errs, fmt.Errorf("collector: %d measurements dropped: %w", len(batch), err))
		}
	}
	for _, err := range errs {
		c.cfg.OnError(err)
		if len(c.errs) < maxErrors {
			c.errs = append(c.errs, err)
		}
	}
}

// maxErrors is how many errors are kept for the next Flush.
const maxErrors = 16

// report returns what was dropped since its last call.
func (c *Client) report() error {
	errs := c.errs
	c.errs = nil
	return errors.Join(errs...)
}

// losses returns what was dropped before it could be sent, since the last call.
func (c *Client) losses() (errs []error) {
	c.mu.Lock()
	overflow, refused, why := c.overflow, c.refused, c.lastBad
	c.overflow, c.refused, c.lastBad = 0, 0, nil
	c.mu.Unlock()
	if overflow > 0 {
		errs = append(errs, fmt.Errorf("collector: %d measurements dropped: the buffer of %d was full", overflow, c.cfg.BufferSize))
	}
	if refused > 0 {
		errs = append(errs, fmt.Errorf("collector: %d measurements refused, the last because of %w", refused, why))
	}
	return errs
}

// take removes a batch of up to n measurements, and at least one, from the
// buffer.
func (c *Client) take(n int) [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	n = min(n, c.cfg.BatchSize)
	size := 1
	for i, item := range c.buffer[:n] {
		if size += len(item) + 1; size > maxBody {
			n = i
			break
		}
	}
	batch := c.buffer[:n:n]
	if c.buffer = c.buffer[n:]; len(c.buffer) == 0 {
		c.buffer = nil // let go of what has been sent
	}
	return batch
}

// deliver sends a batch, again and again where that may help.
func (c *Client) deliver(batch [][]byte) error {
	body, err := c.body(batch)
	if err != nil {
		return err
	}
	deadline := time.Now().Add(c.cfg.RetryFor)
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		wait, err := c.post(body)
		if err == nil || wait < 0 {
			return err
		}
		// Clients that failed together are not to come back together.
		wait = max(wait, pause/2+rand.N(pause/2+1))
		if time.Until(deadline) < wait {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-c.ctx.Done():
			timer.Stop()
			return fmt.Errorf("closed while waiting to try again: %w", err)
		}
	}
}

// body returns a batch as the body of a request.
func (c *Client) body(batch [][]byte) ([]byte, error) {
	array := append([]byte{'['}, bytes.Join(batch, []byte{','})...)
	array = append(array, ']')
	if !c.cfg.Gzip {
		return array, nil
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(array); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// post sends a request. With an error, wait is how long the server asks to be
// left alone, and less than 0 where trying again is of no use.
func (c *Client) post(body []byte) (wait time.Duration, err error) {
	ctx, cancel := context.WithTimeout(c.ctx, c.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return -1, err
	}
	req.Header.Set("User-Agent", "coalesce-collector")
	for k, v := range c.cfg.Header {
		req.Header[k] = v
	}
	req.Header.Set("Content-Type", "application/json")
	if c.cfg.Gzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	if c.user != nil {
		password, _ := c.user.Password()
		req.SetBasicAuth(c.user.Username(), password)
	}
	resp, err := c.cfg.Client.Do(req)
	switch {
	case err != nil && c.ctx.Err() != nil:
		return -1, fmt.Errorf("closed while sending: %w", err)
	case err != nil:
		return 0, err
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10)) // the status tells enough
	return verdict(resp, answer)
}

// verdict reads the answer of the server, as post returns it.
func verdict(resp *http.Response, answer []byte) (wait time.Duration, err error) {
	if resp.StatusCode/100 == 2 {
		return 0, nil
	}
	err = fmt.Errorf("the server answered %s", resp.Status)
	if text := strings.TrimSpace(string(answer)); text != "" {
		err = fmt.Errorf("%w: %s", err, text)
	}
	if resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode/100 != 5 {
		return -1, err
	}
	if s, e := strconv.Atoi(resp.Header.Get("Retry-After")); e == nil && s > 0 {
		wait = time.Duration(min(s, 3600)) * time.Second
	}
	return wait, err
}
