package catalog

import "strings"

// Where Entry.Series is not the name, row.series is ownSeries and a label, or 1 and the place in the name where one
// method stands.
const ownSeries = 1 << 31

// sameEntry tells whether the row has this entry.
func (c *Catalog) sameEntry(id uint32, name string, e Entry) bool {
	r := c.rows.at(id)
	return c.shapes[r.shape].shape == shape{e.Method, e.Period, e.Input} && c.sameSeries(r, name, e.Series)
}

func (c *Catalog) sameSeries(r *row, name, series string) bool {
	switch {
	case r.series == 0:
		return series == name
	case r.series&ownSeries != 0:
		return series == c.labels.at(r.series&^ownSeries).text
	}
	return isHole(name, series, int(r.series)-1, c.shapes[r.shape].suffix)
}

// seriesOf returns Entry.Series of a row.
func (c *Catalog) seriesOf(r *row, name string) string {
	switch {
	case r.series == 0:
		return name
	case r.series&ownSeries != 0:
		return c.labels.at(r.series &^ ownSeries).text
	}
	at := int(r.series) - 1
	return name[:at] + "\x00" + name[at+c.shapes[r.shape].suffix:]
}

// isHole tells whether series is name with the byte 0 in place of size bytes at a place.
func isHole(name, series string, at, size int) bool {
	return len(series) > at && len(name) == len(series)-1+size && series[at] == 0 &&
		name[:at] == series[:at] && name[at+size:] == series[at+1:]
}

// setEntry gives the row an entry.
func (c *Catalog) setEntry(id uint32, name string, e Entry) {
	r := c.rows.at(id)
	s := shape{e.Method, e.Period, e.Input}
	n, ok := c.known[s]
	if !ok {
		n = uint32(len(c.shapes))
		c.shapes = append(c.shapes, shapeOf{s, len(e.Method.Suffix())})
		c.known[s] = n
	}
	c.dropSeries(r)
	r.shape = n
	if e.Series == name {
		return
	}
	at := strings.IndexByte(e.Series, 0)
	if at >= 0 && isHole(name, e.Series, at, c.shapes[n].suffix) {
		r.series = uint32(at) + 1
		return
	}
	r.series = ownSeries | c.intern(e.Series)
}

func (c *Catalog) dropSeries(r *row) {
	if r.series&ownSeries != 0 {
		c.unintern(r.series &^ ownSeries)
	}
	r.series = 0
}
