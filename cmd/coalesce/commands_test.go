package main

import (
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func TestVersion(t *testing.T) {
	out, err := exec.Command(binary, "version").Output()
	if want := regexp.MustCompile(`^coalesce v9\.8\.7( \([0-9a-f]{12}\))? ` + regexp.QuoteMeta(runtime.Version()+" "+runtime.GOOS+"/"+runtime.GOARCH) + "\n$"); err != nil || !want.Match(out) {
		t.Errorf("%q, %v; want %s", out, err, want)
	}
}

// The shells themselves say whether they understand the completions, where they
// are installed.
func TestCompletion(t *testing.T) {
	for shell, begin := range map[string]string{"bash": "# bash completion V2 for coalesce", "zsh": "#compdef coalesce"} {
		out, report, err := execute("", "completion", shell)
		if err != nil || report != "" || !strings.HasPrefix(out, begin) {
			t.Errorf("%s: begins %.60q, on standard error %q, error %v", shell, out, report, err)
		}
		if path, err := exec.LookPath(shell); err == nil {
			check := exec.Command(path, "-n")
			check.Stdin = strings.NewReader(out)
			if said, err := check.CombinedOutput(); err != nil {
				t.Errorf("%s -n: %v\n%s", shell, err, said)
			}
		}
	}
	out, _, err := execute("", "__complete", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"aggregate", "check", "match", "run", "version"} {
		if !strings.Contains(out, command+"\t") {
			t.Errorf("%s is not offered:\n%s", command, out)
		}
	}
}

func TestUnknown(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--nope", "unknown flag: --nope"},
		{"run --nope", "unknown flag: --nope"},
		{"check --upstream x", "unknown flag: --upstream"},
		{"match --nope", "unknown flag: --nope"},
		{"frobnicate", `unknown command "frobnicate" for "coalesce"`},
		{"run more", `unknown command "more" for "coalesce run"`},
		{"check more", `unknown command "more" for "coalesce check"`},
		{"version more", `unknown command "more" for "coalesce version"`},
		{"help frobnicate", `unknown command "frobnicate" for "coalesce"; see ` + "`coalesce --help`"},
		{"completion frobnicate", `unknown command "frobnicate" for "coalesce completion"; see ` + "`coalesce completion --help`"},
		{"help rules frobnicate", `unknown command "frobnicate" for "coalesce rules"`},
		{"rules frobnicate", `unknown command "frobnicate" for "coalesce rules"; see ` + "`coalesce rules --help`"},
		{"rules add x", "1 argument given; accepted: coalesce rules add PATTERN OUTPUT; see `coalesce rules add --help`"},
		{"query", "0 arguments given; accepted: coalesce query [--from TIME] [--until TIME] [--plot | --json] TARGET…; see `coalesce query --help`"},
		{"run --forward-all=perhaps", `invalid argument "perhaps" for "--forward-all" flag`},
	} {
		out, report, err := execute("", strings.Fields(c.args)...)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("coalesce %s: error %v, want %s", c.args, err, c.want)
		}
		if out != "" || report != "" {
			t.Errorf("coalesce %s: prints %q and %q, want only the error", c.args, out, report)
		}
	}
}

func TestHelp(t *testing.T) {
	for args, want := range map[string]string{
		"help": "coalesce takes", "--help": "coalesce takes", "help rules": "coalesce rules [command]", "rules": "coalesce rules [command]",
		"rules --help": "coalesce rules [command]", "help rules add": "coalesce rules add PATTERN OUTPUT",
		"help run": "whisper:///dir",
	} {
		out, report, err := execute("", strings.Fields(args)...)
		if err != nil || report != "" || !strings.Contains(out, want) {
			t.Errorf("coalesce %s: error %v, on standard error %q, prints\n%s\nwant %q in it", args, err, report, out, want)
		}
	}
}

// Without a command coalesce takes the flags of run, all of them.
func TestBareTakesTheFlagsOfRun(t *testing.T) {
	flags := func(args ...string) map[string]string {
		root := newRoot()
		cmd, _, err := root.Find(args)
		if err != nil {
			t.Fatal(err)
		}
		found := make(map[string]string)
		cmd.Flags().VisitAll(func(f *pflag.Flag) { found[f.Name] = f.DefValue + " " + f.Usage })
		return found
	}
	bare, run := flags(), flags("run")
	for name, about := range run {
		if bare[name] != about && name != "help" {
			t.Errorf("--%s is %q without a command, %q with run", name, bare[name], about)
		}
	}
	if len(run) < 10 {
		t.Errorf("run has only %d flags", len(run))
	}
	// They have an effect: the same mistake is found.
	for _, args := range [][]string{{"--log-level", "loud"}, {"run", "--log-level", "loud"}} {
		_, report, err := execute("", append(args, "--rules", os.DevNull)...)
		if want := `--log-level: error: log.level = "loud": `; err != errReported || !strings.HasPrefix(report, want) {
			t.Errorf("coalesce %q: %v, says %q, want %q", args, err, report, want)
		}
	}
}
