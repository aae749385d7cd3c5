package catalog

import "strings"

// nameTag is the tag that holds what stands before the tags.
const nameTag = "name"

// MaxTags is how many tags of a name are found by; further ones are only a part of the name.
const MaxTags = 256

// tag is a key with the values that series have.
type tag struct {
	key    string
	values set // of pairs, ordered by value
}

// pair is a tag with a value.
type pair struct {
	tag   *tag
	value uint32 // label
	refs  uint32 // lists that hold it
	rows  set    // the series that have it, ascending; empty below loose
}

func (c *Catalog) value(p uint32) string { return c.labels.at(c.pairs.at(p).value).text }

// seekValue returns the spot of the first pair whose value is not below value.
func (c *Catalog) seekValue(t *tag, value string) spot {
	return t.values.search(func(id uint32) bool { return c.value(id) < value })
}

// findPair returns the pair of a tag, which may be nil, and a value; 0 if there is none.
func (c *Catalog) findPair(t *tag, value string) uint32 {
	if t == nil {
		return 0
	}
	if p := t.values.get(c.seekValue(t, value)); p != 0 && c.value(p) == value {
		return p
	}
	return 0
}

// putTagged returns the list of a name, and files the row under its tags.
func (c *Catalog) putTagged(id uint32, name string) uint32 {
	metric, rest, _ := strings.Cut(name, ";")
	list := []uint32{c.holdPair(c.tagOf(nameTag), metric)}
	for more := true; more; {
		var part string
		part, rest, more = strings.Cut(rest, ";")
		key, value, _ := strings.Cut(part, "=")
		if key == "" || value == "" || key == nameTag || len(list) > MaxTags || hasKey(rest, key) {
			list = append(list, c.holdPair(c.loose, part))
		} else {
			list = append(list, c.holdPair(c.tagOf(key), value))
		}
	}
	for _, p := range list {
		pair := c.pairs.at(p)
		if pair.tag == c.loose {
			continue
		}
		pair.rows.insert(pair.rows.search(func(r uint32) bool { return r < id }), id)
	}
	return c.lists.put(list)
}

// hasKey tells whether a key comes again in what follows: of names that were not brought into canonical form, the last
// part with a key counts.
func hasKey(rest, key string) bool {
	for at := 0; ; {
		i := strings.Index(rest[at:], key)
		if i < 0 {
			return false
		}
		i += at
		if end := i + len(key); (i == 0 || rest[i-1] == ';') && end+1 < len(rest) && rest[end] == '=' && rest[end+1] != ';' {
			return true
		}
		at = i + 1
	}
}

// tagOf returns the tag of a key, which it makes where there is none.
func (c *Catalog) tagOf(key string) *tag {
	t := c.tags[key]
	if t == nil {
		t = &tag{key: strings.Clone(key)}
		c.tags[t.key] = t
	}
	return t
}

// holdPair returns the pair of a tag and a value, which it makes where there is none, with one reference more.
func (c *Catalog) holdPair(t *tag, value string) uint32 {
	at := c.seekValue(t, value)
	p := t.values.get(at)
	if p == 0 || c.value(p) != value {
		p = c.pairs.alloc()
		*c.pairs.at(p) = pair{tag: t, value: c.intern(value)}
		t.values.insert(at, p)
	}
	c.pairs.at(p).refs++
	return p
}

// dropTagged takes the row from its tags, and away what no other has.
func (c *Catalog) dropTagged(id, at uint32) {
	for _, p := range c.lists.get(at) {
		pair := c.pairs.at(p)
		if pair.tag != c.loose {
			pair.rows.remove(pair.rows.search(func(r uint32) bool { return r < id }))
		}
		if pair.refs--; pair.refs > 0 {
			continue
		}
		t := pair.tag
		t.values.remove(c.seekValue(t, c.value(p)))
		c.unintern(pair.value)
		c.pairs.release(p)
		if t != c.loose && len(t.values.blocks) == 0 {
			delete(c.tags, t.key)
		}
	}
	c.lists.release(at)
}

// parts returns the list of a row, nil if it has none.
func (c *Catalog) parts(id uint32) []uint32 {
	at, ok := c.rows.at(id).tagged()
	if !ok {
		return nil
	}
	return c.lists.get(at)
}

// taggedName returns the name of a row, which has tags.
func (c *Catalog) taggedName(id uint32) string {
	var buf [256]byte
	list := c.parts(id)
	name := append(buf[:0], c.value(list[0])...)
	for _, p := range list[1:] {
		name = append(name, ';')
		pair := c.pairs.at(p)
		if pair.tag != c.loose {
			name = append(append(name, pair.tag.key...), '=')
		}
		name = append(name, c.labels.at(pair.value).text...)
	}
	return string(name)
}
