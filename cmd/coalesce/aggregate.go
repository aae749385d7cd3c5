package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strings"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/config"
	"github.com/coalesce-metrics/coalesce/plaintext"
	"github.com/coalesce-metrics/coalesce/rules"
	"github.com/spf13/cobra"
)

func newAggregate() *cobra.Command {
	var rulesPath, prefix string
	var forwardAll bool
	cmd := &cobra.Command{
		Use:   "aggregate --rules FILE [--prefix STRING] [--forward-all] [FILE…]",
		Short: "Aggregate plaintext files offline",
		Long: "aggregate reads plaintext lines from files, or else from standard input, and prints\n" +
			"every bucket once, as plaintext in order of time and name. Only the datapoints' own\n" +
			"timestamps count; -1 is refused. Refused lines are counted on standard error.",
	}
	cmd.Flags().StringVar(&rulesPath, "rules", "", "rule file")
	cmd.Flags().StringVar(&prefix, "prefix", config.Default().Prefix, "what every output begins with")
	cmd.Flags().BoolVar(&forwardAll, "forward-all", false, "print the datapoints themselves, too, as they are read")
	cmd.RunE = func(cmd *cobra.Command, files []string) error {
		set, err := loadSet(cmd, rulesPath, prefix)
		if err != nil {
			return err
		}
		job, err := newOffline(set, forwardAll, cmd.OutOrStdout(), cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		if len(files) == 0 {
			err = job.read("standard input", cmd.InOrStdin())
		}
		job.bar = newProgress(cmd.ErrOrStderr(), files)
		for _, path := range files {
			if err = job.readFile(path); err != nil {
				break
			}
		}
		job.bar.done()
		// What was read is printed even when reading has failed.
		return errors.Join(err, job.finish())
	}
	return cmd
}

// offline aggregates by event time into one writer.
type offline struct {
	lineReader
	out  *bufio.Writer
	log  io.Writer
	line []byte
}

func newOffline(set *rules.Set, forwardAll bool, out, log io.Writer) (*offline, error) {
	j := &offline{lineReader: lineReader{scanner: plaintext.NewScanner(int(config.Default().Limits.MaxLine))}, out: bufio.NewWriterSize(out, 256<<10), log: log}
	d := config.Default().Aggregation
	var err error
	j.agg, err = aggregator.New(aggregator.Config{
		Rules: set, EventTime: true, ForwardAll: forwardAll, Lanes: 1,
		MaxSeries: d.MaxSeries, MaxOutputs: aggregator.MaxOutputs, MaxBuckets: math.MaxInt,
		Now: func() float64 { return 0 }, Emit: j.emit, Forward: j.forward,
		Logger: slog.New(slog.DiscardHandler),
	})
	return j, err
}

func (j *offline) emit(rows []aggregator.Row, _ bool) {
	for _, r := range rows {
		j.line = plaintext.Append(j.line[:0], []byte(r.Name), r.Value, float64(r.Time))
		j.write(j.line)
	}
}

func (j *offline) forward(lines []byte, _ int) { j.write(lines) }

func (j *offline) write(b []byte) {
	if _, err := j.out.Write(b); err != nil && j.err == nil {
		j.err = err
	}
}

// finish prints the buckets and says what became of the lines.
func (j *offline) finish() error {
	j.agg.Flush()
	if err := j.out.Flush(); err != nil && j.err == nil {
		j.err = err
	}
	s := j.agg.Stats()
	fmt.Fprintf(j.log, "coalesce: %s read, %d matched a rule; %s written\n", count(j.points, "datapoint"), s.Matched, count(s.Rows, "row"))
	var refused uint64
	var why []string
	for r, n := range j.scanner.Refused {
		if n > 0 && plaintext.Reason(r) != plaintext.Blank {
			refused += n
			why = append(why, fmt.Sprintf("%s %d", plaintext.Reason(r), n))
		}
	}
	if refused > 0 {
		fmt.Fprintf(j.log, "coalesce: %s refused: %s\n", count(refused, "line"), strings.Join(why, ", "))
	}
	for d, n := range s.Dropped {
		if n > 0 {
			fmt.Fprintf(j.log, "coalesce: %s dropped: %s\n", count(n, "contribution"), aggregator.Drop(d))
		}
	}
	return j.err
}
