package node

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestPatience lets a Source hang under a virtual clock.
func TestPatience(t *testing.T) {
	for name, tt := range map[string]struct {
		set  time.Duration
		want time.Duration
	}{"default": {0, 4 * time.Second}, "set": {time.Second, time.Second}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory(10)
				m.wait = func(ctx context.Context) error { <-ctx.Done(); return fmt.Errorf("reading: %w", ctx.Err()) }
				n := New(Config{Source: m, Patience: tt.set})
				begin := time.Now()
				got := query(t, n, `"metric":"m","aggregator":"sum"`)
				if took := time.Since(begin); took != tt.want {
					t.Errorf("took %v", took)
				}
				wantError(t, got, 11, "no answer within "+tt.want.String())
				got = ask(t, n, `{"type":"record_metric","msg_id":1,"metric":"m","value":1}`)
				wantError(t, got, 13, "recording failed") // nobody knows whether it was
			})
		})
	}
	t.Run("a Source that is late and says nothing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m := newMemory(10)
			m.put(t, "m 1 0")
			m.wait = func(ctx context.Context) error { <-ctx.Done(); return nil }
			wantError(t, query(t, newNode(m), `"metric":"m","aggregator":"sum"`), 11, "no answer")
		})
	})
}

func TestSourceFails(t *testing.T) {
	const record = `{"type":"record_metric","msg_id":1,"metric":"m","value":1}`
	cases := map[string]struct {
		err             error
		code            int
		text            string
		recordCode      int
		recordText      string
		panics, ignored bool
	}{
		"loading":   {err: fmt.Errorf("store: %w", ErrLoading), code: 11, text: "still loading", recordCode: 11, recordText: "still loading"},
		"refused":   {err: fmt.Errorf("%w: too old", ErrRefused), code: 13, text: "too old", recordCode: 12, recordText: "too old"},
		"failed":    {err: errDisk, code: 13, text: "the disk is on fire", recordCode: 13, recordText: "the disk is on fire"},
		"panicking": {panics: true, code: 13, text: "the log has more", recordCode: 13, recordText: "the log has more"},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			m := newMemory(10)
			m.err = tt.err
			if tt.panics {
				m.wait = func(context.Context) error { panic("oh") }
			}
			n := newNode(m)
			wantError(t, query(t, n, `"metric":"m","aggregator":"sum"`), tt.code, tt.text)
			wantError(t, ask(t, n, record), tt.recordCode, tt.recordText)
			wantJSON(t, ask(t, n, good), goodReply) // what needs no Source goes on
		})
	}
}

func TestRecord(t *testing.T) {
	m := newMemory(10)
	n := newNode(m)
	for _, members := range []string{
		`"value":1,"tags":{"service":"api"}`, `"value":2.5,"timestamp":1700003590`, `"value":4,"timestamp":1700003500.5,"tags":{"service":"api"}`,
		`"value":8,"timestamp":-1`, `"value":16,"timestamp":1690000000`, `"value":1e3,"tags":{},"timestamp":null`,
	} {
		wantJSON(t, ask(t, n, `{"src":"a","dest":"b","body":{"type":"record_metric","msg_id":5,"metric":"m",`+members+`}}`),
			`{"src":"b","dest":"a","body":{"type":"record_ok","in_reply_to":5}}`)
	}
	wantJSON(t, query(t, n, `"metric":"m","aggregator":"sum"`),
		`{"type":"aggregation_result","in_reply_to":1,"value":1015.5,"sample_count":5}`)
	wantJSON(t, query(t, n, `"metric":"m","aggregator":"sum","time_range":"6s","tags":{"service":"api"}`),
		`{"type":"aggregation_result","in_reply_to":1,"value":1,"sample_count":1}`)

	before := fmt.Sprint(m.metrics)
	for members, text := range map[string]string{
		`"value":1`:                                  "metric is missing",
		`"metric":"m"`:                               "value is missing",
		`"metric":"m","value":"1"`:                   "value is",
		`"metric":"m","value":1e999`:                 "range of a float64",
		`"metric":"m","value":null`:                  "value is missing",
		`"metric":"a b","value":1`:                   "cannot be recorded",
		`"metric":"a;b=c","value":1`:                 "cannot be recorded",
		`"metric":"~a","value":1`:                    "cannot be recorded",
		`"metric":"a\u0000","value":1`:               "cannot be recorded",
		`"metric":"m","value":1,"tags":[]`:           "tags is []",
		`"metric":"m","value":1,"tags":{"a":1}`:      `tags: "a" is 1`,
		`"metric":"m","value":1,"tags":{"":"x"}`:     `tag ""`,
		`"metric":"m","value":1,"tags":{"name":"x"}`: `tag "name"`,
		`"metric":"m","value":1,"tags":{"a=":"x"}`:   `tag "a="`,
		`"metric":"m","value":1,"tags":{"a":""}`:     `tag "a" is ""`,
		`"metric":"m","value":1,"tags":{"a":"b;c"}`:  `tag "a" is "b;c"`,
		`"metric":"m","value":1,"tags":{"a":"~b"}`:   `tag "a" is "~b"`,
		`"metric":"m","value":1,"timestamp":"now"`:   "timestamp is",
		`"metric":"m","value":1,"timestamp":1e300`:   "Unix seconds",
	} {
		wantError(t, ask(t, n, `{"type":"record_metric","msg_id":1,`+members+`}`), 12, text)
	}
	if after := fmt.Sprint(m.metrics); before != after {
		t.Error("a refused value was recorded")
	}
}

// TestLog counts the lines of the log: junk must not fill it.
func TestLog(t *testing.T) {
	var log bytes.Buffer
	at := now
	n := New(Config{Source: newMemory(10), Now: func() time.Time { at = at.Add(3 * time.Second); return at },
		Logger: slog.New(slog.NewJSONHandler(&log, nil))})
	if err := n.Serve(t.Context(), strings.NewReader(strings.Repeat("junk\n", 14)), io.Discard); err != nil {
		t.Fatal(err)
	}
	var said []string
	for line := range strings.Lines(log.String()) {
		var entry struct {
			Text       string
			Suppressed *int
			Times      int
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		if entry.Suppressed != nil {
			said = append(said, fmt.Sprint(strings.TrimSpace(entry.Text[:4]), *entry.Suppressed))
		} else {
			said = append(said, fmt.Sprint(entry.Times))
		}
	}
	// Every 4th is 12 s after the last that was said.
	if want := []string{"junk0", "junk3", "junk3", "junk3", "1"}; !slices.Equal(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
}
