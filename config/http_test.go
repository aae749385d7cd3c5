package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coalesce-metrics/coalesce/keys"
)

const (
	helloHash = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
	worldHash = "sha256:486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c65260e9cb8a7"

	oneKey = "[[key]]\nname = \"a\"\nhash = \"" + helloHash + "\"\nroles = [\"read\"]\n"
)

func TestKeyProblems(t *testing.T) {
	const (
		nameWant = "not a name; accepted: 1 to 64 ASCII letters, digits and . _ @ -"
		hashWant = `not a hash; accepted: "sha256:" and 64 hexadecimal digits, as "coalesce key" prints them`
		roleWant = `no such role; accepted: "read", "ingest" or "manage"`
		oneWant  = `empty; accepted: one or more of "read", "ingest" and "manage"`
	)
	for name, c := range map[string]struct {
		src  string
		want []string // without the leading "f.toml"
	}{
		"empty": {"\n[[key]]\n", []string{
			`:2:3: error: key[0].name = "": ` + nameWant, `:2:3: error: key[0].hash: ` + hashWant, `:2:3: error: key[0].roles: ` + oneWant}},
		"name": {strings.Replace(oneKey, `"a"`, `"a b"`, 1), []string{`:2:8: error: key[0].name = "a b": ` + nameWant}},
		"name twice": {oneKey + strings.Replace(oneKey, helloHash, worldHash, 1), []string{
			`:6:8: error: key[1].name = "a": the name of key[0]; accepted: each name once`}},
		"hash twice": {oneKey + strings.Replace(oneKey, `"a"`, `"b"`, 1), []string{
			`:7:8: error: key[1].hash: the hash of key[0]; accepted: each key once`}},
		// What stands there may be the key.
		"a key for a hash": {strings.Replace(oneKey, helloHash, strings.Repeat("5ec7e7", 10), 1), []string{`:3:8: error: key[0].hash: ` + hashWant}},
		"hash of nothing": {strings.Replace(oneKey, helloHash, "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 1), []string{
			`:3:8: error: key[0].hash: the hash of an empty key; accepted: that of a key, as "coalesce key" prints it`}},
		"roles": {strings.Replace(oneKey, `["read"]`, `["read", "admin", "Manage"]`, 1), []string{
			`:4:18: error: key[0].roles[1] = "admin": ` + roleWant, `:4:27: error: key[0].roles[2] = "Manage": ` + roleWant}},
		"no role": {strings.Replace(oneKey, `["read"]`, `[]`, 1), []string{`:4:9: error: key[0].roles = []: ` + oneWant}},
		"role as a text": {strings.Replace(oneKey, `["read"]`, `"read"`, 1), []string{
			`:4:9: error: key[0].roles = "read": not an array; accepted: an array of texts, such as ["127.0.0.1:2003"]`, `:4:9: error: key[0].roles = "read": ` + oneWant}},
		"the key itself": {oneKey + "key = \"x\"\n", []string{
			`:5:1: error: unknown key key[0].key; accepted under [[key]]: name, hash, roles`}},

		"address without a port": {oneKey + "[http]\nlisten = \"h\"\n", []string{`:6:10: error: http.listen = "h": ` + addressWant + `, or "" for no HTTP server`}},
		"keys in the clear": {oneKey + "[http]\nlisten = \":1\"\n", []string{
			`:6:10: warning: http.listen = ":1": keys come unencrypted from other machines; accepted: http.tls_cert and http.tls_key, or a loopback address ` +
				`with something in front that speaks TLS`}},
		"TLS without a key": {"[http]\nlisten = \":1\"\ntls_cert = \"c\"\ntls_key = \"k\"\n", []string{`:2:10: error: http.listen = ":1": ` + loopbackWant}},
		"certificate alone": {"[http]\ntls_cert = \"c\"\n", []string{`:2:12: error: http.tls_cert = "c": without tls_key; accepted: both, or neither`}},
		"key alone":         {"[http]\ntls_key = \"c\"\n", []string{`:2:11: error: http.tls_key = "c": without tls_cert; accepted: both, or neither`}},
		"authority alone": {"[http]\ntls_client_ca = \"c\"\n", []string{
			`:2:17: error: http.tls_client_ca = "c": without tls_cert, so that there is no TLS; accepted: tls_cert and tls_key beside it`}},
		"ranges": {"[http]\nmax_connections = 0\nrequest_timeout = \"0s\"\nrate = -1\nburst = -1\n[query]\ntimeout = \"100ms\"\n", []string{
			`:2:19: error: http.max_connections = 0: not accepted; accepted: 1 to 1000000`,
			`:3:19: error: http.request_timeout = "0s": not accepted; accepted: "1s" to "1h"`,
			`:4:8: error: http.rate = -1: not accepted; accepted: 0 to 1000000`,
			`:5:9: error: http.burst = -1: not accepted; accepted: 0 to 1000000`,
			`:7:11: warning: query.timeout = "100ms": above http.request_timeout = "0s", which ends a request before; accepted: at most that`}},
		"burst alone": {"http.burst = 5\n", []string{`:1:14: warning: http.burst = 5: has no effect without http.rate; accepted: leaving it out`}},
		"a long query": {"[query]\ntimeout = \"5m\"\n", []string{
			`:2:11: warning: query.timeout = "5m": above http.request_timeout = "1m", which ends a request before; accepted: at most that`}},
		// A key is of no use to the query node.
		"node": {oneKey + "[node]\nlisten = \":1\"\n", []string{
			`:6:10: error: node.listen = ":1": not a loopback address, and the query node asks for no key; accepted: "127.0.0.1:PORT", "[::1]:PORT", "localhost:PORT", or "" for none`}},
		"node without a port": {"[node]\nlisten = \"h\"\n", []string{
			`:2:10: error: node.listen = "h": not an address; accepted: "127.0.0.1:PORT", "[::1]:PORT", "localhost:PORT", or "" for none, with a port from 0 to 65535`}},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := Parse("f.toml", []byte(c.src))
			for i, p := range c.want {
				c.want[i] = "f.toml" + p
			}
			if diff := cmp.Diff(c.want, lines(problems)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if strings.Contains(problems.Error(), "5ec7e7") {
				t.Errorf("shows the key: %v", problems)
			}
		})
	}
}

func TestKeysAccepted(t *testing.T) {
	for name, src := range map[string]string{
		"on loopback":     oneKey,
		"with TLS":        oneKey + "[http]\nlisten = \":1\"\ntls_cert = \"c\"\ntls_key = \"k\"\ntls_client_ca = \"a\"\n",
		"off":             oneKey + "[http]\nlisten = \"\"\n",
		"capital digits":  strings.Replace(oneKey, helloHash, "sha256:"+strings.ToUpper(helloHash[7:]), 1),
		"a long timeout":  "query.timeout = \"5m\"\nhttp.request_timeout = \"5m\"\n",
		"rate and burst":  "http.rate = 5\nhttp.burst = 50\n",
		"same role twice": strings.Replace(oneKey, `["read"]`, `["read", "read"]`, 1),
	} {
		if _, problems := Parse("f.toml", []byte(src)); len(problems) > 0 {
			t.Errorf("%s: %v", name, problems)
		}
	}
}

func TestAllKeys(t *testing.T) {
	c, problems := Parse("/etc/c/f.toml", []byte(oneKey+"[[key]]\nname = \"b\"\nhash = \""+worldHash+"\"\nroles = [\"ingest\", \"manage\"]\n"+
		"[[key]]\nname = \"bad\"\nhash = \"x\"\nroles = [\"read\"]\n[http]\ntls_cert = \"c.pem\"\ntls_key = \"/k.pem\"\n"))
	if len(problems) != 1 {
		t.Fatal(problems)
	}
	want := []keys.Key{
		{Name: "a", Hash: keys.Sum("hello"), Roles: keys.Roles(0).With(keys.Read)},
		{Name: "b", Hash: keys.Sum("world"), Roles: keys.Roles(0).With(keys.Ingest).With(keys.Manage)},
	}
	if diff := cmp.Diff(want, c.AllKeys()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := keys.NewSet(c.AllKeys()); err != nil {
		t.Error(err)
	}
	if c.HTTP.TLSCert != "/etc/c/c.pem" || c.HTTP.TLSKey != "/k.pem" {
		t.Errorf("%+v", c.HTTP)
	}
}
