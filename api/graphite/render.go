package graphite

import (
	"context"
	"errors"
	"time"

	"github.com/coalesce-metrics/coalesce/api/graphite/wire"
	"github.com/coalesce-metrics/coalesce/query"
)

// render answers /render.
func (h *handler) render(c *call) error {
	format, err := wire.RenderFormat(c.r.Header["Accept"], c.get("format"))
	if err != nil {
		return refuse("%s", err)
	}
	if format == wire.V3 {
		return h.renderV3(c)
	}
	req, err := h.renderRequest(c)
	if err != nil {
		return err
	}
	if format == wire.JSON { // others are for programs, which merge points themselves
		if req.MaxDataPoints, err = c.count("maxDataPoints", 0); err != nil {
			return err
		}
	}
	fetch := h.cfg.Fetch
	if c.get("local") == "1" && format != wire.JSON {
		fetch = h.lenient
	}
	series, err := fetch(c.r.Context(), req)
	if err != nil {
		return err
	}
	if format == wire.JSON {
		return c.json(wire.AppendRenderJSON(nil, series, c.has("noNullPoints")))
	}
	return c.write(format.ContentType(), appendRender(format, series, req.Location))
}

// lenient answers a target that cannot be read as one that nothing matches. That
// is for graphite-web as the head of a cluster, which asks nothing for a minute of
// a server that has refused anything, whoever has mistyped it.
func (h *handler) lenient(ctx context.Context, r query.Request) ([]*query.Series, error) {
	series, err := h.cfg.Fetch(ctx, r)
	var fault *query.Error
	if !errors.As(err, &fault) || !fault.Target {
		return series, err
	}
	targets := r.Targets
	for _, target := range targets {
		r.Targets = []string{target}
		found, err := h.cfg.Fetch(ctx, r)
		switch {
		case errors.As(err, &fault) && fault.Target:
			h.cfg.Logger.Debug("a target of a cluster is answered as unknown", "target", target, "err", err)
		case err != nil:
			return nil, err
		}
		series = append(series, found...)
	}
	return series, nil
}

func appendRender(format wire.Format, series []*query.Series, loc *time.Location) []byte {
	switch format {
	case wire.Raw:
		return wire.AppendRenderRaw(nil, series)
	case wire.CSV:
		return wire.AppendRenderCSV(nil, series, loc)
	case wire.Pickle:
		return wire.AppendRenderPickle(nil, series)
	case wire.MsgPack:
		return wire.AppendRenderMsgPack(nil, series)
	case wire.V2:
		return wire.AppendRenderV2(nil, series)
	}
	panic("graphite: BUG: series in " + format.String())
}

// renderRequest reads what is asked for. Parameters that change nothing, such as
// local and noCache, are ignored.
func (h *handler) renderRequest(c *call) (req query.Request, err error) {
	if req.Targets = c.all("target"); len(req.Targets) == 0 {
		return req, refuse("target is missing; give a name, a pattern or a function of them, as often as needed")
	}
	now, err := c.asOf(h.cfg.Now())
	if err != nil {
		return req, err
	}
	req.Location = now.Location()
	if req.From, req.Until, err = query.ParseRange(c.get("from"), c.get("until"), now); err != nil {
		return req, err
	}
	req.XFilesFactor, err = c.fraction("xFilesFactor")
	return req, err
}
