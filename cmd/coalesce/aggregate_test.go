package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/coalesce-metrics/coalesce/config"
)

var offlineRules = []modelRule{{
	"<env>.sum.<rest> (60) = sum <env>.h*.<<rest>>",
	regexp.MustCompile(`^([^.]+)\.h[^.]*\.(.+)$`), "aggregates.$1.sum.$2", 60, []string{"sum"},
}, {
	"b.<method>.<x> (10) = max,count,p50,avg,p99.9 *.*.cpu<x>",
	regexp.MustCompile(`^[^.]+\.[^.]+\.cpu([^.]+)$`), "aggregates.b.<method>.$1", 10, []string{"max", "count", "p50", "avg", "p99.9"},
}, {
	"a.all (3600) = range *.*.cpu\\d+",
	regexp.MustCompile(`^[^.]+\.[^.]+\.cpu\d+$`), "aggregates.a.all", 3600, []string{"range"},
}}

// offlineInput is made-up lines and what has to come of them.
type offlineInput struct {
	text          strings.Builder
	model         *model
	good, matched int
	forwarded     strings.Builder
	refused       map[string]int // by reason
}

func (in *offlineInput) datapoint(name string, value float64, at int64) {
	in.good++
	if in.model.add(offlineRules, name, value, at) > 0 {
		in.matched++
	}
	line := fmt.Sprintf("%s %s %d\n", name, number(value), at)
	in.text.WriteString(line)
	in.forwarded.WriteString(line)
}

// randomInput returns n lines, bad ones and ones of unusual length among them.
func randomInput(rng *rand.Rand, n int) *offlineInput {
	in := &offlineInput{model: newModel(), refused: make(map[string]int)}
	maxLine := int(config.Default().Limits.MaxLine)
	for range n {
		at, value := int64(1500000000+rng.IntN(300)), float64(rng.IntN(4000)-2000)/8
		name := fmt.Sprintf("env%d.host%d.cpu%d", rng.IntN(3), rng.IntN(5), rng.IntN(4))
		switch rng.IntN(40) {
		case 0:
			in.refused["bad_fields"]++
			fmt.Fprintf(&in.text, "%s %v\n", name, value)
		case 1:
			in.refused["bad_value"]++
			fmt.Fprintf(&in.text, "%s 1,5 %d\n", name, at)
		case 2:
			in.refused["nan_value"]++
			fmt.Fprintf(&in.text, "%s NaN %d\n", name, at)
		case 3:
			in.refused["bad_timestamp"]++
			fmt.Fprintf(&in.text, "%s %v -1\n", name, value)
		case 4:
			in.text.WriteString("  \t\r\n\n")
		case 5:
			in.datapoint(fmt.Sprintf("unmatched%d", rng.IntN(5)), value, at)
		case 6: // as long as a line may be
			rest := fmt.Sprintf(" %s %d", number(value), at)
			long := strings.Repeat("n", maxLine-len(rest)-len("env1.h."))
			in.datapoint("env1.h."+long, value, at)
		case 7: // longer
			in.refused["line_too_long"]++
			fmt.Fprintf(&in.text, "env1.h.%s %v %d\n", strings.Repeat("n", maxLine+rng.IntN(3*maxLine)), value, at)
		default:
			in.datapoint(name, value, at)
		}
	}
	return in
}

// rows returns the expected output: every row once, by time, then by name.
func (in *offlineInput) rows() string {
	rows := in.model.rows()
	split := func(key string) (string, int) {
		name, at, _ := strings.Cut(key, " ")
		n, _ := strconv.Atoi(at)
		return name, n
	}
	keys := slices.SortedFunc(maps.Keys(rows), func(x, y string) int {
		xName, xAt := split(x)
		yName, yAt := split(y)
		return cmp.Or(cmp.Compare(xAt, yAt), strings.Compare(xName, yName))
	})
	var b strings.Builder
	for _, key := range keys {
		name, at := split(key)
		fmt.Fprintf(&b, "%s %s %d\n", name, number(rows[key]), at)
	}
	return b.String()
}

// report returns what has to be on standard error.
func (in *offlineInput) report() string {
	text := fmt.Sprintf("coalesce: %d datapoints read, %d matched a rule; %d rows written\n", in.good, in.matched, len(in.model.rows()))
	refused, why := 0, ""
	for _, reason := range []string{"bad_fields", "bad_value", "nan_value", "bad_timestamp", "line_too_long"} {
		if n := in.refused[reason]; n > 0 {
			refused += n
			why += fmt.Sprintf(", %s %d", reason, n)
		}
	}
	if refused > 0 {
		text += fmt.Sprintf("coalesce: %d lines refused: %s\n", refused, why[2:])
	}
	return strings.NewReplacer(" 1 datapoints ", " 1 datapoint ", " 1 rows ", " 1 row ", " 1 lines ", " 1 line ").Replace(text)
}

// same compares long texts.
func same(t *testing.T, what, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	g, w := strings.SplitAfter(got, "\n"), strings.SplitAfter(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			t.Errorf("%s: line %d is %.200q, want %.200q", what, i+1, g[i], w[i])
			return
		}
	}
	t.Errorf("%s: %d lines, want %d", what, len(g), len(w))
}

func TestAggregateRandom(t *testing.T) {
	t.Parallel()
	rules := write(t, t.TempDir(), "r.conf", ruleFileOf(offlineRules...))
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	// The largest is several buffers long, so that lines are cut at their ends.
	for _, n := range []int{0, 1, 10, 300, 2000} {
		in := randomInput(rng, n)
		for name, open := range map[string]func(string) io.Reader{
			"whole":                func(s string) io.Reader { return strings.NewReader(s) },
			"its end with data":    func(s string) io.Reader { return iotest.DataErrReader(strings.NewReader(s)) },
			"without the last end": func(s string) io.Reader { return strings.NewReader(strings.TrimSuffix(s, "\n")) },
			"in small pieces":      func(s string) io.Reader { return &pieces{strings.NewReader(s), rng, 1000} },
			"in large pieces":      func(s string) io.Reader { return iotest.DataErrReader(&pieces{strings.NewReader(s), rng, 1 << 18}) },
		} {
			for _, forward := range []bool{false, true} {
				what := fmt.Sprintf("%d lines, %s, forwarding %v", n, name, forward)
				out, report, err := aggregateFrom(open(in.text.String()), "--rules", rules, fmt.Sprintf("--forward-all=%v", forward))
				if err != nil {
					t.Errorf("%s: %v", what, err)
				}
				want := in.rows()
				if forward {
					want = in.forwarded.String() + want
				}
				same(t, what, out, want)
				same(t, what+", report", report, in.report())
			}
		}
	}
}

// pieces reads at most so many bytes at a time.
type pieces struct {
	in   io.Reader
	rng  *rand.Rand
	most int
}

func (p *pieces) Read(b []byte) (int, error) {
	return p.in.Read(b[:min(len(b), 1+p.rng.IntN(p.most))])
}

func aggregateFrom(in io.Reader, args ...string) (stdout, stderr string, err error) {
	var out, report bytes.Buffer
	root := newRoot()
	root.SetArgs(append([]string{"aggregate"}, args...))
	root.SetIn(in)
	root.SetOut(&out)
	root.SetErr(&report)
	err = root.Execute()
	return out.String(), report.String(), err
}

// Rows come in order of time and name, also where there are many of one time and
// an output has several.
func TestAggregateOrder(t *testing.T) {
	rules := write(t, t.TempDir(), "r.conf", "<n>.<method>.of (60) = sum,max,count in.<n>\n")
	var text strings.Builder
	for _, i := range rand.Perm(3000) {
		fmt.Fprintf(&text, "in.%d 1 %d\n", i, 1500000000+60*(i%2))
	}
	out, _, err := execute(text.String(), "aggregate", "--rules", rules)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	before := ""
	for _, line := range lines {
		f := strings.Fields(line)
		if key := f[2] + " " + f[0]; key <= before {
			t.Fatalf("%q comes after %q", key, before)
		} else {
			before = key
		}
	}
	if len(lines) != 9000 {
		t.Errorf("%d rows, want 9000", len(lines))
	}
}

// A whole buffer that comes together with the end of the input, with no newline
// at its end.
func TestAggregateFullBuffer(t *testing.T) {
	rules := write(t, t.TempDir(), "r.conf", "all (60) = count *\n")
	const line = "n 1 1500000000\n"
	for _, size := range []int{offlineBuffer - 1, offlineBuffer, offlineBuffer + 1} {
		text := strings.Repeat(line, size/len(line))
		text = strings.Repeat(" ", size-len(text)) + text[:len(text)-1] + "0" // leading blanks do no harm
		out, _, err := aggregateFrom(&eager{text}, "--rules", rules)
		want := fmt.Sprintf("aggregates.all %d 1500000000\n", size/len(line)-1)
		want += "aggregates.all 1 15000000000\n"
		if out != want || err != nil {
			t.Errorf("%d bytes: %q, %v; want %q", size, out, err, want)
		}
	}
}

// eager fills what it is given to the brim and tells of the end with the last bytes.
type eager struct{ rest string }

func (e *eager) Read(b []byte) (int, error) {
	n := copy(b, e.rest)
	if e.rest = e.rest[n:]; e.rest == "" {
		return n, io.EOF
	}
	return n, nil
}

func TestAggregateFiles(t *testing.T) {
	dir := t.TempDir()
	rules := write(t, dir, "r.conf", "all.<x> (60) = sum *.<x>\n")
	first := write(t, dir, "first", "a.x 1 1500000060\na.x 2 1500000000") // no newline at its end
	second := write(t, dir, "second", "b.x 4 1500000000\n")
	missing := filepath.Join(dir, "missing")
	for name, c := range map[string]struct {
		args        []string
		stdin, want string
		err         string
	}{
		"files":         {args: []string{first, second}, stdin: "c.x 8 1500000000\n", want: "aggregates.all.x 6 1500000000\naggregates.all.x 1 1500000060\n"},
		"prefix":        {args: []string{"--prefix", "p", second}, want: "p.all.x 4 1500000000\n"},
		"no prefix":     {args: []string{"--prefix=", second}, want: "all.x 4 1500000000\n"},
		"forwarding":    {args: []string{"--forward-all", second}, want: "b.x 4 1500000000\naggregates.all.x 4 1500000000\n"},
		"a missing one": {args: []string{second, missing, first}, want: "aggregates.all.x 4 1500000000\n", err: "open " + missing + ": no such file or directory"},
		"a folder":      {args: []string{dir}, err: "read " + dir + ": is a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			out, _, err := aggregateFrom(strings.NewReader(c.stdin), append([]string{"--rules", rules}, c.args...)...)
			if out != c.want {
				t.Errorf("prints\n%swant\n%s", out, c.want)
			}
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("error %v, want %q", err, c.err)
			}
		})
	}
}

// full is a disk without room.
type full struct{}

var errFull = errors.New("no room")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestAggregateIntoAFullDisk(t *testing.T) {
	root := newRoot()
	root.SetArgs([]string{"aggregate", "--rules", write(t, t.TempDir(), "r.conf", "all.<x> (60) = sum *.<x>\n")})
	root.SetIn(strings.NewReader("a.x 1 1500000060\n"))
	root.SetOut(full{})
	root.SetErr(io.Discard)
	if err := root.Execute(); !errors.Is(err, errFull) {
		t.Errorf("error %v, want %v", err, errFull)
	}
}

// The bar is for people and large files only, and covers what it drew.
func TestProgress(t *testing.T) {
	var out bytes.Buffer
	if p := newProgress(&out, []string{"aggregate_test.go"}); p != nil {
		t.Error("a bar that is no terminal's")
	}
	p := &progress{out: &out, size: 200 << 20, drawn: -1}
	for range 400 {
		p.add(1 << 19)
	}
	p.done()
	if n := strings.Count(out.String(), "\r"); n != 101+2 && n != 100+2 {
		t.Errorf("drawn %d times for 100 percent", n)
	}
	if !strings.Contains(out.String(), "["+strings.Repeat("=", 50)+"] 100 % of 200 MiB") || !strings.HasSuffix(out.String(), " \r") {
		t.Errorf("it ends %q", out.String()[max(0, out.Len()-200):])
	}
}
