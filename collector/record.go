package collector

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// maxItem is how long a measurement may be, in bytes of JSON.
const maxItem = 16 << 10

// Record takes a value of a metric, measured now. tags may be nil and are the
// caller's again after the call.
//
// Spaces, control characters and semicolons become underscores, as do ! ^ = in
// keys and ~ at the beginning of a name or value; a tag with an empty value is
// left out. A value that is not finite, a metric or key that is empty, the
// reserved key name, and what is longer than 16 KiB are refused: counted as
// dropped, and told to OnError.
func (c *Client) Record(metric string, value float64, tags map[string]string) {
	c.RecordAt(metric, value, tags, time.Time{})
}

// RecordAt is Record for a value measured at a time, kept to the millisecond.
// The zero time is now.
func (c *Client) RecordAt(metric string, value float64, tags map[string]string, at time.Time) {
	c.record(metric, value, nil, tags, at)
}

// RecordProcessingTime takes how long an operation took, as processing_time in
// seconds with the tags operation and status; an empty status is "success".
// Tags of extra override these.
func (c *Client) RecordProcessingTime(operation string, took time.Duration, status string, extra map[string]string) {
	if status == "" {
		status = "success"
	}
	c.record("processing_time", took.Seconds(), pairs{{"operation", operation}, {"status", status}}, extra, time.Time{})
}

// RecordQueueSize takes the length of a queue, as queue_size with the tag
// queue. Tags of extra override it.
func (c *Client) RecordQueueSize(queue string, size int, extra map[string]string) {
	c.record("queue_size", float64(size), pairs{{"queue", queue}}, extra, time.Time{})
}

// RecordError counts an error, as error_count 1 with the tags error_type and
// context. Tags of extra override these.
func (c *Client) RecordError(errorType, context string, extra map[string]string) {
	c.record("error_count", 1, pairs{{"error_type", errorType}, {"context", context}}, extra, time.Time{})
}

// RecordVectorOperation takes how long an operation took and on how many
// vectors, as vector_operation_time in seconds and vector_count, both with the
// tag operation. Tags of extra override it.
func (c *Client) RecordVectorOperation(operation string, took time.Duration, vectors int, extra map[string]string) {
	now := time.Now() // one for both
	c.record("vector_operation_time", took.Seconds(), pairs{{"operation", operation}}, extra, now)
	c.record("vector_count", float64(vectors), pairs{{"operation", operation}}, extra, now)
}

// RecordSystemMetrics takes each value as system_ and its key, with the tags of
// extra.
func (c *Client) RecordSystemMetrics(values map[string]float64, extra map[string]string) {
	now := time.Now()
	for key, value := range values {
		c.record("system_"+key, value, nil, extra, now)
	}
}

// pairs are the tags that a call brings along.
type pairs [][2]string

// record encodes a measurement, so that nothing of the caller's is kept, and
// puts it into the buffer.
func (c *Client) record(metric string, value float64, own pairs, extra map[string]string, at time.Time) {
	if c == nil {
		return
	}
	if at.IsZero() {
		at = time.Now()
	}
	item, err := c.encode(metric, value, own, extra, at)

	c.mu.Lock()
	switch {
	case err != nil:
		c.dropped++
		c.refused++
		c.lastBad = err
	case c.stopped:
		c.dropped++
	case len(c.buffer) >= c.cfg.BufferSize:
		c.dropped++
		c.overflow++
	default:
		c.buffer = append(c.buffer, item)
	}
	full := len(c.buffer) >= c.cfg.BatchSize
	c.mu.Unlock()

	if full {
		select {
		case c.wake <- struct{}{}:
		default: // it is awake
		}
	}
}

func (c *Client) encode(metric string, value float64, own pairs, extra map[string]string, at time.Time) ([]byte, error) {
	switch {
	case metric == "":
		return nil, errors.New("a measurement without a metric")
	case len(metric) > maxItem:
		return nil, fmt.Errorf("metric %.64q: longer than %d bytes", metric, maxItem)
	case math.IsNaN(value) || math.IsInf(value, 0):
		return nil, fmt.Errorf("metric %.64q: the value %v is not finite", metric, value)
	}
	e := encoder{b: make([]byte, 0, 160)}
	e.raw(`{"metric":`)
	e.text(start(clean(metric, "")))
	e.raw(`,"value":`)
	e.b = strconv.AppendFloat(e.b, value, 'g', -1, 64)
	// Without a map of its own for each measurement: the first set that has a
	// key has it.
	for k, v := range extra {
		if err := e.tag(k, v); err != nil {
			return nil, fmt.Errorf("metric %.64q: %w", metric, err)
		}
	}
	for _, p := range own {
		if _, ok := extra[p[0]]; ok {
			continue
		}
		if err := e.tag(p[0], p[1]); err != nil {
			return nil, fmt.Errorf("metric %.64q: %w", metric, err)
		}
	}
	for k, v := range c.tags {
		if _, ok := extra[k]; ok || own.has(k) {
			continue
		}
		if err := e.tag(k, v); err != nil {
			return nil, fmt.Errorf("metric %.64q: %w", metric, err)
		}
	}
	if e.tags > 0 {
		e.raw("}")
	}
	e.raw(`,"timestamp":`)
	e.b = strconv.AppendFloat(e.b, float64(at.UnixMilli())/1000, 'f', -1, 64)
	e.raw("}")
	if len(e.b) > maxItem {
		return nil, fmt.Errorf("metric %.64q: %d bytes as JSON, more than %d", metric, len(e.b), maxItem)
	}
	return e.b, nil
}

func (p pairs) has(key string) bool {
	for _, t := range p {
		if t[0] == key {
			return true
		}
	}
	return false
}

type encoder struct {
	b    []byte
	tags int
}

func (e *encoder) raw(s string) { e.b = append(e.b, s...) }

func (e *encoder) text(s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // a string cannot fail
			e.b = append(e.b, quoted...)
			return
		}
	}
	e.raw(`"`)
	e.raw(s)
	e.raw(`"`)
}

func (e *encoder) tag(key, value string) error {
	if err := checkTag(key, value); err != nil {
		return err
	}
	if value == "" {
		return nil
	}
	if e.tags++; e.tags == 1 {
		e.raw(`,"tags":{`)
	} else {
		e.raw(",")
	}
	e.text(clean(key, "!^="))
	e.raw(":")
	e.text(start(clean(value, "")))
	return nil
}

// start replaces a ~ that a name or value begins with.
func start(s string) string {
	if rest, ok := strings.CutPrefix(s, "~"); ok {
		return "_" + rest
	}
	return s
}
