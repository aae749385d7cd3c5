package rules

import (
	"fmt"
	"strings"
	"testing"
)

// simpleRules sum one counter each over all servers of an application.
func simpleRules(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "<env>.app.<app>.all.requests%03d.count (5) = sum <env>.applications.<app>.*.requests%03d.count\n", i, i)
	}
	return b.String()
}

// mixedRules have all shapes of patterns.
func mixedRules(n int) string {
	var b strings.Builder
	for i := range n {
		switch i % 8 {
		case 0:
			fmt.Fprintf(&b, "<env>.s%d.<rest> (5) = sum <env>.service%04d.*.<<rest>>\n", i, i)
		case 1:
			fmt.Fprintf(&b, "g%d.<x> (5) = sum <<x>>.gauge%04d.value\n", i, i)
		case 2:
			fmt.Fprintf(&b, "w%d.<app> (5) = sum <env>.applications.<app>.web%04d*.cpu\n", i, i)
		case 3:
			fmt.Fprintf(&b, "d%d.<d> (5) = sum <env>.applications.*.<d>%04d\\d{2}.requests\n", i, i)
		case 4:
			fmt.Fprintf(&b, "m%d.<x>.<y> (5) = sum <<x>>.mid%04d.<<y>>\n", i, i)
		case 5:
			fmt.Fprintf(&b, "t%d.<h> (5) = sum cpu.load;pool=p%04d;host=<h>\n", i, i)
		case 6:
			fmt.Fprintf(&b, "r%d (5) = sum <env>.jobs.(mail|cron)-%04d.runs\n", i, i)
		default:
			fmt.Fprintf(&b, "<env>.app.<app>.all.requests%04d.count (5) = sum <env>.applications.<app>.*.requests%04d.count\n", i, i)
		}
	}
	return b.String()
}

func BenchmarkMatch(b *testing.B) {
	shapes := []struct {
		shape string
		rules func(int) string
		names map[string]string // to the output, empty: no match
	}{
		{"simple", simpleRules, map[string]string{
			"prod.applications.app007.server00042.requests003.count": "aggregates.prod.app.app007.all.requests003.count",
			"prod.applications.app007.server00042.requests003.rate":  "",
			"stats.timers.checkout.page.render.upper_90":             "",
		}},
		{"mixed", mixedRules, map[string]string{
			"prod.applications.app007.server00042.requests0007.count": "aggregates.prod.app.app007.all.requests0007.count",
			"prod.service0000.h1.http.2xx.rate":                       "aggregates.prod.s0.http.2xx.rate",
			"a.b.c.gauge0001.value":                                   "aggregates.g1.a.b.c",
			"prod.applications.shop.web000203.cpu":                    "aggregates.w2.shop",
			"prod.applications.shop.db000342.requests":                "aggregates.d3.db",
			"a.b.mid0004.c.d":                                         "aggregates.m4.a.b.c.d",
			"cpu.load;dc=eu;host=h1;pool=p0005":                       "aggregates.t5.h1",
			"prod.jobs.cron-0006.runs":                                "aggregates.r6",
			"stats.timers.checkout.page.render.upper_90":              "",
		}},
	}
	for _, s := range shapes {
		for _, n := range []int{10, 1000, 10_000} {
			set := NewSet(mustParse(b, s.rules(n), Options{Prefix: "aggregates"}))
			for name, want := range s.names {
				b.Run(fmt.Sprintf("%s/rules=%d/%s", s.shape, n, name), func(b *testing.B) {
					var m Matcher
					metric := []byte(name)
					b.ReportAllocs()
					for b.Loop() {
						got := set.Match(&m, metric)
						if (len(got) > 0) != (want != "") || want != "" && string(got[0].Output) != want {
							b.Fatalf("got %q, want %q", outputs(got), want)
						}
					}
				})
			}
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		src := []byte(mixedRules(n))
		b.Run(fmt.Sprintf("parse/rules=%d", n), func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				if list, _ := Parse("f", src, Options{}); len(list) != n {
					b.Fatal(len(list))
				}
			}
		})
		list := mustParse(b, string(src), Options{})
		b.Run(fmt.Sprintf("index/rules=%d", n), func(b *testing.B) {
			for b.Loop() {
				if set := NewSet(list); len(set.Rules()) != n {
					b.Fatal(len(set.Rules()))
				}
			}
		})
	}
}
