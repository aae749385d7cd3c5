package report

import (
	"fmt"
	"io"
	"time"
)

// A Post is a run in which measurements were sent over HTTP.
type Post struct {
	Points int64
	Bytes  int64 // of a request's body
	Time   time.Duration
	CPU    time.Duration // of the daemon
}

// NsPerPoint is the daemon's CPU time for a measurement.
func (p *Post) NsPerPoint() float64 { return float64(p.CPU) / float64(p.Points) }

// A PostRow is the runs of one way to send them.
type PostRow struct {
	System, What string
	Batch        int // measurements of a request
	Runs         []Post
}

// Posts writes one line for each row that has runs.
func Posts(w io.Writer, rows []*PostRow) {
	header(w, "measurements", "system", "runs", "in a request", "bytes each", "CPU ns each", "range", "thousands a second and core", "thousands a second")
	for _, r := range rows {
		if len(r.Runs) == 0 {
			continue
		}
		ns := spread(r.Runs, func(p Post) float64 { return p.NsPerPoint() })
		rate := spread(r.Runs, func(p Post) float64 { return float64(p.Points) / 1000 / p.Time.Seconds() })
		line(w, r.What, r.System, fmt.Sprint(len(r.Runs)), fmt.Sprint(r.Batch), number(float64(r.Runs[0].Bytes)/float64(r.Batch)),
			number(ns.median), number(ns.min)+"–"+number(ns.max), number(1e6/ns.median), number(rate.median))
	}
}
