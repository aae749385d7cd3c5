package rules

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

var fieldName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// strict says what Options.Strict refuses of a compiled rule. output is as it was written, without the prefix; choice is
// the column of a choice outside a group, or 0.
func strict(r *Rule, output string, choice int) []*Error {
	fail := func(part string, col int, msg string) []*Error { return []*Error{{part, col, msg}} }
	if choice > 0 {
		return fail(PartPattern, choice, choiceHint)
	}
	if col := emptyNode(r.Pattern); col > 0 {
		return fail(PartPattern, col, "a node without text: expected one between every two dots, with * for any")
	}
	if col := emptyNode(output); col > 0 {
		return fail(PartOutput, col, "a node without text: expected one between every two dots")
	}
	if col := openField(r.Pattern); col > 0 {
		return fail(PartPattern, col, "< is never closed: expected <field>")
	}
	for _, f := range r.Fields {
		if !fieldName.MatchString(f) {
			col := utf8.RuneCountInString(r.Pattern[:strings.Index(r.Pattern, f)]) + 1
			return fail(PartPattern, col, "field "+f+": expected letters, digits and _, the first no digit")
		}
	}
	return nil
}

// closed is what may hold a "<" in a pattern.
var closed = regexp.MustCompile(`<<?[^<>]*>>?|\[[^\]]*\]|\\.|\(\?P?<`)

// openField returns the column of the first "<" that begins no field, or 0.
func openField(pattern string) int {
	rest := closed.ReplaceAllStringFunc(pattern, func(s string) string { return strings.Repeat(" ", len(s)) })
	if at := strings.IndexByte(rest, '<'); at >= 0 {
		return utf8.RuneCountInString(pattern[:at]) + 1
	}
	return 0
}

// emptyNode returns the column of the first node without text, or 0. Dots in tags end none.
func emptyNode(text string) int {
	name, _, _ := strings.Cut(text, ";")
	at := 1
	for node := range strings.SplitSeq(name, ".") {
		if node == "" {
			return at
		}
		at += utf8.RuneCountInString(node) + 1
	}
	return 0
}
