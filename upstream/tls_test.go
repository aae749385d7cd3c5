package upstream

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certificates makes a directory with an authority (ca.pem) and certificates of it for
// the name "graphite" (server) and for a client, each NAME.pem and NAME.key.
func certificates(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	var parent *x509.Certificate
	var parentKey *ecdsa.PrivateKey
	for i, name := range []string{"ca", "server", "client"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		cert := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 1)), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"graphite"},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			IsCA: i == 0, BasicConstraintsValid: true,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		}
		if i == 0 {
			parent, parentKey = cert, key
		}
		der, err := x509.CreateCertificate(rand.Reader, cert, parent, &key.PublicKey, parentKey)
		if err != nil {
			t.Fatal(err)
		}
		keyDER, err := x509.MarshalECPrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		for file, b := range map[string]*pem.Block{
			name + ".pem": {Type: "CERTIFICATE", Bytes: der},
			name + ".key": {Type: "EC PRIVATE KEY", Bytes: keyDER},
		} {
			if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(b), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// listenTLS takes connections that show a certificate of the authority, and sends what
// each one received.
func listenTLS(t *testing.T, dir string) (addr string, got <-chan string) {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	ca, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil || !pool.AppendCertsFromPEM(ca) {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	})
	if err != nil {
		t.Fatal(err)
	}
	c := make(chan string, 10)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			b, _ := io.ReadAll(conn)
			conn.Close()
			c <- string(b)
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String(), c
}

func TestTLS(t *testing.T) {
	for _, scheme := range []Scheme{TLS, Plaintext, Pickle} {
		t.Run(string(scheme), func(t *testing.T) {
			dir := certificates(t)
			addr, got := listenTLS(t, dir)
			u := newUpstream(t, string(scheme)+"://"+addr, func(c *Config) {
				c.WriteTimeout = patience
				c.Destinations[0].TLS = TLSOptions{
					CA: filepath.Join(dir, "ca.pem"), ServerName: "graphite",
					Cert: filepath.Join(dir, "client.pem"), Key: filepath.Join(dir, "client.key"),
				}
			})
			u.Start()
			send(u, 0, 20_000) // many records
			if unsent := u.Stop(t.Context()); unsent != nil {
				t.Errorf("Stop = %v", unsent)
			}
			text := <-got
			if scheme == Pickle {
				text, _ = unpickle(t, text)
			}
			if text != numbered(0, 20_000) {
				t.Errorf("received %d lines, want all", strings.Count(text, "\n"))
			}
			if s := u.Stats()[0]; s.Written != 20_000 || s.WriteErrors != 0 {
				t.Errorf("%+v, want all written", s)
			}
		})
	}
}

func TestTLSRefuses(t *testing.T) {
	dir := certificates(t)
	addr, _ := listenTLS(t, dir)
	other := certificates(t)
	for name, options := range map[string]TLSOptions{
		"another authority": {CA: filepath.Join(other, "ca.pem"), ServerName: "graphite"},
		"another name":      {CA: filepath.Join(dir, "ca.pem")},
	} {
		t.Run(name, func(t *testing.T) {
			log, seen := watchLog("destination not connected")
			u := newUpstream(t, "tls://"+addr, func(c *Config) {
				c.Destinations[0].TLS, c.Logger = options, log
			})
			u.Start()
			if line := <-seen; !strings.Contains(line, "certificate") {
				t.Errorf("logged %q, want the certificate", line)
			}
		})
	}
}

func TestTLSOptionsAreRefused(t *testing.T) {
	dir := certificates(t)
	file := func(name string) string { return filepath.Join(dir, name) }
	tests := map[string]struct {
		to      string
		options TLSOptions
		want    string
	}{
		"no such file":        {"tls://h:1", TLSOptions{CA: file("none")}, "TLS.CA"},
		"no certificate":      {"tls://h:1", TLSOptions{CA: file("ca.key")}, "no certificate"},
		"certificate alone":   {"tls://h:1", TLSOptions{Cert: file("client.pem")}, "belong together"},
		"key alone":           {"h:1", TLSOptions{Key: file("client.key")}, "belong together"},
		"key of another":      {"pickle://h:1", TLSOptions{Cert: file("client.pem"), Key: file("server.key")}, "TLS.Cert"},
		"UDP":                 {"udp://h:1", TLSOptions{CA: file("ca.pem")}, "no TLS with udp"},
		"Unix socket":         {"unix:///s", TLSOptions{ServerName: "x"}, "no TLS with unix"},
		"nothing is required": {"tls://h:1", TLSOptions{}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := mustParse(t, tt.to)
			d.TLS = tt.options
			_, err := New(Config{Destinations: []Destination{d}})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("New: %v, want an error with %q", err, tt.want)
			}
		})
	}
}
