package node

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

const (
	good      = `{"type":"aggregate_metric","msg_id":1,"metric":"m","aggregator":"sum","values":[1,2]}`
	goodReply = `{"type":"aggregation_result","in_reply_to":1,"value":3,"sample_count":2}`
)

func lines(list ...string) string { return strings.Join(list, "\n") + "\n" }

func TestEnvelopes(t *testing.T) {
	const ok = `"type":"aggregation_result","in_reply_to":1,"value":3,"sample_count":2`
	cases := map[string]struct{ in, want string }{
		"before init": {`{"src":"c1","dest":"n1","body":` + good + `}`, `{"src":"n1","dest":"c1","body":{` + ok + `}}`},
		"after init": {
			`{"src":"c1","dest":"n1","body":{"type":"init","msg_id":1,"node_id":"n7","node_ids":["n7","n8"]}}` + "\n" +
				`{"src":"c2","dest":"n1","body":` + good + `}`,
			lines(`{"src":"n7","dest":"c1","body":{"type":"init_ok","in_reply_to":1}}`, `{"src":"n7","dest":"c2","body":{`+ok+`}}`),
		},
		"bare init": {`{"type":"init","node_id":"n7","node_ids":[]}{"src":"c","body":` + good + `}`,
			lines(`{"type":"init_ok"}`, `{"src":"n7","dest":"c","body":{`+ok+`}}`)},
		"a bad init changes nothing": {
			`{"type":"init","node_id":"n7","node_ids":[1]}{"src":"c","dest":"d","body":` + good + `}`,
			lines(`{"type":"error","code":12,"text":"node_ids[0] is 1; it must be a string"}`, `{"src":"d","dest":"c","body":{`+ok+`}}`),
		},
		"init without id":         {`{"type":"init","msg_id":1}`, `{"type":"error","in_reply_to":1,"code":12,"text":"node_id is missing; it must be a string that is not empty"}`},
		"bare":                    {good, `{` + ok + `}`},
		"no src":                  {`{"dest":"n1","body":` + good + `}`, `{"src":"n1","body":{` + ok + `}}`},
		"no ends":                 {`{"body":` + good + `}`, `{"body":{` + ok + `}}`},
		"odd names":               {`{"src":"é\"\n","dest":"\\","body":` + good + `}`, `{"src":"\\","dest":"é\"\n","body":{` + ok + `}}`},
		"type beside body":        {`{"type":"x","body":` + good + `}`, `{"body":{` + ok + `}}`},
		"no msg_id":               {strings.Replace(good, `"msg_id":1,`, "", 1), `{"type":"aggregation_result","value":3,"sample_count":2}`},
		"msg_id null":             {strings.Replace(good, `"msg_id":1,`, `"msg_id":null,`, 1), `{"type":"aggregation_result","value":3,"sample_count":2}`},
		"msg_id large":            {strings.Replace(good, `:1,`, `:12345678901234567890,`, 1), `{"type":"aggregation_result","in_reply_to":12345678901234567890,"value":3,"sample_count":2}`},
		"msg_id below 0":          {strings.Replace(good, `:1,`, `:-3,`, 1), `{"type":"aggregation_result","in_reply_to":-3,"value":3,"sample_count":2}`},
		"msg_id with an exponent": {strings.Replace(good, `:1,`, `:2.0e1,`, 1), `{"type":"aggregation_result","in_reply_to":20,"value":3,"sample_count":2}`},
		"msg_id a text":           {strings.Replace(good, `:1,`, `:"1",`, 1), `{"type":"error","code":12,"text":"msg_id is \"1\"; it must be a number"}`},
		"msg_id a fraction":       {strings.Replace(good, `:1,`, `:1.5,`, 1), `{"type":"error","code":12,"text":"msg_id is 1.5; it must be a whole number"}`},
		"a key twice":             {strings.Replace(good, `:1,`, `:"x","msg_id":1,`, 1), `{` + ok + `}`},
		"unknown keys":            {strings.Replace(good, `"msg_id"`, `"more":{"a":[null]},"Metric":5,"msg_id"`, 1), `{` + ok + `}`},
		"an unknown type":         {`{"type":"dance","msg_id":1}`, `{"type":"error","in_reply_to":1,"code":10,"text":"unknown type \"dance\"; accepted: init, aggregate_metric, record_metric"}`},
		"a type that is none":     {`{"type":7,"msg_id":1}`, `{"type":"error","in_reply_to":1,"code":12,"text":"type is 7; it must be a string"}`},
		"no type":                 {`{"src":"c","dest":"d","body":{"msg_id":1}}`, `{"src":"d","dest":"c","body":{"type":"error","in_reply_to":1,"code":12,"text":"type is missing; accepted: init, aggregate_metric, record_metric"}}`},
		"neither body nor type":   {`{}`, `{"type":"error","code":12,"text":"the message has neither body nor type"}`},
		"a body that is none":     {`{"src":"c","body":[1]}`, `{"dest":"c","body":{"type":"error","code":12,"text":"body is [1]; it must be an object"}}`},
		"a body of null":          {`{"src":"c","body":null}`, `{"dest":"c","body":{"type":"error","code":12,"text":"body is null; it must be an object"}}`},
		"a src that is none":      {`{"src":5,"dest":"d","body":` + good + `}`, `{"src":"d","body":{"type":"error","in_reply_to":1,"code":12,"text":"src is 5; it must be a string"}}`},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			n := newNode(newMemory(10))
			got := ask(t, n, tt.in)
			wanted := strings.Split(strings.TrimSuffix(tt.want, "\n"), "\n")
			replies := strings.SplitAfter(got, "\n")
			if len(replies) != len(wanted)+1 {
				t.Fatalf("got %d lines, want %d: %s", len(replies)-1, len(wanted), got)
			}
			for i, want := range wanted {
				wantJSON(t, replies[i], want)
			}
			if answered := answer(t, n, tt.in); answered != got {
				t.Errorf("Answer gives %s, Serve %s", answered, got)
			}
		})
	}
}

// answer returns what Answer writes.
func answer(t testing.TB, n *Node, body string) string {
	t.Helper()
	var out bytes.Buffer
	if err := n.Answer(t.Context(), &out, []byte(body)); err != nil {
		t.Error(err)
	}
	return out.String()
}

func TestAnswer(t *testing.T) {
	n := newNode(newMemory(10))
	cases := map[string]struct{ in, want string }{
		"nothing":  {"", `{"type":"error","code":12,"text":"the body holds no message; it must be a JSON object"}` + "\n"},
		"space":    {" \n", `{"type":"error","code":12,"text":"the body holds no message; it must be a JSON object"}` + "\n"},
		"a stream": {good + "\n\n" + good, lines(goodReply, goodReply)},
		"an array": {"[" + good + "]", `{"type":"error","code":12,"text":"\"[{\\\"type\\\":`},
		"junk":     {"junk\n" + good, `{"type":"error","code":12,"text":"\"junk\" is no message; `},
		"cut":      {`{"type":"x`, `{"type":"error","code":12,"text":"\"{\\\"type\\\":\\\"x\" is no message; messages are JSON objects, one after the other"}` + "\n"},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			got := answer(t, n, tt.in)
			if !strings.HasPrefix(got, tt.want) {
				t.Errorf("got  %swant %s", got, tt.want)
			}
			if name == "junk" && !strings.HasSuffix(got, "\n"+goodReply+"\n") {
				t.Errorf("what follows is not answered: %s", got)
			}
		})
	}
}

// TestRepliesAtOnce asks one by one, so that a reply that is held back blocks.
func TestRepliesAtOnce(t *testing.T) {
	n := newNode(newMemory(10))
	in, questions := io.Pipe()
	answers, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- n.Serve(context.Background(), in, bufio.NewWriter(out))
	}()
	r := bufio.NewReader(answers)
	for i := range 5 {
		io.WriteString(questions, good) // no newline
		if got, err := r.ReadString('\n'); err != nil || got != goodReply+"\n" {
			t.Errorf("reply %d is %q, %v", i, got, err)
		}
	}
	questions.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestServeEnds(t *testing.T) {
	n := newNode(newMemory(10))
	t.Run("reading fails", func(t *testing.T) {
		var out bytes.Buffer
		err := n.Serve(t.Context(), io.MultiReader(strings.NewReader(good), iotest.ErrReader(errDisk)), &out)
		if !errors.Is(err, errDisk) || out.String() != goodReply+"\n" {
			t.Errorf("%v, %s", err, out.String())
		}
	})
	t.Run("writing fails", func(t *testing.T) {
		r, w := io.Pipe()
		r.CloseWithError(errDisk)
		if err := n.Serve(t.Context(), strings.NewReader(good), w); !errors.Is(err, errDisk) {
			t.Error(err)
		}
	})
	t.Run("flushing fails", func(t *testing.T) {
		r, w := io.Pipe()
		r.CloseWithError(errDisk)
		if err := n.Serve(t.Context(), strings.NewReader(good), bufio.NewWriter(w)); !errors.Is(err, errDisk) {
			t.Error(err)
		}
	})
	t.Run("ctx ends", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var out bytes.Buffer
		if err := n.Serve(ctx, strings.NewReader(good), &out); !errors.Is(err, context.Canceled) || out.Len() > 0 {
			t.Errorf("%v, %s", err, out.String())
		}
	})
}
