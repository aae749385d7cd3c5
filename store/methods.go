package store

import (
	"fmt"
	"strings"

	"github.com/coalesce-metrics/coalesce/cell"
)

// AppendMethods appends methods as tables hold them: their names with commas
// between them.
func AppendMethods(dst []byte, methods []cell.Method) []byte {
	for i, m := range methods {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, m.String()...)
	}
	return dst
}

// ParseMethods reads what AppendMethods wrote.
func ParseMethods(text string) ([]cell.Method, error) {
	if text == "" {
		return nil, nil
	}
	var methods []cell.Method
	for name := range strings.SplitSeq(text, ",") {
		m, err := cell.ParseMethod(name)
		if err != nil {
			return nil, fmt.Errorf("methods %.200q: %w", text, err)
		}
		methods = append(methods, m)
	}
	return methods, nil
}
