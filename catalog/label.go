package catalog

import "strings"

// label is a text that stands in many names: a node, a value of a tag.
type label struct {
	text string
	refs uint32
}

// findLabel returns the label of a text, 0 if there is none.
func (c *Catalog) findLabel(text string) uint32 {
	return c.texts.find(c.hash(text), func(id uint32) bool { return c.labels.at(id).text == text })
}

// intern returns the label of a text, which it makes where there is none, and holds it until unintern.
func (c *Catalog) intern(text string) uint32 {
	id := c.findLabel(text)
	if id == 0 {
		id = c.labels.alloc()
		c.labels.at(id).text = strings.Clone(text)
		c.texts.add(c.hash(text), id)
	}
	c.labels.at(id).refs++
	return id
}

func (c *Catalog) unintern(id uint32) {
	l := c.labels.at(id)
	if l.refs--; l.refs == 0 {
		c.texts.remove(c.hash(l.text), id)
		c.labels.release(id)
	}
}
