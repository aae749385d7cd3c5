package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestNumber(t *testing.T) {
	for x, want := range map[float64]string{
		0: "0", 0.1: "0.1", 1e18: "1000000000000000000", 1e21: "1e+21", 1e-6: "0.000001", 1e-7: "1e-07", -2.5: "-2.5",
		math.Inf(1): "null", math.Inf(-1): "null", math.NaN(): "null",
	} {
		got, err := json.Marshal(Number(x))
		if string(got) != want || err != nil {
			t.Errorf("%v is %s, %v; want %s", x, got, err, want)
		}
		var back float64
		if err := json.Unmarshal(got, &back); err != nil || want != "null" && back != x {
			t.Errorf("%s is read as %v, %v", got, back, err)
		}
	}
}

func TestFail(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		status int
		want   string
		logged bool
	}{
		"the client's":  {Errorf(http.StatusConflict, "%d are there", 2), 409, "2 are there", false},
		"a bad request": {fmt.Errorf("wrapped: %w", BadRequest("no %s", "name")), 400, "no name", false},
		"too large":     {&http.MaxBytesError{Limit: 10}, 413, "body: more than 10 bytes", false},
		"ours":          {errors.New("the disk is on fire"), 500, "the request failed; the log of the daemon has more", true},
	} {
		t.Run(name, func(t *testing.T) {
			var log strings.Builder
			w := httptest.NewRecorder()
			Fail(w, httptest.NewRequest("GET", "/x", nil), c.err, slog.New(slog.NewTextHandler(&log, nil)))
			body, err := io.ReadAll(w.Body)
			if want := fmt.Sprintf("{\"error\":%q}\n", c.want); err != nil || w.Code != c.status || string(body) != want {
				t.Errorf("%d %s, %v; want %d %s", w.Code, body, err, c.status, want)
			}
			if logged := strings.Contains(log.String(), c.err.Error()); logged != c.logged {
				t.Errorf("in the log: %s", log.String())
			}
		})
	}
	t.Run("nobody waits", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		defer func() {
			if p := recover(); p != http.ErrAbortHandler {
				t.Errorf("ends with %v", p)
			}
		}()
		Fail(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/x", nil), ctx.Err(), slog.New(slog.DiscardHandler))
	})
}
