package naming

import (
	"bytes"
	"fmt"
	"slices"
)

// TagError is what is wrong with the tags of a name.
type TagError struct {
	Part string // of the name
	Want string // what was expected instead
}

// Error quotes the part and says what is accepted.
func (e *TagError) Error() string { return fmt.Sprintf("tags: %q: expected %s", e.Part, e.Want) }

// tag is one tag of a name.
type tag struct {
	text []byte // key=value
	key  int    // bytes in the key
	pos  int    // in the name, counted in tags
}

func (t tag) named() []byte { return t.text[:t.key] }

// Canonical appends the canonical form of name to dst, which may not overlap name: its tags as ;key=value, sorted, of
// each key the last. Names in carbon's form (name;key=value) and in OpenMetrics' (name{key="value"}, where no ; stands
// before the brace) are read; one without tags only loses what ~ it begins with. On an error, which is a *TagError, dst
// is returned as it was.
func Canonical(dst, name []byte, s *Scratch) ([]byte, error) {
	s.tags = s.tags[:0]
	var err error
	metric := name
	switch i := bytes.IndexAny(name, ";{"); {
	case i >= 0 && name[i] == '{' && bytes.HasSuffix(name, []byte(`"}`)):
		metric = name[:i]
		err = s.openMetrics(name[i+1 : len(name)-1])
	case bytes.IndexByte(name, ';') >= 0:
		metric, _, _ = bytes.Cut(name, []byte(";"))
		err = s.carbon(name[len(metric):])
	}
	metric = bytes.TrimLeft(metric, "~")
	if len(metric) == 0 {
		err = &TagError{string(name), "a name before the tags that does not consist of ~"}
	}
	if err != nil {
		return dst, err
	}
	dst = append(dst, metric...)
	// Tags with one key stand side by side then, because a key ends in the = that it cannot hold.
	slices.SortFunc(s.tags, func(a, b tag) int { return bytes.Compare(a.text, b.text) })
	for i := 0; i < len(s.tags); {
		last := s.tags[i]
		for i++; i < len(s.tags) && bytes.Equal(s.tags[i].named(), last.named()); i++ {
			if s.tags[i].pos > last.pos {
				last = s.tags[i]
			}
		}
		if string(last.named()) != "name" {
			dst = append(append(dst, ';'), last.text...)
		}
	}
	return dst, nil
}

// carbon reads ;key=value;key=value.
func (s *Scratch) carbon(text []byte) error {
	for len(text) > 0 {
		part := text[1:]
		if i := bytes.IndexByte(part, ';'); i >= 0 {
			part = part[:i]
		}
		if err := s.addTag(part, bytes.IndexByte(part, '=')); err != nil {
			return err
		}
		text = text[1+len(part):]
	}
	return nil
}

// openMetrics reads key="value",key="value" where a value has \" and \\ for " and \.
func (s *Scratch) openMetrics(text []byte) error {
	s.tagText = slices.Grow(s.tagText[:0], len(text)) // the tags stay where they are written
	for len(text) > 0 {
		start, from := text, len(s.tagText)
		bad := func() error { return &TagError{string(start), `key="value" and a comma, with \" and \\ in the value`} }
		eq := bytes.IndexByte(text, '=')
		if eq <= 0 || eq+1 == len(text) || text[eq+1] != '"' {
			return bad()
		}
		s.tagText = append(s.tagText, text[:eq+1]...)
		for text = text[eq+2:]; len(text) > 0 && text[0] != '"'; text = text[1:] {
			if text[0] == '\\' {
				if text = text[1:]; len(text) == 0 || text[0] != '"' && text[0] != '\\' {
					return bad()
				}
			}
			s.tagText = append(s.tagText, text[0])
		}
		if len(text) == 0 {
			return bad()
		}
		if text = text[1:]; len(text) > 0 {
			rest, ok := bytes.CutPrefix(bytes.TrimPrefix(text, []byte(":")), []byte(",")) // carbon takes :, for a comma
			if !ok {
				return bad()
			}
			text = rest
		}
		if err := s.addTag(s.tagText[from:], eq); err != nil {
			return err
		}
	}
	return nil
}

// addTag takes text, in which = is at eq (-1: nowhere), as a tag.
func (s *Scratch) addTag(text []byte, eq int) error {
	if eq <= 0 || eq+1 == len(text) {
		return &TagError{string(text), "key=value, neither of them empty"}
	}
	if bytes.ContainsAny(text[:eq], ";!^") {
		return &TagError{string(text), "a key without any of ; ! ^ ="}
	}
	if text[eq+1] == '~' || bytes.IndexByte(text[eq+1:], ';') >= 0 {
		return &TagError{string(text), "a value without ; that does not begin with ~"}
	}
	s.tags = append(s.tags, tag{text, eq, len(s.tags)})
	return nil
}
