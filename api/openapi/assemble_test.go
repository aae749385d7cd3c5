package openapi

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestAddErrors(t *testing.T) {
	whole := func() *document {
		return &document{
			Paths:      map[string]map[string]json.RawMessage{"/a": {}},
			Components: map[string]map[string]json.RawMessage{"schemas": {"A": json.RawMessage("{}")}},
		}
	}
	for name, c := range map[string]struct{ part, want string }{
		"path":        {`{"paths":{"/a":{}}}`, "/a"},
		"schema":      {`{"components":{"schemas":{"A":{}}}}`, `"A"`},
		"what is new": {`{"paths":{"/b":{}},"components":{"schemas":{"B":{}},"responses":{"A":{}}}}`, ""},
	} {
		part := new(document)
		if err := json.Unmarshal([]byte(c.part), part); err != nil {
			t.Fatal(err)
		}
		err := whole().add(part)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want+" ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a file says of a status holds.
func TestComplete(t *testing.T) {
	for name, c := range map[string]struct{ operation, want string }{
		"keyed": {
			`{"responses":{"200":{},"403":{"description":"own"}}}`,
			`{"responses":{"200":{},"401":{"$ref":"#/components/responses/Unauthorized"},"403":{"description":"own"},` +
				`"429":{"$ref":"#/components/responses/TooManyRequests"},"500":{"$ref":"#/components/responses/Failed"}}}`,
		},
		"open": {
			`{"security": [],"responses":{"200":{}}}`,
			`{"responses":{"200":{},"403":{"$ref":"#/components/responses/Forbidden"},"500":{"$ref":"#/components/responses/Failed"}},"security":[]}`,
		},
	} {
		got, err := complete(json.RawMessage(c.operation))
		if err != nil || strings.TrimSpace(string(got)) != c.want {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	for _, wrong := range []string{`[]`, `{}`, `{"responses":[]}`} {
		if got, err := complete(json.RawMessage(wrong)); err == nil {
			t.Errorf("%s: %s", wrong, got)
		}
	}
}
