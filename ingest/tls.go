package ingest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"
)

// handshakeTimeout is how long a client may take for its part of the handshake.
const handshakeTimeout = 10 * time.Second

// secure makes a TLS session of a connection. It returns false when none came
// about, which has been counted.
func (l *listener) secure(p *puller) (*tls.Conn, bool) {
	session := tls.Server(p, l.tls.config())
	ctx, cancel := context.WithTimeout(context.Background(), l.handshake)
	defer cancel()
	err := session.HandshakeContext(ctx)
	if err == nil {
		return session, true
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("not finished after %v", l.handshake)
	}
	p.err = nil // of reading, which is part of the handshake's
	if p.end == endStopped || p.end == endIdle {
		return nil, false
	}
	p.end = endSaid
	n := l.counts.handshakeErrors.Add(1)
	if l.handshakeLog.due() {
		l.in.log.Warn("a TLS handshake failed", "listener", l.Name, "sender", p.stream.sender(0), "error", err, "failed_so_far", n)
	}
	return nil, false
}

// certificates are what a TLS listener reads from files, read anew when they
// change.
type certificates struct {
	files    TLS
	listener *listener

	mu      sync.Mutex // guards the fields below
	seen    [3]fs.FileInfo
	current *tls.Config
}

// config returns the configuration for a handshake that begins now.
func (c *certificates) config() *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.changed() {
		return c.current
	}
	log := c.listener.in.log
	if err := c.load(); err != nil {
		log.Error("the TLS files cannot be used; the former ones stay in use", "listener", c.listener.Name, "error", err)
	} else {
		log.Info("loaded the changed TLS files", "listener", c.listener.Name)
	}
	return c.current
}

// changed looks at the files and reports whether one is another than when it
// was last looked at. One that is not there is left alone: a new one will come.
func (c *certificates) changed() bool {
	changed := false
	for i, path := range c.paths() {
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

func (c *certificates) paths() [3]string {
	return [3]string{c.files.CertFile, c.files.KeyFile, c.files.ClientCAFile}
}

// load reads the files. After an error, what was loaded before stays in use.
func (c *certificates) load() error {
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
