package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/config"
	"github.com/coalesce-metrics/coalesce/internal/stubborn"
	"github.com/coalesce-metrics/coalesce/keys"
)

// What `key` prints is accepted as it stands, at the end of any configuration.
func TestKeyCommand(t *testing.T) {
	for name, c := range map[string]struct {
		args  []string
		name  string
		roles keys.Roles
	}{
		"no name":     {nil, "client", keys.Roles(0).With(keys.Read)},
		"name":        {[]string{"grafana@example.org"}, "grafana@example.org", keys.Roles(0).With(keys.Read)},
		"roles":       {[]string{"ops", "--roles", "read,ingest,manage"}, "ops", keys.All},
		"roles apart": {[]string{"--roles=ingest", "--roles=manage", "x"}, "x", keys.Roles(0).With(keys.Ingest).With(keys.Manage)},
	} {
		out, lines, err := execute("", append([]string{"key"}, c.args...)...)
		key := strings.TrimSuffix(out, "\n")
		if err != nil || keys.CheckKey(key) != nil || strings.Contains(lines, key) {
			t.Errorf("%s: %q, %q, %v", name, out, lines, err)
		}
		cfg, problems := config.Parse("f", []byte("[http]\nrate = 5\n"+lines))
		if len(problems) > 0 {
			t.Fatalf("%s: %v in\n%s", name, problems, lines)
		}
		if got, want := cfg.AllKeys(), (keys.Key{Name: c.name, Roles: c.roles, Hash: keys.Sum(key)}); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestKeyHash(t *testing.T) {
	// printf 01234567890123456789 | sha256sum
	const want = "hash = \"sha256:4e76ad8354461437c04ef9b9b242540b6406d782ff2c3fb28afdab5b423f88fe\"\n"
	for name, in := range map[string]string{"line": "01234567890123456789\n", "no end": "01234567890123456789", "CRLF": "01234567890123456789\r\nmore"} {
		if out, said, err := execute(in, "key", "--hash"); out != want || said != "" || err != nil {
			t.Errorf("%s: %q, %q, %v", name, out, said, err)
		}
	}
}

func TestKeyCommandErrors(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		args []string
		want string
	}{
		"name":          {"", []string{"a b"}, `"a b": not a name; accepted: 1 to 64 ASCII letters`},
		"role":          {"", []string{"--roles", "admin"}, `--roles "admin": no such role; accepted: "read", "ingest" or "manage"`},
		"no role":       {"", []string{"--roles", ""}, "--roles is empty; accepted: read, ingest, manage"},
		"nothing":       {"", []string{"--hash"}, "standard input: not a key; accepted: 20 to 256 random ASCII characters"},
		"too short":     {"secret\n", []string{"--hash"}, "standard input: not a key"},
		"endless":       {strings.Repeat("x", 10_000), []string{"--hash"}, "standard input: not a key"},
		"name and hash": {"", []string{"--hash", "x"}, `"x" with --hash`},
		"two names":     {"", []string{"a", "b"}, "2 arguments given; accepted: coalesce key [--roles ROLE,…] [NAME] | key --hash"},
	} {
		out, said, err := execute(c.in, append([]string{"key"}, c.args...)...)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || out != "" || said != "" || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %q, %q, %v", name, out, said, err)
		}
	}
}

// newTestKey returns a key and the lines that make a daemon accept it.
func newTestKey(t *testing.T, name, roles string) (key, lines string) {
	t.Helper()
	out, lines, err := execute("", "key", name, "--roles", roles)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out), lines
}

// askAs asks a daemon with a key, "" being none.
func askAs(t *testing.T, client *http.Client, key, method, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.SetBasicAuth(key, "")
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// A daemon with keys: every route needs its role, from this machine too.
func TestKeysOfDaemon(t *testing.T) {
	t.Parallel()
	reader, readLines := newTestKey(t, "reader", "read")
	sender, sendLines := newTestKey(t, "sender", "ingest")
	ops, opsLines := newTestKey(t, "ops", "manage")
	dir := t.TempDir()
	rules := write(t, dir, "r.conf", "all (1) = sum app.*\n")
	d := start(t, settings{rules: rules, http: "0.0.0.0:0", config: readLines + sendLines + opsLines})
	_, port, _ := net.SplitHostPort(d.address("http", "tcp"))
	base := "http://127.0.0.1:" + port
	client := stubborn.Client(patience)
	const value = `{"metric":"app.x","value":1}`
	const record = `{"type":"record_metric","msg_id":1,"metric":"m","value":1}`
	for _, c := range []struct {
		method, path, body string
		reader, sender, op int // status by key
	}{
		{"GET", "/healthz", "", 200, 200, 200},
		{"GET", "/readyz", "", 200, 200, 200},
		{"GET", "/", "", 200, 403, 403},
		{"GET", "/metrics", "", 200, 403, 403},
		{"GET", "/metrics/find?query=*", "", 200, 403, 403},
		{"GET", "/render?target=a&format=json", "", 200, 403, 403},
		{"GET", "/tags", "", 200, 403, 403},
		{"POST", "/tags/tagSeries?path=a;b=c", "", 200, 403, 403},
		{"POST", "/tags/delSeries?path=a", "", 403, 403, 200},
		{"GET", "/functions", "", 200, 403, 403},
		{"GET", "/version", "", 200, 403, 403},
		{"GET", "/v1/windows", "", 200, 403, 403},
		{"POST", "/v1/collect", value, 403, 202, 403},
		{"POST", "/v1/query", record, 200, 403, 403},
		{"GET", "/debug/pprof/cmdline", "", 403, 403, 200},
		{"GET", "/nothing", "", 404, 404, 404},
	} {
		open := c.path == "/healthz" || c.path == "/readyz"
		for _, as := range []struct {
			key  string
			want int
		}{{reader, c.reader}, {sender, c.sender}, {ops, c.op}, {"", 401}, {"wrong", 401}} {
			if open {
				as.want = 200
			}
			if status, body := askAs(t, client, as.key, c.method, base+c.path, c.body); status != as.want {
				t.Errorf("%s %s with %.7q: %d %.200s, want %d", c.method, c.path, as.key, status, body, as.want)
			}
		}
	}
	// A message that sends a value needs the role for that.
	if _, body := askAs(t, client, reader, "POST", base+"/v1/query", record); !strings.Contains(body, `does not have the role \"ingest\"`) {
		t.Errorf("record_metric: %s", body)
	}
	_, numbers := askAs(t, client, reader, "GET", base+"/metrics", "")
	if !strings.Contains(numbers, `coalesce_http_requests_refused_total{reason="unauthorized"} 28`) {
		t.Errorf("%s", numbers)
	}
	if text := d.text(); strings.Contains(text, reader) || !strings.Contains(text, "keys come unencrypted") {
		t.Errorf("log: %s", text)
	}
	// The command says what to do.
	if _, _, err := execute("", "query", "--http", base, "x"); err == nil || !strings.Contains(err.Error(), "a key is needed") || !strings.Contains(err.Error(), "--key") {
		t.Error(err)
	}
	if _, _, err := execute("", "query", "--http", base, "--key", reader, "x"); err == nil || !strings.Contains(err.Error(), "no series match") {
		t.Error(err)
	}
	d.stop()
}

// Without a key the daemon does not start where others could reach it, and a
// page in a browser does not reach it.
func TestNoKeys(t *testing.T) {
	t.Parallel()
	rules := write(t, t.TempDir(), "r.conf", "")
	if said := fails(t, settings{rules: rules, http: "0.0.0.0:0"}); !strings.Contains(said, "--http: error: http.listen = \"0.0.0.0:0\": not a loopback address, and there is no [[key]]") {
		t.Error(said)
	}
	d := start(t, settings{rules: rules, config: "[http]\nrate = 1\nburst = 3\n"})
	client := stubborn.Client(patience)
	req, err := http.NewRequest("GET", "http://"+d.address("http", "tcp")+"/version", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "attacker.example:2080"
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 403 {
		t.Errorf("another Host: %s", resp.Status)
	}
	await(t, "one of many requests at once to be too much", nil, func() bool {
		var running sync.WaitGroup
		var refused atomic.Bool
		for range 10 {
			running.Go(func() {
				if status, _ := get(t, d, "/version"); status == http.StatusTooManyRequests {
					refused.Store(true)
				}
			})
		}
		running.Wait()
		return refused.Load()
	})
	d.stop()
}

// TLS, with certificates of clients, and renewed while the daemon runs.
func TestHTTPOverTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key, lines := newTestKey(t, "reader", "read")
	cert, pool := selfSigned(t, dir, 1)
	d := start(t, settings{rules: write(t, dir, "r.conf", ""), config: fmt.Sprintf("[http]\ntls_cert = %q\ntls_key = %q\ntls_client_ca = %q\n",
		filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "cert.pem")) + lines})
	base := "https://" + d.address("http", "tcp")
	ask := func(pool *x509.CertPool, certs ...tls.Certificate) (status int, serial int64, err error) {
		client := stubborn.Client(patience)
		client.Transport.(*stubborn.Transport).TLSClientConfig = &tls.Config{RootCAs: pool, Certificates: certs}
		req, err := http.NewRequest("GET", base+"/version", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("", key)
		resp, err := client.Do(req)
		if err != nil {
			return 0, 0, err
		}
		resp.Body.Close()
		return resp.StatusCode, resp.TLS.PeerCertificates[0].SerialNumber.Int64(), nil
	}
	if status, serial, err := ask(pool, cert); status != 200 || serial != 1 || err != nil {
		t.Errorf("%d, certificate %d, %v", status, serial, err)
	}
	if status, _, err := ask(pool); err == nil {
		t.Errorf("without a certificate: %d", status)
	}
	cert, pool = selfSigned(t, dir, 2)
	d.signal(syscall.SIGHUP)
	if status, serial, err := ask(pool, cert); status != 200 || serial != 2 || err != nil {
		t.Errorf("renewed: %d, certificate %d, %v", status, serial, err)
	}
	d.waitLog("loaded the changed TLS files of http")
	d.stop()

	said := fails(t, settings{rules: filepath.Join(dir, "r.conf"), config: "[http]\ntls_cert = \"none.pem\"\ntls_key = \"none.pem\"\n" + lines})
	if !strings.Contains(said, "http: TLS certificate") || !strings.Contains(said, "none.pem") {
		t.Error(said)
	}
}

// selfSigned writes cert.pem and key.pem of 127.0.0.1, good for servers and
// clients.
func selfSigned(t *testing.T, dir string, serial int64) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	replace(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))
	replace(t, filepath.Join(dir, "cert.pem"), string(text))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k}, pool
}

// Rules that no client can ask for any more are told of at the start.
func TestRulesOfKeysThatAreGone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rules, data := noRules(t), filepath.Join(dir, "data")
	first, linesOfFirst := newTestKey(t, "first", "manage")
	second, linesOfSecond := newTestKey(t, "second", "manage")
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	for _, step := range []struct {
		lines, key string
		strays     map[string]float64 // by owner
	}{
		{"", "", map[string]float64{}},
		{linesOfFirst, first, map[string]float64{"": 1}},
		{linesOfFirst, first, map[string]float64{"": 1}},
		{linesOfSecond, second, map[string]float64{"": 1, "first": 2}},
		{"", "", map[string]float64{"first": 2, "second": 1}},
	} {
		d := start(t, settings{rules: rules, data: data, config: step.lines})
		got := map[string]float64{}
		for _, msg := range []string{
			"rules made over HTTP without a key are in force, and no key sees or deletes them; a start without keys does",
			"rules made over HTTP with a key that is gone are in force, and nobody sees or deletes them; a key of that name does",
		} {
			for _, l := range d.lines(msg) { // all of them come before it listens
				owner, _ := l.attrs["key"].(string)
				got[owner], _ = l.attrs["rules"].(float64)
			}
		}
		if !maps.Equal(got, step.strays) {
			t.Errorf("%q: told of %v, want %v", step.lines, got, step.strays)
		}
		body := ruleBody("a."+rand.Text(), "b")
		if status, text := askAs(t, client, step.key, "POST", "http://"+d.address("http", "tcp")+"/v1/aggregates/", body); status != 200 {
			t.Error(status, text)
		}
		d.stop()
	}
}
