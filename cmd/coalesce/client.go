package main

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/coalesce-metrics/coalesce/config"
	"github.com/coalesce-metrics/coalesce/plot"
	"github.com/spf13/pflag"
)

// What an answer of a daemon may cost.
const (
	dialPatience   = 5 * time.Second
	answerPatience = 60 * time.Second // the daemon itself gives up earlier
	maxAnswer      = 64 << 20         // bytes
	maxComplaint   = 4 << 10          // bytes of an error's text
)

// findFlags are the flags of commands that ask a daemon.
type findFlags struct {
	config, address, key string
	keyGiven             func() bool
}

// keyVariable is where a key may stand that is not to be seen among the
// arguments of processes.
const keyVariable = "COALESCE_KEY"

func (f *findFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.config, "config", "", "configuration file that has http.listen (default coalesce.toml here, then in /etc/coalesce)")
	flags.StringVar(&f.address, "http", "", "address of the daemon, host:port or a URL (default http.listen)")
	flags.StringVar(&f.key, "key", "", "key, if the daemon asks for one (default that in --http, https://KEY@host/, then $"+keyVariable+")")
	f.keyGiven = func() bool { return flags.Changed("key") }
}

func (f *findFlags) server() (*url.URL, error) {
	server, err := findServer(f.address, f.config)
	if err != nil {
		return nil, err
	}
	if key := cmp.Or(f.key, os.Getenv(keyVariable)); key != "" && (f.keyGiven() || server.User == nil) {
		server.User = url.User(key)
	}
	return server, nil
}

// findServer returns where the daemon listens for HTTP: the address, or that in
// the config file.
func findServer(address, configPath string) (*url.URL, error) {
	if address != "" {
		return parseServer(address)
	}
	path, err := config.Find(configPath)
	if err != nil {
		return nil, err
	}
	cfg, problems := config.Load(path)
	if err := problems.Err(); err != nil {
		return nil, fmt.Errorf("%w\nname the daemon's address with --http to do without the file", err)
	}
	if cfg.HTTP.Listen == "" {
		return nil, fmt.Errorf("http.listen is empty in %s, so that the daemon answers no queries; name another with --http", path)
	}
	if cfg.HTTP.TLSCert != "" {
		return parseServer("https://" + cfg.HTTP.Listen)
	}
	return parseServer(cfg.HTTP.Listen)
}

// parseServer reads host:port or a URL. An address that listens everywhere is
// asked on this host. A key is not repeated in errors.
func parseServer(address string) (*url.URL, error) {
	text := address
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	if strings.Contains(address, "@") {
		address = address[strings.LastIndex(address, "@"):]
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%q is no address of a daemon; accepted: host:port, http://host:port/ and https://KEY@host/", address)
	}
	if u.Port() == "0" {
		return nil, fmt.Errorf("%q has port 0, which becomes another when the daemon listens; name that with --http, it is in the daemon's log", address)
	}
	host, port := u.Hostname(), u.Port()
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "", err == nil && ip == netip.IPv4Unspecified():
		host = "127.0.0.1"
	case err == nil && ip == netip.IPv6Unspecified():
		host = "[::1]"
	default:
		return u, nil
	}
	if u.Host = host; port != "" {
		u.Host += ":" + port
	}
	return u, nil
}

// keyless returns a URL without its key, to be shown.
func keyless(u *url.URL) string {
	shown := *u
	shown.User = nil
	return shown.String()
}

// request is what a daemon is asked.
type request struct {
	method, path string
	kind, body   string // the Content-Type of a body that there is
}

var errLarge = fmt.Errorf("the answer has more than %d MiB", maxAnswer>>20)

// call asks a daemon and returns what it answers with status 200.
func call(ctx context.Context, server *url.URL, r request) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, server.JoinPath(r.path).String(), strings.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	if r.kind != "" {
		req.Header.Set("Content-Type", r.kind)
	}
	req.Header.Set("User-Agent", "coalesce/"+version)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = (&net.Dialer{Timeout: dialPatience}).DialContext
	transport.DisableKeepAlives = true
	client := &http.Client{
		Transport: transport, Timeout: answerPatience,
		// A redirected form would arrive empty.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, unanswered(ctx, server, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, refusal(server, resp)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, unanswered(ctx, server, err)
	}
	if len(body) > maxAnswer {
		return nil, errLarge
	}
	return body, nil
}

// unanswered says why there is no answer.
func unanswered(ctx context.Context, server *url.URL, err error) error {
	var call *url.Error
	var dial *net.OpError
	var timeout net.Error
	if errors.As(err, &call) {
		err = call.Err // without the URL, which may have a key
	}
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted")
	case errors.As(err, &dial) && dial.Op == "dial":
		return fmt.Errorf("%s cannot be reached: %w; is the daemon running, and is that its http.listen? --http names another address", keyless(server), err)
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("%s has not answered within %v; ask for a shorter range or for fewer series", keyless(server), answerPatience)
	}
	return fmt.Errorf("%s: %w%s", keyless(server), err, remedy(err))
}

// remedy says what may help where a certificate is not trusted.
func remedy(err error) string {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	switch {
	case errors.As(err, &authority):
		return "; where the authority is your own, name its certificate: SSL_CERT_FILE=authority.pem coalesce …"
	case errors.As(err, &name):
		return "; --http takes the name that is in the certificate: https://NAME:PORT"
	}
	return ""
}

// refusal says what the daemon has answered instead of series.
func refusal(server *url.URL, resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxComplaint)) // what there is of it
	var inJSON struct{ Error string }
	if json.Unmarshal(text, &inJSON) == nil && inJSON.Error != "" {
		text = []byte(inJSON.Error)
	}
	said := plot.Printable(strings.TrimSpace(string(text)), false)
	switch {
	case resp.StatusCode == http.StatusUnauthorized:
		said = strings.TrimPrefix(said+"; give a key by --key or in $"+keyVariable, "; ")
	case resp.Header.Get("Location") != "":
		said = "it redirects to " + strconv.Quote(resp.Header.Get("Location")) + ", which --http may name"
	case strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html"):
		said = "is it a coalesce daemon?"
	}
	return fmt.Errorf("%s answers %s: %s", keyless(server), resp.Status, said)
}
