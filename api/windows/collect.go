package windows

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/jsonscan"
	"github.com/coalesce-metrics/coalesce/naming"
)

// Bounds of a request.
const (
	maxBody   = 4 << 20 // bytes, once it is unpacked
	maxPoints = 20_000
	maxTags   = 4 * naming.MaxName // bytes in the tags of a value, of which a name drops some
)

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

const wantValues = `accepted: an object such as {"metric":"m","value":1,"tags":{},"timestamp":1700000000}, or an array of such`

// points reads a request; n is how many values it has, 0 where that is not known.
func (a *API) points(r *http.Request) (points []Point, n int, err error) {
	body, err := new(api.Body).Read(r, maxBody)
	if err != nil {
		return nil, 0, err
	}
	v := values{now: a.cfg.Now()}
	v.scan.Reset(body)
	switch v.scan.Kind() {
	case jsonscan.Object:
		v.one()
	case jsonscan.Array:
		for v.scan.Array(); v.scan.More(); {
			v.one()
		}
	default:
		return nil, 0, api.BadRequest("body: no JSON object and no array; %s", wantValues)
	}
	if err := v.scan.End(); err != nil {
		return nil, 0, api.BadRequest("body: not JSON: %s; %s", err, wantValues)
	}
	if v.n > maxPoints {
		return nil, v.n, api.BadRequest("%d values; accepted: at most %d in a request", v.n, maxPoints)
	}
	return v.points, v.n, v.bad
}

// values are those of a request as they are read. They may come to many times the
// length of the body, so that none are kept that are not asked for.
type values struct {
	scan   jsonscan.Scanner
	now    time.Time
	points []Point
	n      int   // so far, those passed over included
	bad    error // what is wrong with the first that is
}

// one reads a value.
func (v *values) one() {
	i := v.n
	v.n++
	if v.bad != nil || v.n > maxPoints {
		v.scan.Skip()
		return
	}
	p, err := v.point()
	if err != nil {
		v.bad = api.BadRequest("value %d: %s", i, err)
	}
	v.points = append(v.points, p)
}

func (v *values) point() (p Point, err error) {
	s := &v.scan
	if s.Kind() != jsonscan.Object {
		return p, fmt.Errorf("it is %.100s; accepted: an object", s.Skip())
	}
	p.Value, p.Time = math.NaN(), second(v.now)
	var metric string
	var tags map[string]string
	var key []byte
	for s.Object(); s.Key(&key); {
		var wrong error
		switch string(key) {
		case "metric":
			metric, wrong = text(s, "metric")
		case "value":
			p.Value, wrong = number(s)
		case "tags":
			tags, wrong = tagsOf(s)
		case "timestamp":
			p.Time, wrong = timestamp(s.Skip(), v.now)
		default:
			s.Skip()
		}
		err = cmp.Or(err, wrong)
	}
	switch {
	case err != nil:
		return p, err
	case metric == "":
		return p, fmt.Errorf("metric is missing; accepted: a text")
	case math.IsNaN(p.Value):
		return p, fmt.Errorf("value is missing; accepted: a number")
	}
	p.Name, err = naming.Join(metric, tags)
	return p, err
}

// text reads a text; null is none.
func text(s *jsonscan.Scanner, key string) (string, error) {
	switch s.Kind() {
	case jsonscan.Text:
		return string(s.Text()), nil
	case jsonscan.Null:
		s.Null()
		return "", nil
	}
	return "", fmt.Errorf("%s is %.100s; accepted: a text", key, s.Skip())
}

// number reads a finite number; null is NaN.
func number(s *jsonscan.Scanner) (float64, error) {
	switch s.Kind() {
	case jsonscan.Number:
		x := s.Float()
		if math.IsInf(x, 0) {
			return x, fmt.Errorf("value is too large; accepted: a number up to %g", math.MaxFloat64)
		}
		return x, nil
	case jsonscan.Null:
		s.Null()
		return math.NaN(), nil
	}
	return 0, fmt.Errorf("value is %.100s; accepted: a number", s.Skip())
}

// tagsOf reads an object of texts; null is none.
func tagsOf(s *jsonscan.Scanner) (tags map[string]string, err error) {
	switch s.Kind() {
	case jsonscan.Object:
	case jsonscan.Null:
		s.Null()
		return nil, nil
	default:
		return nil, fmt.Errorf("tags are %.100s; accepted: an object of texts", s.Skip())
	}
	tags = make(map[string]string)
	size := 0
	var key []byte
	for s.Object(); s.Key(&key); {
		switch {
		case err != nil:
			s.Skip()
		case s.Kind() != jsonscan.Text:
			err = fmt.Errorf("tag %.100q is %.100s; accepted: a text", key, s.Skip())
		default:
			value := s.Text()
			if size += len(key) + len(value) + 1; size > maxTags {
				err = fmt.Errorf("tags: more than %d bytes", maxTags)
			}
			tags[string(key)] = string(value)
		}
	}
	return tags, err
}

// second is what stands for now: a whole one, as some of those who are sent the
// value refuse a fraction.
func second(t time.Time) float64 { return float64(t.Unix()) }

// timestamp reads a number of seconds, or RFC 3339 with a zone; null is now.
func timestamp(raw json.RawMessage, now time.Time) (float64, error) {
	var sec float64
	if err := json.Unmarshal(raw, &sec); err == nil {
		switch {
		case string(raw) == "null" || sec == -1:
			return second(now), nil
		case math.Abs(sec) <= maxSecond:
			return sec, nil
		}
	}
	var s string
	if err := json.Unmarshal(raw, &s); err == nil && strings.Contains(s, "T") {
		if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
			return float64(t.Unix()) + float64(t.Nanosecond())/1e9, nil
		}
	}
	return 0, fmt.Errorf("timestamp %.100s; accepted: Unix seconds as a number, or a text in RFC 3339 with a zone", raw)
}
