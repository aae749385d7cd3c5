package main

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coalesce-metrics/coalesce/api/graphite/wire"
	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/query/functions"
	"github.com/coalesce-metrics/coalesce/store"
	"github.com/coalesce-metrics/coalesce/store/sqlite"
)

// openStore opens the store of a faker that has one, and answers queries from it.
func (f *faker) openStore(cfg *fakeConfig) (err error) {
	if cfg.Data == "" || cfg.Store == "off" {
		return nil
	}
	if f.store, err = sqlite.Open(cfg.Data+"/cells.sqlite", sqlite.Options{}); err != nil {
		return err
	}
	for _, k := range cfg.Keeps {
		d, err := time.ParseDuration(k.Period)
		if err != nil {
			return err
		}
		f.keep = int64(d / time.Second)
	}
	if cfg.HTTP.Listen != "" {
		mux := http.NewServeMux()
		mux.HandleFunc("/metrics/find", f.find)
		mux.HandleFunc("/render", f.render)
		go http.ListenAndServe(cfg.HTTP.Listen, mux)
	}
	return nil
}

// closeStore makes an orderly end of it.
func (f *faker) closeStore() {
	if f.store != nil {
		f.store.Close()
	}
}

// keepCells writes all cells, some time after the rows have left; f.mu is held.
func (f *faker) keepCells() {
	if f.store == nil {
		return
	}
	cells := map[string]*store.SeriesCells{}
	add := func(points map[string][]float64, period int64, input bool) {
		for key, values := range points {
			name, text, _ := strings.Cut(key, " ")
			start, _ := strconv.ParseInt(text, 10, 64)
			var c cell.Cell
			for _, v := range values {
				c.Add(v, float64(start))
			}
			s := cells[name]
			if s == nil {
				s = &store.SeriesCells{Series: store.Series{Name: name, Methods: []cell.Method{cell.Sum}, Period: period, Input: input}}
				cells[name] = s
			}
			s.Cells = append(s.Cells, store.Cell{Step: period, Start: start, Data: cell.AppendBinary(nil, &c, nil)})
		}
	}
	add(f.points, f.period, false)
	add(f.kept, f.keep, true)
	var w store.Write
	for _, s := range cells {
		w.Series = append(w.Series, *s)
	}
	if f.mode == "forgets" {
		w.Series[0].Cells = w.Series[0].Cells[1:]
	}
	wait := 200 * time.Millisecond
	if f.keep > 0 {
		wait += time.Until(keptUntil(time.Now(), int(f.keep)))
	}
	time.AfterFunc(wait, func() {
		if err := f.store.Write(context.Background(), w); err != nil {
			panic(err)
		}
	})
}

func matchNodes(pattern, name string) bool {
	ok, _ := path.Match(strings.ReplaceAll(pattern, ".", "/"), strings.ReplaceAll(name, ".", "/"))
	return ok
}

// find knows leaves only, of what has come in so far.
func (f *faker) find(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var nodes []wire.Node
	for key := range f.kept {
		name, _, _ := strings.Cut(key, " ")
		if matchNodes(r.FormValue("query"), name) {
			nodes = append(nodes, wire.Node{Path: name, Leaf: true})
		}
	}
	if f.mode == "forgets" {
		nodes = nodes[1:]
	}
	slices.SortFunc(nodes, func(a, b wire.Node) int { return strings.Compare(a.Path, b.Path) })
	w.Write(wire.AppendFindJSON(nil, nodes))
}

func (f *faker) render(w http.ResponseWriter, r *http.Request) {
	from, _ := strconv.ParseInt(r.FormValue("from"), 10, 64)
	until, _ := strconv.ParseInt(r.FormValue("until"), 10, 64)
	target := r.FormValue("target")
	pattern, sum := strings.CutPrefix(strings.TrimSuffix(target, ")"), "sumSeries(")
	var all []*functions.Series
	err := f.store.Scan(r.Context(), f.period, from+1, until+1, func(s *store.Series, c store.Cell) error {
		if !matchNodes(pattern, s.Name) {
			return nil
		}
		name := s.Name
		if sum {
			name = target
		}
		if len(all) == 0 || all[len(all)-1].Name != name {
			all = append(all, &functions.Series{Name: name, Step: f.period, Start: from + f.period, End: until + f.period,
				Values: make([]float64, (until-from)/f.period)})
		}
		x, _, _, err := cell.Decode(c.Data)
		all[len(all)-1].Values[(c.Start-from)/f.period-1] += x.Sum
		return err
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if f.mode == "doubles" {
		all[0].Values[3] *= 2
	}
	if f.mode == "forgets" {
		all[0].Values[3] = math.NaN()
	}
	if r.FormValue("format") == "pickle" {
		w.Write(wire.AppendRenderPickle(nil, all))
		return
	}
	fmt.Fprintf(w, "%s", wire.AppendRenderJSON(nil, all, false))
}
