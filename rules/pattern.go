package rules

import (
	"slices"
	"strconv"
	"strings"

	"github.com/coalesce-metrics/coalesce/pyre"
)

// tagPattern is a condition on one tag.
type tagPattern struct {
	key   string // ";key="
	value segment
}

// compilePattern fills r.plan, r.tags, r.Fields and r.captures from r.Pattern.
func compilePattern(r *Rule, warn func(int, string)) *Error {
	pattern := []rune(r.Pattern)
	if err := checkPattern(r.Pattern, pattern); err != nil {
		return err
	}
	namePart, tags := pattern, []rune(nil)
	if i := slices.Index(pattern, ';'); i >= 0 {
		namePart, tags = pattern[:i], pattern[i:]
		if i == 0 {
			return &Error{PartPattern, 1, "no name before the first ;: expected name;key=value, with <<name>> for any name"}
		}
	}
	b := &builder{fields: &pyre.Names{}, warn: warn}
	var err *Error
	if r.plan, err = b.name(nameSource(namePart, warn)); err != nil {
		return err
	}
	if r.tags, err = b.tagPatterns(tags, len(namePart)+1); err != nil {
		return err
	}
	if b.size > MaxProgram {
		return &Error{PartPattern, 1, tooExpensive}
	}
	r.Fields, r.captures, r.Program = b.fields.List, b.captures, b.size
	return nil
}

func checkPattern(text string, pattern []rune) *Error {
	if len(text) > MaxPattern {
		return &Error{PartPattern, 1, limitText("pattern", len(text), MaxPattern, "bytes")}
	}
	nodes := 1
	for i, r := range pattern {
		if r == '.' {
			nodes++
		}
		if pyre.IsSpace(r) || r == 0 {
			return &Error{PartPattern, i + 1, "a pattern cannot hold blanks or NUL"}
		}
	}
	if text == "" || nodes > MaxNodes {
		if text == "" {
			return &Error{PartPattern, 1, "the pattern is empty"}
		}
		return &Error{PartPattern, 1, limitText("pattern", nodes, MaxNodes, "nodes")}
	}
	return nil
}

// nameSource is carbon's translation of a pattern: split at every dot, each node by the first form that fits.
func nameSource(pattern []rune, warn func(int, string)) pyre.Source {
	s := pyre.Source{End: len(pattern) + 1}
	for at := 0; ; {
		end := len(pattern)
		if i := slices.Index(pattern[at:], '.'); i >= 0 {
			end = at + i
		}
		node := pattern[at:end]
		hintNode(node, at, end < len(pattern), warn)
		addNode(&s, node, at+1, `[^.]`, `.`)
		if end == len(pattern) {
			break
		}
		s.Add(end+1, `\.`)
		at = end + 1
	}
	s.Add(s.End, "$")
	return s
}

// addNode translates one node, or one tag value, whose first character stands at col. one is a character that is no
// separator, any one that <<field>> takes.
func addNode(s *pyre.Source, node []rune, col int, one, any string) {
	text := string(node)
	if i, j := strings.Index(text, "<<"), strings.Index(text, ">>"); i >= 0 && j >= 0 {
		addField(s, node, col, runeIndex(text, i), runeIndex(text, j), 2, any)
		return
	}
	if i, j := strings.Index(text, "<"), strings.Index(text, ">"); i >= 0 && j > i {
		addField(s, node, col, runeIndex(text, i), runeIndex(text, j), 1, one)
		return
	}
	if text == "*" {
		s.Add(col, one+"+")
		return
	}
	for i, r := range node {
		if r == '*' {
			s.Add(col+i, one+"*")
		} else {
			s.Copy(col+i, node[i:i+1])
		}
	}
}

func runeIndex(text string, at int) int { return len([]rune(text[:at])) }

// addField writes the node whose brackets, each width characters wide, stand at i and j.
func addField(s *pyre.Source, node []rune, col, i, j, width int, class string) {
	s.Copy(col, node[:i])
	s.Add(col+i, "(?P<")
	if i+width < j {
		s.Copy(col+i+width, node[i+width:j])
	}
	s.Add(col+i, ">"+class+"+?)")
	s.Copy(col+j+width, node[j+width:])
}

// hintNode warns of what is legal but rarely meant.
func hintNode(node []rune, at int, dotFollows bool, warn func(int, string)) {
	text := string(node)
	i, j := strings.Index(text, "<"), strings.Index(text, ">")
	if i >= 0 && j > i {
		if star := slices.Index(node, '*'); star >= 0 && !strings.Contains(text, "(") {
			warn(at+star+1, "* beside a field repeats what stands before it, and the field may then be None")
		}
		rest := strings.TrimPrefix(text[j+1:], ">")
		if k := strings.Index(rest, "<"); k >= 0 && strings.Contains(rest[k:], ">") {
			warn(at+runeIndex(text, len(text)-len(rest)+k)+1, "only the first field of a node is one; this text is matched as it stands")
		}
	}
	if at > 0 && len(node) > 0 && strings.ContainsRune("?+", node[0]) {
		warn(at+1, string(node[0])+" repeats the dot before it; write * for any node")
	}
	backslashes := len(text) - len(strings.TrimRight(text, `\`))
	if dotFollows && backslashes%2 == 1 {
		warn(at+len(node), `\. is a backslash and any character: a dot always separates nodes and needs no backslash`)
	}
}

// builder compiles the pieces of one pattern.
type builder struct {
	fields   *pyre.Names
	captures []capture
	warn     func(int, string)
	size     int // instructions so far
}

// expensive begins the messages about what would cost too much, those of package pyre too.
const expensive = "too expensive"

var tooExpensive = expensive + ": the pattern compiles to more than " + strconv.Itoa(MaxProgram) + " instructions"

// parse parses one piece. If whole is set, it matches whole texts only.
func (b *builder) parse(s pyre.Source, whole bool) (*pyre.Tree, *Error) {
	tree, err := pyre.Parse(s, pyre.Options{Names: b.fields, Noun: "field", Whole: whole, Hint: b.hint})
	if err != nil {
		return nil, &Error{PartPattern, err.Col, err.Msg}
	}
	for len(b.captures) < len(b.fields.List) {
		b.captures = append(b.captures, capture{})
	}
	if b.size += tree.Size; b.size > MaxProgram {
		return nil, &Error{PartPattern, s.Col(0), tooExpensive}
	}
	return tree, nil
}

const choiceHint = "| outside a group ends the pattern there: its left side matches any name that begins so; write (a|b)"

func (b *builder) hint(h pyre.Hint, col int) {
	switch h {
	case pyre.HintChoice:
		b.warn(col, choiceHint)
	case pyre.HintBraces:
		b.warn(col, "{a,b} is plain text here; write (a|b) for a choice")
	}
}

func (b *builder) name(s pyre.Source) (*plan, *Error) {
	tree, err := b.parse(s, false)
	if err != nil {
		return nil, err
	}
	return b.plan(tree.Re, tree.Groups)
}

// tagPatterns reads ;key=value;..., whose first character stands at col.
func (b *builder) tagPatterns(text []rune, col int) ([]tagPattern, *Error) {
	var out []tagPattern
	for len(text) > 0 {
		part := text[1:]
		if i := slices.Index(part, ';'); i >= 0 {
			part = part[:i]
		}
		t, err := b.tagPattern(part, col+1, len(out)+1)
		if err != nil {
			return nil, err
		}
		for _, other := range out {
			if other.key == t.key {
				return nil, &Error{PartPattern, col + 1, "tag " + strings.Trim(t.key, ";=") + " is named twice"}
			}
		}
		out = append(out, t)
		col += 1 + len(part)
		text = text[1+len(part):]
	}
	return out, nil
}

// tagPattern reads key=value, the tag'th condition of the pattern, which begins at col.
func (b *builder) tagPattern(part []rune, col, tag int) (tagPattern, *Error) {
	eq := slices.Index(part, '=')
	if eq <= 0 || eq == len(part)-1 {
		msg := "expected ;key=value, found ;" + string(part)
		if string(part) == "*" {
			msg += " (other tags are ignored anyway)"
		}
		return tagPattern{}, &Error{PartPattern, col, msg}
	}
	key := string(part[:eq])
	if strings.ContainsAny(key, "!^<>*") {
		return tagPattern{}, &Error{PartPattern, col, "tag key " + key + " must be plain text without any of ! ^ < > *"}
	}
	if key == "name" {
		return tagPattern{}, &Error{PartPattern, col, "tag name is reserved: the name is matched before the first ;"}
	}
	s := valueSource(part[eq+1:], col+eq+1)
	tree, err := b.parse(s, true)
	if err != nil {
		return tagPattern{}, err
	}
	items, _ := unanchor(tree.Re)
	seg, err := b.segment(items, ';')
	if err != nil {
		return tagPattern{}, err
	}
	b.locate(items, tree.Groups, seg, capture{tag: tag})
	return tagPattern{key: ";" + key + "=", value: seg}, nil
}

// valueSource translates the pattern of a tag value: one node in which a dot is an ordinary character.
func valueSource(value []rune, col int) pyre.Source {
	var s pyre.Source
	addNode(&s, value, col, `[^;]`, `[^;]`)
	s.End = col + len(value)
	return escapeDots(s)
}

// escapeDots puts a backslash before every dot that has none.
func escapeDots(s pyre.Source) pyre.Source {
	out := pyre.Source{End: s.End}
	escaped := false
	for i, r := range s.Runes {
		if r == '.' && !escaped {
			out.Add(s.Cols[i], `\`)
		}
		escaped = r == '\\' && !escaped
		out.Copy(s.Cols[i], s.Runes[i:i+1])
	}
	return out
}
