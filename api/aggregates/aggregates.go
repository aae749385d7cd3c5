// Package aggregates answers the routes over which rules are made, listed and
// removed.
package aggregates

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/rulebook"
)

// Path is where the rules are.
const Path = "/v1/aggregates"

// maxBody is the longest body of a request, in bytes.
const maxBody = 64 << 10

// Config is what Routes needs.
type Config struct {
	Book *rulebook.Book
	// Owner returns who asks: the rules of others do not exist for that one.
	Owner func(context.Context) string
	// Logger is told of faults that are not the client's.
	Logger *slog.Logger
}

type family struct{ Config }

// Routes returns /v1/aggregates and what is below it.
func Routes(cfg Config) []api.Route {
	f := family{cfg}
	return []api.Route{{
		Path: Path, MaxBody: maxBody, Methods: []string{http.MethodGet, http.MethodPost, http.MethodDelete}, Handler: http.HandlerFunc(f.all),
		Summary: `rules: a list; POST {"pattern":"servers.*.<<rest>>","output":"servers.all.<rest>"} makes one`,
	}, {
		Path: Path + "/{id}", Methods: []string{http.MethodGet, http.MethodDelete}, Handler: http.HandlerFunc(f.one),
		Summary: "one rule, to be seen or removed",
	}, {
		Path: Path + "/test", MaxBody: maxBody, Methods: []string{http.MethodPost}, Handler: http.HandlerFunc(f.test),
		Summary: "what a rule would do, without making it",
	}}
}

// all answers for the rules of one owner.
func (f family) all(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPost:
		f.create(w, r)
	case http.MethodDelete:
		f.fail(w, r, api.BadRequest("id is missing; accepted: DELETE %s/ID/", Path))
	default:
		rules := f.Book.List(f.Owner(r.Context()))
		listed := make([]rule, len(rules))
		for i := range rules {
			listed[i] = rule{rules[i].ID, rules[i].Pattern, rules[i].Output}
		}
		api.Reply(w, http.StatusOK, listed)
	}
}

// rule is a rule as clients see it.
type rule struct {
	ID      string `json:"id"`
	Pattern string `json:"pattern"`
	Output  string `json:"output"`
}

func (f family) create(w http.ResponseWriter, r *http.Request) {
	pattern, output, err := asked(r)
	if err != nil {
		f.fail(w, r, err)
		return
	}
	made, err := f.Book.Create(r.Context(), f.Owner(r.Context()), pattern, output)
	if err != nil {
		f.fail(w, r, err)
		return
	}
	api.Reply(w, http.StatusOK, map[string]string{"id": made.ID, "url": Path + "/" + made.ID + "/"})
}

// one answers for one rule.
func (f family) one(w http.ResponseWriter, r *http.Request) {
	owner, id := f.Owner(r.Context()), r.PathValue("id")
	if r.Method == http.MethodDelete {
		if err := f.Book.Delete(owner, id); err != nil {
			f.fail(w, r, err)
			return
		}
		api.Reply(w, http.StatusOK, struct{}{})
		return
	}
	found := []rule{}
	if x, ok := f.Book.Get(owner, id); ok {
		found = append(found, rule{x.ID, x.Pattern, x.Output})
	}
	api.Reply(w, http.StatusOK, found)
}

// trial is what a rule would do.
type trial struct {
	Looked   int           `json:"looked_at"`
	Matches  int           `json:"matches"`
	Names    []string      `json:"names"`
	Outputs  []trialOutput `json:"outputs"`
	Cost     trialCost     `json:"cost"`
	Accepted bool          `json:"accepted"`
	Error    string        `json:"error,omitempty"`
}

type trialOutput struct {
	Output string `json:"output"`
	Names  int    `json:"names"`
}

type trialCost struct {
	Program int `json:"program"`
	Outputs int `json:"outputs"`
}

func (f family) test(w http.ResponseWriter, r *http.Request) {
	pattern, output, err := asked(r)
	if err != nil {
		f.fail(w, r, err)
		return
	}
	t, err := f.Book.Try(r.Context(), f.Owner(r.Context()), pattern, output)
	if err != nil {
		f.fail(w, r, err)
		return
	}
	answer := trial{
		Looked: t.Looked, Matches: t.Matches, Names: append([]string{}, t.Names...), Outputs: []trialOutput{},
		Cost: trialCost{t.Program, t.Made}, Accepted: t.Refusal == nil,
	}
	for _, o := range t.Outputs {
		answer.Outputs = append(answer.Outputs, trialOutput{o.Name, o.Names})
	}
	if t.Refusal != nil {
		answer.Error = t.Refusal.Error()
	}
	api.Reply(w, http.StatusOK, answer)
}

var statuses = map[rulebook.Kind]int{
	rulebook.Invalid:   http.StatusBadRequest,
	rulebook.Expensive: http.StatusBadRequest,
	rulebook.Duplicate: http.StatusConflict,
	rulebook.Full:      http.StatusForbidden,
	rulebook.Unknown:   http.StatusPreconditionFailed,
	rulebook.Unsaved:   http.StatusInternalServerError,
}

// fail answers what a request was not done for.
func (f family) fail(w http.ResponseWriter, r *http.Request, err error) {
	var refused *rulebook.Error
	if errors.As(err, &refused) {
		err = api.Errorf(statuses[refused.Kind], "%s", refused)
	}
	api.Fail(w, r, err, f.Logger)
}
