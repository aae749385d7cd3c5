package node

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// TestStreams tells how many of the good messages are answered, whatever
// surrounds them.
func TestStreams(t *testing.T) {
	pretty := strings.NewReplacer(`,"`, ",\r\n\t\"", `{`, "{\n", `}`, "\n}", `[`, "[ ").Replace(good)
	cases := map[string]struct {
		in   string
		want int
	}{
		"nothing":                         {"", 0},
		"space":                           {" \n\t\r\n", 0},
		"one":                             {good + "\n", 1},
		"no newline at the end":           {good, 1},
		"three":                           {lines(good, "", good, good), 3},
		"on one line":                     {good + good + " \t" + good, 3},
		"spread over lines":               {pretty, 1},
		"spread, one after the other":     {pretty + pretty + "\n" + pretty, 3},
		"braces in texts":                 {strings.ReplaceAll(good, `"metric":"m"`, `"metric":"}{]\"}\\"`), 1},
		"text before":                     {lines("hello", good), 1},
		"text after, on the line":         {lines(good+" hello "+good, good), 2},
		"an array":                        {lines("["+good+"]", good), 1},
		"a number":                        {lines("5", good), 1},
		"cut short within a text":         {lines(`{"type":"agg`, good), 1},
		"cut short after a value":         {lines(`{"type":"x"`, good), 1},
		"cut short after a comma":         {lines(`{"type":"x",`, good), 1},
		"cut short after a number":        {lines(`{"msg_id":12`, good), 1},
		"cut short after a brace":         {lines(`{`, good), 1},
		"cut short where a value is due":  {lines(`{"type":`, good, good, good), 2}, // the first may belong to it
		"cut short within an array":       {lines(`{"values":[1,`, good, good), 1},
		"cut short by the end":            {good + `{"type":"x"`, 1},
		"cut short by an escape":          {lines(`{"type":"\`, good), 1},
		"no key":                          {lines(`{5:1}`, good), 1},
		"no colon":                        {lines(`{"a" 1}`, good), 1},
		"a comma too many":                {lines(`{"a":1,}`, good), 1},
		"two commas":                      {lines(`{"a":[1,,2]}`, good), 1},
		"a bracket too many":              {lines(`{"a":1]}`, good), 1},
		"brackets crossed":                {lines(`{"a":[1}]`, good), 1},
		"no value that there is":          {lines(`{"a":tru}`, good), 1},
		"no number that there is":         {lines(`{"a":01}`, good), 1},
		"no escape that there is":         {lines(`{"a":"\x"}`, good), 1},
		"two values":                      {lines(`{"a":1 2}`, good), 1},
		"broken lines of a spread object": {lines("{", ` "a": 1`, ` "b": 2`, "}", good), 1},
		"a control character":             {lines("{\"a\":\"\x00\"}", good), 1},
		"bytes that are no UTF-8":         {lines("\xff\xfe", good), 1},
		"a byte order mark":               {lines("\xef\xbb\xbf", good), 1},
		"many lines of junk":              {strings.Repeat("junk\n", 1000) + good, 1},
		"a newline of another kind":       {"junk\r" + good + "\n" + good, 1},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			want := strings.Repeat(goodReply+"\n", tt.want)
			if got := ask(t, newNode(newMemory(10)), tt.in); got != want {
				t.Errorf("got  %swant %s", got, want)
			}
			for _, r := range []io.Reader{
				iotest.OneByteReader(strings.NewReader(tt.in)), iotest.DataErrReader(strings.NewReader(tt.in)),
			} {
				var out bytes.Buffer
				if err := newNode(newMemory(10)).Serve(t.Context(), r, &out); err != nil || out.String() != want {
					t.Errorf("in parts: %v, %s", err, out.String())
				}
			}
		})
	}
}

func TestTooLong(t *testing.T) {
	const limit = 200
	n := New(Config{Source: newMemory(10), MaxObject: limit})
	pad := func(message string, size int) string { // with spaces within it
		return message[:len(message)-1] + strings.Repeat(" ", size-len(message)) + message[len(message)-1:]
	}
	envelope := `{"src":"c","dest":"n","body":` + good + `}`
	cases := map[string]struct {
		in   string
		want []string // parts of the replies
	}{
		"as long as may be": {pad(good, limit), []string{goodReply}},
		"a byte too long":   {pad(good, limit+1), []string{`{"type":"error","in_reply_to":1,"code":12,"text":"the message is longer than 200 bytes"}`}},
		"the rest is passed over": {
			pad(good, 100_000) + good + "\n" + pad(good, limit+1) + "\n" + good,
			[]string{`"code":12`, goodReply, `"code":12`, goodReply},
		},
		"the reply finds its way": {
			pad(envelope, 5000), []string{`{"src":"n","dest":"c","body":{"type":"error","in_reply_to":1,"code":12,"text":"the message is longer`},
		},
		"not told of twice": {good[:len(good)-1] + strings.Repeat(" ", 100_000) + "junk\n" + good, []string{`"code":12`, goodReply}},
		"cut short":         {lines(good[:len(good)-1]+strings.Repeat(" ", 100_000), good), []string{`"code":12`, goodReply}},
		"without an end":    {`{"a":"` + strings.Repeat("x", 100_000), []string{`{"type":"error","code":12`}},
		"broken, then too long": {
			`{"a":"` + strings.Repeat("x", 300) + "\n" + good + "\n", []string{goodReply},
		},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(tt.in), iotest.OneByteReader(strings.NewReader(tt.in))} {
				var out bytes.Buffer
				if err := n.Serve(t.Context(), r, &out); err != nil {
					t.Fatal(err)
				}
				got := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
				if name == "broken, then too long" && len(got) == 2 {
					got = got[1:] // byte by byte it is too long before it breaks
				}
				if len(got) != len(tt.want) {
					t.Fatalf("%d replies, want %d: %s", len(got), len(tt.want), out.String())
				}
				for i, want := range tt.want {
					if !strings.Contains(got[i], want) {
						t.Errorf("reply %d is %s, want %s", i, got[i], want)
					}
				}
			}
		})
	}
}

// TestSixteenMiB sends a message near the default limit, and one beyond it.
func TestSixteenMiB(t *testing.T) {
	n := newNode(newMemory(10))
	message := func(size int) string {
		head, tail := `{"type":"aggregate_metric","msg_id":1,"metric":"m","aggregator":"p50","values":[1`, `]}`
		one := ",1" + strings.Repeat(" ", 62)
		more := size - len(head) - len(tail)
		return head + strings.Repeat(one, more/len(one)) + strings.Repeat(" ", more%len(one)) + tail
	}
	in := message(16<<20) + "\n" + message(16<<20+1) + "\n" + good
	replies := strings.Split(ask(t, n, in), "\n")
	if len(replies) != 4 || !strings.HasPrefix(replies[0], `{"type":"aggregation_result","in_reply_to":1,"value":1,"sample_count":262143`) ||
		replies[2] != goodReply {
		t.Fatalf("got %q", replies)
	}
	wantError(t, replies[1], 12, "longer than 16777216 bytes")
}

func TestTooDeep(t *testing.T) {
	deep := func(n int) string {
		return `{"msg_id":1,"type":"x","a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + "}"
	}
	n := newNode(newMemory(10))
	wantError(t, ask(t, n, deep(maxDepth-1)), 10, "unknown type")
	got := strings.SplitAfter(ask(t, n, lines(deep(maxDepth), good)), "\n")
	wantError(t, got[0], 12, "deeper than 1000 levels")
	wantJSON(t, got[1], goodReply)
	got = strings.SplitAfter(ask(t, n, lines(deep(1_000_000), good)), "\n")
	wantJSON(t, got[1], goodReply)
}
