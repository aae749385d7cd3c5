package upstream

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/coalesce-metrics/coalesce/route"
	"github.com/coalesce-metrics/coalesce/whisper"
)

// Role is what a destination does with a row.
type Role string

const (
	// Store destinations keep the last value of a (name, timestamp), so that a row
	// may go again. It is the default.
	Store Role = "store"
	// Aggregator destinations add up what they get, so that they are given a (name,
	// timestamp) once: nothing goes again, and amendments are withheld and counted.
	Aggregator Role = "aggregator"
)

// WhenFull is what happens to rows beyond the bounds of a destination's queue.
type WhenFull string

const (
	// DropOldest drops the oldest rows, and counts them. It is the default.
	DropOldest WhenFull = "drop-oldest"
	// ToSpool moves the oldest rows to the disk, as many as Config.Spool allows.
	ToSpool WhenFull = "spool"
	// Block has Upstream.Wait wait, so that the inputs do. Send never waits.
	Block WhenFull = "block"
)

// DefaultResend is a good value for Destination.Resend.
const DefaultResend = 10 * time.Second

// Destination is one place that rows are sent to, and how. ParseDestination gives
// the fields up to Path; the zero value of every other field is its default.
type Destination struct {
	Scheme Scheme
	// Host is a name or an address, without brackets. It is kept as written, since
	// carbon's hash ring is made of that. Unix, Whisper and Stdout have none.
	Host string
	// Port is the TCP or UDP port, 1 to 65535.
	Port int
	// Instance tells apart several daemons on one host. Carbon's hash ring takes
	// an empty instance ("host:port:") for another one than none ("host:port"),
	// which HasInstance tells apart.
	Instance    string
	HasInstance bool
	// Path is the socket file of Unix, or the directory of Whisper.
	Path string

	// Name is what the destination is called in statistics and logs. Spooled rows are
	// found again by it. No two destinations share one. Default String().
	Name string
	// Role is Store or Aggregator.
	Role Role
	// WhenFull is DropOldest, ToSpool or Block.
	WhenFull WhenFull
	// Resend has the aggregates and own metrics that were written within this time
	// before a connection broke go again, first, on the next one: what the peer took
	// and lost is made good. Zero means not to. It has no effect on an Aggregator, on
	// UDP, on Whisper and on Stdout.
	Resend time.Duration
	// ResendRaw does the same for raw rows.
	ResendRaw bool
	// TLS holds the settings of TLS. With any of them Plaintext and Pickle use TLS
	// too.
	TLS TLSOptions
	// MaxDatapoints is the most datapoints in one message of Pickle. Default 500.
	MaxDatapoints int
	// Schemas and Aggregation are the paths of carbon's storage-schemas.conf and
	// storage-aggregation.conf, for Whisper only, which needs the former; an empty
	// Aggregation means carbon's defaults. They are read again for each opening.
	Schemas, Aggregation string
	// QueueDatapoints and QueueBytes are those of Config where they are zero.
	QueueDatapoints int
	QueueBytes      int64
}

// TLSOptions are the settings of TLS to one destination. The files are read again
// for each connection, so that renewed certificates need no restart.
type TLSOptions struct {
	// CA is a PEM file of the authorities that the peer's certificate may come from;
	// empty means those of the system.
	CA string
	// Cert and Key are PEM files with a certificate to show; both or none.
	Cert, Key string
	// ServerName is the name that the peer's certificate must hold. Default is the
	// destination's host.
	ServerName string
}

// address returns d without its settings.
func (d Destination) address() Destination {
	return Destination{
		Scheme: d.Scheme, Host: d.Host, Port: d.Port,
		Instance: d.Instance, HasInstance: d.HasInstance, Path: d.Path,
	}
}

// String returns the canonical form of the address, which ParseDestination reads
// back.
func (d Destination) String() string {
	switch d.Scheme {
	case Stdout:
		return "stdout:"
	case Unix:
		return "unix://" + d.Path
	case Whisper:
		return "whisper://" + d.Path
	}
	s := d.dialled()
	if d.HasInstance {
		s += ":" + d.Instance
	}
	if d.Scheme != Plaintext && d.Scheme != "" {
		s = string(d.Scheme) + "://" + s
	}
	return s
}

// Place returns the address of d such that the places of two ways to write one are
// equal. There may be one Destination for each.
func (d Destination) Place() Destination {
	d = d.address()
	if addr, err := netip.ParseAddr(d.Host); err == nil {
		d.Host = addr.String()
	} else {
		d.Host = strings.ToLower(d.Host)
	}
	return d
}

// network returns the network that the destination is dialled on.
func (d Destination) network() string {
	switch d.Scheme {
	case Unix:
		return "unix"
	case UDP:
		return "udp"
	}
	return "tcp"
}

// dialled returns what is dialled.
func (d Destination) dialled() string {
	if d.Scheme == Unix {
		return d.Path
	}
	return net.JoinHostPort(d.Host, strconv.Itoa(d.Port))
}

// usesTLS reports whether a connection to d is encrypted.
func (d Destination) usesTLS() bool { return d.Scheme == TLS || d.TLS != TLSOptions{} }

// resends reports whether rows may go to d again.
func (d Destination) resends() bool {
	return d.Resend > 0 && d.Role == Store && d.Scheme != UDP && d.Scheme != Whisper && d.Scheme != Stdout
}

// node returns what d is in a hash ring.
func (d Destination) node() route.Node {
	if d.Host == "" {
		return route.Node{Host: d.String()}
	}
	return route.Node{Host: d.Host, Port: d.Port, Instance: d.Instance, HasInstance: d.HasInstance}
}

// complete returns d with the defaults for zero fields, or what is wrong with it.
func (d Destination) complete(c *Config) (Destination, error) {
	parsed, err := ParseDestination(d.String())
	if err != nil {
		return d, err
	}
	if parsed != d.address() {
		return d, fmt.Errorf("destination %q was not made by ParseDestination", d)
	}
	if d.Name == "" {
		d.Name = d.String()
	}
	if d.Role == "" {
		d.Role = Store
	}
	if d.WhenFull == "" {
		d.WhenFull = DropOldest
	}
	if d.MaxDatapoints == 0 {
		d.MaxDatapoints = defaultMaxDatapoints
	}
	if d.QueueDatapoints == 0 {
		d.QueueDatapoints = c.QueueDatapoints
	}
	if d.QueueBytes == 0 {
		d.QueueBytes = c.QueueBytes
	}
	return d, d.check(c)
}

func (d Destination) check(c *Config) error {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("destination %q: %s", d.Name, fmt.Sprintf(format, args...))
	}
	switch {
	case d.Role != Store && d.Role != Aggregator:
		return wrong("Role is %q, want %q or %q", d.Role, Store, Aggregator)
	case d.WhenFull != DropOldest && d.WhenFull != ToSpool && d.WhenFull != Block:
		return wrong("WhenFull is %q, want %q, %q or %q", d.WhenFull, DropOldest, ToSpool, Block)
	case d.WhenFull == ToSpool && c.Spool.Dir == "":
		return wrong("WhenFull is %q, which needs a directory for the spool", d.WhenFull)
	case d.Resend < 0:
		return wrong("Resend is %v, want a positive duration, or zero for none", d.Resend)
	case d.MaxDatapoints < 0 || d.MaxDatapoints > maxDatapoints:
		return wrong("MaxDatapoints is %d, want 1 to %d", d.MaxDatapoints, maxDatapoints)
	case d.QueueDatapoints < 0:
		return wrong("QueueDatapoints is %d, want 1 or more", d.QueueDatapoints)
	case d.QueueBytes < 0 || d.QueueBytes > math.MaxInt:
		return wrong("QueueBytes is %d, want 1 to %d", d.QueueBytes, math.MaxInt)
	case d.TLS != TLSOptions{} && d.Scheme != TLS && d.Scheme != Plaintext && d.Scheme != Pickle:
		return wrong("there is no TLS with %s; accepted: tls, plaintext, pickle", d.Scheme)
	}
	if d.Scheme == Whisper {
		if _, err := whisper.ReadRules(d.Schemas, d.Aggregation); err != nil {
			return wrong("%v", err)
		}
	}
	if d.usesTLS() {
		if err := d.CheckTLS(); err != nil {
			return wrong("%v", err)
		}
	}
	return nil
}
