package views

import (
	"encoding/json"
	"slices"

	"github.com/coalesce-metrics/coalesce/ledger"
)

// record is one change in the file.
type record struct {
	Op       string    `json:"op"`
	Measures []Measure `json:"measures,omitempty"`
	Views    []View    `json:"views,omitempty"`
	Name     string    `json:"name,omitempty"` // of what is deleted
}

const (
	opAdd           = "add"
	opDeleteMeasure = "delete measure"
	opDeleteView    = "delete view"
)

// made is what has been registered while the daemon ran, in the order of that.
// What is at odds with the configuration is here as well, but not in force.
type made struct {
	measures []Measure
	views    []View
}

func (m *made) measure(name string) int {
	return slices.IndexFunc(m.measures, func(x Measure) bool { return x.Name == name })
}

func (m *made) view(name string) int {
	return slices.IndexFunc(m.views, func(x View) bool { return x.Name == name })
}

// take makes a change. It returns false for one that cannot be.
func (m *made) take(r *record) bool {
	switch r.Op {
	case opAdd:
		with := made{slices.Clone(m.measures), slices.Clone(m.views)}
		for _, x := range r.Measures {
			if with.measure(x.Name) >= 0 {
				return false
			}
			with.measures = append(with.measures, x)
		}
		for _, x := range r.Views {
			if with.view(x.Name) >= 0 {
				return false
			}
			with.views = append(with.views, x)
		}
		*m = with
		return true
	case opDeleteMeasure:
		i := m.measure(r.Name)
		if i >= 0 {
			m.measures = slices.Delete(m.measures, i, i+1)
		}
		return i >= 0
	case opDeleteView:
		i := m.view(r.Name)
		if i >= 0 {
			m.views = slices.Delete(m.views, i, i+1)
		}
		return i >= 0
	}
	return false
}

// all returns the changes that lead to m.
func (m *made) all() (all []any) {
	for i := range m.measures {
		all = append(all, record{Op: opAdd, Measures: m.measures[i : i+1]})
	}
	for i := range m.views {
		all = append(all, record{Op: opAdd, Views: m.views[i : i+1]})
	}
	return all
}

func (r *Registry) openFile() (err error) {
	r.file, err = ledger.Open(ledger.Config{
		Path: r.cfg.Path, What: "views made over HTTP", Logger: r.cfg.Logger,
		Take: func(text []byte) bool {
			var c record
			return json.Unmarshal(text, &c) == nil && r.made.take(&c)
		},
		All: r.made.all,
		Len: func() int { return len(r.made.measures) + len(r.made.views) },
	})
	return err
}

// save makes a change durable. The caller holds r.changing.
func (r *Registry) save(c record) error {
	if r.closed {
		return fault(Unsaved, "", "the daemon is stopping")
	}
	if r.file != nil {
		if err := r.file.Append(c); err != nil {
			r.cfg.Logger.Error("a change of the views could not be saved", "file", r.cfg.Path, "err", err)
			return fault(Unsaved, "", "the change could not be saved; the log of the daemon has more")
		}
	}
	if !r.made.take(&c) {
		panic("BUG: a change of the views that cannot be") // and is in the file now
	}
	return nil
}

// commit makes what is new durable, if it may come into force. The caller holds
// r.changing.
func (r *Registry) commit(s *state, c record) error {
	if len(c.Measures)+len(c.Views) == 0 {
		return nil
	}
	if err := s.full(); err != nil {
		return err
	}
	const asleep = "%s %q was registered before, and is not in force, as the log of the daemon says; accepted: another name, or deleting it first"
	for _, m := range c.Measures {
		if r.made.measure(m.Name) >= 0 {
			return fault(Conflict, "", asleep, ofMeasure, m.Name)
		}
	}
	for _, v := range c.Views {
		if r.made.view(v.Name) >= 0 {
			return fault(Conflict, "", asleep, ofView, v.Name)
		}
	}
	return r.save(c)
}

// RegisterMeasures registers all or none of some measures, and returns them as
// they are registered. created is false where all of them were. When it returns
// without an error, what is new is on the disk. An error is an *Error.
func (r *Registry) RegisterMeasures(list []Measure) (registered []Measure, created bool, err error) {
	r.changing.Lock()
	defer r.changing.Unlock()
	old := r.state.Load()
	s := old.clone()
	news, err := s.addMeasures(list, false)
	if err == nil {
		err = r.commit(s, record{Op: opAdd, Measures: news})
	}
	if err != nil {
		return nil, false, err
	}
	r.state.Store(s)
	for _, m := range list {
		_, known := old.measure(m.Name)
		created = created || !known
		m, _ = s.measure(m.Name)
		registered = append(registered, m)
	}
	return registered, created, nil
}

// RegisterViews registers all or none of some views, and returns them as they are
// registered. created is false where all of them were, which go on with what they
// have counted. When it returns without an error, what is new is on the disk and
// counts all that comes. An error is an *Error.
func (r *Registry) RegisterViews(list []Definition) (registered []View, created bool, err error) {
	r.changing.Lock()
	defer r.changing.Unlock()
	s := r.state.Load().clone()
	news, err := s.addViews(list, false)
	if err == nil {
		err = r.commit(s, record{Op: opAdd, Views: news})
	}
	if err != nil {
		return nil, false, err
	}
	for i := range list {
		registered = append(registered, s.views[list[i].name()].View)
	}
	if len(news) > 0 {
		r.state.Store(s)
		r.cfg.Apply(s.rules())
	}
	return registered, len(news) > 0, nil
}

// DeleteView sends what a view has not sent yet, and removes it with its rows. When
// it returns without an error, it is off the disk. An error is an *Error.
func (r *Registry) DeleteView(name string) error {
	r.changing.Lock()
	defer r.changing.Unlock()
	s := r.state.Load().clone()
	v := s.views[name]
	switch {
	case v != nil && v.fixed:
		return fault(Fixed, "name", "view %q is of the configuration; accepted: views made over HTTP", name)
	case v == nil && r.made.view(name) < 0:
		return fault(Unknown, "name", "no view has the name %.300q; accepted: those that GET lists", name)
	}
	if err := r.save(record{Op: opDeleteView, Name: name}); err != nil || v == nil {
		return err
	}
	r.last(v)
	s.remove(v)
	r.state.Store(s)
	r.cfg.Apply(s.rules())
	return nil
}

// DeleteMeasure removes a measure that no view names. When it returns without an
// error, it is off the disk. An error is an *Error.
func (r *Registry) DeleteMeasure(name string) error {
	r.changing.Lock()
	defer r.changing.Unlock()
	s := r.state.Load().clone()
	m, registered := s.measures[name]
	switch {
	case m.fixed:
		return fault(Fixed, "name", "measure %q is of the configuration; accepted: measures made over HTTP", name)
	case s.users[name] > 0:
		return fault(Fixed, "name", "measure %q has %d views; accepted: measures that no view names", name, s.users[name])
	case r.made.measure(name) < 0:
		return fault(Unknown, "name", "no measure has the name %.300q; accepted: those that GET lists", name)
	}
	if err := r.save(record{Op: opDeleteMeasure, Name: name}); err != nil {
		return err
	}
	if registered {
		delete(s.measures, name)
		r.state.Store(s)
	}
	return nil
}

// Close sends what has not been sent yet, and ends changes. The views stay in
// force.
func (r *Registry) Close() error {
	r.changing.Lock()
	defer r.changing.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	r.report()
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}
