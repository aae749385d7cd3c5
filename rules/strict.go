package rules

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

var fieldName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// strict says what Options.Strict refuses of a compiled rule. choice is the column of a choice outside a group, or 0.
func strict(r *Rule, choice int) []*Error {
	fail := func(part string, col int, msg string) []*Error { return []*Error{{part, col, msg}} }
	if choice > 0 {
		return fail(PartPattern, choice, choiceHint)
	}
	name, _, _ := strings.Cut(r.Pattern, ";")
	at := 1
	for node := range strings.SplitSeq(name, ".") {
		if node == "" {
			return fail(PartPattern, at, "a node without text: expected one between every two dots, with * for any")
		}
		at += utf8.RuneCountInString(node) + 1
	}
	for _, f := range r.Fields {
		if !fieldName.MatchString(f) {
			col := utf8.RuneCountInString(r.Pattern[:strings.Index(r.Pattern, f)]) + 1
			return fail(PartPattern, col, "field "+f+": expected letters, digits and _, the first no digit")
		}
	}
	return nil
}
