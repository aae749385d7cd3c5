// Package views answers the routes over which views are registered and read.
package views

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/keys"
	"github.com/coalesce-metrics/coalesce/views"
)

// Paths of what is registered.
const (
	Path        = "/v1/views"
	MeasurePath = "/v1/measures"
)

// maxBody is the longest body of a request, in bytes.
const maxBody = 1 << 20

// Config is what Routes needs.
type Config struct {
	Registry *views.Registry
	// Logger is told of faults that are not the client's.
	Logger *slog.Logger
}

type family struct{ Config }

// Routes returns /v1/views, /v1/measures, and what is below them.
func Routes(cfg Config) []api.Route {
	f := family{cfg}
	read, one := []string{http.MethodGet, http.MethodPost}, []string{http.MethodGet, http.MethodDelete}
	manage := map[string]keys.Role{http.MethodPost: keys.Manage, http.MethodDelete: keys.Manage}
	return []api.Route{{
		Path: Path, MaxBody: maxBody, Methods: read, Role: keys.Read, Roles: manage, Handler: http.HandlerFunc(f.views),
		Summary: `views: a list; POST {"name":"latency","measure":"rpc.ms","columns":["method"],"aggregation":{"type":"distribution","bounds":[1,10]}} makes one`,
	}, {
		Path: Path + "/{name}", Methods: one, Role: keys.Read, Roles: manage, Handler: http.HandlerFunc(f.view),
		Summary: "one view, to be seen or removed",
	}, {
		Path: Path + "/{name}/data", Methods: []string{http.MethodGet}, Role: keys.Read, Handler: http.HandlerFunc(f.data),
		Summary: "what a view has counted by now",
	}, {
		Path: MeasurePath, MaxBody: maxBody, Methods: read, Role: keys.Read, Roles: manage, Handler: http.HandlerFunc(f.measures),
		Summary: `measures of views: a list; POST {"name":"rpc.ms","unit":"ms","type":"double"} makes one`,
	}, {
		Path: MeasurePath + "/{name}", Methods: one, Role: keys.Read, Roles: manage, Handler: http.HandlerFunc(f.measure),
		Summary: "one measure, to be seen or removed",
	}}
}

// views answers for all views.
func (f family) views(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		api.Reply(w, http.StatusOK, f.Registry.Views())
		return
	}
	list, single, err := asked(r, viewExample, parseView)
	if err != nil {
		f.fail(w, r, err, false)
		return
	}
	made, created, err := f.Registry.RegisterViews(list)
	registered(f, w, r, made, created, single, err)
}

// measures answers for all measures.
func (f family) measures(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		api.Reply(w, http.StatusOK, f.Registry.Measures())
		return
	}
	list, single, err := asked(r, measureExample, parseMeasure)
	if err != nil {
		f.fail(w, r, err, false)
		return
	}
	made, created, err := f.Registry.RegisterMeasures(list)
	registered(f, w, r, made, created, single, err)
}

// registered answers what became of definitions, with an object where one came.
func registered[T any](f family, w http.ResponseWriter, r *http.Request, made []T, created, single bool, err error) {
	if err != nil {
		f.fail(w, r, err, !single)
		return
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	if single {
		api.Reply(w, status, made[0])
	} else {
		api.Reply(w, status, made)
	}
}

// view answers for one view.
func (f family) view(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if r.Method == http.MethodDelete {
		f.deleted(w, r, f.Registry.DeleteView(name))
		return
	}
	v, ok := f.Registry.View(name)
	f.found(w, r, "view", v, ok)
}

// measure answers for one measure.
func (f family) measure(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if r.Method == http.MethodDelete {
		f.deleted(w, r, f.Registry.DeleteMeasure(name))
		return
	}
	m, ok := f.Registry.Measure(name)
	f.found(w, r, "measure", m, ok)
}

func (f family) data(w http.ResponseWriter, r *http.Request) {
	d, ok := f.Registry.Data(r.PathValue("name"))
	f.found(w, r, "view", newData(&d), ok)
}

func (f family) deleted(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		f.fail(w, r, err, false)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// found answers what there is of the name that a request has.
func (f family) found(w http.ResponseWriter, r *http.Request, what string, x any, ok bool) {
	if !ok {
		f.fail(w, r, api.Errorf(http.StatusNotFound, "no %s has the name %.300q; accepted: those that /v1/%ss lists", what, r.PathValue("name"), what), false)
		return
	}
	api.Reply(w, http.StatusOK, x)
}

var statuses = map[views.Kind]int{
	views.Invalid:  http.StatusBadRequest,
	views.Conflict: http.StatusConflict,
	views.Full:     http.StatusConflict,
	views.Unknown:  http.StatusNotFound,
	views.Fixed:    http.StatusConflict,
	views.Unsaved:  http.StatusInternalServerError,
}

// fail answers what a request was not done for. It says which of several
// definitions it was.
func (f family) fail(w http.ResponseWriter, r *http.Request, err error, several bool) {
	var refused *views.Error
	if errors.As(err, &refused) {
		where := ""
		if several && refused.Field != "" {
			where = fmt.Sprintf("element %d: ", refused.Index)
		}
		err = api.Errorf(statuses[refused.Kind], "%s%s", where, refused)
	}
	api.Fail(w, r, err, f.Logger)
}
