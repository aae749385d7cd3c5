package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/bench/internal/system"
	"github.com/coalesce-metrics/coalesce/bench/internal/workload"
)

func TestFind(t *testing.T) {
	w := &workload.Workload{Name: "find", Tails: 3, Apps: 4, Servers: 5, Variants: 1, Rules: 1, Method: "sum", Once: true,
		Store: true, Keep: 2, HTTP: true}
	for mode, failure := range map[string]string{"right": "", "forgets": "5 names, want 6"} {
		t.Run(mode, func(t *testing.T) {
			b := queryBench(t, mode)
			b.find(context.Background(), w, []string{"prod.applications.app00[12].server003.*.count"})
			checkQueries(t, b, failure, "find prod.applications.app00[12].server003.*.count", "6 names")
			if failure == "" && (len(b.notes) != 1 || !strings.Contains(b.notes[0], "a metric that is kept takes ")) {
				t.Errorf("notes %q", b.notes)
			}
		})
	}
}

func TestRender(t *testing.T) {
	w := &workload.Workload{Name: "render", Tails: 3, Apps: 4, Servers: 2, Variants: 1, Rules: 3, Method: "sum", Store: true, HTTP: true}
	for mode, failure := range map[string]string{"right": "", "doubles": "want ", "forgets": "null as point 3"} {
		t.Run(mode, func(t *testing.T) {
			b := queryBench(t, mode)
			b.render(context.Background(), w, 30)
			checkQueries(t, b, failure, "render aggregates.prod.app.*.all.*.count, json", "12 series, 360 points")
			if failure == "" && (len(b.latencies) != 3 || b.latencies[2].Answer != "1 series, 30 points") {
				t.Errorf("%d questions", len(b.latencies))
			}
		})
	}
}

func queryBench(t *testing.T, mode string) *bench {
	t.Parallel()
	return &bench{own: []*system.System{fakeSystem(t, "fake", mode)}, period: 1, progress: new(bytes.Buffer)}
}

func checkQueries(t *testing.T, b *bench, failure, question, answer string) {
	t.Helper()
	if failure != "" {
		if len(b.failures) != 1 || !strings.Contains(b.failures[0], failure) {
			t.Errorf("failures %q, want %q", b.failures, failure)
		}
		return
	}
	if len(b.failures) > 0 || len(b.latencies) == 0 {
		t.Fatalf("failures %q", b.failures)
	}
	l := b.latencies[0]
	if l.What != question || l.Answer != answer || l.First <= 0 || len(l.Each) == 0 || l.Bytes == 0 {
		t.Errorf("%+v", l)
	}
	var out strings.Builder
	b.print(&out)
	if !strings.Contains(out.String(), "| fake | `"+question+"` | "+answer+" |") {
		t.Errorf("printed\n%s", out.String())
	}
}

func TestChoose(t *testing.T) {
	tests := map[string]struct{ groups, extras int }{
		"cells":              {0, 1},
		"render,W1,find":     {1, 2},
		"W1+store,W2":        {2, 0},
		everything():         {6, 4},
		"find,cells,W5,find": {1, 2},
	}
	for names, want := range tests {
		groups, chosen, err := choose(names)
		if err != nil || len(groups) != want.groups || len(chosen) != want.extras {
			t.Errorf("choose(%s) = %d groups, %d extras, %v; want %+v", names, len(groups), len(chosen), err, want)
		}
	}
	if _, _, err := choose("cells,find2"); err == nil || !strings.Contains(err.Error(), `"find2"`) || !strings.HasSuffix(err.Error(), ",cells,find,render,measurements") {
		t.Errorf("%v", err)
	}
}
