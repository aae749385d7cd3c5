package rules

import (
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"github.com/coalesce-metrics/coalesce/pyre"
)

// A plan is a pattern cut at the dots that every match must have. A node whose expression cannot match a dot meets
// exactly one node of a name, so it can be compared alone: those before the first other node are the head, those
// after the last one the tail. What remains between, for example <<field>>, is the gap. The name "a.b.c.d" meets
// the pattern "a.<<x>>.d" with head [a], gap over "b.c" and tail [d].
type plan struct {
	head []segment
	tail []segment // from the last node backwards
	gap  *gap      // nil: the head covers the whole name
}

type segmentKind int

const (
	segLiteral segmentKind = iota
	segAny                 // one or more characters
	segGlob                // literal text with wildcards
	segProgram
)

// segment matches one node, or one tag value.
type segment struct {
	kind      segmentKind
	glob      [][]byte // the literal texts between the wildcards
	least     int      // characters that the one wildcard of a glob takes at least
	prog      *pyre.Program
	key       string // equal keys: equal language
	pre, post string // text with which every match begins and ends; pre is all of a literal
	need      []byte // the longest text that every match contains
}

// gap matches one or more nodes as one text.
type gap struct {
	pre, post string
	need      []byte        // the longest text that every match contains
	prog      *pyre.Program // nil: any one or more characters between pre and post
	open      bool          // a match may end before the name does
}

// capture says where a field's value is found: bytes pre and post inside the nodes from to to, or what group of prog
// takes there. A negative node counts from the end of the name: -1 is the last.
type capture struct {
	from, to  int
	pre, post int
	prog      *pyre.Program
	group     int
	open      bool
	tag       int // 1 + index of the tag whose value is meant instead, 0: none
}

// unanchor returns the concatenated parts of re without the anchors at its ends, which a plan implies, and whether
// the end was anchored.
func unanchor(re *syntax.Regexp) (items []*syntax.Regexp, anchored bool) {
	items = []*syntax.Regexp{re}
	for i := 0; i < len(items); {
		if items[i].Op == syntax.OpConcat {
			items = slices.Replace(slices.Clone(items), i, i+1, items[i].Sub...)
			continue
		}
		i++
	}
	for len(items) > 0 && items[0].Op == syntax.OpBeginText {
		items = items[1:]
	}
	for len(items) > 0 && items[len(items)-1].Op == syntax.OpEndText {
		items, anchored = items[:len(items)-1], true
	}
	return items, anchored
}

// literal returns the text of re if it is plain text.
func literal(re *syntax.Regexp) (string, bool) {
	if re.Op != syntax.OpLiteral || re.Flags&syntax.FoldCase != 0 {
		return "", false
	}
	return string(re.Rune), true
}

// nodes cuts items at the dots outside groups.
func nodes(items []*syntax.Regexp) [][]*syntax.Regexp {
	out := [][]*syntax.Regexp{nil}
	for _, re := range items {
		if re.Op != syntax.OpLiteral {
			out[len(out)-1] = append(out[len(out)-1], re)
			continue
		}
		for i, text := range strings.Split(string(re.Rune), ".") {
			if i > 0 {
				out = append(out, nil)
			}
			if text != "" {
				part := &syntax.Regexp{Op: syntax.OpLiteral, Flags: re.Flags, Rune: []rune(text)}
				out[len(out)-1] = append(out[len(out)-1], part)
			}
		}
	}
	return out
}

// dotless reports whether no match of re contains a dot.
func dotless(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return false
	case syntax.OpLiteral:
		return !slices.Contains(re.Rune, '.')
	case syntax.OpCharClass:
		return !inClass(re.Rune, '.')
	}
	return !slices.ContainsFunc(re.Sub, func(sub *syntax.Regexp) bool { return !dotless(sub) })
}

func inClass(class []rune, r rune) bool {
	for pair := range slices.Chunk(class, 2) {
		if pair[0] <= r && r <= pair[1] {
			return true
		}
	}
	return false
}

// plan cuts re, the expression of a whole name.
func (b *builder) plan(re *syntax.Regexp, groups []int) (*plan, *Error) {
	items, anchored := unanchor(re)
	parts := nodes(items)
	alone := func(part []*syntax.Regexp) bool {
		return !slices.ContainsFunc(part, func(re *syntax.Regexp) bool { return !dotless(re) })
	}
	lo, hi := 0, len(parts)
	for lo < hi && alone(parts[lo]) && (anchored || lo < hi-1) {
		lo++
	}
	for hi > lo && anchored && alone(parts[hi-1]) {
		hi--
	}
	p := &plan{}
	for i, part := range parts {
		if i >= lo && i < hi {
			continue
		}
		seg, err := b.segment(part, '.')
		if err != nil {
			return nil, err
		}
		if i < lo {
			p.head = append(p.head, seg)
			b.locate(part, groups, seg, capture{from: i, to: i})
		} else {
			p.tail = append(p.tail, seg)
			b.locate(part, groups, seg, capture{from: i - len(parts), to: i - len(parts)})
		}
	}
	slices.Reverse(p.tail)
	if lo < hi {
		var err *Error
		p.gap, err = b.gap(parts[lo:hi], groups, lo, hi-len(parts)-1, !anchored)
		return p, err
	}
	return p, nil
}

// isWild reports whether re takes any characters except sep, as many as there are but at least least.
func isWild(re *syntax.Regexp, sep rune) (least int, ok bool) {
	switch re.Op {
	case syntax.OpStar:
	case syntax.OpPlus:
		least = 1
	case syntax.OpCapture:
		if least, ok = isWild(re.Sub[0], sep); least == 0 {
			return 0, false
		}
		return least, ok
	default:
		return 0, false
	}
	sub := re.Sub[0]
	full := []rune{0, sep - 1, sep + 1, 0x10ffff}
	return least, sub.Op == syntax.OpCharClass && slices.Equal(sub.Rune, full)
}

// segment compiles the expression of one node. Nodes are made of characters other than sep.
func (b *builder) segment(items []*syntax.Regexp, sep rune) (segment, *Error) {
	s := segment{}
	var need string
	s.pre, s.post, need = edges(items)
	s.need = []byte(need)
	if glob, least, ok := globOf(items, sep); ok {
		switch {
		case len(glob) == 1:
			return segment{kind: segLiteral, pre: glob[0]}, nil
		case len(glob) == 2 && glob[0] == "" && glob[1] == "" && least == 1:
			s.kind = segAny
		default:
			s.kind, s.least = segGlob, least
			for _, text := range glob {
				s.glob = append(s.glob, []byte(text))
			}
			s.key = "g" + strconv.Itoa(least) + strings.Join(glob, "\x00")
		}
		return s, nil
	}
	var err *Error
	s.kind = segProgram
	re := concat(items)
	s.key = string(pyre.AppendKey([]byte("p"), re))
	s.prog, err = program(re)
	return s, err
}

// program compiles re. Its size has been checked.
func program(re *syntax.Regexp) (*pyre.Program, *Error) {
	prog, err := pyre.NewProgram(re)
	if err != nil {
		return nil, &Error{PartPattern, 1, err.Error()}
	}
	return prog, nil
}

// globOf reads items as literal texts between wildcards.
func globOf(items []*syntax.Regexp, sep rune) (texts []string, least int, ok bool) {
	texts = []string{""}
	captured, wasWild := false, false
	for _, re := range items {
		if text, ok := literal(re); ok {
			texts[len(texts)-1] += text
			wasWild = false
			continue
		}
		n, ok := isWild(re, sep)
		if !ok {
			return nil, 0, false
		}
		captured = captured || re.Op == syntax.OpCapture
		least += n
		if !wasWild {
			texts = append(texts, "")
		}
		if wasWild && captured {
			return nil, 0, false
		}
		wasWild = true
	}
	// Beyond this a wildcard's share is not simply what lies between two texts.
	if least > 1 || len(texts) > 2 && (captured || least > 0) {
		return nil, 0, false
	}
	return texts, least, true
}

// edges returns the plain text at the start and at the end of items, and the longest plain text in them.
func edges(items []*syntax.Regexp) (pre, post, need string) {
	for i, re := range items {
		text, ok := literal(re)
		if !ok {
			continue
		}
		if i == 0 {
			pre = text
		}
		if i == len(items)-1 {
			post = text
		}
		if len(text) > len(need) {
			need = text
		}
	}
	return pre, post, need
}

func concat(items []*syntax.Regexp) *syntax.Regexp {
	if len(items) == 0 {
		return &syntax.Regexp{Op: syntax.OpEmptyMatch}
	}
	return &syntax.Regexp{Op: syntax.OpConcat, Sub: items}
}

// locate records where the field captured by part, which became seg, is found; c says in which node or tag.
func (b *builder) locate(part []*syntax.Regexp, groups []int, seg segment, c capture) {
	for _, g := range capturesIn(part) {
		switch seg.kind {
		case segGlob:
			c.pre, c.post = len(seg.glob[0]), len(seg.glob[1])
		case segProgram:
			c.prog, c.group = seg.prog, g
		}
		b.captures[groups[g-1]] = c
	}
}

func capturesIn(items []*syntax.Regexp) []int {
	var out []int
	for _, re := range items {
		if re.Op == syntax.OpCapture {
			out = append(out, re.Cap)
		}
		out = append(out, capturesIn(re.Sub)...)
	}
	return out
}

// gap compiles the nodes in parts, which meet those of a name between from and to.
func (b *builder) gap(parts [][]*syntax.Regexp, groups []int, from, to int, open bool) (*gap, *Error) {
	var items []*syntax.Regexp
	for i, part := range parts {
		if i > 0 {
			items = append(items, &syntax.Regexp{Op: syntax.OpLiteral, Rune: []rune{'.'}})
		}
		items = append(items, part...)
	}
	items = mergeLiterals(items)
	g := &gap{open: open}
	var need string
	if g.pre, g.post, need = edges(items); open {
		g.post = ""
	}
	g.need = []byte(need)
	c := capture{from: from, to: to, pre: len(g.pre), post: len(g.post), open: open}
	if open || !isPlainGap(items) {
		var err *Error
		if g.prog, err = program(concat(items)); err != nil {
			return nil, err
		}
		c.prog, c.pre, c.post = g.prog, 0, 0
	}
	for _, n := range capturesIn(items) {
		c.group = n
		b.captures[groups[n-1]] = c
	}
	return g, nil
}

// isPlainGap reports whether items is <<field>> with nothing but text around it.
func isPlainGap(items []*syntax.Regexp) bool {
	wild := 0
	for _, re := range items {
		if _, ok := literal(re); ok {
			continue
		}
		if re.Op == syntax.OpCapture {
			re = re.Sub[0]
		}
		if re.Op != syntax.OpPlus || re.Sub[0].Op != syntax.OpAnyCharNotNL {
			return false
		}
		wild++
	}
	return wild == 1
}

// mergeLiterals joins neighbouring plain texts.
func mergeLiterals(items []*syntax.Regexp) []*syntax.Regexp {
	var out []*syntax.Regexp
	for _, re := range items {
		text, ok := literal(re)
		if ok && len(out) > 0 {
			if before, ok := literal(out[len(out)-1]); ok {
				out[len(out)-1] = &syntax.Regexp{Op: syntax.OpLiteral, Rune: []rune(before + text)}
				continue
			}
		}
		out = append(out, re)
	}
	return out
}
