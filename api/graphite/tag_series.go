package graphite

import "github.com/coalesce-metrics/coalesce/naming"

// Names come with their data and leave after it, so that clients that register
// them are told their form, and nothing is kept of one that has no data.

// tagSeries answers /tags/tagSeries.
func (h *handler) tagSeries(c *call) error {
	path := c.get("path")
	if path == "" {
		return refuse("path is missing; give a name with tags, such as cpu;dc=x")
	}
	names, err := canonical([]string{path})
	if err != nil {
		return err
	}
	return c.json(encode(names[0]))
}

// tagMultiSeries answers /tags/tagMultiSeries.
func (h *handler) tagMultiSeries(c *call) error {
	names, err := c.paths()
	return c.list(names, err)
}

// delSeries answers /tags/delSeries. Names that are not there are as good as
// deleted.
func (h *handler) delSeries(c *call) error {
	names, err := c.paths()
	if err != nil {
		return err
	}
	for _, name := range names {
		h.cfg.Names.Remove(name)
	}
	return c.json([]byte("true"))
}

// paths returns the canonical form of each path in the request.
func (c *call) paths() ([]string, error) {
	paths := c.all("path")
	if len(paths) == 0 {
		return nil, refuse("path is missing; give a name with tags, such as cpu;dc=x, as often as needed")
	}
	return canonical(paths)
}

func canonical(paths []string) ([]string, error) {
	var scratch naming.Scratch
	names := make([]string, len(paths))
	for i, path := range paths {
		name, err := naming.Canonical(nil, []byte(path), &scratch)
		if err != nil {
			return nil, refuse("path %.200q: %s", path, err)
		}
		names[i] = string(name)
	}
	return names, nil
}
