// Package openapitest holds requests and answers to a document of OpenAPI 3.1.
//
// It is for tests only.
package openapitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Where the two copies of a document are for the compiler of schemas.
const (
	asWritten = "mem:///written.json"
	strictly  = "mem:///strict.json"
)

// Spec is a document. Its methods may be called concurrently.
type Spec struct {
	doc        map[string]any
	operations []Operation

	mu       sync.Mutex // guards compiler
	compiler *jsonschema.Compiler
}

// Load reads a document. It refuses keywords in schemas that it does not know,
// because nothing would be checked by them.
func Load(document []byte) (*Spec, error) {
	doc, err := object(document)
	if err != nil {
		return nil, err
	}
	strict, err := object(document)
	if err != nil {
		return nil, err
	}
	s := &Spec{doc: doc, compiler: jsonschema.NewCompiler()}
	var unknown []string
	walk(doc, "", func(pointer string, schema map[string]any) {
		for key := range schema {
			if !slices.Contains(keywords, key) {
				unknown = append(unknown, pointer+": "+key)
			}
		}
	})
	if unknown != nil {
		return nil, fmt.Errorf("keywords that are not known: %q", unknown)
	}
	walk(strict, "", func(_ string, schema map[string]any) {
		if _, ok := schema["additionalProperties"]; !ok && schema["properties"] != nil {
			schema["additionalProperties"] = false
		}
	})
	for address, copied := range map[string]any{asWritten: doc, strictly: strict} {
		if err := s.compiler.AddResource(address, copied); err != nil {
			return nil, err
		}
	}
	s.operations, err = s.list()
	return s, err
}

// object reads an object, numbers as they are written.
func object(text []byte) (map[string]any, error) {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	o, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%.50s is no object", text)
	}
	return o, nil
}

// keywords are those that a schema may have. allOf is not among them: what
// another schema adds would be refused by the strict copy.
var keywords = []string{
	"$ref", "type", "enum", "const", "oneOf", "anyOf",
	"properties", "additionalProperties", "required", "minProperties", "maxProperties",
	"items", "prefixItems", "minItems", "maxItems", "uniqueItems",
	"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
	"pattern", "minLength", "maxLength",
	"description", "default", "discriminator", "deprecated", // which check nothing
}

// walk visits every schema that is written below a node of a document.
func walk(node any, pointer string, visit func(pointer string, schema map[string]any)) {
	switch node := node.(type) {
	case []any:
		for i, v := range node {
			walk(v, fmt.Sprintf("%s/%d", pointer, i), visit)
		}
	case map[string]any:
		for key, v := range node {
			below := pointer + "/" + escape(key)
			switch {
			case key == "example" || key == "examples":
			case key == "schema":
				walkSchema(v, below, visit)
			case below == "/components/schemas":
				for name, schema := range v.(map[string]any) {
					walkSchema(schema, below+"/"+escape(name), visit)
				}
			default:
				walk(v, below, visit)
			}
		}
	}
}

func walkSchema(node any, pointer string, visit func(string, map[string]any)) {
	schema, ok := node.(map[string]any)
	if !ok {
		return // true or false
	}
	visit(pointer, schema)
	for key, v := range schema {
		below := pointer + "/" + key
		switch key {
		case "items", "additionalProperties":
			walkSchema(v, below, visit)
		case "properties":
			for name, p := range v.(map[string]any) {
				walkSchema(p, below+"/"+escape(name), visit)
			}
		case "prefixItems", "oneOf", "anyOf":
			for i, branch := range v.([]any) {
				walkSchema(branch, fmt.Sprintf("%s/%d", below, i), visit)
			}
		}
	}
}

// escape writes a key in a JSON pointer.
func escape(key string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
}

// validate holds a value to the schema at a pointer.
func (s *Spec) validate(address, pointer string, v any) error {
	s.mu.Lock()
	schema, err := s.compiler.Compile(address + "#" + pointer)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return schema.Validate(v)
}

// node is a part of the document and where it is.
type node struct {
	at    string
	value map[string]any
}

// child returns what is below a key, following a reference, and whether it is
// there.
func (s *Spec) child(n node, key string) (node, bool) {
	v, ok := n.value[key].(map[string]any)
	if !ok {
		return node{}, false
	}
	return s.resolve(node{n.at + "/" + escape(key), v})
}

func (s *Spec) resolve(n node) (node, bool) {
	ref, ok := n.value["$ref"].(string)
	if !ok {
		return n, true
	}
	at := strings.TrimPrefix(ref, "#")
	var v any = s.doc
	for _, key := range strings.Split(at, "/")[1:] {
		o, ok := v.(map[string]any)
		if !ok {
			return node{}, false
		}
		v = o[strings.NewReplacer("~1", "/", "~0", "~").Replace(key)]
	}
	o, ok := v.(map[string]any)
	return node{at, o}, ok
}

// text is a value that a document has as JSON.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("openapitest: BUG: " + err.Error())
	}
	return string(b)
}
