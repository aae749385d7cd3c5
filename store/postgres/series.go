package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/coalesce-metrics/coalesce/store"
	"github.com/coalesce-metrics/coalesce/store/internal/identity"
)

// atOnce is how many series one statement looks up or writes.
const atOnce = 4096

// hash is what the index of names has.
func hash(name string) []byte {
	sum := sha256.Sum256([]byte(name))
	return sum[:]
}

// readable splits a name into what can be a column for people: text without the
// byte 0 and what is no UTF-8.
func readable(name string) (metric string, tags map[string]string) {
	clean := func(s string) string {
		return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "<method>")
	}
	metric, rest, tagged := strings.Cut(name, ";")
	tags = map[string]string{}
	if tagged {
		for tag := range strings.SplitSeq(rest, ";") {
			key, value, _ := strings.Cut(tag, "=")
			tags[clean(key)] = clean(value)
		}
	}
	return clean(metric), tags
}

// writeSeries makes the series of a batch and brings them up to date. It returns
// their ids.
func (s *Store) writeSeries(ctx context.Context, tx pgx.Tx, w *store.Write) ([]int64, error) {
	var unknown []string
	for i := range w.Series {
		if name := w.Series[i].Series.Name; s.known.ids.Get(name) == nil {
			unknown = append(unknown, name)
		}
	}
	for names := range slices.Chunk(unknown, atOnce) {
		if err := s.lookUp(ctx, tx, names); err != nil {
			return nil, err
		}
	}
	var fresh, changed []*store.SeriesCells
	for i := range w.Series {
		sc := &w.Series[i]
		switch id := s.known.ids.Get(sc.Series.Name); {
		case id == nil:
			fresh = append(fresh, sc)
		case id.Kind != s.known.ids.KindOf(sc) || id.Due(sc.Series.Seen):
			changed = append(changed, sc)
		}
	}
	for some := range slices.Chunk(fresh, atOnce) {
		if err := s.insert(ctx, tx, some); err != nil {
			return nil, err
		}
	}
	for some := range slices.Chunk(changed, atOnce) {
		if err := s.update(ctx, tx, some); err != nil {
			return nil, err
		}
	}
	ids := make([]int64, len(w.Series))
	for i := range w.Series {
		ids[i] = s.known.ids.Get(w.Series[i].Series.Name).ID
	}
	return ids, nil
}

// lookUp makes those of the names known that have a row.
func (s *Store) lookUp(ctx context.Context, tx pgx.Tx, names []string) error {
	hashes := make([][]byte, len(names))
	for i, name := range names {
		hashes[i] = hash(name)
	}
	rows, err := tx.Query(ctx, "SELECT name, id, methods, period, input, seen, periods FROM "+s.name("series")+" WHERE sha256(name) = ANY($1)", hashes)
	if err != nil {
		return err
	}
	var name []byte
	var id int64
	var kind identity.Kind
	var seen time.Time
	_, err = pgx.ForEachRow(rows, []any{&name, &id, &kind.Methods, &kind.Period, &kind.Input, &seen, &kind.Periods}, func() error {
		s.known.ids.Put(string(name), &identity.Identity{ID: id, Seen: seen.Unix(), Kind: s.known.ids.Intern(kind)})
		return nil
	})
	return err
}

// columns are series as arrays, one for each column.
type columns struct {
	metrics, tags, methods, had []string
	periods                     []int64
	inputs                      []bool
	seen                        []time.Time
}

func (c *columns) add(kind *identity.Kind, seen int64) {
	c.methods = append(c.methods, kind.Methods)
	c.periods = append(c.periods, kind.Period)
	c.had = append(c.had, kind.Periods)
	c.inputs = append(c.inputs, kind.Input)
	c.seen = append(c.seen, time.Unix(seen, 0))
}

// insert makes rows for series that have none.
func (s *Store) insert(ctx context.Context, tx pgx.Tx, fresh []*store.SeriesCells) error {
	var c columns
	var names [][]byte
	byName := make(map[string]*identity.Identity, len(fresh))
	for _, sc := range fresh {
		sr := &sc.Series
		metric, tags := readable(sr.Name)
		text, err := json.Marshal(tags)
		if err != nil {
			return err
		}
		names = append(names, []byte(sr.Name))
		c.metrics, c.tags = append(c.metrics, metric), append(c.tags, string(text))
		i := &identity.Identity{Seen: sr.Seen, Kind: s.known.ids.KindOf(sc)}
		c.add(i.Kind, i.Seen)
		byName[sr.Name] = i
	}
	rows, err := tx.Query(ctx, "INSERT INTO "+s.name("series")+` (name, metric, tags, methods, period, input, created, seen)
		SELECT name, metric, tags::jsonb, methods, period, input, seen, seen FROM
		unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::boolean[], $7::timestamptz[])
		AS u (name, metric, tags, methods, period, input, seen) RETURNING name, id`,
		names, c.metrics, c.tags, c.methods, c.periods, c.inputs, c.seen)
	if err != nil {
		return err
	}
	var name []byte
	var id int64
	_, err = pgx.ForEachRow(rows, []any{&name, &id}, func() error {
		i := byName[string(name)]
		i.ID = id
		s.known.ids.Put(string(name), i)
		return nil
	})
	return err
}

// update brings rows up to date.
func (s *Store) update(ctx context.Context, tx pgx.Tx, changed []*store.SeriesCells) error {
	var c columns
	var ids []int64
	for _, sc := range changed {
		i := s.known.ids.Get(sc.Series.Name)
		i.Kind, i.Seen = s.known.ids.KindOf(sc), max(i.Seen, sc.Series.Seen)
		ids = append(ids, i.ID)
		c.add(i.Kind, i.Seen)
	}
	_, err := tx.Exec(ctx, "UPDATE "+s.name("series")+` s SET methods = u.methods, period = u.period, input = u.input, seen = u.seen, periods = u.periods
		FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::boolean[], $5::timestamptz[], $6::text[])
		AS u (id, methods, period, input, seen, periods) WHERE s.id = u.id`,
		ids, c.methods, c.periods, c.inputs, c.seen, c.had)
	return err
}
