package report

import (
	"strings"
	"testing"
	"time"
)

func TestPosts(t *testing.T) {
	run := func(cpu time.Duration) Post {
		return Post{Points: 1_000_000, Bytes: 50_000, Time: 2 * time.Second, CPU: cpu}
	}
	var out strings.Builder
	Posts(&out, []*PostRow{
		{System: "coalesce", What: "plain", Batch: 1000, Runs: []Post{run(time.Second), run(3 * time.Second), run(2 * time.Second)}},
		{System: "coalesce", What: "broken", Batch: 1000},
	})
	want := `| measurements | system | runs | in a request | bytes each | CPU ns each | range | thousands a second and core | thousands a second |
|---|---|--:|--:|--:|--:|--:|--:|--:|
| plain | coalesce | 3 | 1000 | 50.0 | 2000 | 1000–3000 | 500 | 500 |
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
