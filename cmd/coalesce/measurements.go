package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/coalesce-metrics/coalesce/api/measurements"
	"github.com/coalesce-metrics/coalesce/attributes"
)

// metricsFile holds, in the data directory, the metrics that measurements are sent
// for.
const metricsFile = "metrics"

// openMetrics reads the metrics of earlier runs.
func (d *daemon) openMetrics() (err error) {
	c := d.cfg.Measurements
	bc := attributes.Config{MaxMetrics: c.Metrics, Period: int64(seconds(c.Period)), Logger: d.log}
	if d.cfg.Data != "" {
		bc.Path = filepath.Join(d.cfg.Data, metricsFile)
	}
	d.metrics, err = attributes.Open(bc)
	return err
}

func (d *daemon) closeMetrics() error {
	if d.metrics == nil {
		return nil
	}
	if err := d.metrics.Close(); err != nil {
		return fmt.Errorf("metrics that measurements were sent for: %w", err)
	}
	return nil
}

// newMeasurements makes what answers for measurements, once there are engines.
func (d *daemon) newMeasurements() {
	c := d.cfg.Measurements
	query := measurements.QueryConfig{
		Metric: d.metrics.Get, Engine: d.engine, Loaded: d.cells.loaded.Load, Now: time.Now, Logger: d.log,
	}
	if d.cells.arch != nil {
		query.Tiers = d.cells.arch.Tiers
	}
	d.measurements = measurements.New(measurements.Config{
		Book: d.metrics, Stream: d.agg.Stream, Add: d.agg.AddMeasurements,
		Series: d.cells.names.ByName, Forget: d.forgetSeries, Loaded: d.cells.loaded.Load, Query: measurements.NewQuery(query),
		Grace: time.Duration(c.SSA.Grace), Past: time.Duration(c.MaxAge), Future: time.Duration(d.cfg.Aggregation.Future),
		MaxBatch: c.Batch, MaxTags: c.Tags, MaxBody: int64(c.Body),
		MaxTagSets: c.TagSets, MaxSeries: d.cfg.Aggregation.MaxOutputs,
		Agents: c.SSA.UserAgents, MergeTags: c.Compat.TagMerge,
		Now: time.Now, Logger: d.log,
	})
}
