package upstream

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func TestParseDestination(t *testing.T) {
	tests := map[string]struct {
		in        string
		want      Destination
		canonical string
	}{
		"host and port":        {"graphite:2003", Destination{Scheme: Plaintext, Host: "graphite", Port: 2003}, "graphite:2003"},
		"scheme":               {"plaintext://graphite:2003", Destination{Scheme: Plaintext, Host: "graphite", Port: 2003}, "graphite:2003"},
		"instance":             {"plaintext://g:2003:a", Destination{Scheme: Plaintext, Host: "g", Port: 2003, Instance: "a", HasInstance: true}, "g:2003:a"},
		"IPv6":                 {"[::1]:2003", Destination{Scheme: Plaintext, Host: "::1", Port: 2003}, "[::1]:2003"},
		"IPv6 with a scheme":   {"plaintext://[::1]:2003:b", Destination{Scheme: Plaintext, Host: "::1", Port: 2003, Instance: "b", HasInstance: true}, "[::1]:2003:b"},
		"instance like a URL":  {"g:2003:a://b", Destination{Scheme: Plaintext, Host: "g", Port: 2003, Instance: "a://b", HasInstance: true}, "g:2003:a://b"},
		"case is kept":         {"Graphite:1", Destination{Scheme: Plaintext, Host: "Graphite", Port: 1}, "Graphite:1"},
		"highest port":         {"g:65535", Destination{Scheme: Plaintext, Host: "g", Port: 65535}, "g:65535"},
		"host called stdout":   {"stdout:2003", Destination{Scheme: Plaintext, Host: "stdout", Port: 2003}, "stdout:2003"},
		"pickle":               {"pickle://g:2004:a", Destination{Scheme: Pickle, Host: "g", Port: 2004, Instance: "a", HasInstance: true}, "pickle://g:2004:a"},
		"TLS":                  {"tls://[::1]:2003", Destination{Scheme: TLS, Host: "::1", Port: 2003}, "tls://[::1]:2003"},
		"UDP":                  {"udp://g:2003", Destination{Scheme: UDP, Host: "g", Port: 2003}, "udp://g:2003"},
		"socket":               {"unix:///run/graphite.sock", Destination{Scheme: Unix, Path: "/run/graphite.sock"}, "unix:///run/graphite.sock"},
		"whisper":              {"whisper:///var//lib/w/", Destination{Scheme: Whisper, Path: "/var/lib/w"}, "whisper:///var/lib/w"},
		"stdout, blanks round": {" stdout: ", Destination{Scheme: Stdout}, "stdout:"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ParseDestination(tt.in)
			if err != nil || got != tt.want {
				t.Errorf("ParseDestination(%q) = %+v, %v, want %+v", tt.in, got, err, tt.want)
			}
			if got.String() != tt.canonical {
				t.Errorf("String() = %q, want %q", got, tt.canonical)
			}
		})
	}
}

func TestParseDestinationErrors(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"empty":                 {"", "no port"},
		"no port":               {"graphite", "no port"},
		"empty port":            {"graphite:", `port ""`},
		"port 0":                {"graphite:0", `port "0"`},
		"port too high":         {"graphite:65536", `port "65536"`},
		"port not a number":     {"graphite:http", `port "http"`},
		"no host":               {":2003", "no host"},
		"bare IPv6":             {"::1:2003", "brackets"},
		"brackets, no address":  {"[graphite]:2003", "IPv6"},
		"brackets round IPv4":   {"[127.0.0.1]:2003", "IPv6"},
		"bracket left open":     {"[::1:2003", "IPv6"},
		"IPv6 without port":     {"[::1]", "no port"},
		"list":                  {"a,b:2003", `contains ","`},
		"blank in the host":     {"a b:2003", `contains " "`},
		"user":                  {"me@host:2003", `contains "@"`},
		"one slash too many":    {"plaintext:///host:2003", `contains "/"`},
		"relative directory":    {"whisper://var/lib", "absolute path of a directory"},
		"no directory":          {"whisper://", "absolute path of a directory"},
		"zero byte in it":       {"whisper:///a\x00b", "zero byte"},
		"unknown scheme":        {"http://host:80", `scheme "http" is not supported`},
		"relative socket":       {"unix://run/s", "absolute path"},
		"socket without path":   {"unix:///", "absolute path"},
		"socket path too long":  {"unix:///" + strings.Repeat("a", 107), "108 bytes"},
		"zero byte in the path": {"unix:///a\x00b", "zero byte"},
		"stdout without colon":  {"stdout", "no port"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ParseDestination(tt.in)
			if err == nil {
				t.Fatalf("ParseDestination(%q) = %+v, want an error", tt.in, got)
			}
			for _, part := range []string{tt.want, "accepted: host:port"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not contain %q", err, part)
				}
			}
		})
	}
}

// The vectors are carbon's own reading of DESTINATIONS.
func TestParseDestinationAsCarbon(t *testing.T) {
	data, err := os.ReadFile("testdata/destinations.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Input    string
		Error    bool
		Server   string
		Port     int
		Instance *string
	}
	if err := json.Unmarshal(data, &vectors); err != nil || len(vectors) == 0 {
		t.Fatal(len(vectors), err)
	}
	for _, v := range vectors {
		t.Run(v.Input, func(t *testing.T) {
			want := Destination{Scheme: Plaintext, Host: v.Server, Port: v.Port}
			if v.Instance != nil {
				want.Instance, want.HasInstance = *v.Instance, true
			}
			// Carbon takes ports that no connection can have.
			refused := v.Error || v.Port > 65535
			got, err := ParseDestination(v.Input)
			if refused && err == nil || !refused && (err != nil || got != want) {
				t.Errorf("got %+v, %v, want %+v (refused: %v)", got, err, want, refused)
			}
		})
	}
}

func FuzzParseDestination(f *testing.F) {
	for _, s := range []string{"h:1", "[::1]:2003:a", "plaintext://h:1:a://b", "unix:///s", "stdout:", "[fe80::1%Eth0]:1", "x://", "pickle://h:1", "tls://h:1:", "udp://[::1]:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDestination(s)
		if err != nil {
			return
		}
		again, err := ParseDestination(d.String())
		if err != nil || again != d {
			t.Errorf("%q is read as %+v, its form %q as %+v, %v", s, d, d.String(), again, err)
		}
	})
}
