package query

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Skipf("no time zones on this machine: %v", err)
	}
	return loc
}

// The cases are those of graphite-web's own tests, at their times; the expected
// ones are written as dates.
func TestParseTime(t *testing.T) {
	utc := time.Date(2015, 1, 1, 11, 0, 0, 0, time.UTC) // a Thursday
	west := zone(t, "America/Los_Angeles")
	spring := time.Date(2015, 3, 8, 12, 0, 0, 0, west) // summer time began at 2:00
	for name, c := range map[string]struct {
		text string
		now  time.Time
		want string // RFC 3339
	}{
		"now":                     {"now", utc, "2015-01-01T11:00:00Z"},
		"seconds":                 {"1700000040", utc, "2023-11-14T22:14:00Z"},
		"epoch":                   {"0", utc, "1970-01-01T00:00:00Z"},
		"eight digits no date":    {"12345678", utc, "1970-05-23T21:21:18Z"},
		"blanks and case":         {"  Now - 1 Hour ", utc, "2015-01-01T10:00:00Z"},
		"minus alone is of now":   {"-1h", utc, "2015-01-01T10:00:00Z"},
		"plus":                    {"+5s", utc, "2015-01-01T11:00:05Z"},
		"minutes":                 {"now-30min", utc, "2015-01-01T10:30:00Z"},
		"chain":                   {"-1d2h", utc, "2014-12-31T09:00:00Z"},
		"week":                    {"-1w", utc, "2014-12-25T11:00:00Z"},
		"month is 30 days":        {"-1mon", utc, "2014-12-02T11:00:00Z"},
		"year is 365 days":        {"-2years", utc, "2013-01-01T11:00:00Z"},
		"units by prefix":         {"-5seconds3minutes2hours1days", utc, "2014-12-31T08:56:55Z"},
		"today":                   {"today", utc, "2015-01-01T00:00:00Z"},
		"yesterday":               {"yesterday", utc, "2014-12-31T00:00:00Z"},
		"tomorrow":                {"tomorrow", utc, "2015-01-02T00:00:00Z"},
		"noon":                    {"noon", utc, "2015-01-01T12:00:00Z"},
		"noon of a day":           {"noon yesterday", utc, "2014-12-31T12:00:00Z"},
		"midnight":                {"midnight", utc, "2015-01-01T00:00:00Z"},
		"teatime":                 {"teatime", utc, "2015-01-01T16:00:00Z"},
		"clock":                   {"8:50", utc, "2015-01-01T08:50:00Z"},
		"clock am":                {"8:50am", utc, "2015-01-01T08:50:00Z"},
		"clock pm":                {"8:50pm", utc, "2015-01-01T20:50:00Z"},
		"hour am":                 {"8am", utc, "2015-01-01T08:00:00Z"},
		"hour pm":                 {"10pm", utc, "2015-01-01T22:00:00Z"},
		"hour of a day":           {"6pm today", utc, "2015-01-01T18:00:00Z"},
		"clock and date":          {"04:00_20110501", utc, "2011-05-01T04:00:00Z"},
		"date":                    {"20140606", utc, "2014-06-06T00:00:00Z"},
		"slashes":                 {"02/25/15", utc, "2015-02-25T00:00:00Z"},
		"slashes, long year":      {"02/25/2015", utc, "2015-02-25T00:00:00Z"},
		"slashes, last century":   {"2/3/70", utc, "1970-02-03T00:00:00Z"},
		"clock and slashes":       {"10:30_02/25/15", utc, "2015-02-25T10:30:00Z"},
		"month and day":           {"january8", utc, "2015-01-08T00:00:00Z"},
		"month and day, short":    {"Jan 10", utc, "2015-01-10T00:00:00Z"},
		"weekday":                 {"monday", utc, "2014-12-29T00:00:00Z"},
		"weekday today":           {"thu", utc, "2015-01-01T00:00:00Z"},
		"weekday less an hour":    {"monday-1h", utc, "2014-12-28T23:00:00Z"},
		"zone: date":              {"12:0020150308", spring, "2015-03-08T12:00:00-07:00"},
		"zone: tomorrow":          {"midnight_tomorrow", spring, "2015-03-09T00:00:00-07:00"},
		"zone: offset":            {"midnight_tomorrow+3h", spring, "2015-03-09T03:00:00-07:00"},
		"zone: before the change": {"midnight+1h", spring, "2015-03-08T01:00:00-08:00"},
		"zone: over the change":   {"midnight+3h", spring, "2015-03-08T04:00:00-07:00"},
	} {
		t.Run(name, func(t *testing.T) {
			want, err := time.Parse(time.RFC3339, c.want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := ParseTime(c.text, c.now)
			if err != nil || got != want.Unix() {
				t.Errorf("ParseTime(%q) = %s, %v; want %s", c.text, time.Unix(got, 0).In(c.now.Location()).Format(time.RFC3339), err, c.want)
			}
		})
	}
}

func TestParseTimeErrors(t *testing.T) {
	now := time.Date(2015, 1, 1, 11, 0, 0, 0, time.UTC)
	for name, text := range map[string]string{
		"empty":                "",
		"blank":                " _ ",
		"word":                 "random",
		"colon":                ":",
		"clock cut short":      "8:5",
		"hour 24":              "24:00",
		"minute 60":            "8:60",
		"hour 13 pm":           "13pm",
		"unit m":               "-1m",
		"no unit":              "-10",
		"no count":             "-month",
		"sign alone":           "now-",
		"two signs":            "-1d+2h",
		"no sign":              "5min",
		"unknown unit":         "-5x",
		"no such day":          "02/30/15",
		"no such date":         "20150230",
		"month without day":    "january",
		"month with long day":  "january800",
		"weekday with number":  "monday3",
		"year of three digits": "02/25/015",
		"milliseconds":         "1700000040000",
		"huge":                 "99999999999999999999",
		"huge count":           "-99999999999999999999d",
		"many large counts":    "-9999y9999y9999y",
		"before 1970":          "-50y",
		"fraction":             "1700000040.5",
		"rest behind":          "noon5",
		"too long":             "now" + strings.Repeat("-1s", 40),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseTime(text, now)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("ParseTime(%q) = %d, %v; want an *Error", text, got, err)
			}
			if len(text) < maxTimeText && !strings.Contains(e.Msg, strconv.Quote(text)) {
				t.Errorf("message does not quote %q: %s", text, e.Msg)
			}
		})
	}
}

func TestParseRange(t *testing.T) {
	now := time.Unix(1_700_000_000, 0).UTC()
	for name, c := range map[string]struct {
		from, until         string
		wantFrom, wantUntil int64
	}{
		"default":   {"", "", 1_700_000_000 - 86400, 1_700_000_000},
		"undefined": {"undefined", "undefined", 1_700_000_000 - 86400, 1_700_000_000},
		"given":     {"-2h", "-1h", 1_700_000_000 - 7200, 1_700_000_000 - 3600},
		"reversed":  {"now", "-1h", 1_700_000_000 - 3600, 1_700_000_000},
	} {
		t.Run(name, func(t *testing.T) {
			from, until, err := ParseRange(c.from, c.until, now)
			if err != nil || from != c.wantFrom || until != c.wantUntil {
				t.Errorf("got %d, %d, %v; want %d, %d", from, until, err, c.wantFrom, c.wantUntil)
			}
		})
	}
	for name, c := range map[string]struct{ from, until, want string }{
		"equal":     {"-1h", "-60min", "from and until are both 1699996400"},
		"bad from":  {"soon", "now", `from: "soon" is not a time`},
		"bad until": {"-1h", "1m", `until: "1m" is not a time`},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := ParseRange(c.from, c.until, now)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v; want %q in it", err, c.want)
			}
		})
	}
}

// Nothing panics, what is accepted is in bounds, blanks and case do not count,
// and plain digits are seconds.
func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"now", "-1d2h", "8:50pm", "noon yesterday", "04:00_20110501", "02/25/15", "Jan 5", "monday", "1700000000", "+9y", "é:00", "1:é0"} {
		f.Add(s)
	}
	now := time.Date(2024, 2, 29, 23, 59, 59, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseTime(s, now)
		if err == nil && (got < 0 || got > maxTime) {
			t.Fatalf("ParseTime(%q) = %d", s, got)
		}
		if err != nil && got != 0 {
			t.Fatalf("ParseTime(%q) = %d and an error", s, got)
		}
		if len(s)+2 <= maxTimeText {
			again, err2 := ParseTime("_"+strings.ToLower(s)+",", now)
			if again != got || (err == nil) != (err2 == nil) {
				t.Fatalf("ParseTime(%q) = %d, %v, but with blanks %d, %v", s, got, err, again, err2)
			}
		}
		if n, e := strconv.ParseUint(s, 10, 37); e == nil && len(s) != 8 && len(s) < maxTimeText && (err != nil || got != int64(n)) {
			t.Fatalf("ParseTime(%q) = %d, %v", s, got, err)
		}
	})
}
