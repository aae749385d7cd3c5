package openapitest

import (
	"strings"
	"testing"
)

const small = `{
  "openapi": "3.1.0", "info": {"title": "t", "version": "1"},
  "security": [{"basic": ["read"]}, {"bearer": ["read"]}],
  "paths": {
    "/things": {
      "get": {
        "parameters": [{"$ref": "#/components/parameters/limit"}, {"name": "tags", "in": "query", "required": true, "schema": {"type": "object"}}],
        "responses": {"200": {"description": "", "content": {"application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}}}, "text/csv": {}}}}
      },
      "post": {
        "security": [{"basic": ["ingest"]}, {"bearer": ["ingest"]}],
        "requestBody": {"required": true, "content": {
          "application/json": {"schema": {"$ref": "#/components/schemas/Thing"}},
          "application/x-www-form-urlencoded": {"schema": {"type": "object", "properties": {"name": {"type": "string"}, "sizes": {"type": "array", "items": {"type": "string"}}}}}
        }},
        "responses": {"204": {"description": ""}, "400": {"$ref": "#/components/responses/Wrong"}}
      }
    },
    "/anything": {"post": {"requestBody": {"content": {"application/x-www-form-urlencoded": {"schema": {"type": "object", "additionalProperties": true}}}}, "responses": {"204": {"description": ""}}}},
    "/things/all": {"get": {"security": [], "responses": {"200": {"description": "", "content": {"text/plain": {"schema": {"type": "string", "maxLength": 3}}}}}}},
    "/things/{name}": {
      "parameters": [{"name": "name", "in": "path", "required": true, "schema": {"type": "string"}}],
      "get": {"responses": {"200": {"description": "", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}, "example": {"name": 1}}}}}}
    }
  },
  "components": {
    "parameters": {"limit": {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1}}},
    "responses": {"Wrong": {"description": "", "content": {"application/json": {"schema": {"type": "object", "properties": {"error": {"type": "string"}}}}}}},
    "schemas": {"Thing": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "size": {"type": "number"}}}}
  }
}`

func load(t *testing.T, text string) *Spec {
	t.Helper()
	s, err := Load([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func wants(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Error(err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("%v, want %q", err, want)
	}
}

func TestResponse(t *testing.T) {
	s := load(t, small)
	const asJSON = "application/json"
	for name, c := range map[string]struct {
		method, path string
		status       int
		kind, body   string
		want         string // "" where the answer is right
	}{
		"right":                {"GET", "/things?limit=1", 200, asJSON, `[{"name":"a"},{"name":"b","size":1e400}]`, ""},
		"with a charset":       {"GET", "/things/", 200, asJSON + "; charset=utf-8", `[]`, ""},
		"head":                 {"HEAD", "/things", 200, asJSON, ``, ""},
		"parameter":            {"GET", "/things/b", 200, asJSON, `{"name":"b"}`, ""},
		"written out wins":     {"GET", "/things/all", 200, "text/plain", `all`, ""},
		"another type":         {"GET", "/things", 200, "text/csv", "a,b", ""},
		"by reference":         {"POST", "/things", 400, asJSON, `{"error":"e"}`, ""},
		"no body":              {"POST", "/things", 204, "", ``, ""},
		"no such path":         {"GET", "/thing", 200, asJSON, `[]`, "not in the document"},
		"deeper":               {"GET", "/things/a/b", 200, asJSON, `{}`, "not in the document"},
		"no such method":       {"PUT", "/things", 200, asJSON, `[]`, "not in the document"},
		"no such status":       {"GET", "/things", 500, asJSON, `{}`, "no such answer"},
		"no such type":         {"GET", "/things", 200, "text/html", `[]`, `"text/html" is not described`},
		"no type":              {"GET", "/things", 200, "", `[]`, "Content-Type"},
		"not JSON":             {"GET", "/things", 200, asJSON, `[`, "body:"},
		"wrong type":           {"GET", "/things", 200, asJSON, `[{"name":1}]`, "got number, want string"},
		"missing":              {"GET", "/things", 200, asJSON, `[{}]`, "missing property 'name'"},
		"not described":        {"GET", "/things", 200, asJSON, `[{"name":"a","colour":"red"}]`, "'colour' not allowed"},
		"not described at all": {"POST", "/things", 204, asJSON, `{}`, "there is a body"},
		"text":                 {"GET", "/things/all", 200, "text/plain", `many`, "maxLength"},
	} {
		t.Run(name, func(t *testing.T) {
			wants(t, s.Response(c.method, c.path, c.status, c.kind, []byte(c.body)), c.want)
		})
	}
}

func TestRequest(t *testing.T) {
	s := load(t, small)
	const asJSON, asForm = "application/json", "application/x-www-form-urlencoded"
	for name, c := range map[string]struct {
		method, path, kind, body string
		want                     string
	}{
		"query":           {"GET", "/things?limit=5&tags[dc]=x", "", "", ""},
		"body":            {"POST", "/things", asJSON, `{"name":"a","anything":"goes"}`, ""},
		"form":            {"POST", "/things", asForm, `name=a&sizes=1&sizes=2`, ""},
		"brackets":        {"POST", "/things", asForm, `sizes[]=1&sizes[]=2`, ""},
		"any form":        {"POST", "/anything", asForm, `gauges[0][name]=a`, ""},
		"no form at all":  {"POST", "/anything", "", "", ""},
		"form as query":   {"POST", "/things?name=a", asJSON, `{"name":"a"}`, ""},
		"no number":       {"GET", "/things?limit=many&tags[a]=b", "", "", "limit: "},
		"too small":       {"GET", "/things?limit=0&tags[a]=b", "", "", "limit: "},
		"missing":         {"GET", "/things?limit=1", "", "", "tags is missing"},
		"unknown":         {"GET", "/things?tags[a]=b&colour=red", "", "", "colour is not described"},
		"unknown in form": {"POST", "/things", asForm, `colour=red`, "colour is not described"},
		"no body":         {"POST", "/things", "", "", "Content-Type"},
		"wrong body":      {"POST", "/things", asJSON, `{}`, "missing property 'name'"},
		"needless body":   {"GET", "/things?tags[a]=b", asJSON, `{}`, "has no body"},
		"no such path":    {"GET", "/", "", "", "not in the document"},
	} {
		t.Run(name, func(t *testing.T) {
			wants(t, s.Request(c.method, c.path, c.kind, []byte(c.body)), c.want)
		})
	}
}

func TestOperations(t *testing.T) {
	var got []string
	for _, op := range load(t, small).Operations() {
		got = append(got, op.Method+" "+op.Path+" "+op.Role)
	}
	const want = "POST /anything read, GET /things read, POST /things ingest, GET /things/all , GET /things/{name} read"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("%s\nwant %s", s, want)
	}
}

func TestExamples(t *testing.T) {
	err := load(t, small).CheckExamples()
	for _, want := range []string{"got number, want string", "/paths/~1things/get/responses/200/content/application~1json has no example", "Wrong/content/application~1json has no example"} {
		wants(t, err, want)
	}
	if err := load(t, small).CheckSchemas(); err != nil {
		t.Error(err)
	}
	wants(t, load(t, strings.Replace(small, `"minimum": 1`, `"minimum": "one"`, 1)).CheckSchemas(), "limit/schema")
}

func TestLoadErrors(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"not JSON":            {`"openapi"`, `openapi`, "invalid character"},
		"no paths":            {`"paths"`, `"path"`, "paths are missing"},
		"unknown keyword":     {`"minimum": 1`, `"minimun": 1`, "/components/parameters/limit/schema: minimun"},
		"in a property":       {`"size": {"type": "number"}`, `"size": {"typ": "number"}`, "Thing/properties/size: typ"},
		"in items":            {`"items": {"type": "string"}`, `"items": {"allOf": []}`, "items: allOf"},
		"security half":       {`, {"bearer": ["ingest"]}`, ``, "security is"},
		"security that mixes": {`{"bearer": ["ingest"]}`, `{"bearer": ["read"]}`, "security is"},
		"no such role":        {`[{"basic": ["ingest"]}, {"bearer": ["ingest"]}]`, `[{"basic": ["admin"]}, {"bearer": ["admin"]}]`, "security is"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(small, c.old, c.new, 1)
			if text == small {
				t.Fatal("nothing is replaced")
			}
			_, err := Load([]byte(text))
			wants(t, err, c.want)
		})
	}
}
