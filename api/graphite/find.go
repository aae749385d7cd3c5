package graphite

import (
	"context"
	"slices"
	"strconv"

	"github.com/coalesce-metrics/coalesce/api/graphite/wire"
	"github.com/coalesce-metrics/coalesce/catalog"
)

// search is what is asked for of the tree of names.
type search struct {
	queries     []string
	from, until int64 // Unix seconds, 0 for no bound
	leavesOnly  bool
}

// search reads a request whose query may be repeated. It may be in the body.
func (h *handler) search(c *call) (s search, err error) {
	if c.message != nil {
		req, err := wire.ParseGlobRequest(c.message)
		if err != nil {
			return s, refuse("%s", err)
		}
		s = search{queries: req.Queries, from: req.Start, until: req.Stop}
	} else {
		s.queries = c.all("query")
		if len(s.queries) == 0 || slices.Contains(s.queries, "") {
			return s, refuse("query is missing or empty; give a pattern, such as query=a.*")
		}
		if s.from, s.until, err = c.bounds(h.cfg.Now()); err != nil {
			return s, err
		}
	}
	s.leavesOnly, err = c.flag("leavesOnly")
	return s, err
}

// find answers /metrics/find.
func (h *handler) find(c *call) error {
	format, err := wire.FindFormat(c.r.Header["Accept"], c.get("format"))
	if err != nil {
		return refuse("%s", err)
	}
	s, err := h.search(c)
	if err != nil {
		return err
	}
	if format == wire.V3 {
		return h.findV3(c, s)
	}
	text := s.queries[len(s.queries)-1] // as in Graphite
	s.queries = []string{text}
	if format == wire.Completer {
		s.queries[0] = wire.CompleterQuery(text)
	}
	found, err := h.nodes(c.r.Context(), s)
	if err != nil {
		return err
	}
	c.w.Header().Set("Pragma", "no-cache")
	nodes := found[0]
	switch format {
	case wire.Pickle:
		return c.write(format.ContentType(), wire.AppendFindPickle(nil, h.withIntervals(nodes)))
	case wire.MsgPack:
		return c.write(format.ContentType(), wire.AppendFindMsgPack(nil, h.withIntervals(nodes)))
	case wire.V2:
		return c.write(format.ContentType(), wire.AppendFindV2(nil, text, nodes))
	case wire.JSON:
		return c.json(wire.AppendFindJSON(nil, h.withIntervals(nodes)))
	case wire.NodeList:
		position, err := c.position()
		if err != nil {
			return err
		}
		return c.json(wire.AppendFindNodeList(nil, nodes, position))
	}
	wildcards, err := c.flag("wildcards")
	if err != nil {
		return err
	}
	if format == wire.Completer {
		return c.json(wire.AppendFindCompleter(nil, nodes, wildcards))
	}
	return c.json(wire.AppendFindTreeJSON(nil, text, nodes, wildcards))
}

// position reads which part of the paths is asked for.
func (p *params) position() (int, error) {
	text := p.get("position")
	if text == "" {
		return -1, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, refuse("position %.100q; accepted: a whole number, such as 0 for the first part of a path or -1 for the last", text)
	}
	return n, nil
}

// findV3 answers in carbonapi's protobuf.
func (h *handler) findV3(c *call, s search) error {
	found, err := h.nodes(c.r.Context(), s)
	if err != nil {
		return err
	}
	var body []byte
	for i, nodes := range found {
		body = wire.AppendFindV3(body, s.queries[i], nodes)
	}
	return c.write(wire.V3.ContentType(), body)
}

// expand answers /metrics/expand.
func (h *handler) expand(c *call) error {
	s, err := h.search(c)
	if err != nil {
		return err
	}
	if c.v3 {
		return h.findV3(c, s)
	}
	grouped, err := c.flag("groupByExpr")
	if err != nil {
		return err
	}
	found, err := h.nodes(c.r.Context(), s)
	if err != nil {
		return err
	}
	byQuery := make(map[string][]string, len(found))
	all := []string{}
	for i, nodes := range found {
		paths := make([]string, len(nodes)) // sorted, as the nodes are
		for j, n := range nodes {
			paths[j] = n.Path
		}
		byQuery[s.queries[i]] = paths
		all = append(all, paths...)
	}
	if grouped {
		return c.json(encode(map[string]any{"results": byQuery}))
	}
	slices.Sort(all)
	return c.json(encode(map[string]any{"results": slices.Compact(all)}))
}

// nodes returns what each query of a search matches, sorted by path.
func (h *handler) nodes(ctx context.Context, s search) ([][]wire.Node, error) {
	found := make([][]wire.Node, len(s.queries))
	total := 0
	for i, q := range s.queries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		nodes, err := h.cfg.Names.Find(q, s.from, s.until, h.cfg.MaxNames)
		if err != nil {
			return nil, err
		}
		found[i] = makeNodes(nodes, s.leavesOnly)
		if total += len(nodes); total > h.cfg.MaxNames {
			return nil, refuse("more than %d names in all; ask for fewer patterns at a time, or narrow them", h.cfg.MaxNames)
		}
	}
	return found, nil
}

func makeNodes(found []catalog.Node, leavesOnly bool) []wire.Node {
	nodes := make([]wire.Node, 0, len(found))
	for _, n := range found {
		if n.Leaf || !leavesOnly {
			nodes = append(nodes, wire.Node{Path: n.Path, Leaf: n.Leaf, Branch: n.Branch && !leavesOnly})
		}
	}
	return nodes
}

// withIntervals adds to leaves when they have data.
func (h *handler) withIntervals(nodes []wire.Node) []wire.Node {
	for i := range nodes {
		if n := &nodes[i]; n.Leaf {
			n.First, n.Last = h.cfg.Names.Interval(n.Path)
		}
	}
	return nodes
}
