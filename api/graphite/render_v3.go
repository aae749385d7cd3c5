package graphite

import (
	"github.com/coalesce-metrics/coalesce/api/graphite/wire"
	"github.com/coalesce-metrics/coalesce/query"
)

// Bounds of an answer to a MultiFetchRequest, besides those of its parts.
const (
	maxRanges = 100      // of time in it
	maxAnswer = 64 << 20 // bytes, after which no further range is read
)

// renderV3 answers /render in carbonapi's protobuf. What is asked for may be in
// the body.
func (h *handler) renderV3(c *call) error {
	requests, err := h.fetchRequests(c)
	if err != nil {
		return err
	}
	ranges, err := splitRanges(requests)
	if err != nil {
		return err
	}
	var body []byte
	for _, r := range ranges {
		if len(body) > maxAnswer {
			return refuse("an answer of more than %d MiB; ask for less at a time", maxAnswer>>20)
		}
		// Several parts of one expression may be made from one pattern.
		series, err := h.cfg.Fetch(c.r.Context(), query.Request{Targets: r.names, From: r.from, Until: r.until})
		if err != nil {
			return err
		}
		byTarget := make(map[string][]*query.Series, len(r.names))
		for _, s := range series {
			byTarget[s.Path] = append(byTarget[s.Path], s)
		}
		for _, req := range r.requests {
			body = wire.AppendRenderV3(body, req, byTarget[req.Name])
		}
	}
	return c.write(wire.V3.ContentType(), body)
}

// fetchRequests reads the body or, if there is none, the parameters.
func (h *handler) fetchRequests(c *call) ([]wire.FetchRequest, error) {
	if c.message == nil {
		req, err := h.renderRequest(c)
		if err != nil {
			return nil, err
		}
		requests := make([]wire.FetchRequest, len(req.Targets))
		for i, t := range req.Targets {
			requests[i] = wire.FetchRequest{Name: t, PathExpression: t, Start: req.From, Stop: req.Until}
		}
		return requests, nil
	}
	requests, err := wire.ParseFetchRequest(c.message)
	if err != nil {
		return nil, refuse("%s", err)
	}
	for i := range requests {
		if r := &requests[i]; r.PathExpression == "" {
			r.PathExpression = r.Name
		}
	}
	return requests, nil
}

// timeRange is what is asked for of one range of time.
type timeRange struct {
	from, until int64
	names       []string // each once
	requests    []*wire.FetchRequest
}

// splitRanges puts together what can be fetched at once.
func splitRanges(requests []wire.FetchRequest) ([]*timeRange, error) {
	type bounds struct{ from, until int64 }
	var ranges []*timeRange
	byBounds := map[bounds]*timeRange{}
	seen := map[bounds]map[string]bool{}
	for i := range requests {
		req := &requests[i]
		b := bounds{min(req.Start, req.Stop), max(req.Start, req.Stop)}
		r := byBounds[b]
		switch {
		case r != nil:
		case b.from == b.until:
			return nil, refuse("%.200q from %d until %d, which is an empty range; the start must be earlier", req.Name, b.from, b.until)
		case len(ranges) == maxRanges:
			return nil, refuse("more than %d ranges of time; ask for fewer at a time", maxRanges)
		default:
			r = &timeRange{from: b.from, until: b.until}
			ranges = append(ranges, r)
			byBounds[b], seen[b] = r, map[string]bool{}
		}
		if !seen[b][req.Name] {
			seen[b][req.Name] = true
			r.names = append(r.names, req.Name)
		}
		r.requests = append(r.requests, req)
	}
	return ranges, nil
}
