// Package openapi serves the description of all HTTP routes.
//
// It is written by hand, in a file for each family of routes. What the server
// answers for every route is added when they are put together. Tests hold it to
// the routes that there are, and package openapitest holds answers to it.
package openapi

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strconv"

	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/keys"
)

// Path is where the document is.
const Path = "/v1/openapi.json"

//go:embed *.json
var files embed.FS

// root is the file with what belongs to no family.
const root = "openapi.json"

// document is the whole, or what one file has of it. What is not looked into
// stays as it is written.
type document struct {
	OpenAPI    string                                `json:"openapi,omitempty"`
	Info       map[string]json.RawMessage            `json:"info,omitempty"`
	Servers    json.RawMessage                       `json:"servers,omitempty"`
	Security   json.RawMessage                       `json:"security,omitempty"`
	Tags       []json.RawMessage                     `json:"tags,omitempty"`
	Paths      map[string]map[string]json.RawMessage `json:"paths"`
	Components map[string]map[string]json.RawMessage `json:"components"`
}

// Document returns the document in JSON. Version is that of the daemon.
func Document(version string) ([]byte, error) {
	doc, err := load(root)
	if err != nil {
		return nil, err
	}
	if doc.Info["version"], err = json.Marshal(version); err != nil {
		return nil, err
	}
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Name() == root {
			continue
		}
		part, err := load(e.Name())
		if err == nil {
			err = doc.add(part)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name(), err)
		}
	}
	for path, item := range doc.Paths {
		for key, raw := range item {
			if key == "parameters" {
				continue
			}
			if item[key], err = complete(raw); err != nil {
				return nil, fmt.Errorf("%s of %s: %w", key, path, err)
			}
		}
	}
	return encode(doc)
}

func load(name string) (*document, error) {
	text, err := files.ReadFile(name)
	if err != nil {
		return nil, err
	}
	doc := new(document)
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(doc); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return doc, nil
}

// add takes what another file has.
func (d *document) add(part *document) error {
	d.Tags = append(d.Tags, part.Tags...)
	for path, item := range part.Paths {
		if d.Paths[path] != nil {
			return fmt.Errorf("path %s is there already", path)
		}
		d.Paths[path] = item
	}
	for kind, named := range part.Components {
		if d.Components[kind] == nil {
			d.Components[kind] = make(map[string]json.RawMessage)
		}
		for name, component := range named {
			if d.Components[kind][name] != nil {
				return fmt.Errorf("%s %q are there already", kind, name)
			}
			d.Components[kind][name] = component
		}
	}
	return nil
}

// What is answered for every route, and for those that need a key.
var (
	always = map[string]string{"403": "Forbidden", "500": "Failed"}
	keyed  = map[string]string{"401": "Unauthorized", "429": "TooManyRequests"}
)

// complete adds to an operation what its file leaves out.
func complete(raw json.RawMessage) (json.RawMessage, error) {
	var op, responses map[string]json.RawMessage
	if err := json.Unmarshal(raw, &op); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(op["responses"], &responses); err != nil {
		return nil, fmt.Errorf("responses: %w", err)
	}
	shared := maps.Clone(always)
	if string(op["security"]) != "[]" {
		maps.Copy(shared, keyed)
	}
	for status, name := range shared {
		if responses[status] == nil {
			responses[status] = fmt.Appendf(nil, `{"$ref":"#/components/responses/%s"}`, name)
		}
	}
	var err error
	if op["responses"], err = encode(responses); err != nil {
		return nil, err
	}
	return encode(op)
}

// encode writes JSON. <, > and & stay as they are: it is no HTML.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

// Routes returns Path.
func Routes(version string) ([]api.Route, error) {
	doc, err := Document(version)
	if err != nil {
		return nil, fmt.Errorf("openapi: BUG: %w", err)
	}
	return []api.Route{{
		Path: Path, Methods: []string{http.MethodGet}, Role: keys.Read, Summary: "these routes in OpenAPI 3.1",
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", strconv.Itoa(len(doc)))
			w.Write(doc)
		}),
	}}, nil
}
