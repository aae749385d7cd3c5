package keys

import (
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
)

const (
	opsKey     = "4f1e0a77c3b25d9986aa01f2e3d4c5b6a7988776655443322110ffeeddccbbaa"
	grafanaKey = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

func newSet(t testing.TB) *Set {
	t.Helper()
	s, err := NewSet([]Key{
		{Name: "ops", Roles: All, Hash: Sum(opsKey)},
		{Name: "grafana", Roles: Roles(0).With(Read), Hash: Sum(grafanaKey)},
		{Name: "third", Hash: Sum("third")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func TestIdentify(t *testing.T) {
	for name, c := range map[string]struct {
		header string // Authorization
		want   string // name of the key; "" is none
	}{
		"user":                    {basic(opsKey, ""), "ops"},
		"password":                {basic("", opsKey), "ops"},
		"email and password":      {basic("me@example.org", grafanaKey), "grafana"},
		"the word token":          {basic("token", grafanaKey), "grafana"},
		"user with some password": {basic(grafanaKey, "x"), "grafana"},
		"both, the user counts":   {basic(grafanaKey, opsKey), "grafana"},
		"bearer":                  {"Bearer " + opsKey, "ops"},
		"bearer, small letters":   {"bearer  " + opsKey + " ", "ops"},
		"small basic":             {"b" + basic(opsKey, "")[1:], "ops"},
		"nothing":                 {"", ""},
		"empty":                   {basic("", ""), ""},
		"empty bearer":            {"Bearer ", ""},
		"wrong":                   {basic(opsKey[:63]+"b", "x"), ""},
		"a part":                  {basic(opsKey[:63], ""), ""},
		"more":                    {basic(opsKey+"0", ""), ""},
		"other case":              {basic(strings.ToUpper(opsKey), ""), ""},
		"the hash itself":         {basic(Sum(opsKey).String(), ""), ""},
		"across the colon":        {basic(opsKey[:32], opsKey[32:]), ""},
		"not base64":              {"Basic !" + opsKey, ""},
		"another scheme":          {"Digest " + opsKey, ""},
		"no scheme":               {opsKey, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := &http.Request{Header: http.Header{}}
			if c.header != "" {
				r.Header.Set("Authorization", c.header)
			}
			key, ok := newSet(t).Identify(r)
			if key.Name != c.want || ok != (c.want != "") {
				t.Errorf("%q, %v; want %q", key.Name, ok, c.want)
			}
			var none *Set
			if key, ok := none.Identify(r); ok || none.Len() != 0 {
				t.Errorf("without keys: %q", key.Name)
			}
		})
	}
}

// What is compared does not depend on what is found.
func TestIdentifyComparesAll(t *testing.T) {
	for name, c := range map[string]struct {
		header string
		want   int
	}{
		"first key":  {basic(opsKey, ""), 6},
		"last key":   {basic("third", ""), 6},
		"password":   {basic("", opsKey), 6},
		"wrong":      {basic("x", "y"), 6},
		"nothing":    {basic("", ""), 6},
		"bearer":     {"Bearer " + opsKey, 3},
		"bad bearer": {"Bearer x", 3},
	} {
		s, compared := newSet(t), 0
		s.equal = func(a, b []byte) int {
			if len(a) != 32 || len(b) != 32 {
				t.Errorf("%s: %d and %d bytes are compared", name, len(a), len(b))
			}
			compared++
			return subtle.ConstantTimeCompare(a, b)
		}
		s.Identify(&http.Request{Header: http.Header{"Authorization": {c.header}}})
		if compared != c.want {
			t.Errorf("%s: %d comparisons, want %d", name, compared, c.want)
		}
	}
}

func TestNewSetErrors(t *testing.T) {
	a := Key{Name: "a", Hash: Sum("a")}
	for name, list := range map[string][]Key{
		"no name":       {{Hash: a.Hash}},
		"no hash":       {{Name: "a"}},
		"the empty key": {{Name: "a", Hash: Sum("")}},
		"a name twice":  {a, {Name: "a", Hash: Sum("b")}},
		"a key twice":   {a, {Name: "b", Hash: Sum("a")}},
	} {
		if _, err := NewSet(list); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestParseHash(t *testing.T) {
	// sha256sum of "hello".
	const digits = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
	for _, text := range []string{"sha256:" + digits, "sha256:" + strings.ToUpper(digits)} {
		if h, err := ParseHash(text); err != nil || h != Sum("hello") || h.String() != "sha256:"+digits {
			t.Errorf("%s: %s, %v", text, h, err)
		}
	}
	for name, text := range map[string]string{
		"empty":         "",
		"no prefix":     digits,
		"another":       "sha512:" + digits,
		"short":         "sha256:" + digits[:62],
		"long":          "sha256:" + digits + "00",
		"odd":           "sha256:" + digits[:63],
		"no digits":     "sha256:" + digits[:63] + "g",
		"the empty key": "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	} {
		if h, err := ParseHash(text); err == nil || h != (Hash{}) {
			t.Errorf("%s: %s, %v", name, h, err)
		} else if strings.Contains(err.Error(), digits[:20]) {
			t.Errorf("%s: the error repeats it: %v", name, err)
		}
	}
}

func FuzzParseHash(f *testing.F) {
	f.Add("sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")
	f.Add("sha256:")
	f.Fuzz(func(t *testing.T, text string) {
		if h, err := ParseHash(text); err == nil && !strings.EqualFold(h.String(), text) {
			t.Errorf("%q is %s", text, h)
		}
	})
}

func TestGenerate(t *testing.T) {
	a, b := Generate(), Generate()
	if len(a) != 64 || strings.Trim(a, "0123456789abcdef") != "" || a == b {
		t.Errorf("%q, %q", a, b)
	}
	if err := CheckKey(a); err != nil {
		t.Error(err)
	}
}

func TestChecks(t *testing.T) {
	for text, good := range map[string]bool{
		strings.Repeat("x", 20): true, strings.Repeat("x", 256): true, "!#$%&/()=?-_.~{}[]|@": true,
		"": false, strings.Repeat("x", 19): false, strings.Repeat("x", 257): false,
		strings.Repeat("x", 20) + " ": false, strings.Repeat("x", 20) + ":": false, strings.Repeat("ä", 20): false,
	} {
		err := CheckKey(text)
		if (err == nil) != good || err != nil && text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("key %q: %v", text, err)
		}
	}
	for name, good := range map[string]bool{
		"a": true, "grafana-1": true, "Ops_2.x@example.org": true, strings.Repeat("x", 64): true,
		"": false, "a b": false, "a:b": false, "ä": false, "a\n": false, `"`: false, strings.Repeat("x", 65): false,
	} {
		if err := CheckName(name); (err == nil) != good {
			t.Errorf("name %q: %v", name, err)
		}
	}
}

func TestRoles(t *testing.T) {
	for _, name := range []string{"read", "ingest", "manage"} {
		r, err := ParseRole(name)
		if err != nil || r.String() != name {
			t.Errorf("%s: %s, %v", name, r, err)
		}
		only := Roles(0).With(r)
		for _, other := range []Role{Read, Ingest, Manage} {
			if only.Has(other) != (other == r) || !All.Has(other) || All.And(only) != only {
				t.Errorf("%s alone has %s: %v", name, other, only.Has(other))
			}
		}
	}
	if _, err := ParseRole("admin"); err == nil {
		t.Error("admin: no error")
	}
	if got := Role(9).String(); got != "Role(9)" {
		t.Error(got)
	}
}

func BenchmarkIdentify(b *testing.B) {
	s := newSet(b)
	r := &http.Request{Header: http.Header{"Authorization": {basic(opsKey, "")}}}
	for b.Loop() {
		if _, ok := s.Identify(r); !ok {
			b.Fatal("not known")
		}
	}
}
