package neighbours

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/metrics/metricstest"
)

// Two carbon-c-relays over TLS, the daemon between them.
func TestTLSCarbonCRelay(t *testing.T) {
	t.Parallel()
	program := need(t, "carbon-c-relay")
	if out, _ := exec.Command(program, "-v").CombinedOutput(); !strings.Contains(string(out), "ssl") {
		missing(t, "carbon-c-relay with support for ssl")
	}
	certs := certificates(t)
	out := newSink(t)
	behind := startCarbonCRelay(t, fmt.Sprintf("forward %s proto tcp", out.address), "transport plain ssl "+certs+"/server.both")
	between := local(port(t))
	d := start(t, totalRule, fmt.Sprintf(`[[destination]]
address = "tls://%s"
tls_ca = "%[2]s/ca.pem"
[[listener]]
address = %[3]q
tls_cert = "%[2]s/server.pem"
tls_key = "%[2]s/server.key"
`, behind, certs, between))
	front := startCarbonCRelay(t, fmt.Sprintf("forward %s proto tcp transport plain ssl", between), "", "-C", certs+"/ca.pem")

	text, want := totalInput(50)
	send(t, "tcp", front, text)
	await(t, "all rows", func() string { return out.got("").differs(want) })
	if s := d.settle(); s.sum("refused_items_total") != 0 || s.sum("accepted_items_total", "listener", "tcp2") != 50 {
		t.Errorf("%v items refused, %v accepted over TLS", s.sum("refused_items_total"), metricstest.Samples(s).Values("accepted_items_total", "listener"))
	}
	d.stop()
}

// Clients must show a certificate: openssl's do, or send nothing.
func TestTLSClientCertificates(t *testing.T) {
	t.Parallel()
	openssl := need(t, "openssl")
	certs, others := certificates(t), certificates(t)
	out := newSink(t)
	address := local(port(t))
	d := start(t, totalRule, fmt.Sprintf(`upstream = [%q]
[[listener]]
address = %q
tls_cert = "%[3]s/server.pem"
tls_key = "%[3]s/server.key"
tls_client_ca = "%[3]s/ca.pem"
`, out.address, address, certs))
	client := func(text string, args ...string) (says string, err error) {
		args = append([]string{"s_client", "-connect", address, "-quiet", "-no_ign_eof", "-verify_return_error", "-CAfile", certs + "/ca.pem",
			"-verify_hostname", "localhost"}, args...)
		c := exec.Command(openssl, args...)
		c.Stdin = strings.NewReader(text)
		both, err := c.CombinedOutput()
		return string(both), err
	}

	text, want := totalInput(30)
	lines := strings.SplitAfter(text, "\n")
	for i, version := range []string{"-tls1_2", "-tls1_3"} {
		for _, args := range [][]string{
			{version},
			{version, "-cert", others + "/client.pem", "-key", others + "/client.key"},
		} {
			client("bad.nobody 1 1500000000\n", args...)
		}
		half := strings.Join(lines[i*15:(i+1)*15], "")
		if says, err := client(half, version, "-cert", certs+"/client.pem", "-key", certs+"/client.key"); err != nil {
			t.Errorf("openssl with a certificate: %v\n%s", err, says)
		}
	}
	await(t, "all rows", func() string { return out.got("").differs(want) })
	if s := d.settle(); s.sum("datapoints_accepted_total") != 30 || s.sum("received_items_total") != 30 {
		t.Errorf("%v items received and %v datapoints accepted, want 30 each", s.sum("received_items_total"), s.sum("datapoints_accepted_total"))
	}
	d.stop()
}

// openssl's server asks for a certificate, and shows one of its own. A destination
// with the wrong authority, or without a certificate, is not written to for good.
func TestTLSDestinations(t *testing.T) {
	t.Parallel()
	openssl := need(t, "openssl")
	certs, others := certificates(t), certificates(t)
	server := func(demand ...string) *tlsServer {
		s := &tlsServer{address: local(port(t))}
		_, listen, _ := net.SplitHostPort(s.address)
		s.child = launch(t, t.TempDir(), append([]string{openssl, "s_server", "-accept", listen, "-quiet", "-CAfile", certs + "/ca.pem",
			"-cert", certs + "/server.pem", "-key", certs + "/server.key"}, demand...)...)
		s.awaitPorts(s.address)
		return s
	}
	mutual := server("-Verify", "1", "-verify_return_error")
	plain, mistaken, wrongName := server(), server(), server()
	config := ""
	destination := func(name string, s *tlsServer, keys string) {
		config += fmt.Sprintf("[[destination]]\nname = %q\naddress = \"tls://%s\"\n%s", name, s.address, keys)
	}
	ca := fmt.Sprintf("tls_ca = \"%s/ca.pem\"\n", certs)
	destination("mutual", mutual, ca+fmt.Sprintf("tls_cert = \"%s/client.pem\"\ntls_key = \"%[1]s/client.key\"\n", certs))
	destination("plain", plain, ca+"tls_server_name = \"localhost\"\n")
	destination("mistaken", mistaken, fmt.Sprintf("tls_ca = \"%s/ca.pem\"\n", others))
	destination("wrong name", wrongName, ca+"tls_server_name = \"graphite.example\"\n")
	d := start(t, totalRule, config+"[queue]\nreconnect_max = \"200ms\"\ndrain_timeout = \"100ms\"\n")

	text, want := totalInput(30)
	send(t, "tcp", d.plaintext, text)
	await(t, "all rows", func() string { return mutual.rows(t).differs(want) + plain.rows(t).differs(want) })
	for name, s := range map[string]*tlsServer{"mistaken": mistaken, "wrong name": wrongName} {
		d.awaitSum(float64(len(want)), "destination_rows_queued", "destination", name)
		if rows := s.rows(t); len(rows) != 0 {
			t.Errorf("%s got %v", name, rows)
		}
		if n := d.scrape().sum("destination_rows_written_total", "destination", name); n != 0 {
			t.Errorf("%v rows count as written to %s", n, name)
		}
	}
}

// tlsServer is openssl's, which prints what it gets.
type tlsServer struct {
	*child
	address string
}

func (s *tlsServer) rows(t *testing.T) store {
	t.Helper()
	text, err := os.ReadFile(s.log)
	if err != nil {
		t.Fatal(err)
	}
	found := make(store)
	for line := range strings.Lines(string(text)) {
		var name string
		var value float64
		var at int64
		if n, _ := fmt.Sscanf(line, "%s %g %d\n", &name, &value, &at); n == 3 {
			found[fmt.Sprintf("%s %d", name, at)] = value
		}
	}
	return found
}

// totalRule and totalInput are input of one period with one output.
const totalRule = "total.<app> (2) = sum app.<app>.*.requests\n"

func totalInput(servers int) (text string, want store) {
	at := (time.Now().Unix() + 1) &^ 1
	want = make(store)
	for i := range servers {
		name, value := fmt.Sprintf("app.shop.www%d.requests", i), float64(i)+0.25
		text += fmt.Sprintf("%s %v %d\n", name, value, at)
		want[fmt.Sprintf("%s %d", name, at)] = value
		want[fmt.Sprintf("total.shop %d", at)] += value
	}
	return text, want
}

// certificates makes a directory with an authority (ca.pem), and certificates of it
// for this host (server) and for a client: NAME.pem, NAME.key, NAME.both.
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
			SerialNumber: big.NewInt(int64(i + 1)), Subject: pkix.Name{CommonName: name},
			DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
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
		certPEM := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
		keyPEM := string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}))
		write(t, dir, name+".pem", certPEM)
		write(t, dir, name+".key", keyPEM)
		write(t, dir, name+".both", certPEM+keyPEM)
	}
	return dir
}
