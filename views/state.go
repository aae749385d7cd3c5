package views

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coalesce-metrics/coalesce/rules"
)

// state is what is in force.
type state struct {
	cfg      *Config
	measures map[string]measure // registered ones
	views    map[string]*view
	nodes    map[string]*view // by the node that stands for each upstream
	users    map[string]int   // by measure, how many views name it; never 0
}

type measure struct {
	Measure
	fixed bool // of the configuration
}

// view is a view in force.
type view struct {
	View
	measure Measure
	fixed   bool   // of the configuration
	id      string // of this registration
	rule    *rules.Rule
	began   time.Time
	series  seriesName
}

func newState(cfg *Config) *state {
	return &state{cfg, make(map[string]measure), make(map[string]*view), make(map[string]*view), make(map[string]int)}
}

// clone returns a state that may be changed.
func (s *state) clone() *state {
	return &state{s.cfg, maps.Clone(s.measures), maps.Clone(s.views), maps.Clone(s.nodes), maps.Clone(s.users)}
}

// sorted returns the views by name.
func (s *state) sorted() []*view {
	all := make([]*view, 0, len(s.views))
	for _, name := range slices.Sorted(maps.Keys(s.views)) {
		all = append(all, s.views[name])
	}
	return all
}

func (s *state) rules() []*rules.Rule {
	all := make([]*rules.Rule, 0, len(s.views))
	for _, v := range s.sorted() {
		all = append(all, v.rule)
	}
	return all
}

// implied is what a view makes of a measure that nobody has registered.
func implied(name string) Measure { return Measure{Name: name, Unit: "1", Type: Double} }

// measure returns a measure that is registered, or that a view names.
func (s *state) measure(name string) (Measure, bool) {
	if m, ok := s.measures[name]; ok {
		return m.Measure, true
	}
	if s.users[name] > 0 {
		return implied(name), true
	}
	return Measure{}, false
}

// configureMeasures registers those of the configuration one by one.
func (s *state) configureMeasures() (errs []*Error) {
	for i, m := range s.cfg.Measures {
		if _, err := s.addMeasures([]Measure{m}, true); err != nil {
			errs = append(errs, err.(*Error).at(ofMeasure, i))
		}
	}
	return errs
}

// configureViews is configureMeasures for views.
func (s *state) configureViews() (errs []*Error) {
	for i := range s.cfg.Views {
		if _, err := s.addViews(s.cfg.Views[i:i+1], true); err != nil {
			errs = append(errs, err.(*Error).at(ofView, i))
		}
	}
	return errs
}

// addMeasures registers measures, and returns those that have to be kept.
func (s *state) addMeasures(list []Measure, fixed bool) (news []Measure, _ error) {
	for i, m := range list {
		if err := checkMeasure(&m); err != nil {
			return nil, err.at(ofMeasure, i)
		}
		known, ok := s.measure(m.Name)
		switch {
		case ok && known.Unit != m.Unit:
			return nil, fault(Conflict, "unit", "measure %q has the unit %q, not %q; accepted: the same, or another name", m.Name, known.Unit, m.Unit).at(ofMeasure, i)
		case ok && known.Type != m.Type:
			return nil, fault(Conflict, "type", "measure %q is of type %s, not %s; accepted: the same, or another name", m.Name, known.Type, m.Type).at(ofMeasure, i)
		}
		if _, ok := s.measures[m.Name]; !ok {
			s.measures[m.Name] = measure{m, fixed}
			news = append(news, m)
		}
	}
	return news, nil
}

// addViews registers views, and returns those that are new.
func (s *state) addViews(list []Definition, fixed bool) (news []View, _ error) {
	for i, def := range list {
		v, err := s.addView(&def, fixed)
		if err != nil {
			return nil, err.at(ofView, i)
		}
		if v != nil {
			news = append(news, v.View)
		}
	}
	return news, nil
}

// addView registers a view, and returns it where it is new.
func (s *state) addView(def *Definition, fixed bool) (*view, *Error) {
	m, ok := s.measure(def.Measure)
	if !ok {
		m = implied(def.Measure)
	}
	v := &view{measure: m, fixed: fixed, id: rand.Text(), began: s.cfg.Now()}
	v.View = View{def.name(), m.Description, def.Measure, def.Columns, def.Aggregation}
	known := s.views[v.Name]
	if def.Description != nil {
		v.Description = *def.Description
	} else if known != nil {
		v.Description = known.Description
	}
	if err := checkView(&v.View); err != nil {
		return nil, err
	}
	if known != nil {
		return nil, known.differs(&v.View)
	}
	v.series = newSeriesName(s.cfg.Export, &v.View)
	if other := s.nodes[v.series.node]; other != nil {
		return nil, fault(Conflict, "name", "the series of view %q would be called as those of %q, which is %s, too; accepted: a name that differs in letters and digits",
			v.Name, other.Name, v.series.node)
	}
	rule, err := rules.NewView(rules.View{
		ID: v.id, Name: v.Name, Measure: v.Measure, Distribution: v.Aggregation.Type == Distribution,
		Bounds: v.Aggregation.Bounds, Integral: m.Type == Int64, MaxRows: s.cfg.MaxRows,
		Columns: slices.DeleteFunc(slices.Clone(v.Columns), func(c string) bool { return !possible(c) }),
	})
	if err != nil {
		return nil, fault(Invalid, "measure", "measure: %s", err)
	}
	v.rule = rule
	s.views[v.Name], s.nodes[v.series.node] = v, v
	s.users[v.Measure]++
	return v, nil
}

// definition returns what a view would be registered by.
func (v *View) definition() Definition {
	return Definition{v.Name, &v.Description, v.Measure, v.Columns, v.Aggregation}
}

func (d *Definition) name() string { return cmp.Or(d.Name, d.Measure) }

// differs says what another definition of a view has otherwise. It is nil where
// that is the same.
func (v *view) differs(other *View) *Error {
	quoted := func(list []string) string {
		texts := make([]string, len(list))
		for i, s := range list {
			texts[i] = strconv.Quote(s)
		}
		return "[" + strings.Join(texts, ",") + "]"
	}
	for _, x := range []struct{ field, has, wants string }{
		{"measure", strconv.Quote(v.Measure), strconv.Quote(other.Measure)},
		{"columns", quoted(v.Columns), quoted(other.Columns)},
		{"aggregation", v.Aggregation.Type, other.Aggregation.Type},
		{"bounds", fmt.Sprint(v.Aggregation.Bounds), fmt.Sprint(other.Aggregation.Bounds)},
		{"description", strconv.Quote(v.Description), strconv.Quote(other.Description)},
	} {
		if x.has != x.wants {
			return fault(Conflict, x.field, "view %q is registered with %s %.200s, not %.200s; accepted: the same, as a view never changes, or another name",
				v.Name, x.field, x.has, x.wants)
		}
	}
	return nil
}

// remove takes a view out.
func (s *state) remove(v *view) {
	delete(s.views, v.Name)
	delete(s.nodes, v.series.node)
	if s.users[v.Measure]--; s.users[v.Measure] == 0 {
		delete(s.users, v.Measure)
	}
}

// full says whether there are more than there may be.
func (s *state) full() error {
	if n := len(s.views); n > s.cfg.Max {
		return fault(Full, "", "there would be %d views; accepted: at most %d (views.max)", n, s.cfg.Max)
	}
	if n := len(s.measures); n > s.cfg.Max {
		return fault(Full, "", "there would be %d measures; accepted: at most %d (views.max)", n, s.cfg.Max)
	}
	return nil
}
