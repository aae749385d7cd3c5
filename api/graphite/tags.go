package graphite

import (
	"strings"
)

// completions is how many tags or values are offered where the request has no
// limit.
const completions = 100

// tags answers /tags, and /tags/NAME with the values of a tag.
func (h *handler) tags(c *call) error {
	limit, err := h.limit(c, h.cfg.MaxNames+1)
	if err != nil {
		return err
	}
	filter := c.get("filter")
	if tag := c.below("/tags"); tag != "" {
		return h.tagValues(c, tag, filter, limit)
	}
	names, err := h.cfg.Names.Tags(c.r.Context(), filter, limit)
	if err == nil {
		err = h.fits(len(names), "tags", "set limit, or filter to a regular expression")
	}
	if err != nil {
		return err
	}
	type tag struct {
		Tag string `json:"tag"`
	}
	list := make([]tag, len(names))
	for i, name := range names {
		list[i].Tag = name
	}
	return c.json(encode(list))
}

func (h *handler) tagValues(c *call, tag, filter string, limit int) error {
	found, err := h.cfg.Names.TagValues(c.r.Context(), tag, filter, limit)
	if err == nil {
		err = h.fits(len(found), "values", "set limit, or filter to a regular expression")
	}
	if err != nil {
		return err
	}
	type value struct {
		Value string `json:"value"`
		Count int    `json:"count"`
	}
	values := make([]value, len(found))
	for i, v := range found {
		values[i] = value(v)
	}
	return c.json(encode(struct {
		Tag    string  `json:"tag"`
		Values []value `json:"values"`
	}{tag, values}))
}

// below returns what follows the path of the route, without slashes around it.
func (c *call) below(path string) string {
	return strings.Trim(strings.TrimPrefix(c.r.URL.Path, path), "/")
}

// limit returns how many results are to be looked for, which is one more than an
// answer may hold where more are asked for.
func (h *handler) limit(c *call, absent int) (int, error) {
	n, err := c.count("limit", absent)
	return min(n, h.cfg.MaxNames+1), err
}

// fits refuses an answer that is too long.
func (h *handler) fits(n int, what, instead string) error {
	if n > h.cfg.MaxNames {
		return refuse("more than %d %s; %s", h.cfg.MaxNames, what, instead)
	}
	return nil
}

// findSeries answers /tags/findSeries.
func (h *handler) findSeries(c *call) error {
	exprs := c.all("expr")
	if len(exprs) == 0 {
		return refuse("expr is missing; give an expression such as expr=dc=x, as often as needed")
	}
	names, err := h.cfg.Names.FindSeries(c.r.Context(), exprs, h.cfg.MaxNames)
	return c.list(names, err)
}

// completeTags answers /tags/autoComplete/tags.
func (h *handler) completeTags(c *call) error {
	limit, err := h.limit(c, min(completions, h.cfg.MaxNames))
	if err != nil {
		return err
	}
	names, err := h.cfg.Names.CompleteTags(c.r.Context(), c.all("expr"), c.get("tagPrefix"), limit)
	if err == nil {
		err = h.fits(len(names), "tags", "set limit or tagPrefix")
	}
	return c.list(names, err)
}

// completeValues answers /tags/autoComplete/values.
func (h *handler) completeValues(c *call) error {
	tag := c.get("tag")
	if tag == "" {
		return refuse("tag is missing; give the tag whose values are wanted, such as tag=dc")
	}
	limit, err := h.limit(c, min(completions, h.cfg.MaxNames))
	if err != nil {
		return err
	}
	values, err := h.cfg.Names.CompleteValues(c.r.Context(), c.all("expr"), tag, c.get("valuePrefix"), limit)
	if err == nil {
		err = h.fits(len(values), "values", "set limit or valuePrefix")
	}
	return c.list(values, err)
}

// list answers with strings, or returns the error.
func (c *call) list(all []string, err error) error {
	if err != nil {
		return err
	}
	if all == nil {
		all = []string{}
	}
	return c.json(encode(all))
}
