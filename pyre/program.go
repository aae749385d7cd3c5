package pyre

import (
	"fmt"
	"regexp/syntax"
	"slices"
)

// Program is a compiled tree, or a part of one. It is immutable.
type Program struct {
	prog *syntax.Prog
}

// NewProgram compiles re, whose size Parse has checked.
func NewProgram(re *syntax.Regexp) (*Program, error) {
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return nil, err
	}
	return &Program{prog}, nil
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

// AppendKey appends text that is equal for equal expressions out of Parse, captured or not. Regexp.String would do,
// but takes far longer than all the rest of compiling.
func AppendKey(b []byte, re *syntax.Regexp) []byte {
	if re.Op == syntax.OpCapture {
		return AppendKey(b, re.Sub[0])
	}
	b = fmt.Appendf(b, "(%d %d %d %d ", re.Op, re.Flags&syntax.FoldCase, re.Min, re.Max)
	if i := sharedClass(re.Rune); i >= 0 {
		b = fmt.Appendf(b, "#%d", i)
	} else {
		b = fmt.Appendf(b, "%q", string(re.Rune))
	}
	for _, sub := range re.Sub {
		b = AppendKey(b, sub)
	}
	return append(b, ')')
}
