package api

import (
	"net/url"
	"strings"
)

// ParseQuery reads a query string or a form in which semicolons, which tagged
// names have, separate nothing.
func ParseQuery(text string) (url.Values, error) {
	return url.ParseQuery(strings.ReplaceAll(text, ";", "%3B"))
}
