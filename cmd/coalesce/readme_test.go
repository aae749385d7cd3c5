package main

import (
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func repositoryFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The commands of the README's first run do what it says.
func TestReadmeFirstRun(t *testing.T) {
	t.Parallel()
	readme := repositoryFile(t, "README.md")
	dir := t.TempDir()
	write(t, dir, "coalesce.toml", anyPicklePort+repositoryFile(t, "coalesce.toml"))
	write(t, dir, "aggregation-rules.conf", repositoryFile(t, "aggregation-rules.conf"))
	printf := regexp.MustCompile(`(?m)^    (printf '.*') *\| nc -q0 localhost 2023$`).FindAllStringSubmatch(readme, -1)
	curl := regexp.MustCompile(`(?m)^    curl 'http://127\.0\.0\.1:2080(/.*)'$`).FindStringSubmatch(readme)
	printed := regexp.MustCompile(`(?m)^    (aggregates\S+) (\S+) \d{10}$`).FindStringSubmatch(readme)
	if len(printf) != 2 || curl == nil || printed == nil {
		t.Fatalf("found printf %q, curl %q, output %q", printf, curl, printed)
	}

	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	// As make run starts it, but for the ports.
	d := newProcess(t, "run", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--log-format", "json")
	d.cmd.Dir, d.cmd.Stdout = dir, w
	d.launch()
	w.Close()

	var lines []byte // in one piece, so that both get the same time of arrival
	for _, command := range printf {
		out, err := exec.Command("sh", "-c", command[1]).Output()
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, out...)
	}
	d.send(string(lines))

	await(t, "the open bucket at /render", nil, func() bool {
		status, body := get(t, d, curl[1])
		var series []struct {
			Target     string
			Datapoints [][2]*json.Number
		}
		if err := json.Unmarshal([]byte(body), &series); err != nil || status != 200 {
			t.Fatalf("%s: status %d, %v: %s", curl[1], status, err, body)
		}
		for _, s := range series {
			for _, p := range s.Datapoints {
				if s.Target == printed[1] && p[0] != nil && strings.TrimSuffix(p[0].String(), ".0") == printed[2] {
					return true
				}
			}
		}
		return false
	})
	if query, err := url.Parse(curl[1]); err != nil || query.Query().Get("target") != printed[1] {
		t.Errorf("curl asks for %q (%v), what is printed is %q", query.Query().Get("target"), err, printed[1])
	}

	r.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, 1000)
	n, err := r.Read(buf)
	if want := regexp.MustCompile("^" + regexp.QuoteMeta(printed[1]+" "+printed[2]) + ` \d{9}0\n$`); err != nil || !want.Match(buf[:n]) {
		t.Errorf("it prints %q (%v), want %s", buf[:n], err, want)
	}
	d.stop()
}

// Every target that the README names is in the Makefile, every command in the
// program, and every page in the repository.
func TestReadmeNamesWhatExists(t *testing.T) {
	readme, makefile := repositoryFile(t, "README.md"), repositoryFile(t, "Makefile")
	targets := regexp.MustCompile("(?m)(?:^ {4}|`)make ([a-z-]+)").FindAllStringSubmatch(readme, -1)
	if len(targets) < 5 {
		t.Errorf("only %d targets found", len(targets))
	}
	for _, m := range targets {
		if !regexp.MustCompile(`(?m)^` + m[1] + `:`).MatchString(makefile) {
			t.Errorf("make %s: no such target", m[1])
		}
	}
	commands := regexp.MustCompile("(?m)^\\| `coalesce ([a-z]+)").FindAllStringSubmatch(readme, -1)
	if len(commands) < 5 {
		t.Errorf("only %d commands found", len(commands))
	}
	for _, m := range commands {
		if cmd, _, err := newRoot().Find(m[1:]); err != nil || cmd.Name() != m[1] {
			t.Errorf("coalesce %s: %v", m[1], err)
		}
	}
	for _, m := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(readme, -1) {
		if _, err := os.Stat(filepath.Join("..", "..", m[1])); err != nil && !strings.Contains(m[1], "://") {
			t.Errorf("the README links to %s: %v", m[1], err)
		}
	}
}
