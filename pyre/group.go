package pyre

import (
	"strings"
	"unicode"
)

// group reads what follows a (. last is returned unchanged for what is no item: comments and global flags.
func (t *translator) group(at int, last itemKind, start bool) (itemKind, *Error) {
	open, blanks := "(?:", t.blanks
	if t.accept('?') {
		r := t.peek()
		t.pos++
		var err *Error
		switch {
		case r == ':':
		case r == 'P':
			open, err = "(", t.named(at)
		case r == '#':
			return last, t.comment(at)
		case r == '-' || strings.ContainsRune("aiLmsux", r):
			t.pos--
			var global bool
			open, global, err = t.flags(at)
			if err == nil && global {
				if !start {
					return 0, t.fail(at, "flags for the whole expression must stand at its start")
				}
				t.out.WriteString(open)
				return last, nil
			}
		default:
			err = t.refused(at, r)
		}
		if err != nil {
			return 0, err
		}
	} else if t.Numbered {
		open = "("
		t.groups = append(t.groups, -1)
	}
	t.out.WriteString(open)
	if err := t.alternatives(1); err != nil {
		return 0, err
	}
	if !t.accept(')') {
		return 0, t.fail(at, "group ( is never closed")
	}
	t.blanks = blanks
	t.out.WriteByte(')')
	return itemAtom, nil
}

// refused explains why the extension (?r is not accepted.
func (t *translator) refused(at int, r rune) *Error {
	if t.in.Col(t.pos-1) >= t.in.End { // carbon's own $, or nothing
		return t.fail(at, "group (? is never closed")
	}
	switch r {
	case '=', '!':
		return t.fail(at, "lookahead (?%c does not exist in RE2", r)
	case '<':
		if next := t.peek(); next == '=' || next == '!' {
			return t.fail(at, "lookbehind (?<%c does not exist in RE2", next)
		}
	case '>':
		return t.fail(at, "atomic group (?> does not exist in RE2")
	case '(':
		return t.fail(at, "conditional group (?( does not exist in RE2")
	}
	return t.fail(at, "unknown group (?%c; accepted are (...), (?:...) and (?i:...)", r)
}

func (t *translator) comment(at int) *Error {
	for t.peek() != -1 {
		if t.accept(')') {
			return nil
		}
		t.pos++
	}
	return t.fail(at, "comment (?# is never closed")
}

// named reads <name> of (?P<name>, which is how carbon spells a field.
func (t *translator) named(at int) *Error {
	if t.accept('=') {
		return t.fail(at, "back-reference (?P= does not exist in RE2")
	}
	if !t.accept('<') {
		return t.fail(at, "unknown group (?P; accepted are (...), (?:...) and (?i:...)")
	}
	start := t.pos
	for t.peek() != -1 && t.peek() != '>' {
		t.pos++
	}
	name := string(t.in.Runes[start:t.pos])
	if !t.accept('>') {
		return t.fail(start, "%s <%s is never closed", t.Noun, name)
	}
	if !isIdentifier(name) {
		return t.fail(start, "%s name %q: expected letters, digits and _, not beginning with a digit", t.Noun, name)
	}
	if t.Names.index(name) >= 0 {
		return t.fail(start, "%s <%s> is captured twice", t.Noun, name)
	}
	t.groups = append(t.groups, len(t.Names.List))
	t.Names.List = append(t.Names.List, name)
	return nil
}

// flags reads the flags of (?i), (?i: or (?-i: and returns the RE2 text that opens the group. The flags m, s and u
// change nothing for one line.
func (t *translator) flags(at int) (open string, global bool, err *Error) {
	const malformed = "malformed flags; accepted are (?i) at the start and (?i:...)"
	var on, off string
	minus, seen := false, 0
	for {
		r := t.peek()
		t.pos++
		switch {
		case r == 'u' && minus:
			return "", false, t.fail(at, "flag u cannot be turned off")
		case r == '-' && minus:
			return "", false, t.fail(at, "flags: two minus signs")
		case r == '-':
			minus, seen = true, 0
		case r == 'x' && t.Verbose, r == 'i', r == 'm', r == 's', r == 'u':
			seen++
			if minus {
				off += string(r)
			} else {
				on += string(r)
			}
		case r == 'a', r == 'x', r == 'L':
			return "", false, t.fail(at, "flag %c is not accepted; accepted are %s", r, t.accepted())
		case r == ')' || r == ':':
			if seen == 0 || strings.ContainsAny(on, off) || r == ')' && minus {
				return "", false, t.fail(at, malformed)
			}
			return t.apply(on, off, r == ')'), r == ')', nil
		default:
			return "", false, t.fail(at, malformed)
		}
	}
}

func (t *translator) accepted() string {
	if t.Verbose {
		return "i, m, s, u and x"
	}
	return "i, m, s and u"
}

// apply returns the RE2 text that turns flags on and off for what follows, and notes those that matter here.
func (t *translator) apply(on, off string, global bool) string {
	t.folds = t.folds || strings.Contains(on, "i")
	t.blanks = (t.blanks || strings.Contains(on, "x")) && !strings.Contains(off, "x")
	switch {
	case global && strings.Contains(on, "i"):
		return "(?i)"
	case global:
		return ""
	case strings.Contains(on, "i"):
		return "(?i:"
	case strings.Contains(off, "i"):
		return "(?-i:"
	}
	return "(?:"
}

// isIdentifier reports whether Python would take name as an identifier.
func isIdentifier(name string) bool {
	for i, r := range name {
		start := r == '_' || unicode.IsLetter(r) || unicode.In(r, unicode.Nl, unicode.Other_ID_Start)
		if start {
			continue
		}
		if i == 0 || !unicode.In(r, unicode.Mn, unicode.Mc, unicode.Nd, unicode.Pc, unicode.Other_ID_Continue) {
			return false
		}
	}
	return name != ""
}
