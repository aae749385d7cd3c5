package aggregator

import (
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/naming"
	"github.com/coalesce-metrics/coalesce/rules"
)

// keepingAll has a rule that keeps all series, as a [[keep]] does.
func keepingAll(t testing.TB, period int64) *rules.Set {
	t.Helper()
	r, err := rules.NewInput("keep", 0, "<<all>>", period, false)
	if err != nil {
		t.Fatal(err)
	}
	return rules.NewSet([]*rules.Rule{r})
}

// Rules and views get the name that the policy gives, the series itself keeps its
// own, and what is denied is nowhere.
func TestNamesOfMeasurements(t *testing.T) {
	c := start(t, 1000, "", func(cfg *Config) {
		cfg.ForwardAll = true
		p := new(naming.Policy)
		p.Rewrites, _ = naming.ParseRewrites("rewrite.conf", []byte("[pre]\n^old = new\n[post]\n^new = out\n"))
		p.Deny, _ = naming.ParseList("deny.conf", []byte("^secret\n"), naming.Regexps)
		cfg.Names = p
	})
	view := rules.View{ID: "v", Measure: "new", Columns: []string{"k"}}
	c.a.SetRules(viewSet(t, "all.<k> (60) = count new;k=<k>\n", view))
	raw, sum := c.stream(rawStream), c.stream(sumStream)
	for range 2 { // as new names and as known ones
		c.measure(raw, "old;k=1", complexCell(2, 6, 1, 5, 0, 1000))
		c.measure(sum, "old;k=2", plain(1, 1000))
		c.measure(raw, "secret;k=1", complexCell(3, 3, 1, 1, 0, 1000))
	}
	if c.lines != "out;k=1 3 1000\nout;k=1 3 1000\n" {
		t.Errorf("forwarded %q", c.lines)
	}
	if n := c.bucket("old;k=1", 1000).Cell.Count; n != 2 {
		t.Errorf("the series has %d", n)
	}
	if rows := c.a.ViewRows("v"); len(rows) != 2 || rows[0].Cell.Count != 4 || rows[1].Cell.Count != 2 {
		t.Errorf("rows %+v", rows)
	}
	if _, known := c.a.Buckets("secret;k=1", 0, 2000); known {
		t.Error("what is denied is known")
	}
	names := strings.Join(c.a.RecentNames(), " ")
	if names != "new;k=2 new;k=1" {
		t.Errorf("recent names %q", names)
	}
	c.through(1100)
	c.want(Row{"all.1", 4, 960}, Row{"all.2", 2, 960}, Row{"old;k=2", 2, 960})
	if s := c.a.Stats(); s.Accepted != 12 || s.Matched != 6 || s.Filtered != 6 || s.FilteredBy[naming.Denied] != 6 {
		t.Errorf("counted %+v", s)
	}
	c.balance(c.a.Stats())
}

// A series that measurements make is not kept once more by a rule that keeps series,
// but under the name that it gets by rewriting it is.
func TestMeasuredSeriesAreKeptOnce(t *testing.T) {
	for _, period := range []int64{1, 10} {
		p := new(naming.Policy)
		p.Rewrites, _ = naming.ParseRewrites("rewrite.conf", []byte("[pre]\n^old = new\n"))
		c := start(t, 1000, "", func(cfg *Config) { cfg.Names = p })
		c.a.SetRules(keepingAll(t, period))
		c.measure(c.stream(rawStream), "m", plain(1, 1000))
		c.measure(c.stream(rawStream), "old", plain(1, 1000))
		if s := c.a.Stats(); s.Outputs != 3 || s.Contributions != 3 || s.Added != 3 {
			t.Errorf("counted %+v", s)
		}
		if b := c.bucket("new", 1000); b.Period != period {
			t.Errorf("the other series is %+v", b)
		}
		if b := c.bucket("m", 1000); b.Period != 1 {
			t.Errorf("the series is %+v", b)
		}
	}
}

// A rule that makes the very series of a stream shares its cells, and one that makes
// its row in another way wins.
func TestRulesThatMakeMeasuredSeries(t *testing.T) {
	c := start(t, 1000, "m (60) = sum in.*\n", nil)
	id := c.stream(sumStream)
	c.measure(id, "m", plain(1, 1000))
	c.add("in.a", 2, 1000)
	c.measure(id, "in.b", plain(4, 1000))
	c.through(1040)
	c.want(Row{"m", 7, 960}, Row{"in.b", 4, 960})
	c.drops()
	if s := c.a.Stats(); s.Outputs != 2 {
		t.Errorf("%d outputs", s.Outputs)
	}
	c.reload("m (60) = max in.*\n")
	for range 2 {
		c.add("in.a", 2, c.now) // goes on with the bucket that is there, if one is
		c.measure(id, "m", plain(1, c.now))
		c.now += 60
	}
	c.through(1300)
	for _, r := range c.rows {
		if r.Name == "m" && r.Value != 2 {
			t.Errorf("row %v", r)
		}
	}
	if s := c.a.Stats(); s.Dropped[Conflict] != 2 {
		t.Errorf("dropped %v", s.Dropped)
	}
}

// The owner of the name forwards, all keep the series.
func TestOwnsMeasurements(t *testing.T) {
	for _, mine := range []bool{true, false} {
		c := start(t, 1000, "", func(cfg *Config) {
			cfg.ForwardAll = true
			cfg.Owns = func([]byte) bool { return mine }
		})
		c.a.SetRules(viewSet(t, "all (60) = sum m;k=*\n", rules.View{ID: "v", Measure: "m"}))
		c.measure(c.stream(rawStream), "m;k=1", plain(1, 1000))
		c.measure(c.stream(rawStream), "other", plain(1, 1000))
		if forwarded := c.nLines == 2; forwarded != mine || c.one("v").Cell.Count != 1 || c.bucket("m;k=1", 1000).Cell.Count != 1 {
			t.Errorf("owner %v: forwarded %q", mine, c.lines)
		}
		if _, known := c.a.Buckets("all", 0, 2000); known != mine {
			t.Errorf("owner %v: the output is known: %v", mine, known)
		}
	}
}

// Flush, event time and early rows leave views alone.
func TestViewsAreNeverEmitted(t *testing.T) {
	for _, eventTime := range []bool{true, false} {
		c := start(t, 1000, "", func(cfg *Config) { cfg.EventTime, cfg.WriteBack = eventTime, 3 })
		announced := 0
		c.a.cfg.Announce = func(Output) { announced++ }
		c.a.SetRules(viewSet(t, "", rules.View{ID: "v", Measure: "m", Columns: []string{"k"}}))
		for _, at := range []float64{-10, 0, 1000, 1e9, 5e9} {
			c.add("m;k=1", 1, at)
		}
		c.through(1030)
		c.tick(900) // set back
		c.a.Flush()
		if c.now = 1e6; !eventTime {
			c.a.Tick()
		}
		c.want()
		want := int64(3)
		if eventTime {
			want = 5
		}
		if r := c.one("v"); r.Cell.Count != want || r.Began != 1000 {
			t.Errorf("row %+v", r)
		}
		if s := c.a.Stats(); announced != 0 || s.Early+s.Closed+s.Rows != 0 || s.Buckets != 1 {
			t.Errorf("announced %d, counted %+v", announced, s)
		}
		data := c.a.Checkpoint()
		c.run(c.a.cfg)
		if err := c.a.Restore(data); err != nil || c.a.Stats().Outputs != 0 {
			t.Errorf("after a restart %+v, %v", c.a.Stats(), err)
		}
	}
}
