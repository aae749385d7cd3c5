package windows

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/naming"
)

// maxBody is the longest body once it is unpacked, in bytes.
const maxBody = 4 << 20

// maxPoints is how many values a request may have.
const maxPoints = 20_000

// collect answers /v1/collect: all values are taken, or none.
func (a *API) collect(w http.ResponseWriter, r *http.Request) {
	points, n, err := a.points(r)
	if err != nil {
		a.refused.Add(uint64(max(n, 1)))
		a.fail(w, r, err)
		return
	}
	a.cfg.Collect(points)
	a.accepted.Add(uint64(len(points)))
	api.Reply(w, http.StatusAccepted, map[string]int{"accepted": len(points)})
}

// points reads a request; n is how many values it has.
func (a *API) points(r *http.Request) (points []Point, n int, err error) {
	body, err := readBody(r)
	if err != nil {
		return nil, 0, err
	}
	var all []measurement
	body = bytes.TrimLeft(body, " \t\r\n")
	if len(body) > 0 && body[0] == '{' {
		all = make([]measurement, 1)
		err = json.Unmarshal(body, &all[0])
	} else {
		err = json.Unmarshal(body, &all)
	}
	if err != nil {
		return nil, 0, refuse("body: %s; accepted: an object such as {\"metric\":\"m\",\"value\":1,\"tags\":{},\"timestamp\":1700000000}, or an array of such", err)
	}
	if len(all) > maxPoints {
		return nil, len(all), refuse("%d values; accepted: at most %d in a request", len(all), maxPoints)
	}
	now := a.cfg.Now()
	for i := range all {
		p, err := all[i].point(now)
		if err != nil {
			return nil, len(all), refuse("value %d: %s", i, err)
		}
		points = append(points, p)
	}
	return points, len(all), nil
}

func readBody(r *http.Request) ([]byte, error) {
	var from io.Reader = r.Body
	zipped, err := api.Zipped(r)
	if err != nil {
		return nil, refuse("%s", err)
	}
	if zipped {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, refuse("body: not gzip: %s", err)
		}
		from = z
	}
	body, err := io.ReadAll(io.LimitReader(from, maxBody+1))
	if len(body) > maxBody {
		return nil, &http.MaxBytesError{Limit: maxBody}
	}
	var large *http.MaxBytesError
	if err != nil && !errors.As(err, &large) {
		return nil, refuse("body: %s", err)
	}
	return body, err
}

// measurement is one value as it comes.
type measurement struct {
	Metric    *string            `json:"metric"`
	Value     *float64           `json:"value"`
	Tags      map[string]*string `json:"tags"`
	Timestamp json.RawMessage    `json:"timestamp"`
}

func (m *measurement) point(now time.Time) (Point, error) {
	if m.Metric == nil || *m.Metric == "" {
		return Point{}, fmt.Errorf("metric is missing; accepted: a text")
	}
	if m.Value == nil {
		return Point{}, fmt.Errorf("value is missing; accepted: a number")
	}
	tags := make(map[string]string, len(m.Tags))
	for key, v := range m.Tags {
		if v == nil {
			return Point{}, fmt.Errorf("tag %.100q is null; accepted: a text", key)
		}
		tags[key] = *v
	}
	name, err := naming.Join(*m.Metric, tags)
	if err != nil {
		return Point{}, err
	}
	at, err := timestamp(m.Timestamp, now)
	return Point{name, *m.Value, at}, err
}

// timestamp reads a number of seconds, or RFC 3339 with a zone; nothing is now.
func timestamp(raw json.RawMessage, now time.Time) (float64, error) {
	text := string(raw)
	if text == "" || text == "null" {
		return float64(now.UnixNano()) / 1e9, nil
	}
	var sec float64
	if err := json.Unmarshal(raw, &sec); err == nil {
		if sec == -1 {
			return float64(now.UnixNano()) / 1e9, nil
		}
		if math.Abs(sec) <= maxSecond {
			return sec, nil
		}
	}
	var s string
	if err := json.Unmarshal(raw, &s); err == nil && strings.Contains(s, "T") {
		if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
			return float64(t.Unix()) + float64(t.Nanosecond())/1e9, nil
		}
	}
	return 0, fmt.Errorf("timestamp %.100s; accepted: Unix seconds as a number, or a text in RFC 3339 with a zone", text)
}
