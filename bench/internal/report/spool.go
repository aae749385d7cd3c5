package report

import (
	"fmt"
	"io"
	"time"
)

// A Spool is what the way over the disk took.
type Spool struct {
	Bytes        int64 // on the disk when all was there that was to be
	Write, Drain Phase // until then, and from when the destination is connected until it has everything
}

// A Phase is a part of a run.
type Phase struct {
	CPU  time.Duration
	Time time.Duration
}

// Spooled returns those rows whose datapoints were spooled.
func Spooled(rows []*Row) (spooled []*Row) {
	for _, r := range rows {
		if len(r.Runs) > 0 && r.Runs[0].Spool != nil {
			spooled = append(spooled, r)
		}
	}
	return spooled
}

// Spools writes two lines for each row, which must be one of Spooled. Rates are in
// time, not in CPU time.
func Spools(w io.Writer, rows []*Row) {
	header(w, "load", "system", "what", "runs", "rows", "MiB", "CPU ns/row", "range", "krows/s", "range", "MiB/s")
	phases := []struct {
		name string
		of   func(*Spool) Phase
	}{
		{"write", func(s *Spool) Phase { return s.Write }},
		{"drain", func(s *Spool) Phase { return s.Drain }},
	}
	for _, r := range rows {
		of := func(f func(Run) float64) summary { return spread(r.Runs, f) }
		for _, p := range phases {
			seconds := func(r Run) float64 { return p.of(r.Spool).Time.Seconds() }
			cpu := of(func(r Run) float64 { return float64(p.of(r.Spool).CPU) / float64(r.Points) })
			rate := of(func(r Run) float64 { return float64(r.Points) / 1000 / seconds(r) })
			line(w, r.Workload, r.System, p.name,
				fmt.Sprint(len(r.Runs)),
				fmt.Sprintf("%.0f", of(func(r Run) float64 { return float64(r.Points) }).median),
				fmt.Sprintf("%.0f", of(func(r Run) float64 { return mib(r.Spool.Bytes) }).median),
				fmt.Sprintf("%.0f", cpu.median), fmt.Sprintf("%.0f–%.0f", cpu.min, cpu.max),
				number(rate.median), fmt.Sprintf("%s–%s", number(rate.min), number(rate.max)),
				fmt.Sprintf("%.0f", of(func(r Run) float64 { return mib(r.Spool.Bytes) / seconds(r) }).median))
		}
	}
}
