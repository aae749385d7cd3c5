package rules

import "github.com/coalesce-metrics/coalesce/cell"

// NewInput makes a rule that keeps the series of the names that match a pattern as they are received: its output is the
// name itself, read as the average, and its rows are not sent. An empty pattern matches no name by itself; see
// [Set.MatchCollected]. file and line are where it was asked for. An error is an *Error.
func NewInput(file string, line int, pattern string, period int64, percentiles bool) (*Rule, error) {
	r := &Rule{
		File: file, Line: line, Output: pattern, Pattern: pattern, Period: period, Methods: []cell.Method{cell.Avg},
		Forward: true, Percentiles: percentiles, Input: true,
	}
	if errs := checkNumbers(r); len(errs) > 0 {
		return nil, errs[0]
	}
	if pattern != "" {
		if err := compilePattern(r, func(int, string) {}); err != nil {
			return nil, err
		}
	}
	r.ID = canonical(r)
	r.Text = r.ID
	return r, nil
}

// MatchCollected is Match for a series that is to be kept: where no rule of NewInput matches it, the one without a
// pattern does.
func (s *Set) MatchCollected(m *Matcher, name []byte) []Match {
	out := s.Match(m, name)
	if s.collected == nil {
		return out
	}
	for _, x := range out {
		if x.Rule.Input {
			return out
		}
	}
	m.out = append(out, Match{s.collected.rule, s.collected.pos, name})
	return m.out
}
