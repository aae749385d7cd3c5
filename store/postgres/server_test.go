package postgres

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/store"
	"github.com/coalesce-metrics/coalesce/store/storetest/pgtest"
)

// cellOf returns a batch of one cell with some values.
func cellOf(name string, start int64, values ...float64) store.Write {
	var c cell.Cell
	for i, v := range values {
		c.Add(v, float64(start+int64(i)))
	}
	return store.Write{Series: []store.SeriesCells{{
		Series: store.Series{Name: name, Methods: []cell.Method{cell.Sum}, Period: 60, Seen: start},
		Cells:  []store.Cell{{Step: 60, Start: start, Data: cell.AppendBinary(nil, &c, nil)}},
	}}}
}

// starts returns the starts that a series has.
func starts(t *testing.T, s *Store, name string) (starts []int64) {
	t.Helper()
	err := s.Read(t.Context(), []string{name}, 60, math.MinInt64, math.MaxInt64, func(_ int, c store.Cell) error {
		starts = append(starts, c.Start)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return starts
}

// TestOutage opens a store without a server, and writes before, between and after
// its outages.
func TestOutage(t *testing.T) {
	server := pgtest.New(t)
	server.Stop()
	s := openAt(t, server.URL(), "")
	for round := range int64(3) {
		if err := s.Write(t.Context(), cellOf("n", 60*round, 1)); err == nil {
			t.Error("Write succeeded without a server")
		}
		if _, err := s.Stats(t.Context()); err == nil || !strings.Contains(err.Error(), "schema coalesce") {
			t.Errorf("Stats without a server: %v, expected an error with the schema", err)
		}
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		// Both at once: a connection that was lost costs no call.
		if err := s.Write(t.Context(), cellOf("n", 60*round, 1)); err != nil {
			t.Error(err)
		}
		if got := starts(t, s, "n"); len(got) != int(round)+1 {
			t.Errorf("starts are %v after %d rounds", got, round+1)
		}
		if round == 1 { // without a failing call between
			server.Stop()
			if err := server.Start(); err != nil {
				t.Fatal(err)
			}
			if err := s.Write(t.Context(), cellOf("n", 60*round, 1)); err != nil {
				t.Error(err)
			}
		}
		server.Stop()
	}
}

func TestTwoWriters(t *testing.T) {
	url := pgtest.Shared(t).URL()
	schema := newSchema(t, url)
	a, b := openAt(t, url, schema), openAt(t, url, schema)
	if err := a.Write(t.Context(), cellOf("n", 0, 1)); err != nil {
		t.Fatal(err)
	}
	if err := b.Write(t.Context(), cellOf("n", 60, 1)); !errors.Is(err, errTaken) {
		t.Errorf("the second writer: %v, expected that the schema is taken", err)
	}
	if got := starts(t, b, "n"); len(got) != 1 {
		t.Errorf("the second sees %v, expected to read what the first wrote", got)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Write(t.Context(), cellOf("n", 60, 1)); err != nil {
		t.Errorf("after the first is gone: %v", err)
	}
}

func TestRefused(t *testing.T) {
	for name, c := range map[string]struct{ url, schema, want string }{
		"no string":   {"postgres://user:s3cret@host:port/db", "", "cannot parse"},
		"long schema": {"postgres:///db", strings.Repeat("s", 64), "64 bytes, expected up to 63"},
	} {
		s, err := Open(t.Context(), c.url, Options{Schema: c.schema})
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, expected %q, and no password", name, err, c.want)
		}
	}
}

func exec(t *testing.T, url, query string, args ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if _, err := conn.Exec(t.Context(), query, args...); err != nil {
		t.Fatal(err)
	}
}

func TestNewerVersion(t *testing.T) {
	url := pgtest.Shared(t).URL()
	schema := newSchema(t, url)
	s := openAt(t, url, schema)
	if err := s.Write(t.Context(), cellOf("n", 0, 1)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	exec(t, url, "UPDATE "+s.name("version")+" SET version = version + 1")
	s = openAt(t, url, schema)
	if err := s.Write(t.Context(), cellOf("n", 0, 1)); err == nil || !strings.Contains(err.Error(), "has version 2, and this program reads version 1") {
		t.Errorf("%v, expected that the version is refused", err)
	}
}

// TestReadable asks as people do.
func TestReadable(t *testing.T) {
	url := pgtest.Shared(t).URL()
	s := openAt(t, url, newSchema(t, url))
	w := cellOf("cpu\x00.total;dc=eu;host=web-1", 1700000040, 3, 1, 8)
	w.Series = append(w.Series, cellOf("cpu.idle;dc=us;host=\xff", 1700000040).Series...)
	w.Series = append(w.Series, cellOf("odd", 1700000040).Series...)
	w.Series[2].Cells[0].Data = []byte("no cell")
	if err := s.Write(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	err := s.view(t.Context(), "asking", func(tx pgx.Tx) error {
		rows, err := tx.Query(t.Context(), `SELECT s.metric || '|' || (s.tags->>'host') || '|' || s.methods || '|' ||
			extract(epoch FROM c.start)::bigint || '|' || concat_ws(' ', c.count, c.sum, c.min, c.max, c.last)
			FROM `+s.name("cells_60")+" c JOIN "+s.name("series")+` s ON s.id = c.series
			WHERE s.tags @> '{"dc": "eu"}' OR s.metric = 'cpu.idle' ORDER BY s.metric DESC`)
		if err != nil {
			return err
		}
		got, err := pgx.CollectRows(rows, pgx.RowTo[string])
		want := []string{"cpu<method>.total|web-1|sum|1700000040|3 12 1 8 8", "cpu.idle|\uFFFD|sum|1700000040|0 0"}
		if err != nil || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
			t.Errorf("rows are %q, %v; expected %q", got, err, want)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestPlans sees that a read touches only the slices of its range, and jumps to
// the series.
func TestPlans(t *testing.T) {
	url := pgtest.Shared(t).URL()
	s := openAt(t, url, newSchema(t, url))
	length := store.SliceLength(60)
	for i := range int64(5) {
		if err := s.Write(t.Context(), cellOf("n", i*length, 1)); err != nil {
			t.Fatal(err)
		}
	}
	err := s.view(t.Context(), "asking", func(tx pgx.Tx) error {
		rows, err := tx.Query(t.Context(), "EXPLAIN SELECT series, start, data FROM "+s.name("cells_60")+
			" WHERE series = ANY('{1,2}') AND start >= to_timestamp(21600) AND start < to_timestamp(43200) ORDER BY series, start")
		if err != nil {
			return err
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		plan := strings.Join(lines, "\n")
		if err != nil || !strings.Contains(plan, "cells_60_21600") || strings.Contains(plan, "cells_60_43200") || strings.Contains(plan, "cells_60_0") {
			t.Errorf("%v: expected only the slice 21600 in\n%s", err, plan)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestExpireWhileReading sees that a slice that is being read is left, and said so.
func TestExpireWhileReading(t *testing.T) {
	url := pgtest.Shared(t).URL()
	s := openAt(t, url, newSchema(t, url))
	for _, start := range []int64{0, 10 * store.SliceLength(60)} {
		if err := s.Write(t.Context(), cellOf("n", start, 1)); err != nil {
			t.Fatal(err)
		}
	}
	cutoffs := map[int64]int64{60: store.SliceLength(60)}
	err := s.Scan(t.Context(), 60, math.MinInt64, math.MaxInt64, func(_ *store.Series, c store.Cell) error {
		if c.Start == 0 {
			if _, err := s.Expire(t.Context(), cutoffs, 0); !isCode(err, codeLockTimeout) {
				t.Errorf("Expire beside a reader: %v, expected that the table is locked", err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if got := starts(t, s, "n"); len(got) != 2 {
		t.Errorf("starts are %v, expected both", got)
	}
	if _, err := s.Expire(t.Context(), cutoffs, 0); err != nil {
		t.Error(err)
	}
	if got := starts(t, s, "n"); len(got) != 1 {
		t.Errorf("starts are %v, expected the later one", got)
	}
}

func TestReadableName(t *testing.T) {
	for _, c := range []struct {
		name, metric string
		tags         map[string]string
	}{
		{"a.b", "a.b", map[string]string{}},
		{"a;k=v;l=x=y", "a", map[string]string{"k": "v", "l": "x=y"}},
		{"a;k;=v;", "a", map[string]string{"k": "", "": ""}},
		{"\x00\xff;\x00=\xff", "<method>\uFFFD", map[string]string{"<method>": "\uFFFD"}},
	} {
		metric, tags := readable(c.name)
		if metric != c.metric || len(tags) != len(c.tags) {
			t.Errorf("%q: %q, %q; expected %q, %q", c.name, metric, tags, c.metric, c.tags)
		}
		for k, v := range tags {
			if c.tags[k] != v && k != "" {
				t.Errorf("%q: tag %q is %q, expected %q", c.name, k, v, c.tags[k])
			}
		}
	}
}

// A schema that was made before periods were remembered is used as it is.
func TestSchemaWithoutPeriods(t *testing.T) {
	url := pgtest.Shared(t).URL()
	s := openAt(t, url, "without_periods")
	if err := s.Write(t.Context(), cellOf("n", 60, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.pool.Exec(t.Context(), "ALTER TABLE "+s.name("series")+" DROP COLUMN periods"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s = openAt(t, url, "without_periods")
		if err := s.Write(t.Context(), cellOf("n", 120, 1)); err != nil {
			t.Fatal(err)
		}
		if got := starts(t, s, "n"); len(got) != 2 {
			t.Errorf("%v, want 60 and 120", got)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
