package rules

import (
	"regexp/syntax"
	"slices"
	"unicode"
	"unicode/utf8"
)

// A program is a compiled expression that runs on a part of a text. The standard library's regexp is not used for
// this because it allocates for captured groups, sees a part of a text as a whole one, and knows \b for ASCII only.
type program struct {
	prog *syntax.Prog
}

// compile compiles re. Its size has been checked by size.
func compile(re *syntax.Regexp) (*program, *Error) {
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return nil, &Error{PartPattern, 1, err.Error()}
	}
	return &program{prog}, nil
}

// size estimates, from above, the instructions that re compiles to. A set counts one more for each 16 ranges that it
// does not share with other programs, because that is the memory it takes.
func size(re *syntax.Regexp) int {
	n := 1
	for _, sub := range re.Sub {
		n += size(sub)
	}
	switch re.Op {
	case syntax.OpLiteral:
		n = len(re.Rune)
	case syntax.OpCharClass:
		if sharedClass(re.Rune) < 0 {
			n += len(re.Rune) / 32
		}
	case syntax.OpCapture, syntax.OpStar, syntax.OpAlternate:
		n += len(re.Sub)
	case syntax.OpRepeat:
		n = repeatSize(re)
	}
	return min(n, 2*MaxProgram)
}

// repeatSize counts the copies that a bounded repetition is expanded to; each optional one has a branch.
func repeatSize(re *syntax.Regexp) int {
	if re.Max < 0 {
		return 2 + max(re.Min, 1)*size(re.Sub[0])
	}
	return 1 + re.Max*size(re.Sub[0]) + re.Max - re.Min
}

// sharedClass returns which of sharedClasses class is, or -1.
func sharedClass(class []rune) int {
	return slices.IndexFunc(sharedClasses, func(c []rune) bool {
		return len(c) == len(class) && &c[0] == &class[0]
	})
}

// shareClasses lets the large Unicode classes in re use one copy of their ranges.
func shareClasses(re *syntax.Regexp) {
	if re.Op == syntax.OpCharClass {
		for _, c := range sharedClasses {
			if slices.Equal(c, re.Rune) {
				re.Rune = c
			}
		}
	}
	for _, sub := range re.Sub {
		shareClasses(sub)
	}
}

// machine runs programs by backtracking with a record of what was tried, so in time linear in program times text. It
// finds the match that a backtracking engine prefers, as Python's does.
type machine struct {
	visited []uint64
	jobs    []job
	caps    []int
}

// job is a state to try, or, if restore is set, a captured position to put back.
type job struct {
	pc, pos int
	restore bool
}

// run reports whether p matches text from lo to exactly hi, or, if open, from lo to any place up to hi. Positions such
// as \b look at the characters around the part. Captured positions are left in m.caps if groups > 0.
func (m *machine) run(p *program, text []byte, lo, hi int, open bool, groups int) bool {
	width := hi - lo + 1
	m.reset(len(p.prog.Inst)*width, 2*groups)
	m.push(p.prog.Start, lo, false)
	for len(m.jobs) > 0 {
		j := m.jobs[len(m.jobs)-1]
		m.jobs = m.jobs[:len(m.jobs)-1]
		if j.restore {
			m.caps[j.pc] = j.pos
			continue
		}
		if m.follow(p.prog, text, j, lo, hi, width, open) {
			return true
		}
	}
	return false
}

func (m *machine) push(pc, pos int, restore bool) {
	m.jobs = append(m.jobs, job{pc, pos, restore})
}

// follow runs from one state until the match or a dead end, leaving the alternatives as jobs.
func (m *machine) follow(prog *syntax.Prog, text []byte, j job, lo, hi, width int, open bool) bool {
	pc, pos := j.pc, j.pos
	for {
		bit := uint(pc*width + pos - lo)
		if m.visited[bit/64]&(1<<(bit%64)) != 0 {
			return false
		}
		m.visited[bit/64] |= 1 << (bit % 64)
		inst := &prog.Inst[pc]
		switch inst.Op {
		case syntax.InstMatch:
			return open || pos == hi
		case syntax.InstFail:
			return false
		case syntax.InstAlt, syntax.InstAltMatch:
			m.push(int(inst.Arg), pos, false)
		case syntax.InstCapture:
			if n := int(inst.Arg); n < len(m.caps) {
				m.push(n, m.caps[n], true)
				m.caps[n] = pos
			}
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(inst.Arg)&^positions(text, pos) != 0 {
				return false
			}
		case syntax.InstNop:
		default:
			if pos >= hi {
				return false
			}
			r, n := rune(text[pos]), 1
			if r >= utf8.RuneSelf {
				r, n = utf8.DecodeRune(text[pos:hi])
			}
			if !inst.MatchRune(r) {
				return false
			}
			pos += n
		}
		pc = int(inst.Out)
	}
}

func (m *machine) reset(bits, caps int) {
	words := (bits + 63) / 64
	if cap(m.visited) < words {
		m.visited = make([]uint64, words)
	}
	m.visited = m.visited[:words]
	clear(m.visited)
	m.jobs = m.jobs[:0]
	m.caps = m.caps[:0]
	for range caps {
		m.caps = append(m.caps, -1)
	}
}

// shrink gives back memory that only an unusual name needed.
func (m *machine) shrink() {
	if cap(m.visited)*8 > maxScratch {
		m.visited = nil
	}
	if cap(m.jobs)*24 > maxScratch {
		m.jobs = nil
	}
}

// positions tells which empty-width conditions hold between the characters around pos.
func positions(text []byte, pos int) syntax.EmptyOp {
	var op syntax.EmptyOp
	before, after := false, false
	if pos == 0 {
		op |= syntax.EmptyBeginText | syntax.EmptyBeginLine
	} else {
		r, _ := utf8.DecodeLastRune(text[:pos])
		before = isWord(r)
	}
	if pos == len(text) {
		op |= syntax.EmptyEndText | syntax.EmptyEndLine
	} else {
		r, _ := utf8.DecodeRune(text[pos:])
		after = isWord(r)
	}
	if before != after {
		return op | syntax.EmptyWordBoundary
	}
	return op | syntax.EmptyNoWordBoundary
}

// isWord is Python's \w.
func isWord(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r)
}
