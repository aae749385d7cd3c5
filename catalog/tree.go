package catalog

import "strings"

// node is a part of names between dots.
type node struct {
	label  uint32
	parent uint32 // 0: this is the root, which is in no name
	kids   uint32 // in dirs, 0: none
	row    uint32 // of the name that ends here, 0: none
}

func (c *Catalog) text(n uint32) string { return c.labels.at(c.nodes.at(n).label).text }

// kids returns the nodes below a node, which may be nil.
func (c *Catalog) kids(n uint32) *set {
	if k := c.nodes.at(n).kids; k != 0 {
		return c.dirs.at(k)
	}
	return &set{}
}

// seek returns the spot of the first node whose text is not below text.
func (c *Catalog) seek(kids *set, text string) spot {
	return kids.search(func(id uint32) bool { return c.text(id) < text })
}

// kid returns the node below n with a text, 0 if there is none.
func (c *Catalog) kid(n uint32, text string) uint32 {
	kids := c.kids(n)
	if k := kids.get(c.seek(kids, text)); k != 0 && c.text(k) == text {
		return k
	}
	return 0
}

// kidChunks yields what kids of n holds in the order in which it lies in memory, which is faster for a large part of
// all nodes. The slice is reused.
func (c *Catalog) kidChunks(n uint32) func(yield func(ids []uint32) bool) {
	return func(yield func(ids []uint32) bool) {
		ids := make([]uint32, 0, chunkSize)
		for id := uint32(1); int(id) < c.nodes.size(); id++ {
			if c.nodes.at(id).parent != n {
				continue
			}
			if ids = append(ids, id); len(ids) == chunkSize {
				if !yield(ids) {
					return
				}
				ids = ids[:0]
			}
		}
		yield(ids)
	}
}

// putLeaf returns the node of a name, making what is missing.
func (c *Catalog) putLeaf(name string) uint32 {
	n := c.root
	for part := range strings.SplitSeq(name, ".") {
		k := c.kid(n, part)
		if k == 0 {
			k = c.addKid(n, part)
		}
		n = k
	}
	return n
}

func (c *Catalog) addKid(n uint32, text string) uint32 {
	if c.nodes.at(n).kids == 0 {
		c.nodes.at(n).kids = c.dirs.alloc()
	}
	kids := c.kids(n)
	k := c.nodes.alloc()
	*c.nodes.at(k) = node{label: c.intern(text), parent: n}
	kids.insert(c.seek(kids, text), k)
	return k
}

// dropLeaf takes the row from a node, and away what then leads to no name.
func (c *Catalog) dropLeaf(n uint32) {
	c.nodes.at(n).row = 0
	for n != c.root && c.nodes.at(n).row == 0 && c.nodes.at(n).kids == 0 {
		old := *c.nodes.at(n)
		kids := c.kids(old.parent)
		kids.remove(c.seek(kids, c.text(n)))
		if len(kids.blocks) == 0 {
			parent := c.nodes.at(old.parent)
			c.dirs.release(parent.kids)
			parent.kids = 0
		}
		c.unintern(old.label)
		c.nodes.release(n)
		n = old.parent
	}
}
