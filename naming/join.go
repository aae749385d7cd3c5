package naming

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/coalesce-metrics/coalesce/plaintext"
)

// Join returns the canonical name of a metric with tags. In values, what a line of
// plaintext cannot carry (blanks, control characters and ;) becomes _; a tag
// without a value is left out. Everything else that no name can have is an error
// that quotes it.
func Join(metric string, tags map[string]string) (string, error) {
	if strings.ContainsAny(metric, ";{") {
		return "", fmt.Errorf("metric %.100q: expected a name without ; and {", metric)
	}
	var b strings.Builder
	b.WriteString(metric)
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		value := tags[key]
		if key == "name" {
			return "", fmt.Errorf("tag %q: it is the name of the metric itself", key)
		}
		if value == "" {
			continue
		}
		if strings.ContainsAny(key, ";!^=") || key == "" {
			return "", fmt.Errorf("tag %.100q: expected a key without any of ; ! ^ =", key)
		}
		b.WriteByte(';')
		b.WriteString(key)
		b.WriteByte('=')
		b.WriteString(strings.Map(carried, strings.TrimLeft(value, "~")))
	}
	name, err := Canonical(nil, []byte(b.String()), new(Scratch))
	if err != nil {
		return "", err
	}
	if !plaintext.ValidName(name) || len(name) > MaxName {
		return "", fmt.Errorf("metric %.100q with its tags: expected UTF-8 without blanks, at most %d bytes", metric, MaxName)
	}
	return string(name), nil
}

func carried(r rune) rune {
	if r == ';' || unicode.IsSpace(r) || unicode.IsControl(r) {
		return '_'
	}
	return r
}
