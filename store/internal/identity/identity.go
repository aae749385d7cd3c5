// Package identity remembers which rows names have in a table of series.
package identity

import (
	"github.com/coalesce-metrics/coalesce/periods"
	"github.com/coalesce-metrics/coalesce/store"
)

// Kind is what many series have in common. There is one of each in a Table, so that
// pointers compare; but those with Periods belong to one Identity, and go with it.
type Kind struct {
	Methods string // as store.AppendMethods writes them
	Period  int64
	Input   bool
	Periods string // as periods.History writes them
}

// Identity is a row.
type Identity struct {
	ID   int64
	Seen int64 // as it is in the row
	Kind *Kind
}

// Due tells whether a seen is far enough past the one in the row to be written, which
// is so once in store.SeenLag. Each row has its own moment, so that not all are
// written at once.
func (i *Identity) Due(seen int64) bool {
	phase := i.ID % store.SeenLag * 2654435761 % store.SeenLag
	return store.Floor(seen+phase, store.SeenLag) > store.Floor(i.Seen+phase, store.SeenLag)
}

// Table holds identities by name. It belongs to one goroutine at a time.
type Table struct {
	rows    map[string]*Identity
	kinds   map[Kind]*Kind
	scratch []byte
}

// NewTable returns an empty table.
func NewTable() *Table {
	return &Table{rows: map[string]*Identity{}, kinds: map[Kind]*Kind{}}
}

// Get returns the identity of a name, nil if it is not known.
func (t *Table) Get(name string) *Identity { return t.rows[name] }

// Put makes a name known. The name is kept.
func (t *Table) Put(name string, i *Identity) { t.rows[name] = i }

// Forget makes a name unknown.
func (t *Table) Forget(name string) { delete(t.rows, name) }

// Intern returns the one Kind that equals k.
func (t *Table) Intern(k Kind) *Kind {
	if k.Periods != "" {
		return &k
	}
	found := t.kinds[k]
	if found == nil {
		found = &k
		t.kinds[k] = found
	}
	return found
}

// KindOf returns the Kind of a series when w is written.
func (t *Table) KindOf(w *store.SeriesCells) *Kind {
	s := &w.Series
	t.scratch = store.AppendMethods(t.scratch[:0], s.Methods)
	period, had := s.Period, s.Periods
	i := t.rows[s.Name]
	if i != nil && (i.Kind.Periods != "" || had != nil || i.Kind.Period != period) {
		period, had = store.Renewed(i.Kind.Period, periods.Parse(i.Kind.Periods), w)
	}
	if had != nil {
		k := Kind{string(t.scratch), period, s.Input, had.String()}
		if i != nil && *i.Kind == k {
			return i.Kind
		}
		return &k
	}
	if found := t.kinds[Kind{string(t.scratch), period, s.Input, ""}]; found != nil {
		return found
	}
	return t.Intern(Kind{string(t.scratch), period, s.Input, ""})
}
