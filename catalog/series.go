package catalog

import (
	"context"
	"math"
	"slices"
	"strings"
)

// FindSeries returns the names that meet all expressions, sorted: tag=value, tag!=value, tag=~re, tag!=~re. A regular
// expression is that of package regexp and must match at the beginning of the value. A series without the tag has the
// empty value, and at least one expression must not be met by that. The tag name is what stands before the tags, and
// is the only one of a name without tags. More than limit names (below 1: no limit) are a *[LimitError]; what is wrong
// with the expressions is an *[Error]. Regular expressions may take long with many names; the error of ctx ends that.
func (c *Catalog) FindSeries(ctx context.Context, exprs []string, limit int) ([]string, error) {
	s, err := c.search(ctx, exprs)
	if err != nil {
		return nil, err
	}
	var names []string
	full := func() error {
		if limit > 0 && len(names) > limit {
			return &LimitError{limit, strings.Join(exprs, ", ")}
		}
		return nil
	}
	err = s.tagged(func(id uint32) error {
		names = append(names, c.taggedName(id))
		return full()
	})
	if err == nil {
		err = s.untagged(func(name string) error {
			names = append(names, name)
			return full()
		})
	}
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	return names, nil
}

// search finds what meets expressions. Regular expressions are run while nothing is locked.
type search struct {
	c     *Catalog
	ctx   context.Context
	exprs []*expr
	room  int // about how many values they may remember
}

// maxSeen bounds what one request remembers, which takes about 50 bytes each.
const maxSeen = 1 << 20

func (c *Catalog) search(ctx context.Context, exprs []string) (*search, error) {
	all, err := parseExprs(exprs)
	return &search{c: c, ctx: ctx, exprs: all, room: maxSeen}, err
}

// forget makes room for what a batch has to remember.
func (s *search) forget() {
	n := 0
	for _, e := range s.exprs {
		if e.re != nil {
			n += len(e.re.seen)
		}
	}
	if n < s.room {
		return
	}
	for _, e := range s.exprs {
		if e.re != nil {
			e.re.seen = map[string]bool{}
		}
	}
}

// tagged yields the series with tags, while the lock is held, until yield fails.
func (s *search) tagged(yield func(id uint32) error) error {
	ids, err := s.candidates()
	if err != nil {
		return err
	}
	for len(ids) > 0 {
		n := min(len(ids), batchSize)
		s.forget()
		if err := s.check(ids[:n], yield); err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}

// candidates returns the series that meet one of the expressions, chosen so that they are few.
func (s *search) candidates() ([]uint32, error) {
	e := s.rarest()
	var ids []uint32
	var values []string
	flush := func() {
		s.c.mu.RLock()
		defer s.c.mu.RUnlock()
		for _, value := range values {
			if p := s.c.findPair(s.c.tags[e.tag], value); p != 0 {
				ids = s.c.pairs.at(p).rows.appendTo(ids)
			}
		}
		values = values[:0]
		s.forget()
	}
	if e.plain() {
		values = append(values, e.value)
		flush()
		return ids, nil
	}
	var err error
	s.c.eachValue(e.tag, e.prefix(), func(v Value) bool {
		if e.meets(v.Value) {
			if values = append(values, v.Value); len(values) == batchSize {
				flush()
			}
		}
		err = s.ctx.Err()
		return err == nil
	})
	flush()
	return ids, err
}

// rarest returns the expression that is met by the fewest series, as far as it is quick to know.
func (s *search) rarest() *expr {
	s.c.mu.RLock()
	defer s.c.mu.RUnlock()
	var best *expr
	fewest := math.MaxInt
	for _, e := range s.exprs {
		if e.empty {
			continue
		}
		n, looked := 0, 0
		for v := range s.c.values(s.c.tags[e.tag], e.prefix()) {
			if e.plain() && v.Value != e.value {
				break
			}
			n += v.Count
			if looked++; looked == batchSize {
				n += math.MaxInt / 2 // unknown, but many
			}
			if n >= fewest {
				break
			}
		}
		if best == nil || n < fewest {
			best, fewest = e, n
		}
	}
	return best
}

// values yields the values of a tag, which may be nil, that begin with prefix, in order.
func (c *Catalog) values(t *tag, prefix string) func(yield func(v Value) bool) {
	return c.valuesFrom(t, prefix, prefix)
}

func (c *Catalog) valuesFrom(t *tag, prefix, low string) func(yield func(v Value) bool) {
	return func(yield func(v Value) bool) {
		if t == nil {
			return
		}
		for p := range t.values.from(c.seekValue(t, low)) {
			value := c.value(p)
			if !strings.HasPrefix(value, prefix) || !yield(Value{value, c.pairs.at(p).rows.len()}) {
				return
			}
		}
	}
}

// eachValue does the same, without the lock while yield runs, for a tag that may be gone.
func (c *Catalog) eachValue(tag, prefix string, yield func(v Value) bool) {
	for low := prefix; ; {
		batch := make([]Value, 0, batchSize)
		c.mu.RLock()
		for v := range c.valuesFrom(c.tags[tag], prefix, low) {
			if batch = append(batch, v); len(batch) == batchSize {
				break
			}
		}
		c.mu.RUnlock()
		for _, v := range batch {
			if !yield(v) {
				return
			}
		}
		if len(batch) < batchSize {
			return
		}
		low = batch[len(batch)-1].Value + "\x00"
	}
}

// check yields those of ids that meet all expressions now. Those for which a regular expression has to be run first
// come in a second round.
func (s *search) check(ids []uint32, yield func(id uint32) error) error {
	type question struct {
		e     *expr
		value string
	}
	for len(ids) > 0 {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		var open []question
		var later []uint32
		err := func() error {
			s.c.mu.RLock()
			defer s.c.mu.RUnlock()
			for _, id := range ids {
				switch e, value, ok := s.meets(id); {
				case e != nil:
					open = append(open, question{e, value})
					later = append(later, id)
				case ok:
					if err := yield(id); err != nil {
						return err
					}
				}
			}
			return nil
		}()
		if err != nil {
			return err
		}
		for _, q := range open {
			q.e.meets(q.value)
			if err := s.ctx.Err(); err != nil {
				return err
			}
		}
		ids = later
	}
	return nil
}

// meets tells whether the row has tags that meet all expressions; or which expression with which value has to be
// answered first.
func (s *search) meets(id uint32) (*expr, string, bool) {
	list := s.c.parts(id) // none if the number is no longer that of a name with tags
	if list == nil {
		return nil, "", false
	}
	var open *expr
	var what string
	for _, e := range s.exprs {
		value := ""
		for _, p := range list {
			if pair := s.c.pairs.at(p); pair.tag != s.c.loose && pair.tag.key == e.tag {
				value = s.c.labels.at(pair.value).text
			}
		}
		switch ok, known := e.known(value); {
		case !known:
			open, what = e, value
		case !ok:
			return nil, "", false
		}
	}
	return open, what, open == nil
}

// untagged yields the names without tags, while nothing is locked, until yield fails.
func (s *search) untagged(yield func(name string) error) error {
	var conditions []*expr // on the name
	prefix := ""
	var whole *expr
	for _, e := range s.exprs {
		if e.tag != nameTag {
			if !e.empty {
				return nil
			}
			continue
		}
		conditions = append(conditions, e)
		if p := e.prefix(); len(p) > len(prefix) {
			prefix = p
		}
		if e.plain() {
			whole = e
		}
	}
	var err error
	test := func(name string) bool {
		for _, e := range conditions {
			if err = s.ctx.Err(); err != nil {
				return false
			}
			if !e.test(name) {
				return true
			}
		}
		err = yield(name)
		return err == nil
	}
	switch {
	case whole == nil:
		s.c.withPrefix(prefix, test)
	case s.c.held(whole.value, 0, 0):
		test(whole.value)
	}
	return err
}
