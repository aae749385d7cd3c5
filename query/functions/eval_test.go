package functions

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/query/target"
)

func parse(tb testing.TB, text string) target.Expr {
	tb.Helper()
	e, err := target.Parse(text)
	if err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	return e
}

// fixed fetches copies of the same series whatever is asked for.
func fixed(list ...*Series) func(string, int64, int64) ([]*Series, error) {
	return func(string, int64, int64) ([]*Series, error) {
		copies := make([]*Series, len(list))
		for i, s := range list {
			c := *s
			c.Values = slices.Clone(s.Values)
			copies[i] = &c
		}
		return copies, nil
	}
}

func names(list []*Series) string {
	var names []string
	for _, s := range list {
		names = append(names, s.Name)
	}
	return strings.Join(names, " ")
}

func TestConstantLine(t *testing.T) {
	for text, name := range map[string]string{
		"constantLine(100)":                             "100",
		"constantLine(1.50)":                            "1.50",
		"constantLine(-3)":                              "-3",
		"constantLine(1e3)":                             "1e3",
		`constantLine("100")`:                           "100",
		`aliasSub(constantLine(100), "(^.*$)", "\1 A")`: "100 A",
	} {
		ctx := &Context{From: 1000, Until: 4600, Fetch: fixed()}
		got, err := Eval(ctx, parse(t, text))
		if err != nil || len(got) != 1 {
			t.Fatalf("%s: %d series, %v", text, len(got), err)
		}
		s := got[0]
		if s.Name != name || s.Start != 1000 || s.Step != 1800 || s.End != 6400 || len(s.Values) != 3 || s.Values[0] != s.Values[2] {
			t.Errorf("%s: %+v", text, s)
		}
	}
}

func TestErrors(t *testing.T) {
	s := &Series{Name: "a.b", Step: 60, Start: 60, Values: []float64{1}}
	for _, c := range []struct{ text, want string }{
		{"nosuch(a.b)", "unknown function nosuch"},
		{"sumSerie(a.b)", "unknown function sumSerie; did you mean sumSeries"},
		{"ALIASBYNODE(a.b, 1)", "unknown function ALIASBYNODE; did you mean aliasByNode?"},
		{"scale(a.b)", "scale: factor is missing, a number; accepted: scale(seriesList, factor)"},
		{"scale(a.b, 1, 2)", "scale takes 2 arguments at most, got 3: scale(seriesList, factor)"},
		{"scale(a.b, x)", "scale: factor must be a number, got x without quotes"},
		{`scale(a.b, "x")`, `scale: factor must be a number, got "x"`},
		{"scale(a.b, 1, factor=2)", "scale: factor is given twice"},
		{"scale(a.b, 1, seriesList=a.b)", "scale: seriesList is given twice"},
		{"scale(a.b, of=1)", "scale has no parameter of; accepted: scale(seriesList, factor)"},
		{"scale(1, 2)", "scale: seriesList must be a path or a function, got 1"},
		{"scale(a.b, inf)", "scale: factor must be a number, got inf"},
		{"scale(a.b, none)", "scale: factor must be a number, got none"},
		{"alias(a.b, name)", "alias: newName must be text in quotes, got name without quotes"},
		{"sumSeries()", "sumSeries: seriesLists is missing, a path or a function; accepted: sumSeries(*seriesLists)"},
		{
			`summarize(a.b, "1m")`,
			`summarize: intervalString must be a time in quotes (such as 30s, 5min, 1h30min, -7d, 2w, 1mon or 1y), got "1m"`,
		},
		{
			`summarize(a.b, "-1h")`,
			`summarize: intervalString must be a time above 0 in quotes (such as 30s, 5min, 1h30min, -7d, 2w, 1mon or 1y), got "-1h"`,
		},
		{`summarize(a.b, "0s")`, "summarize: intervalString must be a time above 0"},
		{`summarize(a.b, "1h", sum)`, "got sum without quotes"},
		{`integralByInterval(a.b, "")`, "integralByInterval: intervalUnit must be a time above 0"},
		{`aggregate(a.b, "plus")`, "aggregate: func must be one of average, avg, avg_zero,"},
		{`groupByNode(a.b, 1, "plus")`, "groupByNode: callback must be one of"},
		{`groupByNode(a.b, 1.5)`, "groupByNode: nodeNum must be a whole number, or a tag in quotes, got 1.5"},
		{`limit(a.b, 1e300)`, "limit: n must be a whole number, got 1e300"},
		{`limit(a.b, 99999999999999999999)`, "limit: n must be a whole number"},
		{`sortByName(a.b, 2)`, "sortByName: natural must be true or false, got 2"},
		{`consolidateBy(a.b, "count")`, "consolidateBy: consolidationFunc must be one of sum, average, avg,"},
		{`movingAverage(a.b, 0)`, "movingAverage: windowSize must be from 1 to 1048576 points, got 0"},
		{`movingAverage(a.b, "1y")`, "a.b is asked for from 31535999 s before 1970 on"},
		{`timeShift(a.b, "1y")`, "a.b is asked for from 31535999 s before 1970 on"},
		{`nPercentile(a.b, 101)`, "nPercentile: n must be above 0 and at most 100, got 101"},
		{`removeAbovePercentile(a.b, 0)`, "removeAbovePercentile: n must be above 0"},
		{`grep(a.b, "(")`, `grep: pattern "(": character `},
		{`aliasSub(a.b, "a(", "")`, `aliasSub: search "a(": character `},
		{`aliasSub(a.b, "a", "\1")`, `aliasSub: replace "\\1": character `},
		{`aliasSub(a.b, "(?=a)", "")`, `aliasSub: search "(?=a)": character `},
		{`aliasSub(a.b, "", "` + strings.Repeat("x", 4000) + `")`, "aliasSub: a name grows beyond 4096 bytes"},
		{`timeSlice(a.b, "1h")`, "timeSlice: times are not supported here"},
		{`seriesByTag(1)`, "seriesByTag: its arguments must be texts in quotes"},
		{`a.b|seriesByTag("x=y")`, "seriesByTag: tagExpressions must be text in quotes, got a.b without quotes"},
		{`divideSeries(a.b, group(a.b, a.b))`, "divideSeries: divisorSeries must be one series, got 2; see divideSeriesLists"},
		{`timeStack(a.b, "1s", 0, 5000)`, "timeStack: timeShiftStart and timeShiftEnd must be within -1000 and 1000, got 0 and 5000"},
	} {
		_, err := Eval(&Context{From: 1, Until: 61, Fetch: fixed(s)}, parse(t, c.text))
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.Msg, c.want) {
			t.Errorf("%s: %v, want %s", c.text, err, c.want)
		}
	}
}

func TestRangeAndTargetAreChecked(t *testing.T) {
	var e *Error
	if _, err := Eval(&Context{From: 5, Until: 5, Fetch: fixed()}, parse(t, "a")); !errors.As(err, &e) {
		t.Errorf("empty range: %v", err)
	}
	if _, err := Eval(&Context{From: 5, Until: 6}, parse(t, "a")); err == nil {
		t.Error("no Fetch: no error")
	}
	literal := parse(t, "scale(a, 5)").Args[1]
	if _, err := Eval(&Context{From: 5, Until: 6, Fetch: fixed()}, literal); !errors.As(err, &e) {
		t.Errorf("a number: %v", err)
	}
}

func TestPaths(t *testing.T) {
	e := parse(t, `sumSeries(a.*, scale(b.{c,d}, 2), a.*, timeShift(seriesByTag( "x=y" ), "1h"), x=k.l)|alias("e.f")`)
	want := []string{"a.*", "b.{c,d}", `seriesByTag( "x=y" )`, "k.l"}
	if got := Paths(e); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFetchIsAskedForTheRangesOfFunctions(t *testing.T) {
	type asked struct {
		path        string
		from, until int64
	}
	for text, want := range map[string][]asked{
		"a":                                    {{"a", 10000, 20000}},
		`timeShift(a, "1h")`:                   {{"a", 10000, 20000}, {"a", 6400, 16400}},
		`timeShift(a, "+1h")`:                  {{"a", 10000, 20000}, {"a", 13600, 23600}},
		`movingAverage(a, "5min")`:             {{"a", 9700, 20000}},
		`movingAverage(a, 3)`:                  {{"a", 10000, 20000}, {"a", 9820, 20000}},
		`smartSummarize(a,"1h","sum","hours")`: {{"a", 10000, 20000}, {"a", 7200, 20000}},
		`seriesByTag("a=b", 'c=d')`:            {{`seriesByTag("a=b", 'c=d')`, 10000, 20000}},
	} {
		var got []asked
		ctx := &Context{From: 10000, Until: 20000, Fetch: func(path string, from, until int64) ([]*Series, error) {
			got = append(got, asked{path, from, until})
			return []*Series{{Name: "a", Start: from, Step: 60, Values: make([]float64, 100)}}, nil
		}}
		if _, err := Eval(ctx, parse(t, text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: fetched %v, want %v", text, got, want)
		}
	}
}

func TestErrorsOfTheContextComeBack(t *testing.T) {
	failed := errors.New("failed")
	broken := func(string, int64, int64) ([]*Series, error) { return nil, failed }
	if _, err := Eval(&Context{From: 1, Until: 2, Fetch: broken}, parse(t, "sumSeries(a)")); !errors.Is(err, failed) {
		t.Errorf("Fetch: %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	fetched := false
	ctx := &Context{Ctx: cancelled, From: 1, Until: 2, Fetch: func(string, int64, int64) ([]*Series, error) {
		fetched = true
		return nil, nil
	}}
	if _, err := Eval(ctx, parse(t, "sumSeries(a)")); !errors.Is(err, context.Canceled) || fetched {
		t.Errorf("cancelled: %v, fetched %v", err, fetched)
	}
}

// The limit is told before memory is taken, and of what functions make, too.
func TestLimit(t *testing.T) {
	tooMany := errors.New("too many")
	s := &Series{Name: "a", Start: 60, Step: 60, Values: make([]float64, 100)}
	for _, c := range []struct {
		text string
		ok   bool
	}{
		{"a", true},
		{"scale(a, 2)", true},
		{"group(a, a, a, a, a, a, a, a, a)", true},
		{"group(a, a, a, a, a, a, a, a, a, a, a)", false},
		{`summarize(a, "1s")`, false},
		{`summarize(a, "1d")`, true},
		{`hitcount(a, "1s")`, false},
		{`timeStack(a, "1s", 0, 20)`, false},
		{"sumSeries(a, a, a, a, a, a, a, a, a, a)", false},
	} {
		ctx := &Context{From: 100, Until: 6100, Fetch: fixed(s), Limit: func(series, points int) error {
			if series > 20 || points > 1000 {
				return tooMany
			}
			return nil
		}}
		if _, err := Eval(ctx, parse(t, c.text)); (err == nil) != c.ok || err != nil && !errors.Is(err, tooMany) {
			t.Errorf("%s: %v", c.text, err)
		}
	}
}

// Functions that evaluate their argument twice, within each other, would take
// 2 to the power of their number steps.
func TestNestedShiftsAreBounded(t *testing.T) {
	text := "a"
	for range 30 {
		text = "timeShift(" + text + `,"1s")`
	}
	s := &Series{Name: "a", Start: 60, Step: 60, Values: []float64{1}}
	_, err := Eval(&Context{From: 1000, Until: 1060, Fetch: fixed(s)}, parse(t, text))
	var e *Error
	if !errors.As(err, &e) || !strings.Contains(e.Msg, "more than 10000 steps") {
		t.Errorf("%v", err)
	}
}

func TestLongNamesAreCut(t *testing.T) {
	var list []*Series
	for i := range 1000 {
		name := strings.Repeat("x", 100) + strings.Repeat("y", i)
		list = append(list, &Series{Name: name, Start: 60, Step: 60, Values: []float64{1}})
	}
	got, err := Eval(&Context{From: 1, Until: 61, Fetch: fixed(list...)}, parse(t, "asPercent(scale(a, 2))"))
	if err != nil || len(got) != 1000 {
		t.Fatalf("%d series, %v", len(got), err)
	}
	for _, s := range got {
		if len(s.Name) > maxName {
			t.Fatalf("a name of %d bytes", len(s.Name))
		}
	}
}

func TestTimeSlice(t *testing.T) {
	s := &Series{Name: "a", Start: 60, Step: 60, Values: []float64{1, 2, 3, 4, 5}}
	ctx := &Context{From: 1, Until: 300, Fetch: fixed(s), ParseTime: func(text string) (int64, error) {
		switch text {
		case "now":
			return 240, nil
		case "then":
			return 120, nil
		}
		return 0, errors.New("no time")
	}}
	got, err := Eval(ctx, parse(t, `timeSlice(a, "then")`))
	if err != nil || got[0].Name != "timeSlice(a, 120, 240)" || !slices.EqualFunc(got[0].Values, []float64{nan, 2, 3, 4, nan}, alike) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := Eval(ctx, parse(t, `timeSlice(a, "x", "now")`)); err == nil || err.Error() != "timeSlice: startSliceAt: no time" {
		t.Errorf("%v", err)
	}
}

// On 2024-03-31 the clocks of Berlin went from 2:00 to 3:00, so that a week
// before noon it was 11:00 in winter time.
func TestSummerTime(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at := func(month time.Month, day, hour int) int64 {
		return time.Date(2024, month, day, hour, 0, 0, 0, berlin).Unix()
	}
	for _, c := range []struct {
		text              string
		from, until, want int64 // want is what from is asked for at last
	}{
		{`timeShift(a, "7d", true, true)`, at(4, 3, 12), at(4, 3, 13), at(3, 27, 12)},
		{`timeShift(a, "7d", true, false)`, at(4, 3, 12), at(4, 3, 13), at(3, 27, 11)},
		{`timeShift(a, "+7d", true, true)`, at(3, 27, 12), at(3, 27, 13), at(4, 3, 12)},
		{`timeShift(a, "1d", true, true)`, at(6, 3, 12), at(6, 3, 13), at(6, 2, 12)},
		{`smartSummarize(a, "1d", "sum", "days")`, at(4, 3, 12), at(4, 3, 13), at(4, 3, 0)},
		{`smartSummarize(a, "1d", "sum", "weeks")`, at(3, 31, 12), at(3, 31, 13), at(3, 25, 0)},
		{`smartSummarize(a, "1d", "sum", "years")`, at(3, 31, 12), at(3, 31, 13), at(1, 1, 0)},
	} {
		var from int64
		_, err := Eval(&Context{From: c.from, Until: c.until, Location: berlin, Fetch: func(_ string, f, _ int64) ([]*Series, error) {
			from = f
			return []*Series{{Name: "a", Start: f, Step: 60, Values: []float64{1}}}, nil
		}}, parse(t, c.text))
		if err != nil || from != c.want {
			t.Errorf("%s: from %d, want %d, %v", c.text, from, c.want, err)
		}
	}
}

func TestNumbersBeyondFloats(t *testing.T) {
	s := &Series{Name: "a", Start: 60, Step: 60, Values: []float64{1e308, 0, nan, -1e308, 800}}
	for text, want := range map[string][]float64{
		"exp(a)":         {nan, 1, nan, 0, nan},
		"pow(a, 2)":      {nan, 0, nan, nan, 640000},
		"invert(a)":      {1e-308, nan, nan, -1e-308, 1.0 / 800},
		"perSecond(a)":   {nan, nan, nan, nan, 1e308 / 60},
		"scale(a, 10)":   {math.Inf(1), 0, nan, math.Inf(-1), 8000},
		"round(a, 400)":  {1e308, 0, nan, -1e308, 800},
		"round(a, -400)": {0, 0, nan, 0, 0},
		"round(a, -2)":   {1e308, 0, nan, -1e308, 800},
	} {
		got, err := Eval(&Context{From: 1, Until: 300, Fetch: fixed(s)}, parse(t, text))
		if err != nil || !slices.EqualFunc(got[0].Values, want, func(a, b float64) bool { return a == b || alike(a, b) }) {
			t.Errorf("%s: %v, want %v, %v", text, got[0].Values, want, err)
		}
	}
}

func TestEmptyNamesAndUntaggedSeries(t *testing.T) {
	s := &Series{Name: "", Start: 60, Step: 60, Values: []float64{1}}
	for _, text := range []string{
		"aliasByNode(a, 0)", "aliasByNode(a, -1)", "aliasByMetric(a)", `groupByTags(a, "sum", "x")`, "sortByName(a, true)", "upper(a, 0)",
	} {
		if got, err := Eval(&Context{From: 1, Until: 61, Fetch: fixed(s)}, parse(t, text)); err != nil || len(got) != 1 {
			t.Errorf("%s: %s, %v", text, names(got), err)
		}
	}
}
