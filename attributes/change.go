package attributes

import "fmt"

// Put makes the properties of the metric with a name be those of c. A metric that
// does not exist is created, if c has a type. An error is an *Error or Problems,
// and nothing is changed.
func (b *Book) Put(name string, c Change) (m *Metric, created bool, err error) {
	b.changing.Lock()
	defer b.changing.Unlock()
	if m = b.Get(name); m != nil {
		m, err = b.changed(m, c)
	} else {
		m, err = b.made(name, c)
		created = true
	}
	if err == nil {
		err = b.save([]record{{Put: m}})
	}
	if err != nil {
		return nil, false, err
	}
	return m, created, nil
}

func (b *Book) made(name string, c Change) (*Metric, error) {
	m, err := b.New(name, c)
	if err != nil {
		return nil, err
	}
	if kind := c["type"]; kind == nil || kind == "" {
		return nil, Problems{{"type", fmt.Sprintf("is missing, and there is no metric %q; accepted: gauge or counter", name)}}
	}
	return m, b.admit(1)
}

// changed returns a metric with other properties.
func (b *Book) changed(m *Metric, c Change) (*Metric, error) {
	after := *m
	if problems := after.apply(c, b.cfg.Period); problems != nil {
		return nil, problems
	}
	if after.Type != m.Type {
		return nil, &Error{Conflict, fmt.Sprintf("the metric %q is a %s", m.Name, m.Type)}
	}
	return &after, nil
}

// admit says why there may not be n more metrics.
func (b *Book) admit(n int) error {
	if b.Len()+n > b.cfg.MaxMetrics {
		return &Error{Full, fmt.Sprintf("the limit of %d metrics is reached", b.cfg.MaxMetrics)}
	}
	return nil
}

// Update makes the properties of metrics be those of c: of all, or on an error,
// which is an *Error or Problems, of none.
func (b *Book) Update(names []string, c Change) error {
	b.changing.Lock()
	defer b.changing.Unlock()
	var changes []record
	for _, name := range names {
		m := b.Get(name)
		if m == nil {
			return unknown(name)
		}
		m, err := b.changed(m, c)
		if err != nil {
			return err
		}
		changes = append(changes, record{Put: m})
	}
	return b.save(changes)
}

// Create adds metrics that [Book.New] has made, but for those that there are; the
// caller hands them over. On an error, which is an *Error, none is added.
func (b *Book) Create(metrics []*Metric) error {
	b.changing.Lock()
	defer b.changing.Unlock()
	var changes []record
	seen := map[string]bool{}
	for _, m := range metrics {
		if key := fold(m.Name); !seen[key] && b.Get(key) == nil {
			seen[key] = true
			changes = append(changes, record{Put: m})
		}
	}
	if len(changes) == 0 {
		return nil
	}
	if err := b.admit(len(changes)); err != nil {
		return err
	}
	return b.save(changes)
}

// Delete removes metrics: all, or on an error, which is an *Error, none.
func (b *Book) Delete(names []string) error {
	b.changing.Lock()
	defer b.changing.Unlock()
	changes := make([]record, len(names))
	for i, name := range names {
		if b.Get(name) == nil {
			return unknown(name)
		}
		changes[i].Delete = name
	}
	return b.save(changes)
}

func unknown(name string) error {
	return &Error{Unknown, fmt.Sprintf("there is no metric %.300q", name)}
}
