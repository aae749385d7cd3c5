package graphite

import (
	"github.com/coalesce-metrics/coalesce/api/graphite/wire"
	"github.com/coalesce-metrics/coalesce/catalog"
	"github.com/coalesce-metrics/coalesce/cell"
)

// capabilities answers /_internal/capabilities.
func (h *handler) capabilities(c *call) error {
	return c.write(wire.V3.ContentType(), wire.AppendCapabilities(nil, "coalesce"))
}

// info answers /info.
func (h *handler) info(c *call) error {
	var names []string
	if c.message != nil {
		req, err := wire.ParseGlobRequest(c.message) // as what asks for information is the same
		if err != nil {
			return refuse("%s", err)
		}
		names = req.Queries
	} else if names = c.all("target"); len(names) == 0 {
		return refuse("target is missing; give the name of a series")
	}
	var found []wire.Info
	for _, name := range names {
		if e, ok := h.cfg.Names.Get(name); ok {
			found = append(found, h.describe(name, e))
		}
	}
	return c.writeInfo(found)
}

// writeInfo answers with what is known of series. Only carbonapi_v3_pb has room
// for several.
func (c *call) writeInfo(found []wire.Info) error {
	var body []byte
	if c.v3 {
		for i := range found {
			body = wire.AppendInfoV3(body, &found[i])
		}
		return c.write(wire.V3.ContentType(), body)
	}
	if format := c.get("format"); format == "" || format == wire.JSON.String() {
		if found == nil {
			return c.json([]byte("{}"))
		}
		return c.json(encode(&found[0]))
	} else if f, ok := wire.Parse(format); !ok || f != wire.V2 && f != wire.MsgPack {
		return refuse("format %.100q is not supported; accepted: json, carbonapi_v2_pb, carbonapi_v3_pb, msgpack", format)
	}
	if found != nil {
		body = wire.AppendInfoV2(nil, &found[0]) // for msgpack, too: see there
	}
	return c.write(wire.V2.ContentType(), body)
}

// describe says how the cells of a series are kept.
func (h *handler) describe(name string, e catalog.Entry) wire.Info {
	info := wire.Info{Name: name, AggregationMethod: aggregation(e.Method), Retentions: []wire.Retention{}}
	if h.cfg.Tiers == nil {
		return info
	}
	for _, t := range h.cfg.Tiers(e.Period) {
		info.Retentions = append(info.Retentions, wire.Retention{SecondsPerPoint: t.Step, NumberOfPoints: t.Retention / t.Step})
		info.MaxRetention = max(info.MaxRetention, t.Retention)
	}
	return info
}

// aggregation names a method as Graphite does; those that it has no name for
// come out as averages there.
func aggregation(m cell.Method) string {
	switch m {
	case cell.Sum:
		return "sum"
	case cell.Min:
		return "min"
	case cell.Max:
		return "max"
	case cell.Last:
		return "last"
	}
	return "average"
}
