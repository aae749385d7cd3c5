package measurements

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/attributes"
	"github.com/coalesce-metrics/coalesce/keys"
)

// token is what the clients were given.
const token = "0123456789abcdef"

// recordedAt is the clock at which the requests with times were recorded.
const recordedAt = 1_795_376_740

// replay answers the requests that a file has, one after the other, and returns
// the last answer's status.
func (d *desk) replay(name string) int {
	d.t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		d.t.Fatal(err)
	}
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(text)))
	if err != nil {
		d.t.Fatal(err)
	}
	r.RemoteAddr = "192.0.2.1:1"
	w := d.serve(r)
	if w.Code >= 400 {
		d.t.Errorf("%s: %d %s", name, w.Code, w.Body)
	}
	return w.Code
}

// What clients of the public service send, byte by byte: testdata/README.md.
func TestClients(t *testing.T) {
	d := newDesk(t, func(_ *Config, c *api.Config) {
		c.Keys, _ = keys.NewSet([]keys.Key{{Name: "app", Roles: keys.All, Hash: keys.Sum(token)}})
	})
	d.now = recordedAt
	at := func(offset int) int { return offset + recordedAt - deskNow }
	steps := []struct {
		file   string
		status int
		taken  []string
		names  string
	}{
		{"appoptics-go-batch.http", 202, []string{
			fmt.Sprintf("checkout.requests;host=web_1;region=us-east @%g 12.5", float64(at(0))),
			// To the period of 30 s, which the request gives it.
			fmt.Sprintf("checkout.duration;env=prod @%g n=3 sum=6.5 min=1.5 max=3 m2=NaN last=2", float64(at(-10))),
		}, "checkout.duration checkout.requests"},
		{"appoptics-go-put.http", 201, nil, "checkout.duration checkout.errors checkout.requests"},
		{"appoptics-go-update.http", 204, nil, "checkout.duration checkout.errors checkout.requests"},
		{"librato-ruby-gauges.http", 200, []string{
			fmt.Sprintf("app.requests;source=web1 @%g 35", float64(at(-40))),
			fmt.Sprintf("app.duration;source=web1 @%g n=2 sum=4 min=1 max=3 m2=2 last=2", float64(at(-20))),
			fmt.Sprintf("app.hits;source=db1 @%g 1030", float64(at(-30))),
		}, "app.duration app.hits app.requests checkout.duration checkout.errors checkout.requests"},
		{"librato-ruby-measurements.http", 202, []string{
			fmt.Sprintf("app.load;host=web_1;region=us-east @%g 0.75", float64(at(-9))),
			fmt.Sprintf("app.load;host=b @%g 0.5", float64(at(-8))),
		}, "app.duration app.hits app.load app.requests checkout.duration checkout.errors checkout.requests"},
		{"librato-ruby-update.http", 204, nil, "app.duration app.hits app.load app.requests checkout.duration checkout.errors checkout.requests"},
		{"librato-ruby-delete.http", 204, nil, "app.duration app.requests checkout.duration checkout.errors checkout.requests"},
		{"appoptics-go-delete.http", 204, nil, "app.duration app.requests checkout.duration checkout.requests"},
		{"curl-measurements.http", 202, []string{
			fmt.Sprintf("cpu.temp;host=a;rack=r_12 @%g 47.5", float64(at(0))),
		}, "app.duration app.requests checkout.duration checkout.requests cpu.temp"},
		{"curl-gauges.http", 200, []string{
			fmt.Sprintf("temperature;source=cpu_1 @%g 80.5", float64(at(0))),
			fmt.Sprintf("temperature;source=unassigned @%g 81", float64(at(0))),
		}, "app.duration app.requests checkout.duration checkout.requests cpu.temp temperature"},
	}
	for _, s := range steps {
		if got := d.replay(s.file); got != s.status {
			t.Errorf("%s: %d, want %d", s.file, got, s.status)
		}
		if diff := cmp.Diff(s.taken, d.taken()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", s.file, diff)
		}
		if got := d.names(); got != s.names {
			t.Errorf("%s: the metrics are %s, want %s", s.file, got, s.names)
		}
		if s.file == "appoptics-go-update.http" {
			text, low := "failed checkouts", 0.0
			name := "Errors"
			want := &attributes.Metric{Name: "checkout.errors", DisplayName: &name, Description: &text, Period: 60, Attributes: attributes.Attributes{
				Aggregate: true, Summary: attributes.Sum, Color: "#ff0000", DisplayMin: &low, CreatedByUA: "shop/1.2:appoptics-api-go",
			}}
			if diff := cmp.Diff(want, d.book.Get("checkout.errors")); diff != "" {
				t.Error(diff)
			}
		}
	}
	if m := d.book.Get("app.requests"); m.Period != 30 || !strings.HasPrefix(m.Attributes.CreatedByUA, "librato-metrics/2.1.2 (ruby;") || m.Attributes.Aggregate {
		t.Errorf("%+v", m)
	}
	if m := d.book.Get("checkout.duration"); m.Period != 30 || !m.Attributes.Aggregate {
		t.Errorf("%+v", m)
	}
}

// The token may be the user, or the password of anybody.
func TestCredentials(t *testing.T) {
	for _, user := range []string{token + ":", "token:" + token, "user@example.com:" + token} {
		d := newDesk(t, func(_ *Config, c *api.Config) {
			c.Keys, _ = keys.NewSet([]keys.Key{{Name: "app", Roles: keys.All, Hash: keys.Sum(token)}})
		})
		if w := d.post(`{"measurements":[{"name":"m","value":1}]}`, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user))); w.Code != http.StatusAccepted {
			t.Errorf("%s: %d %s", user, w.Code, w.Body)
		}
	}
}
