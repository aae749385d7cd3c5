package upstream

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"os"
	"time"

	"github.com/coalesce-metrics/coalesce/route"
)

// minSpoolBytes is the least that a spool is made of.
const minSpoolBytes = 64 << 10

// Config says where rows go and what may be kept for them meanwhile. A zero field
// means the default of Defaults; negative values are refused.
type Config struct {
	// Destinations are where rows go. Without one, Send does nothing. No two may be
	// the same scheme, host, port and instance.
	Destinations []Destination
	// Routes say which rows go where; their Destinations are indexes into the field
	// above. Without routes, every destination gets everything. A row that no route
	// takes is counted by Upstream.Unrouted.
	Routes []route.Route
	// Outputs appends to dst the names of the outputs that a raw datapoint called name
	// feeds, as the instances behind a route with mode AggregatedHash name them.
	// Needed for such a route that takes raw rows, and not used without one. It is
	// called once for each name that is not remembered, by many goroutines; it must
	// not keep name nor dst. When what it answers changes, call Upstream.Replan.
	Outputs func(dst [][]byte, name []byte) [][]byte

	// QueueDatapoints and QueueBytes bound what waits in memory for one destination;
	// beyond either, rows are treated as Destination.WhenFull says. Destinations share
	// the memory of rows that several wait for. Defaults 1 000 000 and 128 MiB. The
	// write under way, about 256 KiB, comes on top. With ToSpool and Block, as much
	// again (at least 65 536 rows and 8 MiB) may wait for the disk, or come from
	// senders that do not wait; beyond that the oldest rows are dropped.
	QueueDatapoints int
	QueueBytes      int64

	// Spool holds the settings of the destinations with WhenFull ToSpool.
	Spool SpoolConfig

	// ConnectTimeout is the longest that one attempt to connect may take,
	// name lookup included. Default 5 s.
	ConnectTimeout time.Duration
	// WriteTimeout is how long a connection may take no byte before it is given up
	// for a new one. Default 10 s. Standard output may take for ever.
	WriteTimeout time.Duration
	// ReconnectMin and ReconnectMax are the first and the longest pause before
	// connecting again. The pause doubles with each failure, and with each
	// connection that lasted less than ReconnectMax; up to half of it is left to
	// chance. Defaults 100 ms and 5 s.
	ReconnectMin, ReconnectMax time.Duration
	// FlushInterval is the shortest time between two wake-ups of an idle writer, so
	// that rows sent one by one share system calls. The first row after a longer
	// pause leaves at once. Default 500 µs.
	FlushInterval time.Duration
	// DrainTimeout is the longest that Stop lets queues drain. Default 10 s.
	DrainTimeout time.Duration

	// Dial opens a connection on network "tcp", "unix" or "udp" and must heed ctx.
	// Default is that of a zero net.Dialer. A write on the connection that ran into
	// its deadline having taken some bytes is continued there.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Stdout receives the rows for "stdout:", whole lines in each Write. Default
	// os.Stdout.
	Stdout io.Writer
	// Logger is told of transitions, not of rows. Default slog.Default().
	Logger *slog.Logger
}

// SpoolConfig says what destinations may keep on the disk. A zero field means the
// default of Defaults.
type SpoolConfig struct {
	// Dir is a directory in which each destination has one of its own, called by its
	// name. It is made if need be. Nobody else may use it meanwhile. Empty means that
	// there is no spool.
	Dir string
	// Bytes bounds the files of one destination; the oldest rows are dropped beyond
	// it. At least 64 KiB. Default 1 GiB.
	Bytes int64
	// Age is how long rows are kept. Default 24 h.
	Age time.Duration
	// Rate is how many datapoints are sent from one spool in a second, so that a
	// destination that is back is not swamped. Rows that have to wait behind spooled
	// ones, of which there may be some with the same timestamp, come on top.
	// Default 50 000.
	Rate int
}

// Defaults returns the defaults, without destinations.
func Defaults() Config {
	return Config{
		QueueDatapoints: 1_000_000,
		QueueBytes:      128 << 20,
		Spool:           SpoolConfig{Bytes: 1 << 30, Age: 24 * time.Hour, Rate: 50_000},
		ConnectTimeout:  5 * time.Second,
		WriteTimeout:    10 * time.Second,
		ReconnectMin:    100 * time.Millisecond,
		ReconnectMax:    5 * time.Second,
		FlushInterval:   500 * time.Microsecond,
		DrainTimeout:    10 * time.Second,
		Dial:            new(net.Dialer).DialContext,
		Stdout:          os.Stdout,
		Logger:          slog.Default(),
	}
}

// complete returns c with defaults for zero fields, or says which field is wrong.
func (c Config) complete() (Config, error) {
	def := Defaults()
	if c.QueueDatapoints == 0 {
		c.QueueDatapoints = def.QueueDatapoints
	}
	if c.QueueBytes == 0 {
		c.QueueBytes = def.QueueBytes
	}
	if c.QueueDatapoints < 0 {
		return c, fmt.Errorf("upstream: QueueDatapoints is %d, want 1 or more", c.QueueDatapoints)
	}
	if c.QueueBytes < 0 || c.QueueBytes > math.MaxInt {
		return c, fmt.Errorf("upstream: QueueBytes is %d, want 1 to %d", c.QueueBytes, math.MaxInt)
	}
	if c.Spool.Bytes == 0 {
		c.Spool.Bytes = def.Spool.Bytes
	}
	if c.Spool.Rate == 0 {
		c.Spool.Rate = def.Spool.Rate
	}
	if c.Spool.Bytes < minSpoolBytes {
		return c, fmt.Errorf("upstream: Spool.Bytes is %d, want %d or more", c.Spool.Bytes, minSpoolBytes)
	}
	if c.Spool.Rate < 0 {
		return c, fmt.Errorf("upstream: Spool.Rate is %d, want 1 or more", c.Spool.Rate)
	}
	if err := c.completeDurations(&def); err != nil {
		return c, err
	}
	if c.Dial == nil {
		c.Dial = def.Dial
	}
	if c.Stdout == nil {
		c.Stdout = def.Stdout
	}
	if c.Logger == nil {
		c.Logger = def.Logger
	}
	return c, c.completeDestinations()
}

func (c *Config) completeDurations(def *Config) error {
	for _, d := range []struct {
		name string
		v    *time.Duration
		def  time.Duration
	}{
		{"ConnectTimeout", &c.ConnectTimeout, def.ConnectTimeout},
		{"WriteTimeout", &c.WriteTimeout, def.WriteTimeout},
		{"ReconnectMin", &c.ReconnectMin, def.ReconnectMin},
		{"ReconnectMax", &c.ReconnectMax, def.ReconnectMax},
		{"FlushInterval", &c.FlushInterval, def.FlushInterval},
		{"DrainTimeout", &c.DrainTimeout, def.DrainTimeout},
		{"Spool.Age", &c.Spool.Age, def.Spool.Age},
	} {
		if *d.v == 0 {
			*d.v = d.def
		}
		if *d.v < 0 {
			return fmt.Errorf("upstream: %s is %v, want a positive duration", d.name, *d.v)
		}
	}
	if c.ReconnectMin > c.ReconnectMax {
		return fmt.Errorf("upstream: ReconnectMin %v is above ReconnectMax %v", c.ReconnectMin, c.ReconnectMax)
	}
	return nil
}

// completeDestinations replaces the destinations by complete ones.
func (c *Config) completeDestinations() error {
	places := make(map[Destination]bool, len(c.Destinations))
	names := make(map[string]bool, len(c.Destinations))
	given := c.Destinations
	c.Destinations = make([]Destination, 0, len(given))
	for _, d := range given {
		d, err := d.complete(c)
		if err != nil {
			return fmt.Errorf("upstream: %w", err)
		}
		if places[d.Place()] {
			return fmt.Errorf("upstream: destination %q is given twice", d)
		}
		if names[d.Name] {
			return fmt.Errorf("upstream: two destinations are called %q", d.Name)
		}
		places[d.Place()], names[d.Name] = true, true
		c.Destinations = append(c.Destinations, d)
	}
	return nil
}
