package pyre

import (
	"bytes"
	"regexp/syntax"
	"unicode/utf8"
)

// Pattern is a compiled expression that is searched for in texts. It is immutable and safe for concurrent use.
type Pattern struct {
	prog   *Program
	groups int            // captured ones
	names  map[string]int // of groups
	need   []byte
	plain  bool       // need is the whole expression
	atZero bool       // a match begins where the text does
	first  *[256]bool // bytes that a match can begin with; nil: it may be empty
}

// Compile reads an expression. Groups are numbered as in Python, so Options.Numbered and Options.Names are set by it.
func Compile(in Source, o Options) (*Pattern, *Error) {
	o.Numbered, o.Names = true, &Names{}
	tree, perr := Parse(in, o)
	if perr != nil {
		return nil, perr
	}
	prog, err := NewProgram(tree.Re)
	if err != nil {
		return nil, &Error{in.Col(0), err.Error()}
	}
	p := &Pattern{prog: prog, groups: len(tree.Groups), names: map[string]int{}, atZero: beginsAtZero(tree.Re)}
	for i, name := range tree.Groups {
		if name >= 0 {
			p.names[o.Names.List[name]] = i + 1
		}
	}
	p.need = []byte(required(tree.Re))
	text, ok := plainText(tree.Re)
	p.plain = ok && text != ""
	p.first = firstBytes(prog.prog)
	return p, nil
}

// Need returns the longest plain text that was found to be in every match, maybe empty. The caller must not modify it.
func (p *Pattern) Need() []byte { return p.need }

// Search looks for the first match in text that begins at from or behind, as Python's search(text, from) does: ^ and
// \b see what stands before from. The match and its groups are then known to m.Group.
func (p *Pattern) Search(m *Machine, text []byte, from int) bool {
	if p.plain {
		return p.searchPlain(m, text, from)
	}
	if from > len(text) || !bytes.Contains(text[from:], p.need) {
		return false
	}
	s := span{from, len(text), from}
	p.begin(m, s)
	return p.search(m, text, from, s)
}

func (p *Pattern) searchPlain(m *Machine, text []byte, from int) bool {
	if from > len(text) {
		return false
	}
	i := bytes.Index(text[from:], p.need)
	if i < 0 {
		return false
	}
	m.caps = append(m.caps[:0], from+i, from+i+len(p.need))
	return true
}

// begin makes m ready for searches in s.
func (p *Pattern) begin(m *Machine, s span) {
	m.reset(len(p.prog.prog.Inst)*(s.hi-s.lo+1), 2*(p.groups+1))
}

// search tries one place after the other. What failed before one failed for good, so all of them together take linear
// time.
func (p *Pattern) search(m *Machine, text []byte, from int, s span) bool {
	for pos := from; pos <= s.hi; pos++ {
		if p.first != nil {
			for pos < s.hi && !p.first[text[pos]] {
				pos++
			}
			if pos == s.hi {
				return false
			}
		} else if pos < s.hi && !utf8.RuneStart(text[pos]) {
			continue
		}
		if p.atZero && pos > 0 {
			return false
		}
		if m.try(p.prog.prog, text, pos, s) {
			m.caps[0], m.caps[1] = pos, m.end
			return true
		}
	}
	return false
}

// plainText returns the text of re if it is plain text.
func plainText(re *syntax.Regexp) (string, bool) {
	if re.Op != syntax.OpLiteral || re.Flags&syntax.FoldCase != 0 {
		return "", false
	}
	return string(re.Rune), true
}

// required returns the longest plain text in those parts of re that every match has.
func required(re *syntax.Regexp) string {
	if text, ok := plainText(re); ok {
		return text
	}
	best := ""
	switch re.Op {
	case syntax.OpConcat, syntax.OpCapture, syntax.OpPlus:
	case syntax.OpRepeat:
		if re.Min == 0 {
			return ""
		}
	default:
		return ""
	}
	for _, sub := range re.Sub {
		if text := required(sub); len(text) > len(best) {
			best = text
		}
	}
	return best
}

func beginsAtZero(re *syntax.Regexp) bool {
	for re.Op == syntax.OpConcat || re.Op == syntax.OpCapture {
		re = re.Sub[0]
	}
	return re.Op == syntax.OpBeginText
}

// firstBytes returns the bytes that a match of prog can begin with, or nil if a match may be empty. Positions are taken
// to hold, and beyond ASCII every byte is taken to fit.
func firstBytes(prog *syntax.Prog) *[256]bool {
	first := new([256]bool)
	seen := make([]bool, len(prog.Inst))
	todo := []int{prog.Start}
	for len(todo) > 0 {
		pc := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[pc] {
			continue
		}
		seen[pc] = true
		inst := &prog.Inst[pc]
		switch inst.Op {
		case syntax.InstMatch:
			return nil
		case syntax.InstFail:
		case syntax.InstAlt, syntax.InstAltMatch:
			todo = append(todo, int(inst.Out), int(inst.Arg))
		case syntax.InstCapture, syntax.InstEmptyWidth, syntax.InstNop:
			todo = append(todo, int(inst.Out))
		default:
			for b := range utf8.RuneSelf {
				first[b] = first[b] || inst.MatchRune(rune(b))
			}
			for b := 0xc2; b < len(first); b++ {
				first[b] = true
			}
		}
	}
	return first
}
