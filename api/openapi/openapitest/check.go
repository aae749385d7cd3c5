package openapitest

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/coalesce-metrics/coalesce/api/openapi"
)

// Document returns what the daemon's own document says. It is read once.
var Document = sync.OnceValues(func() (*Spec, error) {
	text, err := openapi.Document("v0")
	if err != nil {
		return nil, err
	}
	return Load(text)
})

// Check fails a test where an answer is not as the daemon's document has it: its
// status, its type, and its body, which must hold nothing that is not described.
// Path is that of the request, and may have a query.
func Check(t testing.TB, method, path string, status int, contentType string, body []byte) {
	t.Helper()
	report(t, func(s *Spec) error { return s.Response(method, path, status, contentType, body) }, body)
}

// CheckRequest fails a test where a request is not as the daemon's document has it:
// its path, its query, its type, and its body.
func CheckRequest(t testing.TB, method, path, contentType string, body []byte) {
	t.Helper()
	report(t, func(s *Spec) error { return s.Request(method, path, contentType, body) }, body)
}

func report(t testing.TB, check func(*Spec) error, body []byte) {
	t.Helper()
	s, err := Document()
	if err != nil {
		t.Fatal(err)
	}
	if err := check(s); err != nil {
		t.Errorf("not as %s has it: %v\nin %.2000s", openapi.Path, err, body)
	}
}

// Response says what is wrong with an answer, see [Check].
func (s *Spec) Response(method, path string, status int, contentType string, body []byte) error {
	u, err := url.Parse(path)
	if err != nil {
		return err
	}
	op, err := s.Find(method, u.EscapedPath())
	if err != nil {
		return err
	}
	where := fmt.Sprintf("%s %s, status %d", method, op.Path, status)
	responses, _ := s.child(op.at, "responses")
	response, ok := s.child(responses, strconv.Itoa(status))
	switch {
	case !ok:
		return fmt.Errorf("%s: there is no such answer", where)
	case method == http.MethodHead && len(body) == 0:
		return nil
	}
	if err := s.content(response, strictly, contentType, body); err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	return nil
}

// Request says what is wrong with a request, see [CheckRequest].
func (s *Spec) Request(method, path, contentType string, body []byte) error {
	u, err := url.Parse(path)
	if err != nil {
		return err
	}
	op, err := s.Find(method, u.EscapedPath())
	if err != nil {
		return err
	}
	query, err := url.ParseQuery(strings.ReplaceAll(u.RawQuery, ";", "%3B")) // which are a part of names
	if err != nil {
		return err
	}
	if err := s.query(op, query); err != nil {
		return fmt.Errorf("%s %s: %w", method, op.Path, err)
	}
	request, ok := s.child(op.at, "requestBody")
	switch {
	case !ok && len(body) == 0, ok && len(body) == 0 && request.value["required"] != true:
		return nil
	case !ok:
		return fmt.Errorf("%s %s has no body", method, op.Path)
	}
	if err := s.content(request, asWritten, contentType, body); err != nil {
		return fmt.Errorf("%s %s: %w", method, op.Path, err)
	}
	return nil
}

// content holds a body to what the content of a request or an answer may be.
func (s *Spec) content(of node, address, contentType string, body []byte) error {
	content, ok := s.child(of, "content")
	if !ok || len(content.value) == 0 {
		if len(body) > 0 {
			return errors.New("there is a body, where none is described")
		}
		return nil
	}
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return fmt.Errorf("Content-Type %q: %w", contentType, err)
	}
	media, ok := s.child(content, kind)
	if !ok {
		return fmt.Errorf("Content-Type %q is not described", kind)
	}
	if media.value["schema"] == nil {
		return nil
	}
	at := media.at + "/schema"
	switch {
	case kind == "application/json":
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
		if err != nil {
			return fmt.Errorf("body: %w", err)
		}
		return s.validate(address, at, v)
	case kind == "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(strings.ReplaceAll(string(body), ";", "%3B"))
		if err != nil {
			return err
		}
		return s.form(media, form)
	case strings.HasPrefix(kind, "text/"):
		return s.validate(address, at, string(body))
	}
	return fmt.Errorf("a body of type %s cannot be checked", kind)
}

// query holds a query string to the parameters of an operation.
func (s *Spec) query(op *Operation, values url.Values) error {
	parameters, err := s.parameters(op, "query")
	if err != nil {
		return err
	}
	schemas := make(map[string]string, len(parameters))
	for name, p := range parameters {
		schemas[name] = p.at + "/schema"
		if p.value["required"] == true && len(named(values, name)) == 0 {
			return fmt.Errorf("parameter %s is missing", name)
		}
	}
	if request, ok := s.child(op.at, "requestBody"); ok && len(values) > 0 {
		// A form may be in the query string as well.
		if content, ok := s.child(request, "content"); ok {
			if form, ok := s.child(content, "application/x-www-form-urlencoded"); ok {
				return s.form(form, values)
			}
		}
	}
	return s.values(schemas, values)
}

// form holds the values of a form to its schema.
func (s *Spec) form(media node, values url.Values) error {
	schema, ok := s.child(media, "schema")
	if !ok {
		return errors.New("the form has no schema")
	}
	if schema.value["additionalProperties"] == true {
		return nil // its names cannot be listed
	}
	properties, _ := s.child(schema, "properties")
	schemas := make(map[string]string, len(properties.value))
	for name := range properties.value {
		schemas[name] = properties.at + "/" + escape(name)
	}
	return s.values(schemas, values)
}

// values holds values to the schemas at pointers, by name.
func (s *Spec) values(schemas map[string]string, values url.Values) error {
	for key := range values {
		name, _, _ := strings.Cut(key, "[")
		at, ok := schemas[name]
		if !ok {
			return fmt.Errorf("parameter %s is not described", key)
		}
		if name != key && key != name+"[]" {
			continue // one of many whose names the document cannot list
		}
		if err := s.value(at, values[key]); err != nil {
			return fmt.Errorf("parameter %s: %w", key, err)
		}
	}
	return nil
}

// value holds a parameter to its schema: as a text, as a number, or as the list
// of all that it is given as.
func (s *Spec) value(at string, texts []string) error {
	last := texts[len(texts)-1]
	list := make([]any, len(texts))
	for i, t := range texts {
		list[i] = t
	}
	err := s.validate(asWritten, at, last)
	if err == nil || s.validate(asWritten, at, list) == nil {
		return nil
	}
	if n, numberErr := jsonschema.UnmarshalJSON(strings.NewReader(last)); numberErr == nil {
		err = s.validate(asWritten, at, n)
	}
	return err
}

// named returns the values of a parameter, which may be a list or an object.
func named(values url.Values, name string) (found []string) {
	for key, v := range values {
		if prefix, _, _ := strings.Cut(key, "["); prefix == name {
			found = append(found, v...)
		}
	}
	return found
}
