package ingest

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/coalesce-metrics/coalesce/pickle"
)

// The protocols that a Listener can speak.
const (
	Plaintext = "plaintext" // carbon's lines
	Pickle    = "pickle"    // carbon's pickle frames
	Protobuf  = "protobuf"  // carbon's protobuf frames
)

// The compressions that a Listener can undo.
const (
	Uncompressed = "none"
	Gzip         = "gzip"
	Zstd         = "zstd"
	Snappy       = "snappy" // its framing format
)

// Listener says where clients may send to.
type Listener struct {
	// Name tells the listener apart in Stats and logs. Empty means the
	// transport's name, or the protocol's where that is not plaintext, numbered
	// from the second of its kind on.
	Name string
	// Protocol is Plaintext, Pickle or Protobuf. Empty means Plaintext. Frames
	// need a stream.
	Protocol string
	// Transport is "tcp", "udp" or "unix" (stream socket).
	Transport string
	// Address is host:port for tcp and udp, where an empty host means every
	// address and port 0 any free port, and a path for unix. The socket file is
	// made with mode 0777 less the umask, and who may write to it may send. A
	// socket file that nobody listens on any more is replaced.
	Address string
	// Socket, where set, is an open socket of that transport to be used instead
	// of a new one, listening already if it is a stream socket: what a service
	// manager hands over. Address is not looked at then. Listen makes a copy, so
	// that the caller may close Socket afterwards; a unix socket's file is left
	// where it is.
	Socket *os.File
	// ReusePort lets several sockets, of other processes of the same user too,
	// be bound to Address (SO_REUSEPORT); the kernel deals out connections and
	// datagrams. tcp and udp.
	ReusePort bool
	// Allow is the networks that clients may send from; others' connections are
	// closed at once, and their datagrams dropped. Empty means everyone. tcp and
	// udp.
	Allow []netip.Prefix
	// TLS, where set, makes every connection a TLS session. tcp.
	TLS *TLS
	// Compression is Uncompressed, Gzip, Zstd or Snappy. Empty means
	// Uncompressed. Plaintext streams only. A connection takes memory for it from
	// its first bytes on until it is closed: about 64 KiB for gzip, 200 KiB for
	// snappy and, as its client chooses, up to 9 MiB for zstd. MaxConnections and
	// IdleTimeout bound the sum.
	Compression string
	// MaxConnections is how many clients may be connected at once; others wait
	// in the kernel's backlog. 0 means no limit. Streams only.
	MaxConnections int
	// IdleTimeout closes a connection that sent nothing for so long. 0 means
	// never. Streams only.
	IdleTimeout time.Duration
	// MaxLine is the longest line accepted, in bytes without its newline, or the
	// longest name of a datapoint in a frame. 0 means 16384. Streams only: a
	// datagram bounds its lines itself.
	MaxLine int
	// MaxFrame is the longest frame accepted, in bytes without its header. 0
	// means 1 MiB. A connection whose client announces a longer one is closed,
	// because nothing can be found behind it. Pickle and Protobuf only.
	MaxFrame int
}

// TLS names the PEM files of a TLS listener. When one of them has changed, all
// are read again for the next handshake; while they do not fit together, the
// former ones stay in use.
type TLS struct {
	// CertFile is the server's certificate followed by those that lead to the
	// root, KeyFile its private key.
	CertFile, KeyFile string
	// ClientCAFile, where set, makes clients present a certificate that one of
	// the authorities in it has signed.
	ClientCAFile string
}

const (
	defaultMaxLine  = 16384   // carbon's
	defaultMaxFrame = 1 << 20 // carbon's

	// Every worker keeps room for an unfinished line in front of its buffer.
	largestMaxLine    = 1 << 20
	largestMaxFrame   = pickle.MaxPayload
	longestSocketPath = 107 // sockaddr_un has 108 bytes, the last is NUL
)

// check validates l and fills in its defaults, except for the name.
func (l *Listener) check() error {
	if err := l.checkAddress(); err != nil {
		return err
	}
	if err := l.checkProtocol(); err != nil {
		return err
	}
	stream, network := l.Transport != "udp", l.Transport != "unix"
	switch {
	case l.TLS != nil && l.Transport != "tcp":
		return errors.New("TLS needs the transport tcp")
	case l.TLS != nil && (l.TLS.CertFile == "" || l.TLS.KeyFile == ""):
		return fmt.Errorf("TLS with certificate file %q and key file %q: both must be given", l.TLS.CertFile, l.TLS.KeyFile)
	case l.Compression != Uncompressed && (!stream || l.Protocol != Plaintext):
		return fmt.Errorf("compression %q needs the transport tcp or unix and the protocol plaintext", l.Compression)
	case l.ReusePort && (!network || l.Socket != nil):
		return errors.New("reusing the port needs the transport tcp or udp, and a socket that is not handed over")
	case len(l.Allow) > 0 && !network:
		return errors.New("allowed networks need the transport tcp or udp")
	}
	for _, p := range l.Allow {
		if !p.IsValid() {
			return fmt.Errorf("%v is no network", p)
		}
	}
	l.Allow = unmapped(l.Allow)
	return l.checkLimits()
}

func (l *Listener) checkAddress() error {
	switch l.Transport {
	case "tcp", "udp":
		if _, _, err := net.SplitHostPort(l.Address); err != nil && l.Socket == nil {
			return errors.New("the address must be host:port, where the host may be empty")
		}
	case "unix":
		if l.Socket == nil && (l.Address == "" || len(l.Address) > longestSocketPath) {
			return fmt.Errorf("the address must be a path of 1 to %d bytes", longestSocketPath)
		}
	default:
		return errors.New("the transport must be tcp, udp or unix")
	}
	return nil
}

func (l *Listener) checkProtocol() error {
	switch l.Protocol {
	case "":
		l.Protocol = Plaintext
	case Plaintext:
	case Pickle, Protobuf:
		if l.Transport == "udp" {
			return fmt.Errorf("the protocol %s needs the transport tcp or unix", l.Protocol)
		}
	default:
		return fmt.Errorf("the protocol %q must be plaintext, pickle or protobuf", l.Protocol)
	}
	switch l.Compression {
	case "":
		l.Compression = Uncompressed
	case Uncompressed, Gzip, Zstd, Snappy:
	default:
		return fmt.Errorf("the compression %q must be none, gzip, zstd or snappy", l.Compression)
	}
	return nil
}

func (l *Listener) checkLimits() error {
	if l.MaxLine == 0 {
		l.MaxLine = defaultMaxLine
	}
	if l.MaxFrame == 0 {
		l.MaxFrame = defaultMaxFrame
	}
	switch {
	case l.MaxLine < 0 || l.MaxLine > largestMaxLine:
		return fmt.Errorf("longest line of %d bytes: must be 1 to %d, or 0 for %d", l.MaxLine, largestMaxLine, defaultMaxLine)
	case l.MaxFrame < 0 || l.MaxFrame > largestMaxFrame:
		return fmt.Errorf("longest frame of %d bytes: must be 1 to %d, or 0 for %d", l.MaxFrame, largestMaxFrame, defaultMaxFrame)
	case l.MaxConnections < 0:
		return fmt.Errorf("%d connections at most: must be 0 (no limit) or more", l.MaxConnections)
	case l.IdleTimeout < 0:
		return fmt.Errorf("idle timeout of %v: must be 0 (never) or more", l.IdleTimeout)
	}
	return nil
}
