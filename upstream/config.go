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
)

// Config says where rows go and what may be kept for them meanwhile. A zero field
// means the default of Defaults; negative values are refused.
type Config struct {
	// Destinations each receive everything. Without one, Send does nothing. No two
	// may be the same host, port and instance.
	Destinations []Destination

	// QueueDatapoints and QueueBytes bound what waits for one destination; the
	// oldest rows are dropped beyond either. Destinations share the memory of rows
	// that several wait for. Defaults 1 000 000 and 128 MiB. The write under way,
	// about 256 KiB, comes on top.
	QueueDatapoints int
	QueueBytes      int64

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

	// Dial opens a connection on network "tcp" or "unix" and must heed ctx. Default
	// is that of a zero net.Dialer. A write on the connection that ran into its
	// deadline having taken some bytes is continued there.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Stdout receives the rows for "stdout:", whole lines in each Write. Default
	// os.Stdout.
	Stdout io.Writer
	// Logger is told of transitions, not of rows. Default slog.Default().
	Logger *slog.Logger
}

// Defaults returns the defaults, without destinations.
func Defaults() Config {
	return Config{
		QueueDatapoints: 1_000_000,
		QueueBytes:      128 << 20,
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
	} {
		if *d.v == 0 {
			*d.v = d.def
		}
		if *d.v < 0 {
			return c, fmt.Errorf("upstream: %s is %v, want a positive duration", d.name, *d.v)
		}
	}
	if c.ReconnectMin > c.ReconnectMax {
		return c, fmt.Errorf("upstream: ReconnectMin %v is above ReconnectMax %v", c.ReconnectMin, c.ReconnectMax)
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
	return c, c.checkDestinations()
}

func (c *Config) checkDestinations() error {
	seen := make(map[Destination]bool, len(c.Destinations))
	for _, d := range c.Destinations {
		parsed, err := ParseDestination(d.String())
		if err != nil {
			return fmt.Errorf("upstream: %w", err)
		}
		if parsed != d {
			return fmt.Errorf("upstream: destination %q was not made by ParseDestination", d)
		}
		if seen[d.key()] {
			return fmt.Errorf("upstream: destination %q is given twice", d)
		}
		seen[d.key()] = true
	}
	return nil
}
