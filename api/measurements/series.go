package measurements

import (
	"fmt"
)

// Bounds of tags, in bytes.
const (
	maxTagKey, maxTagValue = 64, 255
)

// inTag has for each byte of a tag what it becomes in the name of a series, 0 for
// what no tag may have. Case does not tell tags apart; a blank, which no name can
// have, becomes _.
var inTag, inTagKey = func() (value, key [256]byte) {
	for _, c := range []byte("abcdefghijklmnopqrstuvwxyz0123456789-.:_") {
		value[c], key[c] = c, c
	}
	for c := byte('A'); c <= 'Z'; c++ {
		value[c], key[c] = c+'a'-'A', c+'a'-'A'
	}
	for _, c := range []byte(`?/\`) {
		value[c] = c
	}
	value[' '] = '_'
	return value, key
}()

// appendTags appends the canonical form of tags to dst: ;key=value, sorted, of each
// key the last. It changes the tags. A tag that is null takes away those before it
// with its key. There may be at most limit tags. On an error dst is returned as it
// was.
func appendTags(dst []byte, tags []tag, limit int) ([]byte, error) {
	if err := sortTags(tags); err != nil {
		return dst, err
	}
	from, n := len(dst), 0
	for i := range tags {
		t := &tags[i]
		if t.null || i+1 < len(tags) && string(tags[i+1].key) == string(t.key) {
			continue
		}
		n++
		dst = append(dst, ';')
		dst = append(dst, t.key...)
		dst = append(dst, '=')
		dst = append(dst, t.value...)
	}
	if n > limit {
		return dst[:from], fmt.Errorf("has %d tags; accepted: at most %d", n, limit)
	}
	return dst, nil
}

// sortTags makes the texts of tags canonical, and sorts them by their keys; those
// with equal keys stay in their order.
func sortTags(tags []tag) error {
	for i := range tags {
		t := &tags[i]
		if !translate(t.key, &inTagKey, maxTagKey) {
			return fmt.Errorf("has the key %.100q; accepted: 1 to %d of A-Z a-z 0-9 - . : _", t.key, maxTagKey)
		}
		if string(t.key) == "name" {
			return fmt.Errorf(`has the key "name", which is that of the metric itself; accepted: any other`)
		}
		if !t.null && !translate(t.value, &inTag, maxTagValue) {
			return fmt.Errorf(`has %q with the value %.300q; accepted: 1 to %d of A-Z a-z 0-9 - . : _ ? / \ and blanks`, t.key, t.value, maxTagValue)
		}
		// They mostly come sorted.
		for j := i; j > 0 && less(tags[j].key, tags[j-1].key); j-- {
			tags[j], tags[j-1] = tags[j-1], tags[j]
		}
	}
	return nil
}

// translate replaces each byte by what a table has for it, and reports whether all
// are accepted.
func translate(text []byte, table *[256]byte, limit int) bool {
	if len(text) == 0 || len(text) > limit {
		return false
	}
	for i, c := range text {
		if c = table[c]; c == 0 {
			return false
		}
		text[i] = c
	}
	return true
}

// less orders keys as the texts key=value are ordered in a name: = comes before
// some of the bytes that a key may have, and after others.
func less(x, y []byte) bool {
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return x[i] < y[i]
		}
	}
	switch {
	case len(x) < len(y):
		return '=' < y[len(x)]
	case len(x) > len(y):
		return x[len(y)] < '='
	}
	return false
}
