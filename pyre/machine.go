package pyre

import (
	"regexp/syntax"
	"unicode"
	"unicode/utf8"
)

// Machine runs programs by backtracking with a record of what was tried, so in time linear in program times text. It
// finds the match that a backtracking engine prefers, as Python's does. The zero value is ready; one goroutine at a
// time may use it, with any number of programs.
type Machine struct {
	visited []uint64
	jobs    []job
	caps    []int
	end     int // of the match
}

// job is a state to try, or, if restore is set, a captured position to put back.
type job struct {
	pc, pos int
	restore bool
}

// Run reports whether p matches text from lo to exactly hi, or, if open, from lo to any place up to hi. Positions such
// as \b look at the characters around the part. The positions of the first groups captures, group 0 not included, are
// then known to Group; 0 saves the work.
func (m *Machine) Run(p *Program, text []byte, lo, hi int, open bool, groups int) bool {
	m.reset(len(p.prog.Inst)*(hi-lo+1), 2*groups)
	least := hi
	if open {
		least = lo
	}
	return m.try(p.prog, text, lo, span{lo, hi, least})
}

// Group returns where group n of the last match stands in the text, or -1, -1 if it took part in none. After
// Pattern.Search group 0 is the match.
func (m *Machine) Group(n int) (lo, hi int) {
	lo, hi = m.caps[2*n], m.caps[2*n+1]
	if lo < 0 || hi < 0 {
		return -1, -1
	}
	return lo, hi
}

// Shrink gives back memory that only an unusual text needed.
func (m *Machine) Shrink() {
	if cap(m.visited)*8 > maxScratch {
		m.visited = nil
	}
	if cap(m.jobs)*24 > maxScratch {
		m.jobs = nil
	}
}

// span is the part of a text that a match must lie in. It may not end before least.
type span struct {
	lo, hi, least int
}

// try looks for a match that begins at pos. States that were tried before and failed are not tried again.
func (m *Machine) try(prog *syntax.Prog, text []byte, pos int, s span) bool {
	m.jobs = append(m.jobs[:0], job{pc: prog.Start, pos: pos})
	for len(m.jobs) > 0 {
		j := m.jobs[len(m.jobs)-1]
		m.jobs = m.jobs[:len(m.jobs)-1]
		if j.restore {
			m.caps[j.pc] = j.pos
			continue
		}
		if m.follow(prog, text, j, s) {
			return true
		}
	}
	return false
}

// follow runs from one state until the match or a dead end, leaving the alternatives as jobs.
func (m *Machine) follow(prog *syntax.Prog, text []byte, j job, s span) bool {
	pc, pos, width := j.pc, j.pos, s.hi-s.lo+1
	for {
		bit := uint(pc*width + pos - s.lo)
		if m.visited[bit/64]&(1<<(bit%64)) != 0 {
			return false
		}
		m.visited[bit/64] |= 1 << (bit % 64)
		inst := &prog.Inst[pc]
		switch inst.Op {
		case syntax.InstMatch:
			m.end = pos
			return pos >= s.least
		case syntax.InstFail:
			return false
		case syntax.InstAlt, syntax.InstAltMatch:
			m.jobs = append(m.jobs, job{pc: int(inst.Arg), pos: pos})
		case syntax.InstCapture:
			if n := int(inst.Arg); n < len(m.caps) {
				m.jobs = append(m.jobs, job{n, m.caps[n], true})
				m.caps[n] = pos
			}
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(inst.Arg)&^positions(text, pos) != 0 {
				return false
			}
		case syntax.InstNop:
		default:
			if pos >= s.hi {
				return false
			}
			r, n := rune(text[pos]), 1
			if r >= utf8.RuneSelf {
				r, n = utf8.DecodeRune(text[pos:s.hi])
			}
			if !inst.MatchRune(r) {
				return false
			}
			pos += n
		}
		pc = int(inst.Out)
	}
}

func (m *Machine) reset(bits, caps int) {
	words := (bits + 63) / 64
	if cap(m.visited) < words {
		m.visited = make([]uint64, words)
	}
	m.visited = m.visited[:words]
	clear(m.visited)
	m.forget(caps)
}

// forget sets all captured positions to none.
func (m *Machine) forget(caps int) {
	m.caps = m.caps[:0]
	for range caps {
		m.caps = append(m.caps, -1)
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
	switch {
	case before != after:
		return op | syntax.EmptyWordBoundary
	case len(text) == 0:
		return op // as in Python before 3.14, neither \b nor \B
	}
	return op | syntax.EmptyNoWordBoundary
}

// isWord is Python's \w.
func isWord(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r)
}
