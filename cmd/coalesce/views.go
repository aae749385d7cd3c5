package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/config"
	"github.com/coalesce-metrics/coalesce/metrics"
	"github.com/coalesce-metrics/coalesce/rules"
	"github.com/coalesce-metrics/coalesce/upstream"
	"github.com/coalesce-metrics/coalesce/views"
)

// viewFile holds, in the data directory, the views made over HTTP.
const viewFile = "api-views"

// viewSettings returns what the configuration says of views.
func viewSettings(cfg *config.Config) views.Config {
	c := views.Config{
		Max: cfg.Views.Max, MaxRows: cfg.Views.Rows, Now: time.Now,
		Export: views.Export{
			Prefix: cfg.Views.Prefix, Period: time.Duration(cfg.Views.ReportPeriod),
			Delta: cfg.Views.Mode == "delta", Nodes: !cfg.Views.Tags,
		},
	}
	for _, m := range cfg.Measures {
		c.Measures = append(c.Measures, views.Measure(m))
	}
	for _, v := range cfg.ViewList {
		d := views.Definition{Name: v.Name, Measure: v.Measure, Columns: v.Columns, Aggregation: views.Aggregation{Type: v.Aggregation, Bounds: v.Bounds}}
		if v.Description != "" {
			d.Description = &v.Description
		}
		c.Views = append(c.Views, d)
	}
	return c
}

// viewProblems returns what is wrong with the views of the configuration.
func viewProblems(cfg *config.Config) (problems config.Problems) {
	for _, err := range views.Check(viewSettings(cfg)) {
		place := fmt.Sprintf("%s[%d]", err.Of, err.Index)
		if key := place + "." + err.Field; cfg.Given(key) {
			problems = append(problems, cfg.Problem(key, strings.TrimPrefix(err.Msg, err.Field+": ")))
			continue
		}
		problems = append(problems, cfg.Problem(place, err.Msg))
	}
	return problems
}

// openViews reads the views that earlier runs were asked for, beside those of the
// configuration.
func (d *daemon) openViews() (err error) {
	c := viewSettings(d.cfg)
	c.Apply = func(list []*rules.Rule) { d.force.put(fromViews, list) }
	c.Rows = d.viewRows
	c.Logger = d.log
	if len(d.cfg.AllDestinations()) > 0 {
		c.Export.Send = d.sendViews
	}
	if d.cfg.Data != "" {
		c.Path = filepath.Join(d.cfg.Data, viewFile)
	}
	if d.views, err = views.Open(c); err != nil {
		return err
	}
	d.force.put(fromViews, d.views.Rules())
	return nil
}

// viewRows returns the rows of a view; there are none as long as there is no
// aggregator.
func (d *daemon) viewRows(id string) []aggregator.ViewRow {
	if d.agg == nil {
		return nil
	}
	return d.agg.ViewRows(id)
}

// sendViews sends rows of views upstream.
func (d *daemon) sendViews(lines []byte, n int, again bool) { d.up.Send(lines, n, kindOf(again)) }

// kindOf says which rows stand for others that have been sent.
func kindOf(again bool) upstream.Kind {
	if again {
		return upstream.Amendment
	}
	return upstream.Aggregate
}

// viewStats are the numbers of the views.
func (d *daemon) viewStats() metrics.Views {
	s, rows := d.views.Stats(), d.agg.ViewStats()
	return metrics.Views{Views: s.Views, Measures: s.Measures, Rows: rows.Rows, Overflowing: rows.Overflowing, Exported: s.Exported}
}

func (d *daemon) closeViews() error {
	if d.views == nil {
		return nil
	}
	if err := d.views.Close(); err != nil {
		return fmt.Errorf("views made over HTTP: %w", err)
	}
	return nil
}
