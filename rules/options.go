package rules

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// parsePeriod reads seconds as carbon does: brackets stripped, then a Python integer.
func parsePeriod(text string) (int64, error) {
	number := strings.TrimRight(strings.TrimLeft(text, "("), ")")
	digits := strings.TrimPrefix(number, "+")
	negative := strings.HasPrefix(number, "-")
	if negative {
		digits = number[1:]
	}
	value, wasDigit := int64(0), false
	for _, r := range digits {
		d, ok := digit(r)
		if !ok && (r != '_' || !wasDigit) {
			return 0, fmt.Errorf("period %q: %w", text, errPeriod)
		}
		if wasDigit = ok; ok {
			value = min(value*10+d, MaxPeriod+1)
		}
	}
	if !wasDigit {
		return 0, fmt.Errorf("period %q: %w", text, errPeriod)
	}
	if negative || value < 1 || value > MaxPeriod {
		return 0, fmt.Errorf("period %q: expected 1 to %d seconds", text, MaxPeriod)
	}
	return value, nil
}

// digit returns the value of a decimal digit of any script. Unicode keeps the ten digits of each together from 0.
func digit(r rune) (int64, bool) {
	for _, t := range unicode.Nd.R16 {
		if r >= rune(t.Lo) && r <= rune(t.Hi) {
			return int64(r-rune(t.Lo)) % 10, true
		}
	}
	for _, t := range unicode.Nd.R32 {
		if r >= rune(t.Lo) && r <= rune(t.Hi) {
			return int64(r-rune(t.Lo)) % 10, true
		}
	}
	return 0, false
}

const wantOptions = "accepted are grace=DURATION, keep=PERIODS, forward=on|off, percentiles=on|off"

// options reads the words behind the pattern.
func (p *fileParser) options(r *Rule, words []word) {
	seen := map[string]int{} // key to column
	for _, w := range words {
		if strings.HasPrefix(w.text, "#") {
			p.errorf(w.col, "a comment must stand on a line of its own")
			return
		}
		key, value, ok := strings.Cut(w.text, "=")
		if !ok {
			p.errorf(w.col, "%q is no option; %s", w.text, wantOptions)
			continue
		}
		if seen[key] > 0 {
			p.errorf(w.col, "option %s is given twice", key)
			continue
		}
		seen[key] = w.col
		if err := r.option(key, value); err != nil {
			p.errorf(w.col, "%v", err)
		}
	}
	if col := seen["percentiles"]; col > 0 && !r.Percentiles {
		for _, m := range r.Methods {
			if m.NeedsValues() {
				p.errorf(col, "percentiles=off: method %v needs the values", m)
				break
			}
		}
	}
}

func (r *Rule) option(key, value string) error {
	var err error
	switch key {
	case "grace":
		r.HasGrace = true
		r.Grace, err = time.ParseDuration(value)
		if err != nil || r.Grace < 0 || r.Grace > MaxGrace {
			r.HasGrace = false
			return fmt.Errorf("grace=%s: expected a duration such as 30s or 5m, from 0s to %v", value, MaxGrace)
		}
	case "keep":
		r.HasKeep = true
		r.Keep, err = strconv.Atoi(value)
		if err != nil || r.Keep < 0 || r.Keep > MaxKeep {
			r.HasKeep = false
			return fmt.Errorf("keep=%s: expected a number of periods from 0 to %d", value, MaxKeep)
		}
	case "forward":
		r.Forward, err = onOff(key, value)
	case "percentiles":
		r.Percentiles, err = onOff(key, value)
	default:
		return fmt.Errorf("unknown option %q; %s", key, wantOptions)
	}
	return err
}

func onOff(key, value string) (bool, error) {
	switch value {
	case "on":
		return true, nil
	case "off":
		return false, nil
	}
	return false, fmt.Errorf("%s=%s: expected on or off", key, value)
}

// canonical writes r so that equal rules have equal text.
func canonical(r *Rule) string {
	var b strings.Builder
	if r.Input {
		b.WriteString("input ")
	}
	fmt.Fprintf(&b, "%s (%d) = ", r.Output, r.Period)
	for i, m := range r.Methods {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(m.String())
	}
	b.WriteString(" " + r.Pattern)
	if r.HasGrace {
		b.WriteString(" grace=" + r.Grace.String())
	}
	if r.HasKeep {
		b.WriteString(" keep=" + strconv.Itoa(r.Keep))
	}
	if !r.Forward {
		b.WriteString(" forward=off")
	}
	if r.Percentiles {
		b.WriteString(" percentiles=on")
	}
	return b.String()
}
