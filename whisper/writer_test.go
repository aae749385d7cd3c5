package whisper

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	whisperfile "github.com/go-graphite/go-whisper"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const schemas = `# as carbon's example
[fine]
pattern = ^fine\.
retentions = 1s:10m,10s:1h,1m:1d
[default]
pattern = .*
retentions = 60:1440
`

const aggregation = `[sum]
pattern = \.count$
xFilesFactor = 0
aggregationMethod = sum
`

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rules.conf")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T) (w *Writer, dir string, log *bytes.Buffer) {
	t.Helper()
	dir, log = filepath.Join(t.TempDir(), "a", "w"), new(bytes.Buffer)
	w, err := Open(dir, file(t, schemas), file(t, aggregation), slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return w, dir, log
}

func write(t *testing.T, w *Writer, refused int, bufs ...[]byte) {
	t.Helper()
	all := len(bytes.Join(bufs, nil))
	done, n, err := w.Write(t.Context(), bufs...)
	if done != all || n != refused || err != nil {
		t.Fatalf("Write = %d, %d, %v, want %d, %d and no error", done, n, err, all, refused)
	}
}

// fetch returns the values of a file in (from, until] that are there.
func fetch(t *testing.T, path string, from, until int64) map[int64]float64 {
	t.Helper()
	f, err := whisperfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ts, err := f.Fetch(int(from), int(until))
	if err != nil {
		t.Fatal(err)
	}
	got := map[int64]float64{}
	for _, p := range ts.Points() {
		if !math.IsNaN(p.Value) {
			got[int64(p.Time)] = p.Value
		}
	}
	return got
}

func sameValues(t *testing.T, path string, got, want map[int64]float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s holds %d values, want %d", path, len(got), len(want))
	}
	for at, v := range want {
		if g, ok := got[at]; !ok || math.Float64bits(g) != math.Float64bits(v) {
			t.Errorf("%s at %d = %v, %t, want %v", path, at, g, ok, v)
		}
	}
}

// value is not a round number in binary nor in decimal.
func value(series, i int) float64 {
	return math.Sqrt(float64(series*1000+i+1)) * math.Pow(10, float64(i%40-20))
}

func TestWriteIsReadBack(t *testing.T) {
	w, dir, _ := open(t)
	now := time.Now().Unix()
	names := map[string]string{
		"fine.a":             "fine/a",
		"fine.b.count":       "fine/b/count",
		"fine..c":            "fine/c",
		"fine.tag;z=1;a=x.y": taggedPath("fine.tag;a=x.y;z=1"),
	}
	want := map[string]map[int64]float64{}
	var bufs [][]byte
	for i := range 300 {
		var b []byte
		series := 0
		for name := range names {
			series++
			if want[name] == nil {
				want[name] = map[int64]float64{}
			}
			at, v := now-300+int64(i), value(series, i)
			want[name][at] = v
			b = fmt.Appendf(b, "%s %v %d\n", name, v, at)
		}
		bufs = append(bufs, b)
	}
	write(t, w, 0, bufs[:100]...)
	for _, b := range bufs[100:110] {
		write(t, w, 0, b)
	}
	write(t, w, 0, bufs[110:]...)
	for name, path := range names {
		path = dir + "/" + path + ".wsp"
		sameValues(t, path, fetch(t, path, now-400, now), want[name])
	}
	if left, _ := filepath.Glob(dir + "/*" + unfinished); left != nil {
		t.Errorf("left %q", left)
	}
}

// A coarse file of carbon's own reader, and the last of several values.
func TestCarbonReadsIt(t *testing.T) {
	program, err := exec.LookPath("whisper-fetch")
	if err != nil {
		t.Skip("whisper-fetch is not installed")
	}
	w, dir, _ := open(t)
	minute := time.Now().Unix()/60*60 - 600
	var b []byte
	for i := range 5 {
		b = fmt.Appendf(b, "other.x 7 %d\nother.x %v %d\n", minute+int64(60*i), 0.1*float64(i), minute+int64(60*i))
	}
	write(t, w, 0, b)
	out, err := exec.Command(program, "--json", fmt.Sprintf("--from=%d", minute-1), fmt.Sprintf("--until=%d", minute+299), dir+"/other/x.wsp").Output()
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Step   int
		Values []*float64
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	if got.Step != 60 || len(got.Values) != 5 {
		t.Fatalf("whisper-fetch prints %s", out)
	}
	for i, v := range got.Values {
		if v == nil || *v != 0.1*float64(i) {
			t.Errorf("whisper-fetch prints %s", out)
		}
	}
}

func TestRules(t *testing.T) {
	w, dir, _ := open(t)
	now := time.Now().Unix()
	write(t, w, 0, fmt.Appendf(nil, "fine.x.count 1 %d\nfine.y 1 %d\nz 1 %d\n", now, now, now))
	for path, want := range map[string]struct {
		archives string
		method   whisperfile.AggregationMethod
		xff      float32
	}{
		"fine/x/count": {"[1s:10m 10s:1h 1m:1d]", whisperfile.Sum, 0},
		"fine/y":       {"[1s:10m 10s:1h 1m:1d]", whisperfile.Average, 0.5},
		"z":            {"[1m:1d]", whisperfile.Average, 0.5},
	} {
		f, err := whisperfile.Open(dir + "/" + path + ".wsp")
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(f.Retentions()); got != want.archives || f.AggregationMethod() != want.method || f.XFilesFactor() != want.xff {
			t.Errorf("%s: %s %v %v, want %+v", path, got, f.AggregationMethod(), f.XFilesFactor(), want)
		}
		f.Close()
	}
}

func TestRulesWithoutCatchAll(t *testing.T) {
	dir := t.TempDir()
	w, err := Open(dir, file(t, "[a]\npattern = ^a$\nretentions = 1s:1m\n"), "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	write(t, w, 0, fmt.Appendf(nil, "other 1 %d\n", time.Now().Unix()))
	f, err := whisperfile.Open(dir + "/other.wsp")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := fmt.Sprint(f.Retentions()); got != "[1m:1w]" && got != "[1m:7d]" {
		t.Errorf("retentions are %s, want carbon's default of a minute for a week", got)
	}
}

// Each point is in the finest archive that reaches back for it, which the library
// alone does not achieve for a mixture.
func TestOldPoints(t *testing.T) {
	w, dir, log := open(t)
	now := time.Now().Unix()
	ages := []int64{200_000, 3000, 2000, 1500, 5, 90_000, 4, 3}
	var b []byte
	for _, age := range ages {
		b = fmt.Appendf(b, "fine.old %d %d\n", age, now-age)
	}
	write(t, w, 2, b)
	path := dir + "/fine/old.wsp"
	sameValues(t, path, fetch(t, path, now-500, now), map[int64]float64{now - 5: 5, now - 4: 4, now - 3: 3})
	for _, age := range []int64{3000, 2000, 1500} {
		at := (now - age) / 10 * 10
		sameValues(t, path, fetch(t, path, at-10, at), map[int64]float64{at: float64(age)})
	}
	if !strings.Contains(log.String(), "reaches back") {
		t.Errorf("the log is %q", log)
	}
}

// Of the points of one coarse interval the latest stays, whatever comes before it and
// in between; of one time the last.
func TestOrderOfTime(t *testing.T) {
	w, dir, log := open(t)
	now := time.Now().Unix()
	at := (now - 3000) / 10 * 10
	var b []byte
	for _, p := range []struct{ time, value int64 }{{at + 8, 1}, {now, 2}, {at + 2, 3}, {at + 8, 4}, {now - 200_000, 5}, {now - 1, 6}, {at + 3, 7}} {
		b = fmt.Appendf(b, "fine.x %d %d\n", p.value, p.time)
	}
	write(t, w, 1, b)
	path := dir + "/fine/x.wsp"
	sameValues(t, path, fetch(t, path, at-10, at), map[int64]float64{at: 4})
	sameValues(t, path, fetch(t, path, now-500, now), map[int64]float64{now - 1: 6, now: 2})
	if !strings.Contains(log.String(), "reaches back") {
		t.Errorf("the log is %q", log)
	}
	write(t, w, 0, fmt.Appendf(nil, "fine.x 9 %d\n", at)) // a later call
	sameValues(t, path, fetch(t, path, at-10, at), map[int64]float64{at: 9})
}

// Points that go round a small archive more than once do not reach the next one.
func TestRoundAndRound(t *testing.T) {
	dir := t.TempDir()
	w, err := Open(dir, file(t, "[a]\npattern = a\nretentions = 1s:60s,60s:1h\n"), "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Unix()
	var b []byte
	for i := int64(-50); i < 300; i++ {
		b = fmt.Appendf(b, "a %d %d\n", i, now+i)
	}
	write(t, w, 0, b)
	raw, err := os.ReadFile(dir + "/a.wsp")
	if err != nil {
		t.Fatal(err)
	}
	header := whisperfile.MetadataSize + 2*whisperfile.ArchiveInfoSize
	coarse := raw[header+60*whisperfile.PointSize:]
	for at := 0; at < len(coarse); at += whisperfile.PointSize {
		stamp := int64(coarse[at])<<24 | int64(coarse[at+1])<<16 | int64(coarse[at+2])<<8 | int64(coarse[at+3])
		if stamp%60 != 0 {
			t.Fatalf("the archive of minutes holds %d", stamp)
		}
	}
}

func TestRefusedLines(t *testing.T) {
	w, dir, _ := open(t)
	now := time.Now().Unix()
	if err := os.MkdirAll(dir+"/dir.wsp", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/damaged.wsp", []byte("no whisper file, but long enough for a header"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/flat", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 252)
	for name, line := range map[string]string{
		"malformed":        "x",
		"not-a-number":     fmt.Sprintf("x nan %d", now),
		"before 1970":      "x 1 -5",
		"after 2106":       "x 1 5000000000",
		"long part":        fmt.Sprintf("%s 1 %d", long, now),
		"long path":        fmt.Sprintf("%s 1 %d", strings.Repeat("abc.", 1100), now),
		"tag without name": fmt.Sprintf(";a=b 1 %d", now),
		"tag without key":  fmt.Sprintf("x;b 1 %d", now),
		"zero byte":        fmt.Sprintf("x\x00y 1 %d", now),
		"a directory":      fmt.Sprintf("dir 1 %d", now),
		"a damaged file":   fmt.Sprintf("damaged 1 %d", now),
		"file in the way":  fmt.Sprintf("flat.x 1 %d", now),
	} {
		t.Run(name, func(t *testing.T) {
			good := fmt.Appendf(nil, "good.%s 1 %d\n", strings.ReplaceAll(name, " ", "_"), now)
			write(t, w, 1, []byte(line+"\n"), good)
			path := dir + "/good/" + strings.ReplaceAll(name, " ", "_") + ".wsp"
			if got := fetch(t, path, now-120, now+60); len(got) != 1 {
				t.Errorf("the line behind it left %v", got)
			}
		})
	}
}

// What is done after an error is exactly the lines before the first that is not.
func TestWriteBrokenOff(t *testing.T) {
	w, dir, _ := open(t)
	now := time.Now().Unix()
	lines := fmt.Appendf(nil, "junk\na 1 %d\n", now)
	first := len(lines)
	lines = fmt.Appendf(lines, "b 1 %d\njunk\na 2 %d\n", now, now)
	ctx := &endsAfter{Context: t.Context(), calls: 1}
	done, refused, err := w.Write(ctx, lines)
	if done != first || refused != 1 || !errors.Is(err, context.Canceled) {
		t.Fatalf("Write = %d, %d, %v, want %d, 1, %v", done, refused, err, first, context.Canceled)
	}
	write(t, w, 1, lines[done:])
	for _, name := range []string{"a", "b"} {
		if got := fetch(t, dir+"/"+name+".wsp", now-120, now+60); len(got) != 1 {
			t.Errorf("%s holds %v", name, got)
		}
	}
}

// endsAfter is a context that is over after some looks at it.
type endsAfter struct {
	context.Context
	calls int
}

func (c *endsAfter) Err() error {
	if c.calls--; c.calls < 0 {
		return context.Canceled
	}
	return nil
}

func TestErrorsOfAll(t *testing.T) {
	for err, want := range map[error]bool{
		&fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}: true,
		&fs.PathError{Op: "open", Path: "x", Err: syscall.EMFILE}:  true,
		&fs.PathError{Op: "open", Path: "x", Err: syscall.EISDIR}:  false,
		errors.New("unable to read header: EOF"):                   false,
	} {
		if ofAll(err) != want {
			t.Errorf("ofAll(%v) = %t", err, !want)
		}
	}
}

// A file that could not be made whole is not left behind under its name.
func TestUnfinishedFile(t *testing.T) {
	w, dir, _ := open(t)
	now := time.Now().Unix()
	if err := os.WriteFile(dir+"/cut.wsp"+unfinished, []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	write(t, w, 0, fmt.Appendf(nil, "cut 1 %d\n", now))
	if got := fetch(t, dir+"/cut.wsp", now-120, now+60); len(got) != 1 {
		t.Errorf("holds %v", got)
	}
}
