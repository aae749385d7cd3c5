package catalog

import "strings"

// batchSize is how many names are read while the lock is held.
const batchSize = 1024

// Index yields all names without tags in the order of their bytes, until yield returns false. Nothing is locked while
// yield runs; names that come and go meanwhile may or may not be yielded.
func (c *Catalog) Index(yield func(name string) bool) {
	c.withPrefix("", yield)
}

// withPrefix does the same for names that begin with prefix.
func (c *Catalog) withPrefix(prefix string, yield func(name string) bool) {
	batch := make([]string, 0, batchSize)
	for low := prefix; ; low = batch[len(batch)-1] + "\x00" {
		batch = c.batch(batch[:0], prefix, low)
		for _, name := range batch {
			if !yield(name) {
				return
			}
		}
		if len(batch) < cap(batch) {
			return
		}
	}
}

// batch appends the first names without tags that are not below low and begin with prefix, as many as dst has room for.
func (c *Catalog) batch(dst []string, prefix, low string) []string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	c.ordered(c.root, nil, low, func(path []byte) bool {
		if len(path) < len(prefix) || string(path[:len(prefix)]) != prefix {
			return false
		}
		dst = append(dst, string(path))
		return len(dst) < cap(dst)
	})
	return dst
}

// ordered yields the names below a node that are not below low, in the order of their bytes, and returns false where
// yield did. All of them begin with path.
//
// Nodes are in the order of their labels, and a dot is above some bytes: a.x comes after a-b. So what is below a node
// waits in pending while the labels that follow go on with such a byte; each label that waits begins with the one
// before it.
func (c *Catalog) ordered(n uint32, path []byte, low string, yield func(path []byte) bool) bool {
	rest := "" // of low, where it goes on from path
	if len(low) >= len(path) && low[:len(path)] == string(path) {
		rest = low[len(path):]
	} else if low > string(path) {
		return true
	}
	part, _, _ := strings.Cut(rest, ".")
	var pending []uint32
	flush := func(next string, all bool) bool {
		for len(pending) > 0 {
			top := pending[len(pending)-1]
			text := c.text(top)
			if !all && strings.HasPrefix(next, text) && next[len(text)] < '.' {
				return true
			}
			pending = pending[:len(pending)-1]
			if !c.ordered(top, append(append(path, text...), '.'), low, yield) {
				return false
			}
		}
		return true
	}
	for i := range len(part) {
		if part[i] < '.' {
			if k := c.kid(n, part[:i]); k != 0 && c.nodes.at(k).kids != 0 {
				pending = append(pending, k)
			}
		}
	}
	kids := c.kids(n)
	for k := range kids.from(c.seek(kids, part)) {
		text := c.text(k)
		if !flush(text, false) {
			return false
		}
		path = append(path, text...)
		if node := c.nodes.at(k); node.row != 0 && string(path) >= low && !yield(path) {
			return false
		}
		path = path[:len(path)-len(text)]
		if c.nodes.at(k).kids != 0 {
			pending = append(pending, k)
		}
	}
	return flush("", true)
}
