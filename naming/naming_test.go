package naming

import (
	"fmt"
	"strings"
	"testing"
)

func rewrites(t testing.TB, text string) *Rewrites {
	t.Helper()
	rw, diags := ParseRewrites("rewrite-rules.conf", []byte(text))
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	return rw
}

func list(t testing.TB, syntax Syntax, patterns ...string) *List {
	t.Helper()
	l, diags := ParseList("list.conf", file(patterns), syntax)
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	return l
}

func TestDecide(t *testing.T) {
	p := &Policy{
		Deny:  list(t, Regexps, `\.debug\.`, `^tmp`),
		Allow: list(t, Regexps, `^(a|b|tmp|Ugly|empty|grow|blank)`),
		Rewrites: rewrites(t, `[pre]
			^a\. = alpha.
			^alpha\.b = both
			^Ugly = tmp
			^empty$ =
			^grow = \g<0>`+strings.Repeat("Q", 4000)+`
			Q = QQQQQQ
			^blank = a\tb
			[post]
			^both = out
			^alpha\.c = ;k
			^alpha\.d = x;k=1`),
		Normalise: true,
	}
	long := strings.Repeat("a", MaxName)
	cases := []struct {
		name, in string
		want     string // the name or the reason
		badTags  bool
		post     string
	}{
		{"kept", "b.x", "b.x", false, "b.x"},
		{"rules build on each other", "a.b.c", "both.c", false, "out.c"},
		{"denied", "a.debug.x", "denied", false, ""},
		{"denied comes before allowed", "tmp.x", "denied", false, ""},
		{"not allowed", "c.x", "not_allowed", false, ""},
		{"the lists see the name as received", "Ugly.x", "tmp.x", false, "tmp.x"},
		{"normalised", "a.x;z=1;b=2", "alpha.x;b=2;z=1", false, "alpha.x;b=2;z=1"},
		{"normalised from OpenMetrics", `b{z="1",b="2"}`, "b;b=2;z=1", false, "b;b=2;z=1"},
		{"bad tags are left", "b;z=1;b", "b;z=1;b", true, "b;z=1;b"},
		{"bad name after [post]", "a.c", "alpha.c", false, ";k"},
		{"normalised again after [post]", "a.d;j=2", "alpha.d;j=2", false, "x;j=2;k=1"},
		{"empty", "", "bad_name", false, ""},
		{"empty after rewriting", "empty", "bad_name", false, ""},
		{"blank after rewriting", "blank", "bad_name", false, ""},
		{"blank as received", "a x", "bad_name", false, ""},
		{"blank beyond ASCII", "a\u00a0x", "bad_name", false, ""},
		{"line feed", "a\nx", "bad_name", false, ""},
		{"not UTF-8", "a\xff", "bad_name", false, ""},
		{"longest", long, long, false, long},
		{"too long", long + "a", "name_too_long", false, ""},
		{"too long after rewriting", "grow", "name_too_long", false, ""},
	}
	var s Scratch
	for _, c := range cases {
		d := p.Decide([]byte(c.in), &s)
		got := string(d.Name)
		if d.Dropped != Kept {
			got = d.Dropped.String()
		}
		if got != c.want || (d.BadTags != nil) != c.badTags {
			t.Errorf("%s: got %.50q %v, want %.50q", c.name, got, d.BadTags, c.want)
		}
		if (d.Name == nil) != (d.Dropped != Kept) {
			t.Errorf("%s: name %.50q, dropped %v", c.name, d.Name, d.Dropped)
		}
		if d.Name == nil {
			continue
		}
		out := p.Post(d.Name, &s)
		if string(out.Name) != c.post {
			t.Errorf("%s: leaves as %.50q, want %.50q", c.name, out.Name, c.post)
		}
		if string(d.Name) != got {
			t.Errorf("%s: Post changed what Decide returned to %.50q", c.name, d.Name)
		}
	}
}

func TestNilPolicyKeepsNames(t *testing.T) {
	var p *Policy
	var s Scratch
	name := []byte("any thing")
	if d := p.Decide(name, &s); string(d.Name) != "any thing" || d.Dropped != Kept {
		t.Errorf("Decide: %v", d)
	}
	if d := p.Post(name, &s); string(d.Name) != "any thing" || d.Dropped != Kept {
		t.Errorf("Post: %v", d)
	}
	if d := new(Policy).Decide([]byte("a.b"), &s); string(d.Name) != "a.b" {
		t.Errorf("empty policy: %v", d)
	}
}

// TestExplain also checks that explaining decides what Decide does.
func TestExplain(t *testing.T) {
	p := &Policy{
		Deny:      list(t, Regexps, "# comment", "^tmp"),
		Allow:     list(t, Globs, "{a,tmp,g}**"),
		Rewrites:  rewrites(t, "[pre]\n^a = b\nx = \n^g =\\g<0>"+strings.Repeat("g", 4000)+"\ng=gggggg\n[post]\nb = \\g<0>"),
		Normalise: true,
	}
	cases := map[string]string{
		"tmp.a":     "deny list.conf:2 ^tmp ->  denied",
		"c":         "allow :0  ->  not_allowed",
		"a.x;k=1":   "allow list.conf:1 {a,tmp,g}** -> a.x;k=1 kept|pre rewrite-rules.conf:2 ^a = b -> b.x;k=1 kept|pre rewrite-rules.conf:3 x = -> b.;k=1 kept",
		"a;l=1;k=1": "allow list.conf:1 {a,tmp,g}** -> a;l=1;k=1 kept|pre rewrite-rules.conf:2 ^a = b -> b;l=1;k=1 kept|tags :0  -> b;k=1;l=1 kept",
		"a;k":       `allow list.conf:1 {a,tmp,g}** -> a;k kept|pre rewrite-rules.conf:2 ^a = b -> b;k kept|tags :0 tags: "k": expected key=value, neither of them empty -> b;k kept`,
		"a\n":       "name :0  ->  bad_name",
	}
	var s Scratch
	for name, want := range cases {
		d, steps := p.Explain([]byte(name), &s)
		var got []string
		for _, st := range steps {
			got = append(got, fmt.Sprintf("%s %s:%d %s -> %s %v", st.Stage, st.File, st.Line, st.Text, st.Name, st.Dropped))
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%q:\ngot  %s\nwant %s", name, strings.Join(got, "|"), want)
		}
		explained := fmt.Sprint(d)
		if d := p.Decide([]byte(name), &s); fmt.Sprint(d) != explained {
			t.Errorf("%q: explained %s, decided %v", name, explained, d)
		}
	}
	if d, steps := p.Explain([]byte("g"), &s); d.Dropped != NameTooLong || steps[len(steps)-1].Line != 5 || steps[len(steps)-1].Dropped != NameTooLong {
		t.Errorf("too long: %v, last step %.200v", d.Dropped, steps[len(steps)-1])
	}
	if d, steps := p.ExplainPost([]byte("b"), &s); string(d.Name) != "b" || len(steps) != 1 || steps[0].Stage != "post" {
		t.Errorf("post: %v %v", d, steps)
	}
}

func TestReasonString(t *testing.T) {
	seen := map[string]bool{}
	for r := range NumReasons + 1 {
		if r.String() == "" || seen[r.String()] {
			t.Errorf("reason %d is called %q", r, r)
		}
		seen[r.String()] = true
	}
}

// benchPolicy has ten rewrite rules and ten patterns in each list.
func benchPolicy(t testing.TB) *Policy {
	return &Policy{
		Deny: list(t, Regexps, `\.debug\.`, `^tmp\.`, `\.test$`, `^carbon\.agents\.[^.]+\.internal`, `_bucket_le_inf`,
			`^dev\..*\.trace`, `password`, `\.jvm\.gc\.old\.`, `^[^.]+\.sandbox\.`, `(?i)DONOTSEND`),
		Allow: list(t, Regexps, `^prod\.`, `^stage\.`, `^carbon\.`, `^stats\.timers`, `^collectd\.`, `^servers\.`,
			`^telegraf`, `^haproxy\.`, `^nginx\.`, `^k8s\.`),
		Rewrites: rewrites(t, `[pre]
			^collectd\. = servers.
			_example_com = 
			\.cpu-(\d+)\.cpu- = .cpu.\1.
			\.\.+ = .
			[^a-zA-Z0-9._;\x3d~-]+ = _
			_sum$ =
			_avg$ =
			^stats\.timers\.(.+)\.upper_90$ = timers.\1.p90
			^haproxy\.([^.]+)\.([^.]+)\. = lb.\2.\1.
			;host\x3d[^;]+ = `),
		Normalise: true,
	}
}

var benchNames = map[string][2]string{
	"unchanged": {"prod.applications.app007.server00042.requests003.count", "prod.applications.app007.server00042.requests003.count"},
	"rewritten": {"collectd.web01_example_com.cpu-0.cpu-user", "servers.web01.cpu.0.user"},
	"tagged":    {"prod.requests.count;host=web01;dc=eu;app=shop", "prod.requests.count;app=shop;dc=eu"},
	"denied":    {"prod.applications.app007.debug.requests003.count", "denied"},
	"unknown":   {"other.applications.app007.server00042.requests003.count", "not_allowed"},
}

func TestDecideAllocatesNothing(t *testing.T) {
	p := benchPolicy(t)
	var s Scratch
	for _, n := range benchNames {
		name := []byte(n[0])
		if got := testing.AllocsPerRun(100, func() { p.Post(p.Decide(name, &s).Name, &s) }); got != 0 {
			t.Errorf("%s: %v allocations", name, got)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	p := benchPolicy(b)
	for kind, n := range benchNames {
		b.Run(kind, func(b *testing.B) {
			var s Scratch
			name := []byte(n[0])
			b.ReportAllocs()
			for b.Loop() {
				d := p.Decide(name, &s)
				if string(d.Name) != n[1] && d.Dropped.String() != n[1] {
					b.Fatalf("%s %v", d.Name, d.Dropped)
				}
			}
		})
	}
}

func BenchmarkList(b *testing.B) {
	for _, n := range []int{10, 1000, 10_000} {
		var patterns []string
		for i := range n {
			patterns = append(patterns, fmt.Sprintf(`^prod\.service%05d\.`, i))
		}
		l := list(b, Regexps, patterns...)
		b.Run(fmt.Sprintf("patterns=%d", n), func(b *testing.B) {
			var s Scratch
			name := []byte("prod.applications.app007.server00042.requests003.count")
			for b.Loop() {
				if l.Match(name, &s) {
					b.Fatal("matches")
				}
			}
		})
	}
}
