package measurements

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type page struct {
	Series []struct {
		Tags   map[string]string
		Points []struct {
			Time  int64
			Value float64
		} `json:"measurements"`
	}
	Links []link
}

// The pages of an answer that has many are what there is, each point once.
func TestQueryPages(t *testing.T) {
	k := newKept()
	want := map[string][]string{}
	diffs := map[string][]string{}
	for i := range int64(7) {
		name := fmt.Sprintf("load;a=%d", i)
		key := fmt.Sprint(map[string]string{"a": fmt.Sprint(i)})
		last := int64(-1)
		for at := int64(queryNow - 20_000); at < queryNow; at += 1 + i*i {
			if i == 6 && at > queryNow-19_000 && at < queryNow-100 {
				continue // a long gap
			}
			k.add(name, 1, at, float64(at%1009))
			want[key] = append(want[key], fmt.Sprint(at, at%1009))
			if last >= 0 {
				diffs[key] = append(diffs[key], fmt.Sprint(at, at%1009-last%1009))
			}
			last = at
		}
	}
	k.metrics["load"].Name = "load"
	do := k.serve(t)
	for query, want := range map[string]map[string][]string{
		"resolution=1&duration=20000":                             want,
		"resolution=1&duration=20000&summary_function=derivative": diffs,
	} {
		got := map[string][]string{}
		pages := 0
		for next := "/v1/measurements/load?" + query; next != ""; pages++ {
			if pages > 10 {
				t.Fatal("it does not end")
			}
			clear(k.read)
			code, text := do(next)
			var p page
			if err := json.Unmarshal([]byte(text), &p); code != 200 || err != nil {
				t.Fatal(code, err, text)
			}
			next = ""
			if len(p.Links) > 0 {
				next = p.Links[0].Href
			}
			points := 0
			for _, s := range p.Series {
				key := fmt.Sprint(s.Tags)
				points += len(s.Points)
				for _, x := range s.Points {
					got[key] = append(got[key], fmt.Sprint(x.Time, x.Value))
				}
			}
			if points > pageLimit || next != "" && points < pageLimit-7 {
				t.Errorf("%d points on page %d, then %q", points, pages, next)
			}
			if !strings.Contains(query, "derivative") && k.read[1] > 2*pageLimit {
				t.Errorf("%d cells are read for page %d", k.read[1], pages)
			}
		}
		if pages < 3 {
			t.Errorf("%s: %d pages", query, pages)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%.2000s", query, diff)
		}
	}
	// since may be anywhere in its point.
	ask := fmt.Sprintf("/v1/measurements/load?resolution=7&summary_function=derivative&start_time=%d&since=", queryNow-14_000)
	if _, want := do(ask + fmt.Sprint((queryNow-15_000)/7*7)); len(want) < 10_000 {
		t.Error(want)
	} else if _, got := do(ask + fmt.Sprint((queryNow-15_000)/7*7+3)); got != want {
		t.Error("other points are answered")
	}
	_, text := do("/v1/measurements/load/?tags[a]=*&duration=20000&resolution=1&summary_function=derivative")
	var p page
	if err := json.Unmarshal([]byte(text), &p); err != nil || len(p.Links) != 1 || p.Links[0].Rel != "next" {
		t.Fatal(err, p.Links)
	}
	u, err := url.Parse(p.Links[0].Href)
	if err != nil {
		t.Fatal(err)
	}
	params := u.Query()
	start := params.Get("start_time")
	params.Del("start_time")
	wantParams := url.Values{"tags[a]": {"*"}, "resolution": {"1"}, "summary_function": {"derivative"}, "end_time": {"1700000050"}, "since": {"1699980050"}}
	if u.Host != "" || start == "" || cmp.Diff(wantParams, params) != "" {
		t.Errorf("next is %s", p.Links[0].Href)
	}
}
