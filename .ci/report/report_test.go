package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	const pkg = `{"Package":"a/b","Action":`
	passes := pkg + `"start"}
` + pkg + `"output","Test":"TestGood","Output":"good says\n"}
` + pkg + `"pass","Test":"TestGood","Elapsed":2.5}
`
	for name, tt := range map[string]struct {
		events        string
		ok            bool
		shows, leaves []string
	}{
		"pass": {passes + pkg + `"pass","Elapsed":3}`, true,
			[]string{"3.00  a/b\n", "2.50  a/b TestGood\n", "1 tests"}, []string{"good says"}},
		"fail": {passes + pkg + `"output","Test":"TestBad/x","Output":"one\n"}
` + pkg + `"output","Test":"TestBad/x","Output":"\u003ctwo\u003e\n"}
` + pkg + `"fail","Test":"TestBad/x","Elapsed":1}
` + pkg + `"fail","Elapsed":3}`, false,
			[]string{"--- fail: a/b TestBad/x\none\n<two>\n"}, []string{"good says"}},
		"panic": {passes + pkg + `"run","Test":"TestBad"}
` + pkg + `"output","Test":"TestBad","Output":"panic: no\n"}
` + pkg + `"fail","Elapsed":3}`, false,
			[]string{"--- unfinished: a/b TestBad\npanic: no\n"}, []string{"good says"}},
		"data race": {passes + pkg + `"output","Test":"TestGood","Output":"WARNING: DATA RACE\n"}
` + pkg + `"fail","Elapsed":3}`, false, []string{"good says\nWARNING: DATA RACE\n"}, nil},
		"skip": {passes + pkg + `"output","Test":"TestOff","Output":"no such program\n"}
` + pkg + `"skip","Test":"TestOff"}
` + pkg + `"pass","Elapsed":3}`, false, []string{"--- skipped: a/b TestOff\nno such program\n"}, []string{"good says"}},
		"no test files": {passes + pkg + `"pass","Elapsed":3}
{"Package":"a/c","Action":"start"}
{"Package":"a/c","Action":"skip"}`, true, nil, nil},
		"build": {passes + `{"ImportPath":"a/b [a/b.test]","Action":"build-output","Output":"b.go:1: bad\n"}
{"ImportPath":"a/b [a/b.test]","Action":"build-fail"}
` + pkg + `"fail","Elapsed":3}`, false, []string{"--- fail: a/b [a/b.test]\nb.go:1: bad\n"}, nil},
		"cut short":  {strings.TrimSuffix(passes, "}\n"), false, nil, nil},
		"killed":     {passes, false, []string{"--- unfinished: a/b\n"}, []string{"good says"}},
		"other text": {passes + pkg + `"pass"}` + "\nout of memory\n", false, []string{"out of memory"}, nil},
		"nothing":    {"", false, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "events")
			if err := os.WriteFile(path, []byte(tt.events), 0o600); err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			ok, err := report(path, &out)
			if err != nil || ok != tt.ok {
				t.Errorf("%v %v, want %v", ok, err, tt.ok)
			}
			for _, text := range tt.shows {
				if !strings.Contains(out.String(), text) {
					t.Errorf("%q is not shown", text)
				}
			}
			for _, text := range tt.leaves {
				if strings.Contains(out.String(), text) {
					t.Errorf("%q is shown", text)
				}
			}
			if t.Failed() {
				t.Log(out.String())
			}
		})
	}
}
