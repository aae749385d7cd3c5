package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/internal/stubborn"
)

// ruleAPI is a daemon's rules over HTTP.
type ruleAPI struct {
	t      *testing.T
	d      *process
	client *http.Client
}

func newRuleAPI(t *testing.T, d *process) *ruleAPI {
	return &ruleAPI{t, d, stubborn.Client(patience)}
}

func (a *ruleAPI) do(method, path, body string) (status int, text string) {
	a.t.Helper()
	req, err := http.NewRequest(method, "http://"+a.d.address("http", "tcp")+"/v1/aggregates"+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		a.t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Error(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(all))
}

func ruleBody(pattern, output string) string {
	text, _ := json.Marshal(map[string]string{"pattern": pattern, "output": output})
	return string(text)
}

// create makes a rule and returns its id, or "" if it is refused.
func (a *ruleAPI) create(pattern, output string) string {
	a.t.Helper()
	status, text := a.do("POST", "/", ruleBody(pattern, output))
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(text), &made); status != http.StatusOK || err != nil {
		a.t.Errorf("%s → %s: status %d, %s", pattern, output, status, text)
	}
	return made.ID
}

func (a *ruleAPI) delete(id string) {
	a.t.Helper()
	if status, text := a.do("DELETE", "/"+id+"/", ""); status != http.StatusOK || text != "{}" {
		a.t.Errorf("DELETE %s: status %d, %s", id, status, text)
	}
}

func (a *ruleAPI) list() (patterns []string) {
	a.t.Helper()
	var all []struct{ Pattern string }
	_, text := a.do("GET", "/", "")
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		a.t.Errorf("%s: %v", text, err)
	}
	for _, r := range all {
		patterns = append(patterns, r.Pattern)
	}
	return patterns
}

// noRules is a rule file that no name of these tests matches.
func noRules(t *testing.T) string {
	return write(t, t.TempDir(), "rules.conf", "of.the.file (3600) = sum of.the.file.in\n")
}

// What a client sees of rules, and every view of what they make.
func TestRulesOverHTTP(t *testing.T) {
	t.Parallel()
	out := newSink(t)
	d := start(t, settings{rules: noRules(t), data: filepath.Join(t.TempDir(), "data"), upstream: out.address})
	a := newRuleAPI(t, d)
	at := history()
	feed(d, out, at, "servers.server-0001.requests.200 1000") // known before there is a rule for it

	const pattern, output = "servers.*.requests.<response_code>", "servers.all.requests.<response_code>"
	id := a.create(pattern, output)
	for _, o := range []string{output, "aggregates." + output} {
		if status, text := a.do("POST", "", ruleBody(pattern, o)); status != 409 {
			t.Errorf("again: %d %s", status, text)
		}
	}
	rule := fmt.Sprintf(`[{"id":%q,"pattern":%q,"output":%q}]`, id, pattern, "aggregates."+output)
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/", "", 200, rule}, {"GET", "", "", 200, rule}, {"GET", "/" + id + "/", "", 200, rule}, {"GET", "/UNKNOWN/", "", 200, "[]"},
		{"DELETE", "/UNKNOWN/", "", 412, `{"error":"no rule has the id \"UNKNOWN\""}`},
		{"DELETE", "/", "", 400, `{"error":"id is missing; accepted: DELETE /v1/aggregates/ID/"}`},
		{"POST", "/", ruleBody("a.<x>.<x>", "b"), 400, `{"error":"pattern, column 8: field <x> is captured twice"}`},
		{"POST", "/", ruleBody("a.(", "b"), 400, `{"error":"pattern, column 3: group ( is never closed"}`},
		{"POST", "/", ruleBody("a.<x>", "b.<y>"), 400, `{"error":"output, column 3: unknown field \"y\": known are <x>"}`},
	} {
		if status, text := a.do(c.method, c.path, c.body); status != c.status || text != c.want {
			t.Errorf("%s %s: %d %s, want %d %s", c.method, c.path, status, text, c.status, c.want)
		}
	}

	var sent []string
	for i := range 10 {
		sent = append(sent, fmt.Sprintf("servers.server-%04d.requests.200 %d", i%2+1, i+1))
	}
	feed(d, out, at, append(sent, "servers.a.b.requests.200 7", "servers.server1.requests.404 8")...)
	const made = "aggregates.servers.all.requests.200"
	for view, want := range map[string]float64{
		"": 5.5, ":sum": 55, ":avg": 5.5, ":min": 1, ":max": 10, ":obvs": 10, ":count": 10, ":95pct": 9.55, ":sum60": 110,
		":sumrate": 55. / 30, ":obvsrate": 10. / 30, ":nonsense": math.NaN(),
	} {
		if got := point(t, d, made+view, at); !(math.Abs(got-want) < 1e-12) && math.IsNaN(got) != math.IsNaN(want) || math.Abs(got-want) > 1e-12 {
			t.Errorf("%s is %v, want %v", view, got, want)
		}
	}
	if got := point(t, d, "aggregates.servers.all.requests.404:sum", at); got != 8 {
		t.Errorf("404: %v", got)
	}
	if status, text := a.do("POST", "/test/", ruleBody("servers.*.requests.<c>", "<c>")); status != 200 || !strings.Contains(text, `"matches":3,`) {
		t.Errorf("%d %s", status, text)
	}
	a.delete(id)
	if status, _ := a.do("DELETE", "/"+id+"/", ""); status != 412 {
		t.Error("deleted twice:", status)
	}
	feed(d, out, at, "servers.server-0001.requests.200 1000")
	rowsAre(out, at, map[string][]string{"servers.all.requests.200": {"5.5"}, "servers.all.requests.404": {"8"}})
	checkBalance(t, d)
	d.stop()
}

// Deleted and made again while its bucket is open, a rule goes on with it: one row
// comes, of what came while there was a rule. So it does when the daemon is
// restarted meanwhile.
func TestRuleMadeAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := newSink(t)
	s := settings{
		rules: write(t, dir, "rules.conf", "kept (60) = sum m.<x>.* grace=10s\n"), data: filepath.Join(dir, "data"), upstream: out.address,
		config: "[api_rules]\nforward_views = [\"sum\", \"obvs\", \"95pct\", \"sum60\"]\n[aggregation]\ngrace = \"10s\"\n",
	}
	d := start(t, s)
	a := newRuleAPI(t, d)
	at := history()
	first := a.create("m.<x>.*", "again.<x>")
	begun := time.Now()
	feed(d, out, at, "m.a.1 1", "m.b.1 7", "m.tagged.x;dc=eu 3")
	a.delete(first)
	feed(d, out, at, "m.a.1 1000")
	second := a.create("m.<x>.*", "aggregates.again.<x>")
	if first == second {
		t.Error("an id was used again")
	}
	feed(d, out, at, "m.a.1 2")
	d.stop()
	d = start(t, s)
	a = newRuleAPI(t, d)
	if got := a.list(); len(got) != 1 || got[0] != "m.<x>.*" {
		t.Errorf("after the restart: %q", got)
	}
	feed(d, out, at, "m.a.1 3")
	rowsSince(begun, 10*time.Second)(out, at, map[string][]string{
		"again.a": {"2"}, "again.a:sum": {"6"}, "again.a:obvs": {"3"}, "again.a:95pct": {"2.9"}, "again.a:sum60": {"12"},
		"again.b": {"7"}, "again.b:sum": {"7"}, "again.b:obvs": {"1"}, "again.b:95pct": {"7"}, "again.b:sum60": {"14"}, // of the checkpoint alone
		"kept": {"1016"},
	})
	checkBalance(t, d)
	d.stop()
}

// Whatever was acknowledged is there after a kill, and what was removed is not.
func TestRulesSurviveKills(t *testing.T) {
	t.Parallel()
	s := settings{rules: noRules(t), data: filepath.Join(t.TempDir(), "data"), upstream: newSink(t).address}
	var want []string
	for i := range 6 {
		d := start(t, s)
		a := newRuleAPI(t, d)
		if got := a.list(); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Fatalf("after kill %d: %q, want %q", i, got, want)
		}
		if i%3 == 2 {
			var all []struct{ ID string }
			_, text := a.do("GET", "/", "")
			if err := json.Unmarshal([]byte(text), &all); err != nil {
				t.Fatal(err)
			}
			a.delete(all[0].ID)
			want = want[1:]
		}
		pattern := fmt.Sprintf("k%d.*", i)
		a.create(pattern, "b")
		d.signal(syscall.SIGKILL)
		want = append(want, pattern)
		d.wait()
	}
}

// Without a data directory rules live as long as the daemon.
func TestRulesWithoutData(t *testing.T) {
	t.Parallel()
	s := settings{rules: noRules(t), config: "[api_rules]\nmax_per_key = 1\n"}
	d := start(t, s)
	a := newRuleAPI(t, d)
	a.create("a", "b")
	if status, text := a.do("POST", "/", ruleBody("c", "d")); status != 403 {
		t.Errorf("beyond the limit: %d %s", status, text)
	}
	d.stop()
	if got := newRuleAPI(t, start(t, s)).list(); len(got) > 0 {
		t.Error(got)
	}
}

// A rule file that is reloaded and rules over HTTP do not undo each other.
func TestRulesAndReloads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(i int) string {
		return fmt.Sprintf("file%d (10) = sum file.%d\nalways (10) = sum always\n", i, i)
	}
	path := write(t, dir, "rules.conf", file(0))
	d := start(t, settings{rules: path, config: "[reload]\nwatch = false\n"})
	a := newRuleAPI(t, d)
	const n = 20
	var running sync.WaitGroup
	running.Go(func() {
		for i := range n {
			replace(t, path, file(i+1))
			d.signal(syscall.SIGHUP)
			d.waitLog("rules reloaded", i+1)
		}
	})
	for w := range 2 {
		running.Go(func() {
			for i := range n {
				id := a.create(fmt.Sprintf("w%d.r%d", w, i), "x")
				if i%2 == 0 {
					a.delete(id)
				}
			}
		})
	}
	running.Wait()
	if got := scrape(t, d).sum("rules_loaded"); got != 2+n {
		t.Errorf("%v rules in force, want %d", got, 2+n)
	}
	// Those of the last file, and no others.
	names := []string{"file.0", fmt.Sprintf("file.%d", n), "w0.r1", "w0.r2", "w1.r19"}
	for _, name := range names {
		d.send(name + " 1 -1\n")
	}
	await(t, "the datapoints", nil, func() bool { return scrape(t, d).sum("datapoints_accepted_total") == float64(len(names)) })
	if s := scrape(t, d); s.sum("datapoints_matched_total") != 3 || s.sum("datapoints_unmatched_total") != 2 {
		t.Errorf("%v matched, %v unmatched", s.sum("datapoints_matched_total"), s.sum("datapoints_unmatched_total"))
	}
	d.stop()
}

// The commands do what curl does.
func TestRulesCommand(t *testing.T) {
	t.Parallel()
	d := start(t, settings{rules: noRules(t)})
	where := "--http=http://" + d.address("http", "tcp")
	ask := func(args ...string) (string, error) {
		t.Helper()
		stdout, stderr, err := execute("", append(append([]string{"rules"}, args...), where)...)
		if stderr != "" {
			t.Errorf("%q prints %q", args, stderr)
		}
		return stdout, err
	}
	if got, err := ask("list"); got != "" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	d.send("a.1.x 1 -1\na.2.x 1 -1\na.2.y 1 -1\n")
	await(t, "the datapoints", nil, func() bool { return scrape(t, d).sum("datapoints_accepted_total") == 3 })
	got, err := ask("test", "a.*.<w>", "all.<w>")
	want := "3 names tried, the newest: 3 matched, to make 2 outputs; the pattern has 20 instructions\n" +
		"       2  aggregates.all.x\n       1  aggregates.all.y\n"
	if cut := strings.Index(want, "20 "); err != nil || len(got) < cut || got[:cut] != want[:cut] || !strings.HasSuffix(got, want[cut+2:]) {
		t.Errorf("%s%v", got, err)
	}
	if got, err := ask("test", "a.1.*", "one"); err != nil || !strings.HasPrefix(got, "3 names tried, the newest: 1 matched, to make 1 output; the pattern has ") {
		t.Errorf("%s%v", got, err)
	}
	id, err := ask("add", "a.*.<w>", "all.<w>")
	if id = strings.TrimSpace(id); err != nil || len(id) != 26 {
		t.Fatalf("%q, %v", id, err)
	}
	if got, err = ask("list"); err != nil || got != "ID                          PATTERN  OUTPUT\n"+id+"  a.*.<w>  aggregates.all.<w>\n" {
		t.Errorf("%s%v", got, err)
	}
	if got, err = ask("list", "--json"); err != nil || got != `[{"id":"`+id+`","pattern":"a.*.<w>","output":"aggregates.all.<w>"}]`+"\n" {
		t.Errorf("%s%v", got, err)
	}
	for _, c := range []struct {
		args string
		want string
	}{
		{"add a.*.<w> all.<w>", "answers 409 Conflict: pattern and output are those of the rule " + id},
		{"add a.( b", "answers 400 Bad Request: pattern, column 3: group ( is never closed"},
		{"test a.( b", "it would be refused: pattern, column 3: group ( is never closed"},
		{"delete UNKNOWN", `answers 412 Precondition Failed: no rule has the id "UNKNOWN"`},
		{"add a", "1 argument given; accepted: coalesce rules add PATTERN OUTPUT"},
		{"delete", "0 arguments given; accepted: coalesce rules delete ID…"},
		{"remove " + id, `unknown command "remove" for "coalesce rules"`},
	} {
		if got, err := ask(strings.Fields(c.args)...); got != "" || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %s%v, want %q", c.args, got, err, c.want)
		}
	}
	if got, err = ask("delete", id); got != "" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	d.stop()
}

// As the examples for curl have it, with a key though none is asked for.
func TestRulesWithCurl(t *testing.T) {
	t.Parallel()
	path, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("no curl")
	}
	d := start(t, settings{rules: noRules(t)})
	host := d.address("http", "tcp")
	curl := func(args ...string) string {
		t.Helper()
		out, err := curled(path, append([]string{"-sS", "-w", "%{http_code}"}, args...)...)
		if err != nil {
			t.Errorf("curl %q: %v", args, err)
		}
		return strings.ReplaceAll(out, "\n", "")
	}
	made := curl("-u", "KEY:", "-d", `{"pattern":"servers.*.<<rest>>","output":"servers.all.<rest>"}`, "http://"+host+"/v1/aggregates/")
	var answer struct{ ID, URL string }
	if err := json.Unmarshal([]byte(strings.TrimSuffix(made, "200")), &answer); err != nil {
		t.Fatal(made, err)
	}
	for _, c := range []struct {
		want string
		args []string
	}{
		{`[{"id":"` + answer.ID + `","pattern":"servers.*.<<rest>>","output":"aggregates.servers.all.<rest>"}]200`, []string{"http://KEY@" + host + "/v1/aggregates/"}},
		{`[]200`, []string{"http://KEY@" + host + "/v1/aggregates/nothing/"}},
		{`{}200`, []string{"-X", "DELETE", "http://KEY@" + host + answer.URL}},
		{`[]200`, []string{"http://" + host + "/v1/aggregates"}},
	} {
		if got := curl(c.args...); got != c.want {
			t.Errorf("curl %q: %s, want %s", c.args, got, c.want)
		}
	}
	d.stop()
}
