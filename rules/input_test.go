package rules

import "testing"

func TestInput(t *testing.T) {
	parsed, diags := Parse("t.conf", []byte("all.<x> (60) = sum app.*.<x>\n"), Options{})
	if len(diags) > 0 {
		t.Fatal(diags[0])
	}
	kept, err := NewInput("c.toml", 7, "app.*.hits", 10, true)
	if err != nil {
		t.Fatal(err)
	}
	collected, err := NewInput("", 0, "", 10, false)
	if err != nil {
		t.Fatal(err)
	}
	if kept.ID == collected.ID {
		t.Errorf("both are %q", kept.ID)
	}
	s := NewSet(append(parsed, kept, collected))
	for _, c := range []struct {
		name, match, collected string
	}{
		{"app.a.hits", "0=all.hits 1=app.a.hits", "0=all.hits 1=app.a.hits"},
		{"app.a.time", "0=all.time", "0=all.time 2=app.a.time"},
		{"other;dc=x", "", "2=other;dc=x"},
	} {
		var m Matcher
		text := func(matches []Match) (s string) {
			for _, m := range matches {
				if s != "" {
					s += " "
				}
				s += string(rune('0'+m.Pos)) + "=" + string(m.Output)
			}
			return s
		}
		if got := text(s.Match(&m, []byte(c.name))); got != c.match {
			t.Errorf("%s: Match gives %q, want %q", c.name, got, c.match)
		}
		if got := text(s.MatchCollected(&m, []byte(c.name))); got != c.collected {
			t.Errorf("%s: MatchCollected gives %q, want %q", c.name, got, c.collected)
		}
	}
	if _, err := NewInput("", 0, "a.(", 10, false); err == nil {
		t.Error("the pattern a.( was accepted")
	}
	if _, err := NewInput("", 0, "a.*", 0, false); err == nil {
		t.Error("period 0 was accepted")
	}
}
