package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// objectsIn counts the objects of a stream that holds nothing else.
func objectsIn(data []byte) (n int, ok bool) {
	d := json.NewDecoder(bytes.NewReader(data))
	for {
		var raw json.RawMessage
		switch err := d.Decode(&raw); {
		case errors.Is(err, io.EOF):
			return n, true
		case err != nil || raw[0] != '{' || bytes.Count(raw, []byte{'['})+bytes.Count(raw, []byte{'{'}) > maxDepth:
			return n, false
		}
		n++
	}
}

// FuzzServe sends anything: each line of the replies is JSON, each object has
// one reply, parts make no difference, and a good message is answered after it.
func FuzzServe(f *testing.F) {
	for _, seed := range []string{
		good, good + "\n" + good, `{"src":"c","dest":"n","body":` + good + `}`, `{"type":"init","msg_id":1,"node_id":"n1","node_ids":["n1"]}`,
		`{"type":"record_metric","metric":"m","value":5,"tags":{"service":"a"},"timestamp":1700003600}{"type":"aggregate_metric","metric":"m","aggregator":"p50","group_by":["service"],"services":["a","b"]}`,
		`{"type":"aggregate_metric","metric":"stored","aggregator":"rollup","interval":"1m","aggregators":["avg","p99"],"time_range":"1h30m","hosts":["a"]}`,
		`{"type":"aggregate_metric","metric":"stored_bytes","aggregator":"sum","time_range":{"from":1700000000,"to":1700003605.5}}`,
		`{"type":"aggregate_metric","metric":"m","aggregator":"max","rollup":"5s","group_by":["h"],"points":[{"timestamp":1.5,"value":-1e9,"tags":{"h":"é"}},{"timestamp":-7,"value":0}]}`,
		`{"body":null}`, `{`, `{"a":[1,{"b":"\u0000\ud800"}]}x` + "\n", "[1]\n{}", `{"type":"x","msg_id":1e2}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		serve := func(r io.Reader) string {
			m := newMemory(10)
			m.put(t, "stored;host=a 1 -5", "stored 2 -100", "stored_bytes 3 -50")
			n := New(Config{Source: m, Now: func() time.Time { return now }, MaxObject: 1 << 16})
			var out bytes.Buffer
			if err := n.Serve(context.Background(), r, &out); err != nil {
				t.Fatal(err)
			}
			return out.String()
		}
		got := serve(bytes.NewReader(data))
		replies := 0
		for line := range strings.Lines(got) {
			if line[0] != '{' || !strings.HasSuffix(line, "}\n") || !json.Valid([]byte(line)) {
				t.Fatalf("not a line of JSON: %q", line)
			}
			replies++
		}
		if n, ok := objectsIn(data); ok && n != replies {
			t.Fatalf("%d objects, %d replies: %s", n, replies, got)
		}
		if len(data) < 1<<16 { // where an object is longer depends on how it comes
			if parts := serve(iotest.OneByteReader(bytes.NewReader(data))); parts != got {
				t.Fatalf("byte by byte:\n%s\nat once:\n%s", parts, got)
			}
		}
		// The first may end up within an object that was begun before.
		after := serve(io.MultiReader(bytes.NewReader(data), strings.NewReader("\n"+good+"\n"+good+"\n")))
		if !strings.HasSuffix(after, goodReply+"\n") && !strings.Contains(after, `"in_reply_to":1,"value":3,`) {
			t.Fatalf("what follows is not answered: %s", after)
		}
	})
}
