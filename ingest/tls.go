package ingest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/coalesce-metrics/coalesce/certs"
)

// handshakeTimeout is how long a client may take for its part of the handshake.
const handshakeTimeout = 10 * time.Second

// secure makes a TLS session of a connection. It returns false when none came
// about, which has been counted.
func (l *listener) secure(p *puller) (*tls.Conn, bool) {
	session := tls.Server(p, l.tls.Config())
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
		l.in.log.Warn("a TLS handshake failed", "listener", l.Name, "sender", p.stream.sender(0), "err", err, "failed_so_far", n)
	}
	return nil, false
}

// loadCertificates reads the files of a TLS listener, which are read anew when
// they change.
func (l *listener) loadCertificates() (*certs.Certificates, error) {
	return certs.Load(certs.Files(*l.TLS), func(err error) {
		if err != nil {
			l.in.log.Error("the TLS files cannot be used; the former ones stay in use", "listener", l.Name, "err", err)
			return
		}
		l.in.log.Info("loaded the changed TLS files", "listener", l.Name)
	})
}
