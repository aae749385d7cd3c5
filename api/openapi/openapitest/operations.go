package openapitest

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Operation is a path and a method.
type Operation struct {
	Method, Path string
	// Role is what a key must have; "" is that none is needed.
	Role string

	item, at node
}

// Operations returns all operations by path and method.
func (s *Spec) Operations() []Operation { return slices.Clone(s.operations) }

var methods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

func (s *Spec) list() (all []Operation, err error) {
	paths, ok := s.doc["paths"].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("paths are missing")
	}
	for path := range paths {
		item, ok := s.child(node{"/paths", paths}, path)
		if !ok {
			return nil, fmt.Errorf("path %s is no object", path)
		}
		for _, method := range methods {
			at, ok := s.child(item, strings.ToLower(method))
			if !ok {
				continue
			}
			op := Operation{Method: method, Path: path, item: item, at: at}
			if op.Role, err = s.role(at.value["security"]); err != nil {
				return nil, fmt.Errorf("%s %s: %w", method, path, err)
			}
			all = append(all, op)
		}
	}
	slices.SortFunc(all, func(a, b Operation) int { return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method)) })
	return all, nil
}

// role reads the requirements of an operation: the same role, by each way to
// present a key.
func (s *Spec) role(security any) (string, error) {
	if security == nil {
		security = s.doc["security"]
	}
	written := text(security)
	if written == "[]" {
		return "", nil
	}
	for _, role := range []string{"read", "ingest", "manage"} {
		if written == fmt.Sprintf(`[{"basic":[%q]},{"bearer":[%[1]q]}]`, role) {
			return role, nil
		}
	}
	return "", fmt.Errorf("security is %s", written)
}

// Find returns the operation that a request is for: of two paths, the one that is
// written out rather than the one with a parameter. The path is in
// percent-encoding, and may have a query. HEAD is answered as GET is.
func (s *Spec) Find(method, path string) (*Operation, error) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	path, _, _ = strings.Cut(path, "?")
	if path != "/" {
		path = strings.TrimSuffix(path, "/")
	}
	var found *Operation
	for i := range s.operations {
		op := &s.operations[i]
		if op.Method != method || !matches(op.Path, path) {
			continue
		}
		if found == nil || strings.Count(op.Path, "{") < strings.Count(found.Path, "{") {
			found = op
		}
	}
	if found == nil {
		return nil, fmt.Errorf("%s %s is not in the document", method, path)
	}
	return found, nil
}

func matches(template, path string) bool {
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	return slices.EqualFunc(want, got, func(want, got string) bool {
		return want == got || strings.HasPrefix(want, "{") && got != ""
	})
}

// parameters returns the parameters of an operation by name, of one kind: "path"
// or "query".
func (s *Spec) parameters(op *Operation, in string) (map[string]node, error) {
	found := make(map[string]node)
	for _, n := range []node{op.item, op.at} {
		list, _ := n.value["parameters"].([]any)
		for i, v := range list {
			p, ok := v.(map[string]any)
			if !ok {
				return nil, fmt.Errorf("parameter %s is no object", text(v))
			}
			resolved, ok := s.resolve(node{fmt.Sprintf("%s/parameters/%d", n.at, i), p})
			if !ok {
				return nil, fmt.Errorf("parameter %s does not lead anywhere", text(v))
			}
			if resolved.value["in"] == in {
				found[resolved.value["name"].(string)] = resolved
			}
		}
	}
	return found, nil
}
