package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pair returns a certificate with a serial number, signed by itself, and its key.
func pair(t *testing.T, serial int64) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

// put puts a file in place of another, as tools that renew certificates do.
func put(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := errors.Join(os.WriteFile(path+".new", content, 0o600), os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
}

func files(t *testing.T) Files {
	dir := t.TempDir()
	f := Files{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem"), ClientCAFile: filepath.Join(dir, "ca.pem")}
	cert, key := pair(t, 1)
	put(t, f.CertFile, cert)
	put(t, f.KeyFile, key)
	put(t, f.ClientCAFile, cert)
	return f
}

func serial(t *testing.T, c *tls.Config) int64 {
	t.Helper()
	cert, err := x509.ParseCertificate(c.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return cert.SerialNumber.Int64()
}

func TestReload(t *testing.T) {
	f := files(t)
	var told []error
	c, err := Load(f, func(err error) { told = append(told, err) })
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, want int64, tellings int) {
		t.Helper()
		for range 2 {
			if got := serial(t, c.Config()); got != want || len(told) != tellings {
				t.Errorf("%s: certificate %d, told %v; want %d, %d times", what, got, told, want, tellings)
			}
		}
	}
	check("at first", 1, 0)
	first := c.Config()
	if first.ClientAuth != tls.RequireAndVerifyClientCert || first.MinVersion != tls.VersionTLS12 {
		t.Errorf("%v, %x", first.ClientAuth, first.MinVersion)
	}
	cert, key := pair(t, 7)
	put(t, f.CertFile, cert)
	check("certificate without its key", 1, 1)
	put(t, f.KeyFile, key)
	check("both", 7, 2)
	os.Remove(f.KeyFile)
	check("key gone", 7, 2)
	put(t, f.ClientCAFile, nil)
	check("key gone, no authorities", 7, 3)
	put(t, f.KeyFile, key)
	check("no authorities", 7, 4)
	put(t, f.ClientCAFile, cert)
	check("all there", 7, 5)
	if c.Config().ClientCAs.Equal(first.ClientCAs) {
		t.Error("the former authorities")
	}
	for i, bad := range []bool{true, false, true, true, false} {
		if (told[i] != nil) != bad {
			t.Errorf("told %d: %v", i, told[i])
		}
	}
}

func TestLoadErrors(t *testing.T) {
	good, other := files(t), files(t)
	empty := filepath.Join(t.TempDir(), "empty.pem")
	put(t, empty, nil)
	for name, c := range map[string]struct {
		files Files
		want  string
	}{
		"no such certificate": {Files{empty + "x", good.KeyFile, ""}, "no such file"},
		"another's key":       {Files{good.CertFile, other.KeyFile, ""}, "private key does not match"},
		"no such authority":   {Files{good.CertFile, good.KeyFile, empty + "x"}, "no such file"},
		"no authority":        {Files{good.CertFile, good.KeyFile, empty}, "holds no certificate"},
	} {
		if _, err := Load(c.files, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}
