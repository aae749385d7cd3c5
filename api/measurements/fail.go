package measurements

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/coalesce-metrics/coalesce/api"
)

// failure is why a request is refused, as its client is told.
type failure struct {
	status int
	params map[string][]string // by field
	// request and system are about no field: what the client, and what the
	// daemon has done wrong.
	request, system []string
}

// Error returns one of the texts.
func (f *failure) Error() string {
	for field, texts := range f.params {
		return field + " " + texts[0]
	}
	return append(f.request, f.system...)[0]
}

// badParam is a failure of one field: 400.
func badParam(field, format string, args ...any) *failure {
	return &failure{status: http.StatusBadRequest, params: map[string][]string{field: {fmt.Sprintf(format, args...)}}}
}

// badRequest is a failure of the request as a whole.
func badRequest(status int, format string, args ...any) *failure {
	return &failure{status: status, request: []string{fmt.Sprintf(format, args...)}}
}

// fail answers what a request was not done for. What is no *failure is logged and
// answered with 500.
func fail(w http.ResponseWriter, r *http.Request, err error, now time.Time, log *slog.Logger) {
	var f *failure
	switch e := api.AsError(err); {
	case errors.As(err, &f):
	case e != nil:
		f = badRequest(e.Status, "%s", e.Text)
	case r.Context().Err() != nil:
		panic(http.ErrAbortHandler) // nobody waits for an answer
	default:
		log.Error("a request failed", "path", r.URL.Path, "err", err)
		f = &failure{status: http.StatusInternalServerError, system: []string{api.Failed}}
	}
	if f.status == http.StatusTooManyRequests {
		api.Reply(w, f.status, map[string]any{"error": f.Error(), "request_time": now.Unix()})
		return
	}
	errs := map[string]any{}
	if len(f.params) > 0 {
		errs["params"] = f.params
	}
	if len(f.request) > 0 {
		errs["request"] = f.request
	}
	if len(f.system) > 0 {
		errs["system"] = f.system
	}
	api.Reply(w, f.status, map[string]any{"errors": errs, "request_time": now.Unix()})
}
