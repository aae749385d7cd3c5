package sqlite

import (
	"database/sql"
	"strings"

	"github.com/coalesce-metrics/coalesce/store"
	"github.com/coalesce-metrics/coalesce/store/internal/identity"
)

// lookUpAtOnce is how many names one statement looks for.
const lookUpAtOnce = 64

// lookUp finds the series of a batch that are in the file and not yet known.
func (s *Store) lookUp(w *store.Write, next func() error) error {
	names := make([]any, 0, lookUpAtOnce)
	flush := func() error {
		if len(names) == 0 {
			return nil
		}
		if err := next(); err != nil {
			return err
		}
		for len(names) < lookUpAtOnce {
			names = append(names, "") // is nobody's name
		}
		query := "SELECT name, id, methods, period, input, seen, periods FROM series WHERE name IN (?" + strings.Repeat(",?", lookUpAtOnce-1) + ")"
		err := s.w.query("", query, names, func(rows *sql.Rows) error {
			var name string
			var kind identity.Kind
			i := &identity.Identity{}
			if err := rows.Scan(&name, &i.ID, &kind.Methods, &kind.Period, &kind.Input, &i.Seen, &kind.Periods); err != nil {
				return err
			}
			i.Kind = s.known.ids.Intern(kind)
			s.known.ids.Put(name, i)
			return nil
		})
		names = names[:0]
		return err
	}
	if s.series.Load() == 0 {
		return nil
	}
	for i := range w.Series {
		name := w.Series[i].Series.Name
		if s.known.ids.Get(name) != nil {
			continue
		}
		if names = append(names, name); len(names) == lookUpAtOnce {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// writeSeries makes the series of a batch and brings them up to date. It returns
// their ids, and how many are new.
func (s *Store) writeSeries(w *store.Write, next func() error) (ids []int64, made int64, err error) {
	if err := s.lookUp(w, next); err != nil {
		return nil, 0, err
	}
	ids = make([]int64, len(w.Series))
	var fresh []*store.Series
	for n := range w.Series {
		sr := &w.Series[n].Series
		kind := s.known.ids.KindOf(&w.Series[n])
		i := s.known.ids.Get(sr.Name)
		switch {
		case i == nil:
			s.known.lastID++
			i = &identity.Identity{ID: s.known.lastID, Seen: sr.Seen, Kind: kind}
			s.known.ids.Put(sr.Name, i)
			fresh = append(fresh, sr)
		case i.Kind != kind || i.Due(sr.Seen):
			if err := next(); err != nil {
				return nil, 0, err
			}
			i.Kind, i.Seen = kind, max(i.Seen, sr.Seen)
			err := s.w.exec("", "UPDATE series SET methods = ?, period = ?, input = ?, seen = ?, periods = ? WHERE id = ?",
				kind.Methods, kind.Period, kind.Input, i.Seen, kind.Periods, i.ID)
			if err != nil {
				return nil, 0, err
			}
		}
		ids[n] = i.ID
	}
	err = s.w.insert("series", 8, len(fresh), func(args []any, n int) []any {
		i := s.known.ids.Get(fresh[n].Name)
		return append(args, i.ID, fresh[n].Name, i.Kind.Methods, i.Kind.Period, i.Kind.Input, i.Seen, i.Seen, i.Kind.Periods)
	}, next)
	return ids, int64(len(fresh)), err
}
