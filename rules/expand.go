package rules

import "bytes"

// tagSpan is a tag in Matcher.name: ";key=" from at to value, the value up to end.
type tagSpan struct {
	at, value, end int
}

// splitTags finds the tags of m.name, the first of which begins at the ; at i, and narrows m.text to what stands
// before. Parts without = are no tags.
func (m *Matcher) splitTags(i int) {
	m.text = m.name[:i]
	for m.n > 1 && int(m.off[m.n-1]) > i {
		m.n--
	}
	m.off[m.n] = int32(i + 1)
	m.tags = m.tags[:0]
	for i < len(m.name) && len(m.tags) <= MaxTags {
		end := len(m.name)
		if j := bytes.IndexByte(m.name[i+1:], ';'); j >= 0 {
			end = i + 1 + j
		}
		if eq := bytes.IndexByte(m.name[i+1:end], '='); eq >= 0 {
			m.tags = append(m.tags, tagSpan{i, i + eq + 2, end})
		}
		i = end
	}
}

// tag returns the index in m.tags of the last tag with key, spelled ";key=", or -1. Of repeated tags the last counts.
func (m *Matcher) tag(key string) int {
	for i := len(m.tags) - 1; i >= 0; i-- {
		if t := m.tags[i]; string(m.name[t.at:t.value]) == key {
			return i
		}
	}
	return -1
}

// repeated reports whether a later tag has the same key as the i-th.
func (m *Matcher) repeated(i int) bool {
	key := m.name[m.tags[i].at:m.tags[i].value]
	for _, t := range m.tags[i+1:] {
		if bytes.Equal(m.name[t.at:t.value], key) {
			return true
		}
	}
	return false
}

// fire takes the rules of l as matched, those with tags if these match too, and reports whether to stop.
func (m *Matcher) fire(l *leaf) bool {
	for _, e := range l.entries {
		if m.hit(e) {
			return true
		}
	}
	if l.tagged == nil {
		return false
	}
	for i, t := range m.tags {
		for _, key := range [2][]byte{m.name[t.at:t.end], m.name[t.at:t.value]} {
			list := l.tagged[string(key)]
			if list == nil || m.repeated(i) {
				continue
			}
			for _, e := range list {
				if m.matchTags(e.rule) && m.hit(e) {
					return true
				}
			}
			if t.value == t.end {
				break // both keys are the same
			}
		}
	}
	return false
}

func (m *Matcher) matchTags(r *Rule) bool {
	for i := range r.tags {
		at := m.tag(r.tags[i].key)
		if at < 0 {
			return false
		}
		value := m.name[m.tags[at].value:m.tags[at].end]
		if !matchSegment(&m.vm, &r.tags[i].value, value, 0, len(value)) {
			return false
		}
	}
	return true
}

// hit records a match and expands its output, and reports whether to stop.
func (m *Matcher) hit(e *entry) bool {
	m.found = true
	if m.anyOnly {
		return true
	}
	from := len(m.buf)
	switch {
	case e.rule.Input:
		m.buf = append(m.buf, m.name...)
	case e.rule.View != nil:
		m.buf = m.appendViewRow(m.buf, e.rule)
	}
	for _, p := range e.rule.template {
		if p.field < 0 {
			m.buf = append(m.buf, p.text...)
		} else {
			m.buf = m.appendField(m.buf, e.rule, p.field)
		}
		if len(m.buf)-from > MaxName {
			m.buf = m.buf[:from]
			return false
		}
	}
	m.spans = append(m.spans, span{e, from, len(m.buf)})
	return false
}

// unset is how Python prints the value of a field that took part in no match.
const unset = "None"

// appendField appends the value of a field of r, which matches.
func (m *Matcher) appendField(dst []byte, r *Rule, field int) []byte {
	c := &r.captures[field]
	var text []byte
	lo, hi := 0, 0
	if c.tag > 0 {
		t := m.tags[m.tag(r.tags[c.tag-1].key)]
		text = m.name[t.value:t.end]
		hi = len(text)
	} else {
		from, to := c.from, c.to
		if from < 0 {
			from += m.n
		}
		if to < 0 {
			to += m.n
		}
		text = m.text
		lo, hi = int(m.off[from]), int(m.off[to+1])-1
	}
	if c.prog == nil {
		return append(dst, text[lo+c.pre:hi-c.post]...)
	}
	m.vm.Run(c.prog, text, lo, hi, c.open, c.group+1)
	if lo, hi = m.vm.Group(c.group); lo < 0 {
		return append(dst, unset...)
	}
	return append(dst, text[lo:hi]...)
}
