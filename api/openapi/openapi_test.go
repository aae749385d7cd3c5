package openapi_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/api/openapi"
	"github.com/coalesce-metrics/coalesce/api/openapi/openapitest"
	"github.com/coalesce-metrics/coalesce/keys"
)

func document(t *testing.T) (text []byte, doc map[string]any) {
	t.Helper()
	text, err := openapi.Document("v1.2.3")
	if err == nil {
		err = json.Unmarshal(text, &doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	return text, doc
}

// The schema is that of the OpenAPI Initiative for version 3.1, which leaves the
// schemas in a document to others: each of these is compiled.
func TestDocumentIsOpenAPI(t *testing.T) {
	text, _ := document(t)
	f, err := os.Open("testdata/oas/schema.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	schema, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("mem:///oas.json", schema); err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.MustCompile("mem:///oas.json").Validate(v); err != nil {
		t.Error(err)
	}
	spec, err := openapitest.Load(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := spec.CheckSchemas(); err != nil {
		t.Error(err)
	}
	if err := spec.CheckExamples(); err != nil {
		t.Error(err)
	}
}

func TestReferences(t *testing.T) {
	text, doc := document(t)
	used := make(map[string]bool)
	for _, m := range regexp.MustCompile(`"#(/[^"]*)"`).FindAllSubmatch(text, -1) {
		at := string(m[1])
		used[at] = true
		var v any = doc
		for _, key := range strings.Split(at, "/")[1:] {
			o, _ := v.(map[string]any)
			v = o[key]
		}
		if v == nil {
			t.Errorf("%s is not there", at)
		}
	}
	for kind, named := range doc["components"].(map[string]any) {
		for name := range named.(map[string]any) {
			if at := "/components/" + kind + "/" + name; kind != "securitySchemes" && !used[at] {
				t.Errorf("%s is not used", at)
			}
		}
	}
}

// What a reader and a generator of clients go by.
func TestOperations(t *testing.T) {
	_, doc := document(t)
	if info := doc["info"].(map[string]any); info["version"] != "v1.2.3" {
		t.Errorf("version %v", info["version"])
	}
	tags := make(map[string]bool)
	for _, tag := range doc["tags"].([]any) {
		tags[tag.(map[string]any)["name"].(string)] = true
	}
	ids := make(map[string]bool)
	for path, item := range doc["paths"].(map[string]any) {
		for method, v := range item.(map[string]any) {
			op, ok := v.(map[string]any)
			if !ok {
				continue // parameters of all
			}
			id, _ := op["operationId"].(string)
			if id == "" || ids[id] || op["summary"] == nil {
				t.Errorf("%s %s: operationId %q must be its own, and summary be there", method, path, id)
			}
			ids[id] = true
			for _, tag := range op["tags"].([]any) {
				if !tags[tag.(string)] {
					t.Errorf("%s %s: tag %v is not described", method, path, tag)
				}
			}
			statuses := []string{"403", "500"}
			if security, ok := op["security"].([]any); !ok || len(security) > 0 {
				statuses = append(statuses, "401", "429")
			}
			for _, status := range statuses {
				if op["responses"].(map[string]any)[status] == nil {
					t.Errorf("%s %s: no answer of status %s", method, path, status)
				}
			}
		}
	}
}

// A form may have what the query string may.
func TestFormsAreQueries(t *testing.T) {
	_, doc := document(t)
	parameter := func(v any) string {
		p := v.(map[string]any)
		if ref, ok := p["$ref"].(string); ok {
			all := doc["components"].(map[string]any)["parameters"].(map[string]any)
			p = all[strings.TrimPrefix(ref, "#/components/parameters/")].(map[string]any)
		}
		return p["name"].(string)
	}
	components := doc["components"].(map[string]any)
	checked := 0
	for path, item := range doc["paths"].(map[string]any) {
		get, _ := item.(map[string]any)["get"].(map[string]any)
		post, _ := item.(map[string]any)["post"].(map[string]any)
		body, _ := post["requestBody"].(map[string]any)
		ref, _ := body["$ref"].(string)
		if get == nil || ref == "" {
			continue
		}
		named := components["requestBodies"].(map[string]any)[strings.TrimPrefix(ref, "#/components/requestBodies/")].(map[string]any)
		form, _ := named["content"].(map[string]any)["application/x-www-form-urlencoded"].(map[string]any)
		if form == nil {
			continue
		}
		name := strings.TrimPrefix(form["schema"].(map[string]any)["$ref"].(string), "#/components/schemas/")
		var inForm, inQuery []string
		for key := range components["schemas"].(map[string]any)[name].(map[string]any)["properties"].(map[string]any) {
			inForm = append(inForm, key)
		}
		for _, p := range get["parameters"].([]any) {
			inQuery = append(inQuery, parameter(p))
		}
		slices.Sort(inForm)
		slices.Sort(inQuery)
		if !slices.Equal(inForm, inQuery) {
			t.Errorf("%s: %q in the form, %q in the query string", path, inForm, inQuery)
		}
		checked++
	}
	if checked < 10 {
		t.Errorf("%d paths have forms", checked)
	}
}

func TestRoute(t *testing.T) {
	routes, err := openapi.Routes("v1.2.3")
	if err != nil || len(routes) != 1 || routes[0].Path != "/v1/openapi.json" || routes[0].Role != keys.Read || routes[0].Open {
		t.Fatalf("%+v, %v", routes, err)
	}
	s, err := api.New(api.Config{Routes: routes, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	text, _ := document(t)
	for method, want := range map[string][]byte{http.MethodGet: text, http.MethodHead: text} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(method, "http://localhost/v1/openapi.json", nil))
		if w.Code != 200 || !bytes.Equal(w.Body.Bytes(), want) {
			t.Errorf("%s: status %d, %d bytes", method, w.Code, w.Body.Len())
		}
		openapitest.Check(t, method, "/v1/openapi.json", w.Code, w.Header().Get("Content-Type"), w.Body.Bytes())
	}
}
