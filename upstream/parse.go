package upstream

import (
	"fmt"
	"net/netip"
	"path"
	"strconv"
	"strings"
)

// Scheme is how lines reach a destination.
type Scheme string

const (
	// Plaintext is the Graphite line protocol over TCP.
	Plaintext Scheme = "plaintext"
	// Pickle is carbon's pickle protocol over TCP.
	Pickle Scheme = "pickle"
	// TLS is the Graphite line protocol over TLS.
	TLS Scheme = "tls"
	// UDP is the Graphite line protocol in datagrams of whole lines.
	UDP Scheme = "udp"
	// Unix is the Graphite line protocol over a stream socket in the file system.
	Unix Scheme = "unix"
	// Stdout is the standard output of the process.
	Stdout Scheme = "stdout"
	// Whisper is files in a directory, as carbon lays them out.
	Whisper Scheme = "whisper"
)

// accepted lists the forms of a destination for error messages.
const accepted = "host:port[:instance], [plaintext|pickle|tls|udp]://host:port[:instance], unix:///path, whisper:///dir, stdout:"

// maxSocketPath is the longest path that a Unix socket address can carry.
const maxSocketPath = 107

// ParseDestination reads the address of a destination; its settings are left zero.
// Blanks around it and around the port are ignored, as in carbon; what follows the
// port's colon is the instance, colons included. Errors quote s and list the accepted
// forms.
func ParseDestination(s string) (Destination, error) {
	text := strings.TrimSpace(s)
	if text == "stdout:" {
		return Destination{Scheme: Stdout}, nil
	}
	d, err := Destination{}, error(nil)
	switch scheme, rest, found := strings.Cut(text, "://"); {
	case !found || strings.Contains(scheme, ":"): // an instance may hold anything
		d, err = parseHostPort(Plaintext, text)
	case isHostPort(Scheme(scheme)):
		d, err = parseHostPort(Scheme(scheme), rest)
	case scheme == string(Unix):
		d, err = parseSocket(rest)
	case scheme == string(Whisper):
		d, err = parseDirectory(rest)
	default:
		err = fmt.Errorf("scheme %q is not supported", scheme)
	}
	if err != nil {
		return Destination{}, fmt.Errorf("destination %q: %w; accepted: %s", s, err, accepted)
	}
	return d, nil
}

func parseSocket(path string) (Destination, error) {
	switch {
	case !strings.HasPrefix(path, "/") || len(path) == 1:
		return Destination{}, fmt.Errorf("%q is not the absolute path of a socket", path)
	case len(path) > maxSocketPath:
		return Destination{}, fmt.Errorf("the path has %d bytes, a socket address holds %d", len(path), maxSocketPath)
	case strings.ContainsRune(path, 0):
		return Destination{}, fmt.Errorf("the path contains a zero byte")
	}
	return Destination{Scheme: Unix, Path: path}, nil
}

func parseDirectory(dir string) (Destination, error) {
	switch {
	case !path.IsAbs(dir):
		return Destination{}, fmt.Errorf("%q is not the absolute path of a directory", dir)
	case strings.ContainsRune(dir, 0):
		return Destination{}, fmt.Errorf("the path contains a zero byte")
	}
	return Destination{Scheme: Whisper, Path: path.Clean(dir)}, nil
}

func isHostPort(s Scheme) bool { return s == Plaintext || s == Pickle || s == TLS || s == UDP }

func parseHostPort(scheme Scheme, s string) (Destination, error) {
	host, rest, err := cutHost(s)
	if err != nil {
		return Destination{}, err
	}
	port, instance, hasInstance := strings.Cut(rest, ":")
	n, err := strconv.Atoi(strings.TrimSpace(port))
	if err != nil || n < 1 || n > 65535 {
		return Destination{}, fmt.Errorf("port %q is not a number from 1 to 65535", port)
	}
	return Destination{
		Scheme: scheme, Host: host, Port: n,
		Instance: instance, HasInstance: hasInstance,
	}, nil
}

// cutHost splits s behind the colon that ends the host.
func cutHost(s string) (host, rest string, err error) {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		host, rest, ok = strings.Cut(inner, "]")
		if addr, err := netip.ParseAddr(host); !ok || err != nil || !addr.Is6() {
			return "", "", fmt.Errorf("the brackets do not hold an IPv6 address")
		}
		if rest, ok = strings.CutPrefix(rest, ":"); !ok {
			return "", "", fmt.Errorf("no port")
		}
		return host, rest, nil
	}
	host, rest, ok := strings.Cut(s, ":")
	switch {
	case !ok:
		return "", "", fmt.Errorf("no port")
	case host == "" && strings.Contains(rest, ":"):
		return "", "", fmt.Errorf("no host; an IPv6 address stands in brackets, like [::1]:2003")
	case host == "":
		return "", "", fmt.Errorf("no host")
	}
	if i := strings.IndexFunc(host, notInHost); i >= 0 {
		return "", "", fmt.Errorf("host %q contains %q", host, host[i:i+1])
	}
	return host, rest, nil
}

// notInHost reports characters that no host name contains. It is generous, since
// the resolver has the last word, but catches paths, lists and misspelt URLs.
func notInHost(r rune) bool {
	return r <= ' ' || r == 0x7f || strings.ContainsRune(`/\,;@?#[]"'`, r)
}
