package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/coalesce-metrics/coalesce/plot"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// inquiry is what `query` asks and how it shows the answer.
type inquiry struct {
	targets     []string
	from, until string
	points      int
	json, plot  bool
	ascii, utc  bool
	loc         *time.Location
}

func newQuery() *cobra.Command {
	var q inquiry
	var where findFlags
	cmd := &cobra.Command{
		Use:   "query [--from TIME] [--until TIME] [--plot | --json] TARGET…",
		Short: "Show series of a running daemon as a table or a plot",
		Long: "query asks the daemon for series by HTTP and prints them as a table, or with --plot\n" +
			"as a plot. TARGET is a name, a pattern or an expression of Graphite's functions;\n" +
			"TIME is Graphite's as well: now, -1h, midnight, 09:30_20240131, Unix seconds.\n" +
			"It exits with 1 if there is no series.",
		Example: "  coalesce query 'aggregates.prod.*.all.requests:sum' --from -1h --plot",
		Args:    arguments(1, -1),
	}
	f := cmd.Flags()
	where.add(f)
	f.StringVar(&q.from, "from", "-1h", "begin of the range")
	f.StringVar(&q.until, "until", "now", "end of the range")
	f.IntVar(&q.points, "points", 0, "points of each series at most (default with --plot the width of the terminal, otherwise all)")
	f.BoolVar(&q.plot, "plot", false, "draw a plot")
	f.BoolVar(&q.json, "json", false, "print the daemon's JSON")
	f.BoolVar(&q.ascii, "ascii", false, "keep to ASCII characters (default where the locale is not UTF-8)")
	f.BoolVar(&q.utc, "utc", false, "show and read times as UTC instead of local time")
	cmd.MarkFlagsMutuallyExclusive("plot", "json")
	cmd.RunE = func(cmd *cobra.Command, targets []string) error {
		q.targets = targets
		if q.points < 0 {
			return fmt.Errorf("--points %d; accepted: 0 for all, or how many at most", q.points)
		}
		if q.loc = time.Local; q.utc {
			q.loc = time.UTC
		}
		server, err := where.server()
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
		scr := screenOf(cmd.OutOrStdout(), os.Getenv)
		scr.ascii = scr.ascii || q.ascii
		body, err := ask(ctx, server, q.form(scr))
		stop() // a signal while it is printed ends the process
		if err != nil {
			return err
		}
		return q.show(cmd.OutOrStdout(), body, server, scr)
	}
	return cmd
}

// show prints an answer.
func (q *inquiry) show(w io.Writer, body []byte, server *url.URL, scr screen) error {
	var all []answered
	if err := json.Unmarshal(body, &all); err != nil {
		return fmt.Errorf("%s answers what is no JSON of series: %w", keyless(server), err)
	}
	text := append(bytes.TrimRight(body, "\n"), '\n')
	if !q.json {
		text = q.draw(all, scr)
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	if len(all) == 0 {
		return fmt.Errorf("no series match %s", quoteAll(q.targets))
	}
	return nil
}

func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = strconv.Quote(n)
	}
	return strings.Join(quoted, ", ")
}

// zoneless are times that are the same in every zone.
var zoneless = regexp.MustCompile(`^((now)?([-+]([0-9]+[a-z]+)+)*|[0-9]{9,})$`)

// form returns the request. It names the time zone only where that makes a
// difference: the daemon's host may lack the data of zones.
func (q *inquiry) form(scr screen) url.Values {
	form := url.Values{"target": q.targets, "from": {q.from}, "until": {q.until}, "format": {"json"}}
	if !zoneless.MatchString(q.from) || !zoneless.MatchString(q.until) {
		if zone := zoneName(q.loc); zone != "" {
			form.Set("tz", zone)
		}
	}
	points := q.points
	if points == 0 && q.plot {
		points = scr.plotWidth()
	}
	if points > 0 {
		form.Set("maxDataPoints", strconv.Itoa(points))
	}
	return form
}

// zoneName returns the name of a zone in the database of zones, or "" where it
// is not known.
func zoneName(loc *time.Location) string {
	name := loc.String()
	if name == "Local" {
		name, _ = os.Readlink("/etc/localtime")
	}
	if _, after, ok := strings.Cut(name, "/zoneinfo/"); ok {
		return after
	}
	if strings.HasPrefix(name, "/") || strings.HasPrefix(name, ".") {
		return ""
	}
	return name
}

// ask asks for series and returns the daemon's JSON.
func ask(ctx context.Context, server *url.URL, form url.Values) ([]byte, error) {
	body, err := call(ctx, server, request{http.MethodPost, "render", "application/x-www-form-urlencoded", form.Encode()})
	if errors.Is(err, errLarge) {
		err = fmt.Errorf("%w; ask for a shorter range, for fewer series, or for --points at most", err)
	}
	return body, err
}

// answered is a series of an answer.
type answered struct {
	Target     string
	Datapoints []datapoint
}

// datapoint is [VALUE, TIME] in JSON; null is NaN.
type datapoint plot.Point

// UnmarshalJSON implements json.Unmarshaler. Values as large as 1e9999 are
// infinite.
func (d *datapoint) UnmarshalJSON(b []byte) error {
	inner, opened := bytes.CutPrefix(b, []byte("["))
	inner, closed := bytes.CutSuffix(inner, []byte("]"))
	value, at, cut := bytes.Cut(inner, []byte(","))
	v, err := math.NaN(), error(nil)
	if value = bytes.TrimSpace(value); string(value) != "null" {
		v, err = strconv.ParseFloat(string(value), 64)
	}
	t, timeErr := strconv.ParseInt(string(bytes.TrimSpace(at)), 10, 64)
	if !opened || !closed || !cut || timeErr != nil || err != nil && !errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("%.100q is no datapoint; accepted: [value or null, Unix time]", b)
	}
	d.Value, d.Time = v, t
	return nil
}

// screen is what output is made for.
type screen struct {
	terminal      bool
	width, height int // characters; 0 is unknown
	ascii, colour bool
}

// screenOf looks at what is written to. COLUMNS and LINES win over the size that
// the terminal has.
func screenOf(w io.Writer, getenv func(string) string) screen {
	var s screen
	if f, ok := w.(*os.File); ok {
		if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil {
			s.terminal, s.width, s.height = true, int(size.Col), int(size.Row)
		}
	}
	for name, n := range map[string]*int{"COLUMNS": &s.width, "LINES": &s.height} {
		if v, err := strconv.ParseUint(getenv(name), 10, 12); err == nil && v > 0 {
			*n = int(v)
		}
	}
	locale := strings.ToLower(cmp.Or(getenv("LC_ALL"), getenv("LC_CTYPE"), getenv("LANG")))
	term := getenv("TERM")
	// The console of Linux itself has no braille.
	s.ascii = !strings.Contains(locale, "utf-8") && !strings.Contains(locale, "utf8") || s.terminal && term == "linux"
	s.colour = s.terminal && getenv("NO_COLOR") == "" && term != "dumb"
	return s
}

// maxPlotHeight is how many lines a plot has at most, on however large a screen.
const maxPlotHeight = 40

// draw returns series as a table or a plot. A plot leaves a line for the prompt.
func (q *inquiry) draw(all []answered, scr screen) []byte {
	if len(all) == 0 {
		return nil
	}
	series := make([]plot.Series, len(all))
	for i, a := range all {
		series[i].Name = a.Target
		for _, d := range a.Datapoints {
			series[i].Points = append(series[i].Points, plot.Point(d))
		}
	}
	if q.plot {
		return plot.Append(nil, series, plot.Options{
			Width: scr.plotWidth(), Height: min(cmp.Or(scr.height, 24)-1, maxPlotHeight),
			ASCII: scr.ascii, Color: scr.colour, Location: q.loc,
		})
	}
	return plot.AppendTable(nil, series, plot.TableOptions{Width: scr.width, ASCII: scr.ascii, Location: q.loc})
}

func (s *screen) plotWidth() int { return cmp.Or(s.width, 80) }
