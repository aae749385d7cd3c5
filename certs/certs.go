// Package certs keeps the TLS settings of a server as its files have them.
package certs

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// Files are the paths of PEM files.
type Files struct {
	// CertFile holds the certificate and those that lead to its authority,
	// KeyFile its key.
	CertFile, KeyFile string
	// ClientCAFile holds the authorities, one of which must have signed the
	// certificate that every client then presents. Empty asks clients for none.
	ClientCAFile string
}

// Certificates are what a server reads from its files, read anew when they
// change. Their methods may be called concurrently.
type Certificates struct {
	files    Files
	reloaded func(error)

	mu      sync.Mutex // guards the fields below
	seen    [3]fs.FileInfo
	current *tls.Config
}

// Load reads the files. Later on, reloaded is told of each attempt to read them
// again, with its error or nil; it must not call back.
func Load(files Files, reloaded func(error)) (*Certificates, error) {
	c := &Certificates{files: files, reloaded: reloaded}
	if err := c.load(); err != nil {
		return nil, err
	}
	return c, nil
}

// Config returns the configuration for a handshake that begins now, which the
// caller must not change. Files that cannot be used leave the former ones in
// use.
func (c *Certificates) Config() *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changed() {
		c.reloaded(c.load())
	}
	return c.current
}

// changed looks at the files and reports whether one is another than when it
// was last looked at. One that is not there is left alone: a new one will come.
func (c *Certificates) changed() bool {
	changed := false
	for i, path := range [3]string{c.files.CertFile, c.files.KeyFile, c.files.ClientCAFile} {
		if path == "" {
			continue
		}
		now, err := os.Stat(path)
		if err != nil {
			continue
		}
		if was := c.seen[i]; was == nil || !os.SameFile(was, now) || was.Size() != now.Size() || !was.ModTime().Equal(now.ModTime()) {
			changed = true
		}
		c.seen[i] = now
	}
	return changed
}

// load reads the files. After an error, what was loaded before stays in use.
func (c *Certificates) load() error {
	c.changed() // notes them as they are before they are read
	pair, err := tls.LoadX509KeyPair(c.files.CertFile, c.files.KeyFile)
	if err != nil {
		return fmt.Errorf("TLS certificate %q with key %q: %w", c.files.CertFile, c.files.KeyFile, err)
	}
	config := &tls.Config{
		Certificates: []tls.Certificate{pair},
		MinVersion:   tls.VersionTLS12,
		// Connections live long, and a session that is resumed would get past
		// client authorities that have changed since.
		SessionTicketsDisabled: true,
	}
	if path := c.files.ClientCAFile; path != "" {
		pem, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("TLS client authorities: %w", err)
		}
		config.ClientCAs = x509.NewCertPool()
		if !config.ClientCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("TLS client authorities %q: the file holds no certificate in PEM form", path)
		}
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	c.current = config
	return nil
}
