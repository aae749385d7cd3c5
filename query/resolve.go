package query

import (
	"strings"

	"github.com/coalesce-metrics/coalesce/catalog"
	"github.com/coalesce-metrics/coalesce/query/target"
)

// ref is a series that is to be read.
type ref struct {
	row   string // as the catalog has it
	entry catalog.Entry
	view  View
}

// name is what the series is called in the answer.
func (r *ref) name() string {
	if r.view.Text == "" {
		return r.row
	}
	return r.row + ":" + r.view.Text
}

// resolve finds what a path, or a call of seriesByTag, stands for. A name is
// taken literally first; only then its end may be a view.
func (f *fetch) resolve(path string, from, until int64) ([]ref, error) {
	names := f.engine.cfg.Catalog
	if e, ok := names.Get(path); ok {
		return []ref{{row: path, entry: e}}, nil
	}
	if strings.HasPrefix(path, target.SeriesByTag+"(") {
		return f.byTag(path)
	}
	base, view, hasView := cutView(path)
	if e, ok := names.Get(base); ok && hasView {
		return []ref{{row: base, entry: e, view: view}}, nil
	}
	if !strings.ContainsAny(path, "*?[{") {
		return nil, nil
	}
	found, err := names.Leaves(path, from, until, f.engine.cfg.MaxSeries)
	if err == nil && len(found) == 0 && hasView {
		found, err = names.Leaves(base, from, until, f.engine.cfg.MaxSeries)
	} else {
		view = View{}
	}
	return f.refs(found, view), err
}

func (f *fetch) byTag(path string) ([]ref, error) {
	expr, err := target.Parse(path)
	if err != nil {
		return nil, err
	}
	exprs, ok := expr.TagExpressions()
	if !ok {
		return nil, refuse("%.200s: accepted are tag expressions in quotes, such as seriesByTag(\"name=requests\", \"dc=~x\")", path)
	}
	found, err := f.engine.cfg.Catalog.FindSeries(f.ctx, exprs, f.engine.cfg.MaxSeries)
	return f.refs(found, View{}), err
}

func (f *fetch) refs(rows []string, view View) []ref {
	refs := make([]ref, 0, len(rows))
	for _, row := range rows {
		if e, ok := f.engine.cfg.Catalog.Get(row); ok { // unless it has just gone
			refs = append(refs, ref{row: row, entry: e, view: view})
		}
	}
	return refs
}
