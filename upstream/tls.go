package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
)

// CheckTLS returns what is wrong with the files of d.TLS.
func (d Destination) CheckTLS() error {
	_, err := d.tlsConfig()
	return err
}

// tlsConfig reads the files of d.TLS.
func (d Destination) tlsConfig() (*tls.Config, error) {
	o := d.TLS
	c := &tls.Config{ServerName: o.ServerName, MinVersion: tls.VersionTLS12}
	if c.ServerName == "" {
		c.ServerName = d.Host
	}
	if o.CA != "" {
		pem, err := os.ReadFile(o.CA)
		if err != nil {
			return nil, fmt.Errorf("TLS.CA: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("TLS.CA: %s holds no certificate in PEM form", o.CA)
		}
	}
	if (o.Cert == "") != (o.Key == "") {
		return nil, errors.New("TLS.Cert and TLS.Key belong together, only one is given")
	}
	if o.Cert != "" {
		cert, err := tls.LoadX509KeyPair(o.Cert, o.Key)
		if err != nil {
			return nil, fmt.Errorf("TLS.Cert: %w", err)
		}
		c.Certificates = []tls.Certificate{cert}
	}
	return c, nil
}

// handshake makes a connection to to one of TLS within ctx.
func handshake(ctx context.Context, conn net.Conn, to Destination) (*tls.Conn, error) {
	cfg, err := to.tlsConfig()
	if err != nil {
		return nil, err
	}
	c := tls.Client(conn, cfg)
	if err := c.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return c, nil
}
