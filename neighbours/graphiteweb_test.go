package neighbours

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// graphite-web renders and finds what the daemon does, whichever way it asks.
func TestGraphiteWeb(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"pickle", "msgpack"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			t.Run(format+" "+method, func(t *testing.T) {
				t.Parallel()
				d := start(t, renderedRules, renderedConfig)
				g := startGraphiteWeb(t, d, format, method == http.MethodPost)
				in := newRenderedInput(time.Now().Unix())
				in.send(d)
				g.compareTargets(in)
				g.compareSums(in)
				g.compareNames(in)

				await(t, "old buckets to leave memory", func() string { return mostAreHeld(d, in) })
				d.restart()
				if held := mostAreHeld(d, in); held != "" {
					t.Error(held)
				}
				g.compareSums(in)
				g.compareNames(in)

				in.add("shop", "late", "requests", 0.25, in.now+renderedStep) // was stored
				in.add("shop", "late", "requests", 0.5, in.until)             // is open
				in.send(d)
				g.compareSums(in)
				g.noFaults()
				d.stop()
			})
		}
	}
}

const (
	renderedRules = `total.<app>.<what> (2) = sum app.<app>.*.<what>
total.<app>.<what>.<method> (2) = avg,max,p95 app.<app>.*.<what>
longer.<app>.<what> (10) = sum app.<app>.*.<what>
busiest;app=<app>;dc=<dc> (2) = max load;app=<app>;dc=<dc>
`
	renderedConfig = `[aggregation]
keep = 1
[store]
cycle = "100ms"
[[keep]]
pattern = "app.<<rest>>"
period = "2s"
`
)

// mostAreHeld says when a good part of what was sent is in memory.
func mostAreHeld(d *daemon, in *renderedInput) string {
	d.t.Helper()
	if held := d.scrape().sum("buckets"); held > float64(len(in.total)) {
		return fmt.Sprintf("%v buckets are in memory, want fewer than the %d sums", held, len(in.total))
	}
	return ""
}

// restart stops the daemon and starts it as before.
func (d *daemon) restart() {
	d.t.Helper()
	d.stop()
	d.child = launch(d.t, d.cmd.Dir, d.cmd.Args...)
	d.awaitPorts(d.http)
	await(d.t, "the daemon to be ready", func() string {
		if status, body := d.get("/readyz"); status != http.StatusOK {
			return fmt.Sprint(status, body)
		}
		return ""
	})
}

// renderedInput is what the daemon gets, and what is to be seen of it.
type renderedInput struct {
	old, from, now, until int64  // the bucket of until stays open
	lines                 string // not yet sent
	total                 store  // the sums
}

const renderedStep = 2 // seconds

func newRenderedInput(now int64) *renderedInput {
	now -= now % renderedStep
	in := &renderedInput{old: now - 1200, from: now - 120, now: now, until: now + 120, total: make(store)}
	for at := in.from; at < now+10; at++ {
		for i, app := range []string{"blog", "shop"} {
			for server := range 3 {
				in.add(app, fmt.Sprintf("www%d", server), "requests", float64(i+1)/4+float64(server)+float64(at%70), at)
			}
			in.lines += fmt.Sprintf("load;app=%s;dc=eu %d %d\n", app, at%7, at)
		}
	}
	in.add("shop", "www0", "odd", math.Inf(1), now-30)
	in.add("shop", "www0", "odd", math.Inf(-1), now-20)
	in.add("shop", "www0", "odd", -1e300, now-10)
	in.add("shop", "www0", "größe", 1e-300, now-10)
	in.add("shop", "www1", "requests", 1, in.old+1)
	in.add("shop", "www1", "requests", 1, in.old+600)
	in.add("shop", "www1", "requests", 1, in.until)
	return in
}

func (in *renderedInput) add(app, server, what string, value float64, at int64) {
	in.lines += fmt.Sprintf("app.%s.%s.%s %v %d\n", app, server, what, value, at)
	in.total[fmt.Sprintf("total.%s.%s %d", app, what, at-at%renderedStep)] += value
}

// send returns when the daemon answers for all that was added.
func (in *renderedInput) send(d *daemon) {
	d.t.Helper()
	send(d.t, "tcp", d.plaintext, in.lines)
	in.lines = ""
	query := url.Values{
		"target": {"total.*.*"}, "format": {"json"}, "noNullPoints": {"1"},
		"from": {fmt.Sprint(in.old - 1)}, "until": {fmt.Sprint(in.until)},
	}
	await(d.t, "the sums", func() string {
		var series []rendered
		decode(d.t, fetch(d.t, "http://"+d.http+"/render?"+query.Encode()), &series)
		return stored(series).differs(in.total)
	})
}

// Targets that both evaluate by the same rules. The functions are evaluated by
// graphite-web over series that the daemon gives it.
var renderedTargets = []string{
	"total.shop.requests", "total.*.requests", "total.*.*", "total.{shop,blog}.requests", "total.[sb]*.re?uests",
	"total.shop.requests.*", "total.shop.requests.{avg,p95}", "longer.*.requests", "app.*.www[01].*", "*.shop.*",
	"total.shop.requests:max", "total.*.requests:obvs", "total.shop.requests:sum60", "total.shop.requests:sumrate",
	"total.shop.requests:stddev", "total.*.requests.max:95pct", "app.shop.www1.requests:sum", "app.*.www1.requests:count",
	"seriesByTag('name=busiest')", "seriesByTag('app=shop','dc=~e.')", `seriesByTag("app!=shop", "name=busiest")`,
	"busiest;app=shop;dc=eu", "busiest;app=shop;dc=eu:count",
	"sumSeries(total.*.requests)", "sumSeries(app.*.*.requests)", "total.*.requests|averageSeries()",
	"maxSeries(total.*.requests:max)", "divideSeries(total.shop.requests,total.blog.requests)",
	"asPercent(total.*.requests)", "groupByNode(app.*.*.requests,1,'sum')", "aliasByNode(total.*.requests,1)",
	"aliasByTags(seriesByTag('name=busiest'),'app')", "groupByTags(seriesByTag('name=busiest'),'sum','dc')",
	`aliasSub(total.*.requests,'^total\.(.*)\.requests$','\1')`, "scale(total.*.requests,2.5)",
	"perSecond(total.shop.requests)", "derivative(total.shop.requests)", "integral(total.shop.requests)",
	"summarize(total.shop.requests,'20s','sum')", "keepLastValue(total.shop.odd)", "transformNull(total.shop.odd,-1)",
	"timeShift(total.shop.requests,'10s')", "highestMax(total.*.requests,1)", "limit(sortByName(total.*.requests),1)",
}

// Targets of which there is no series.
var unknownTargets = []string{
	"no.such", "no.*.such", "total.shop.requests:nosuch", "seriesByTag('name=nosuch')", "sumSeries(no.such.*)",
}

// compareTargets compares what both make of each target.
func (g *graphiteWeb) compareTargets(in *renderedInput) {
	g.t.Helper()
	for _, target := range unknownTargets {
		if got := g.sameRendered(in.from, in.until, target); len(got) > 0 {
			g.t.Errorf("%s is %v, want nothing", target, got)
		}
	}
	for _, target := range renderedTargets {
		if len(g.sameRendered(in.from, in.until, target)) == 0 {
			g.t.Errorf("%s is nothing", target)
		}
	}
}

// compareSums compares sums with those of the input, and all targets at once.
func (g *graphiteWeb) compareSums(in *renderedInput) {
	g.t.Helper()
	sums := g.sameRendered(in.old-1, in.until, "total.*.*")
	if why := stored(sums).differs(in.total); why != "" {
		g.t.Errorf("the sums: %s", why)
	}
	g.sameRendered(in.now-15, in.now+5, slices.Concat(unknownTargets, renderedTargets, unknownTargets)...)

	// Of two days there are only windows.
	got, want := 0.0, 0.0
	for _, value := range stored(g.sameRendered(in.now-2*86400, in.until, "total.shop.requests")) {
		got += value
	}
	for key, value := range in.total {
		if strings.HasPrefix(key, "total.shop.requests ") {
			want += value
		}
	}
	if got != want {
		g.t.Errorf("the sums of windows come to %v, want %v", got, want)
	}
}

// compareNames compares what both find.
func (g *graphiteWeb) compareNames(in *renderedInput) {
	g.t.Helper()
	for _, query := range []string{"no", "no.such.*"} {
		if found := g.sameFound("/metrics/find", url.Values{"query": {query}}); len(found) > 0 {
			g.t.Errorf("%s is %q, want nothing", query, found)
		}
	}
	for _, query := range []string{
		"*", "total", "total.*", "total.shop.*", "total.shop.requests", "total.shop.requests.*", "total.*.requests",
		"app.*.www?.requests", "app.{shop,blog}.*", "app.shop.www[12].re*",
	} {
		for _, format := range []string{"treejson", "json", "completer", "nodelist"} {
			asked := url.Values{"query": {query}, "format": {format}}
			if len(g.sameFound("/metrics/find", asked)) == 0 {
				g.t.Errorf("%s finds nothing for %s", format, query)
			}
		}
		g.sameFound("/metrics/find", url.Values{
			"query": {query}, "format": {"json"}, "leavesOnly": {"1"}, "from": {fmt.Sprint(in.from)}, "until": {fmt.Sprint(in.now)},
		})
	}
	for _, path := range []string{
		"/metrics/expand?query=total.*.*", "/metrics/expand?query=a*.*&query=total.*&groupByExpr=1", "/metrics/expand?query=nosuch",
		"/metrics/index.json",
		"/tags", "/tags/app", "/tags/findSeries?expr=app=shop&expr=name=~b.*",
		"/tags/autoComplete/tags", "/tags/autoComplete/tags?expr=name=busiest", "/tags/autoComplete/tags?tagPrefix=d&limit=1",
		"/tags/autoComplete/values?tag=app", "/tags/autoComplete/values?tag=app&expr=dc=eu&valuePrefix=s",
		"/tags/autoComplete/values?tag=nosuch",
	} {
		path, query, _ := strings.Cut(path, "?")
		values, err := url.ParseQuery(query)
		if err != nil {
			g.t.Fatal(err)
		}
		g.sameFound(path, values)
	}
}
