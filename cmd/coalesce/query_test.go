package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/internal/heldport"
	"github.com/coalesce-metrics/coalesce/plot"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// inquire runs `coalesce query` without a terminal.
func inquire(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	for name, value := range map[string]string{"LC_ALL": "C.UTF-8", "COLUMNS": "", "LINES": "", "TERM": "xterm"} {
		t.Setenv(name, value)
	}
	var out, errOut bytes.Buffer
	cmd := newQuery()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&errOut)
	err = cmd.ExecuteContext(t.Context())
	return out.String(), errOut.String(), err
}

// answering returns the URL of a server with one answer, and the last request.
func answering(t *testing.T, status int, head http.Header, body string) (address string, asked *http.Request) {
	t.Helper()
	asked = new(http.Request)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		*asked = *r
		maps.Copy(w.Header(), head)
		w.WriteHeader(status)
		w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

const twoSeries = `[{"target":"all.count","tags":{"name":"all.count"},"datapoints":[[3.5,1699999920],[null,1699999980],[12345678.125,1700000040]]},` +
	`{"target":"all.load;dc=x","tags":{"dc":"x","name":"all.load"},"datapoints":[[1e9999,1699999920],[ -1e-9 , 1699999980 ],[0,1700000040]]}]`

func TestQueryShows(t *testing.T) {
	for name, c := range map[string]struct {
		args   []string
		answer string
		want   string
	}{
		"table": {args: []string{"--utc"}, answer: twoSeries, want: `
time (UTC)              all.count  all.load;dc=x
2023-11-14 22:12:00           3.5            inf
2023-11-14 22:13:00             -          -1e-9
2023-11-14 22:14:00  12345678.125              0
`},
		"json":              {args: []string{"--json"}, answer: twoSeries, want: twoSeries + "\n"},
		"json with its end": {args: []string{"--json"}, answer: twoSeries + "\n", want: twoSeries + "\n"},
		// Names come from anybody.
		"escape sequence": {args: []string{"--utc"}, answer: `[{"target":"\u001b[2J","datapoints":[]}]`, want: "time  \\x1b[2J\n"},
		"plot": {args: []string{"--utc", "--plot", "--ascii"}, answer: `[{"target":"a","datapoints":[[0,1700000040],[null,1700000050],[10,1700000100]]}]`, want: string(plot.Append(nil,
			[]plot.Series{{Name: "a", Points: []plot.Point{{Time: 1700000040}, {Time: 1700000050, Value: math.NaN()}, {Time: 1700000100, Value: 10}}}},
			plot.Options{Width: 80, Height: 23, ASCII: true}))},
	} {
		t.Run(name, func(t *testing.T) {
			server, _ := answering(t, 200, nil, c.answer)
			out, report, err := inquire(t, append(c.args, "--http", server, "a")...)
			if err != nil || report != "" {
				t.Errorf("error %v, on standard error %q", err, report)
			}
			if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), out); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
		})
	}
}

func TestQueryAsks(t *testing.T) {
	base := func(more url.Values) url.Values {
		form := url.Values{"target": {"a.*:sum"}, "from": {"-1h"}, "until": {"now"}, "format": {"json"}}
		maps.Copy(form, more)
		return form
	}
	for name, c := range map[string]struct {
		args []string
		want url.Values
	}{
		"as it is":      {[]string{"a.*:sum", "--utc"}, base(nil)},
		"targets":       {[]string{"a;b=c", "sumSeries(x,y)"}, base(url.Values{"target": {"a;b=c", "sumSeries(x,y)"}})},
		"range":         {[]string{"a.*:sum", "--from", "-2d", "--until", "1700000000"}, base(url.Values{"from": {"-2d"}, "until": {"1700000000"}})},
		"zone, from":    {[]string{"a.*:sum", "--from", "midnight", "--utc"}, base(url.Values{"from": {"midnight"}, "tz": {"UTC"}})},
		"zone, until":   {[]string{"a.*:sum", "--until=12:00", "--utc"}, base(url.Values{"until": {"12:00"}, "tz": {"UTC"}})},
		"a date":        {[]string{"a.*:sum", "--from=20231114", "--utc"}, base(url.Values{"from": {"20231114"}, "tz": {"UTC"}})},
		"no zone":       {[]string{"a.*:sum", "--from=now-1d2h", "--until=-30min"}, base(url.Values{"from": {"now-1d2h"}, "until": {"-30min"}})},
		"points":        {[]string{"a.*:sum", "--points", "7"}, base(url.Values{"maxDataPoints": {"7"}})},
		"plot":          {[]string{"a.*:sum", "--plot"}, base(url.Values{"maxDataPoints": {"80"}})},
		"plot, points":  {[]string{"a.*:sum", "--plot", "--points=7"}, base(url.Values{"maxDataPoints": {"7"}})},
		"default range": {[]string{"a.*:sum", "--from=", "--until="}, base(url.Values{"from": {""}, "until": {""}})},
	} {
		t.Run(name, func(t *testing.T) {
			server, asked := answering(t, 200, nil, twoSeries)
			if _, _, err := inquire(t, append(c.args, "--http", server+"/below/")...); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, asked.PostForm); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
			if asked.Method != "POST" || asked.URL.String() != "/below/render" {
				t.Errorf("%s %s", asked.Method, asked.URL)
			}
		})
	}
}

func TestQueryKey(t *testing.T) {
	server, asked := answering(t, 200, nil, twoSeries)
	if _, _, err := inquire(t, "--http", strings.Replace(server, "://", "://s3cret@", 1), "a"); err != nil {
		t.Fatal(err)
	}
	if user, password, ok := asked.BasicAuth(); user != "s3cret" || password != "" || !ok {
		t.Errorf("the key arrives as %q, %q", user, password)
	}
	for name, c := range map[string]struct {
		env, flag, inURL, want string
	}{
		"environment":     {env: "fromenv", want: "fromenv"},
		"flag":            {flag: "fromflag", env: "fromenv", want: "fromflag"},
		"flag before URL": {flag: "fromflag", inURL: "fromurl@", want: "fromflag"},
		"URL before env":  {env: "fromenv", inURL: "fromurl@", want: "fromurl"},
		"none":            {},
	} {
		t.Setenv(keyVariable, c.env)
		args := []string{"--http", strings.Replace(server, "://", "://"+c.inURL, 1), "a"}
		if c.flag != "" {
			args = append(args, "--key", c.flag)
		}
		if _, _, err := inquire(t, args...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if user, _, _ := asked.BasicAuth(); user != c.want {
			t.Errorf("%s: the key arrives as %q, want %q", name, user, c.want)
		}
	}
	t.Setenv(keyVariable, "")
	// No error repeats it.
	refusing, _ := answering(t, 401, nil, `{"error":"who are you?"}`)
	for _, address := range []string{
		strings.Replace(refusing, "://", "://s3cret@", 1), "s3cret@127.0.0.1:1", "https://s3cret@127.0.0.1:1/", "https://x:s3cret@127.0.0.1:1/", "ftp://s3cret@h/", "http://s3cret@h:x/", "s3cret@h:0",
	} {
		_, _, err := inquire(t, "--http", address, "a")
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// Where a certificate is not trusted it is said what may help.
func TestUntrustedCertificates(t *testing.T) {
	s := httptest.NewUnstartedServer(nil)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	for host, want := range map[string]string{
		"127.0.0.1": "SSL_CERT_FILE=authority.pem",
		"localhost": "--http takes the name that is in the certificate",
	} {
		address := strings.Replace(s.URL, "127.0.0.1", host, 1)
		for _, command := range [][]string{{"query", "a"}, {"rules", "list"}, {"rules", "add", "a", "b"}} {
			if _, _, err := execute("", append(command, "--http", address)...); err == nil || !strings.Contains(err.Error(), "x509: ") || !strings.Contains(err.Error(), want) {
				t.Errorf("%q of %s: %v, want %q", command, address, err, want)
			}
		}
	}
}

func TestQueryFailures(t *testing.T) {
	closed := "http://" + heldport.New(t)
	serve := func(status int, head http.Header, body string) string {
		address, _ := answering(t, status, head, body)
		return address
	}
	for name, c := range map[string]struct {
		server string
		want   string // ADDR is the server
		stdout string
		args   []string
	}{
		"not reachable":     {server: closed, want: "ADDR cannot be reached: dial tcp " + strings.TrimPrefix(closed, "http://") + ": connect: connection refused; is the daemon running, and is that its http.listen? --http names another address"},
		"the client's":      {server: serve(400, nil, "target \"a(\" is not complete\n"), want: `ADDR answers 400 Bad Request: target "a(" is not complete`},
		"long complaint":    {server: serve(500, nil, "\x1b"+strings.Repeat("x", 1<<20)), want: `ADDR answers 500 Internal Server Error: \x1b` + strings.Repeat("x", maxComplaint-1)},
		"a key is missing":  {server: serve(401, nil, ""), want: "ADDR answers 401 Unauthorized: give a key by --key or in $COALESCE_KEY"},
		"a wrong key":       {server: serve(401, nil, `{"error":"who are you?"}`+"\n"), want: "ADDR answers 401 Unauthorized: who are you?; give a key by --key or in $COALESCE_KEY"},
		"a weak key":        {server: serve(403, nil, `{"error":"no role"}`), want: "ADDR answers 403 Forbidden: no role"},
		"elsewhere":         {server: serve(302, http.Header{"Location": {"https://h/render"}}, ""), want: `ADDR answers 302 Found: it redirects to "https://h/render", which --http may name`},
		"another server":    {server: serve(404, http.Header{"Content-Type": {"text/html; charset=utf-8"}}, "<html>"), want: "ADDR answers 404 Not Found: is it a coalesce daemon?"},
		"no JSON":           {server: serve(200, nil, "<html>"), want: "ADDR answers what is no JSON of series: invalid character '<' looking for beginning of value"},
		"no datapoint":      {server: serve(200, nil, `[{"target":"a","datapoints":[["1",2]]}]`), want: `ADDR answers what is no JSON of series: "[\"1\",2]" is no datapoint; accepted: [value or null, Unix time]`},
		"too large":         {server: serve(200, nil, strings.Repeat(" ", maxAnswer+1)), want: "the answer has more than 64 MiB; ask for a shorter range, for fewer series, or for --points at most"},
		"no series":         {server: serve(200, nil, "[]\n"), args: []string{"a", "b.*"}, want: `no series match "a", "b.*"`},
		"no series as JSON": {server: serve(200, nil, "[]"), args: []string{"a", "--json"}, want: `no series match "a"`, stdout: "[]\n"},
		"no series, plot":   {server: serve(200, nil, "[]"), args: []string{"a", "--plot"}, want: `no series match "a"`},
		"plot and JSON":     {args: []string{"a", "--plot", "--json"}, want: "if any flags in the group [plot json] are set none of the others can be; [json plot] were all set"},
		"no target":         {args: []string{}, want: "0 arguments given; accepted: query [--from TIME] [--until TIME] [--plot | --json] TARGET…"},
		"negative":          {args: []string{"a", "--points=-1"}, want: "--points -1; accepted: 0 for all, or how many at most"},
	} {
		t.Run(name, func(t *testing.T) {
			args := c.args
			if args == nil {
				args = []string{"a"}
			}
			out, report, err := inquire(t, append(args, "--http", c.server)...)
			if want := strings.ReplaceAll(c.want, "ADDR", c.server); err == nil || err.Error() != want {
				t.Errorf("error %.500v\nwant %.500s", err, want)
			}
			if out != c.stdout || report != "" {
				t.Errorf("prints %q and %q", out, report)
			}
		})
	}
}

func TestQueryAnswerBreaksOff(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.Write([]byte("["))
	}))
	t.Cleanup(s.Close)
	if out, _, err := inquire(t, "--http", s.URL, "a"); err == nil || err.Error() != s.URL+": unexpected EOF" || out != "" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestQueryTimeout(t *testing.T) {
	u := &url.URL{Scheme: "http", Host: "h:1"}
	err := unanswered(t.Context(), u, &url.Error{Op: "Post", URL: "http://key@h:1/render", Err: context.DeadlineExceeded})
	if want := "http://h:1 has not answered within 1m0s; ask for a shorter range or for fewer series"; err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	err = unanswered(t.Context(), u, &url.Error{Err: &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}})
	if want := "http://h:1 cannot be reached: dial: i/o timeout; "; !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

// A signal ends the wait for an answer.
func TestQueryInterrupted(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		r.ParseForm() // or else the end of the connection is not seen
		if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
			t.Error(err)
		}
		<-r.Context().Done()
	}))
	t.Cleanup(s.Close)
	if out, _, err := inquire(t, "--http", s.URL, "a"); err == nil || err.Error() != "interrupted" || out != "" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestQueryFindsTheDaemon(t *testing.T) {
	server, asked := answering(t, 200, nil, twoSeries)
	listen := strings.TrimPrefix(server, "http://")
	t.Chdir(t.TempDir())
	write(t, ".", "coalesce.toml", fmt.Sprintf("[http]\nlisten = %q\n", listen))
	write(t, ".", "other.toml", "[http]\nlisten = \"\"\n")
	write(t, ".", "bad.toml", "[http]\nlisten = 5\n")
	if _, _, err := inquire(t, "a"); err != nil || asked.URL == nil {
		t.Errorf("with the config here: %v", err)
	}
	if _, _, err := inquire(t, "a", "--config", "other.toml"); err == nil || !strings.HasPrefix(err.Error(), "http.listen is empty in other.toml, so ") {
		t.Errorf("with another config: %v", err)
	}
	if _, _, err := inquire(t, "a", "--config", "bad.toml"); err == nil || !strings.HasPrefix(err.Error(), "bad.toml:2:10: error: ") || !strings.Contains(err.Error(), "--http") {
		t.Errorf("with a bad config: %v", err)
	}
	// An address needs no file.
	if _, _, err := inquire(t, "a", "--config", "bad.toml", "--http", listen); err != nil {
		t.Error(err)
	}
}

func TestParseServer(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:2080":         "http://127.0.0.1:2080",
		"[::1]:2080":             "http://[::1]:2080",
		"stats.example:80":       "http://stats.example:80",
		"key@stats.example:80":   "http://key@stats.example:80",
		":2080":                  "http://127.0.0.1:2080",
		"0.0.0.0:2080":           "http://127.0.0.1:2080",
		"[::]:2080":              "http://[::1]:2080",
		"https://key@host/":      "https://key@host/",
		"https://e:t@host/below": "https://e:t@host/below",
		"http://0.0.0.0/":        "http://127.0.0.1/",
		"http://[::]/":           "http://[::1]/",
	} {
		if u, err := parseServer(address); err != nil || u.String() != want {
			t.Errorf("%q: %v, %v; want %s", address, u, err, want)
		}
	}
	for address, want := range map[string]string{
		"ftp://h/":         `"ftp://h/" is no address of a daemon; accepted: host:port, http://host:port/ and https://KEY@host/`,
		"host:http":        `"host:http" is no address`,
		"http://h/?a=b":    `"http://h/?a=b" is no address`,
		"http://h/#x":      `"http://h/#x" is no address`,
		"a b":              `"a b" is no address`,
		"127.0.0.1:0":      `"127.0.0.1:0" has port 0, which becomes another`,
		"http://key@h:0/x": `"@h:0/x" has port 0`,
	} {
		if u, err := parseServer(address); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, %v; want %s", address, u, err, want)
		}
	}
}

func TestZoneName(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for want, loc := range map[string]*time.Location{
		"UTC": time.UTC, "Europe/Berlin": berlin,
		"Asia/Kolkata": time.FixedZone("/usr/share/zoneinfo/Asia/Kolkata", 0), // as Go names TZ=/usr/…
	} {
		if got := zoneName(loc); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestScreen(t *testing.T) {
	tty, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no terminals here: ", err)
	}
	t.Cleanup(func() { tty.Close() })
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: 132, Row: 43}); err != nil {
		t.Fatal(err)
	}
	type env = map[string]string
	for name, c := range map[string]struct {
		env  env
		want screen
		pipe screen // the same environment without a terminal
	}{
		"nothing known":    {env{}, screen{true, 132, 43, true, true}, screen{ascii: true}},
		"UTF-8":            {env{"LANG": "de_DE.UTF-8"}, screen{true, 132, 43, false, true}, screen{}},
		"utf8":             {env{"LC_CTYPE": "en_US.utf8", "LANG": "C"}, screen{true, 132, 43, false, true}, screen{}},
		"LC_ALL wins":      {env{"LC_ALL": "C", "LANG": "C.UTF-8"}, screen{true, 132, 43, true, true}, screen{ascii: true}},
		"size":             {env{"COLUMNS": "100", "LINES": "30", "LANG": "C.UTF-8"}, screen{true, 100, 30, false, true}, screen{width: 100, height: 30}},
		"no size":          {env{"COLUMNS": "0", "LINES": "x", "LANG": "C.UTF-8"}, screen{true, 132, 43, false, true}, screen{}},
		"size too large":   {env{"COLUMNS": "99999", "LANG": "C.UTF-8"}, screen{true, 132, 43, false, true}, screen{}},
		"no colour":        {env{"NO_COLOR": "1", "LANG": "C.UTF-8"}, screen{true, 132, 43, false, false}, screen{}},
		"colour again":     {env{"NO_COLOR": "", "LANG": "C.UTF-8"}, screen{true, 132, 43, false, true}, screen{}},
		"dumb":             {env{"TERM": "dumb", "LANG": "C.UTF-8"}, screen{true, 132, 43, false, false}, screen{}},
		"console of Linux": {env{"TERM": "linux", "LANG": "C.UTF-8"}, screen{true, 132, 43, true, true}, screen{}},
	} {
		getenv := func(key string) string { return c.env[key] }
		if got := screenOf(tty, getenv); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
		if got := screenOf(new(bytes.Buffer), getenv); got != c.pipe {
			t.Errorf("%s: %+v, want %+v without a terminal", name, got, c.pipe)
		}
	}
}

// Whatever a server answers is an error or datapoints, which are the same when
// written again.
func FuzzDatapoint(f *testing.F) {
	for _, seed := range []string{"[1.5,1700000040]", "[null,0]", " [ -1e9999 , -5 ] ", "[1,2,3]", "[[1,2],3]", "null", "{}", `["1",2]`, "[1e-400,9223372036854775808]"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var d, again datapoint
		_ = again.UnmarshalJSON(text) // also what is no JSON
		if err := json.Unmarshal(text, &d); err != nil {
			return
		}
		value := "null"
		switch {
		case math.IsInf(d.Value, 1):
			value = "1e9999"
		case math.IsInf(d.Value, -1):
			value = "-1e9999"
		case !math.IsNaN(d.Value):
			b, err := json.Marshal(d.Value)
			if err != nil {
				t.Fatal(err)
			}
			value = string(b)
		}
		err := json.Unmarshal(fmt.Appendf(nil, "[%s,%d]", value, d.Time), &again)
		if same := again.Value == d.Value || math.IsNaN(again.Value) && math.IsNaN(d.Value); err != nil || !same || again.Time != d.Time {
			t.Fatalf("%s: %+v, then %+v, %v", text, d, again, err)
		}
	})
}
