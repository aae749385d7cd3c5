package openapitest

import (
	"errors"
	"fmt"
	"strings"
)

// CheckExamples says which examples in the document are not as the schemas beside
// them have it, and which bodies and answers in JSON have no example.
func (s *Spec) CheckExamples() error {
	var errs []error
	s.examples(node{"", s.doc}, func(at string, v any) {
		if err := s.validate(strictly, at+"/schema", v); err != nil {
			errs = append(errs, fmt.Errorf("example of %s: %w", at, err))
		}
	}, func(at string) {
		errs = append(errs, fmt.Errorf("%s has no example", at))
	})
	return errors.Join(errs...)
}

// examples finds what has a schema and examples beside it.
func (s *Spec) examples(n node, found func(at string, v any), missing func(at string)) {
	if n.value["schema"] != nil {
		several, _ := n.value["examples"].(map[string]any)
		for _, e := range several {
			found(n.at, e.(map[string]any)["value"])
		}
		one, ok := n.value["example"]
		if ok {
			found(n.at, one)
		}
		if !ok && len(several) == 0 && strings.HasSuffix(n.at, "/application~1json") {
			missing(n.at)
		}
		return
	}
	for key, v := range n.value {
		below := n.at + "/" + escape(key)
		if below == "/components/schemas" {
			continue
		}
		switch v := v.(type) {
		case map[string]any:
			s.examples(node{below, v}, found, missing)
		case []any:
			for i, e := range v {
				if e, ok := e.(map[string]any); ok {
					s.examples(node{fmt.Sprintf("%s/%d", below, i), e}, found, missing)
				}
			}
		}
	}
}

// CheckSchemas says which schemas are not valid.
func (s *Spec) CheckSchemas() error {
	var errs []error
	walk(s.doc, "", func(pointer string, _ map[string]any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if _, err := s.compiler.Compile(asWritten + "#" + pointer); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", pointer, err))
		}
	})
	return errors.Join(errs...)
}
