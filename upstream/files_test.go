package upstream

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	whisperfile "github.com/go-graphite/go-whisper"
)

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func toFiles(t *testing.T, dir string) *Upstream {
	t.Helper()
	d, err := ParseDestination("whisper://" + dir)
	if err != nil {
		t.Fatal(err)
	}
	d.Schemas = writeFile(t, "schemas", "[all]\npattern = .*\nretentions = 1s:1h\n")
	d.Resend, d.ResendRaw = DefaultResend, true // of no effect
	u, err := New(Config{Destinations: []Destination{d}, ReconnectMin: time.Millisecond, ReconnectMax: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func valuesIn(t *testing.T, path string, from, until int64) map[int64]float64 {
	t.Helper()
	f, err := whisperfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	series, err := f.Fetch(int(from), int(until))
	if err != nil {
		t.Fatal(err)
	}
	values := map[int64]float64{}
	for _, p := range series.Points() {
		if !math.IsNaN(p.Value) {
			values[int64(p.Time)] = p.Value
		}
	}
	return values
}

// After Stop every row is in a file or counted as one that none can hold.
func TestFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "w")
	u := toFiles(t, dir)
	u.Start()
	now := time.Now().Unix()
	const series, points = 7, 100
	for i := range points {
		var b []byte
		for s := range series {
			b = fmt.Appendf(b, "a.s%d %v %d\n", s, float64(i)+0.1*float64(s), now-points+int64(i))
		}
		u.Send(b, series, Aggregate)
	}
	u.Send(fmt.Appendf(nil, "a.old 1 %d\n", now-7200), 1, Raw)
	if left := u.Stop(t.Context()); left != nil {
		t.Errorf("Stop = %v, want nothing unsent", left)
	}
	s := u.Stats()[0]
	checkBalance(t, s)
	if s.Written != series*points || s.Dropped[Unencodable] != 1 || s.Resent != 0 {
		t.Errorf("%d rows written, %d not encodable, %d again, want %d, 1 and 0", s.Written, s.Dropped[Unencodable], s.Resent, series*points)
	}
	for n := range series {
		got := valuesIn(t, fmt.Sprintf("%s/a/s%d.wsp", dir, n), now-2*points, now)
		if len(got) != points {
			t.Errorf("series %d has %d values, want %d", n, len(got), points)
		}
		for i := range points {
			if want := float64(i) + 0.1*float64(n); got[now-points+int64(i)] != want {
				t.Errorf("series %d, row %d is %v, want %v", n, i, got[now-points+int64(i)], want)
			}
		}
	}
}

// Rows wait while the directory cannot be made.
func TestFilesWait(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "w")
		if err := os.WriteFile(dir, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		u := toFiles(t, dir)
		u.Start()
		now := time.Now().Unix()
		u.Send(fmt.Appendf(nil, "a 5 %d\n", now), 1, Raw)
		pass(time.Second)
		s := u.Stats()[0]
		checkBalance(t, s)
		if s.ConnectErrors == 0 || s.Queued != 1 || !strings.Contains(s.LastError, dir) {
			t.Errorf("%d failed openings, %d rows queued, last error %q", s.ConnectErrors, s.Queued, s.LastError)
		}
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		if s := u.Stats()[0]; s.Written != 1 {
			t.Errorf("%d rows written", s.Written)
		}
		if left := u.Stop(t.Context()); left != nil {
			t.Errorf("Stop = %v, want nothing unsent", left)
		}
		if got := valuesIn(t, dir+"/a.wsp", now-1, now+1); got[now] != 5 {
			t.Errorf("the file holds %v", got)
		}
	})
}

func TestFilesNeedTheirRules(t *testing.T) {
	damaged := writeFile(t, "damaged", "[x\n")
	good := writeFile(t, "schemas", "[all]\npattern = .*\nretentions = 1s:1h\n")
	for name, tt := range map[string]struct{ schemas, aggregation, want string }{
		"no schemas":          {"", "", `schemas ""`},
		"missing schemas":     {"/nowhere/s.conf", "", "/nowhere/s.conf"},
		"damaged schemas":     {damaged, "", "unfinished section"},
		"damaged aggregation": {good, damaged, "unfinished section"},
	} {
		t.Run(name, func(t *testing.T) {
			d := Destination{Scheme: Whisper, Path: t.TempDir(), Schemas: tt.schemas, Aggregation: tt.aggregation}
			if _, err := New(Config{Destinations: []Destination{d}}); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("New = %v, want an error with %q", err, tt.want)
			}
		})
	}
}
