package carbonconf

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/coalesce-metrics/coalesce/config"
)

// setting is a value that the file gives.
type setting struct {
	key     string // in capitals, as carbon knows it
	value   string
	section string
	line    int
}

// settings returns what carbon reads for an instance of a program, by key: the
// section of the program, and over it that of the instance. As in carbon, the
// values under [DEFAULT] are part of each of the two.
func (f *file) settings(program, instance string) map[string]setting {
	all := map[string]setting{}
	found := false
	for _, name := range []string{program, program + ":" + instance} {
		s := f.sections[name]
		if s == nil {
			continue
		}
		found = true
		for _, from := range []*section{f.defaults, s} {
			for _, key := range from.keys {
				f.read(all, s, from, key)
			}
		}
	}
	switch {
	case f.problems.Err() != nil:
	case !found:
		f.problem(config.Warning, 0, "no section [%s], so that all settings are carbon's defaults", program)
	case instance != "a" && f.sections[program+":"+instance] == nil:
		f.problem(config.Warning, 0, "no section [%s:%s], so that the instance has the settings of [%s]", program, excerpt(instance), program)
	}
	return all
}

// read puts one value of a section, or of [DEFAULT] for it, into the settings.
func (f *file) read(all map[string]setting, s, from *section, key string) {
	o := from.options[key]
	if from != s && s.options[key] != nil {
		return
	}
	name := strings.ToUpper(key)
	value, err := f.interpolate(s, o.value)
	if err != nil {
		f.problem(config.Error, o.line, "%s = %s: %s", excerpt(name), quote(o.value), err)
		return
	}
	if keys[name].kind == truth {
		if _, ok := parseTruth(value); !ok {
			f.problem(config.Error, o.line, "%s = %s: not a truth value; accepted: True, yes, on, 1, False, no, off or 0",
				name, quote(value))
		}
	}
	all[name] = setting{name, value, from.name, o.line}
}

// inOrder returns settings in the order of the file.
func inOrder(all map[string]setting) []setting {
	list := make([]setting, 0, len(all))
	for _, s := range all {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b setting) int { return a.line - b.line })
	return list
}

// parseTruth reads a truth value as ConfigParser does.
func parseTruth(s string) (value, ok bool) {
	switch strings.ToLower(s) {
	case "1", "yes", "true", "on":
		return true, true
	case "0", "no", "false", "off":
		return false, true
	}
	return false, false
}

// parseNumber reads a number as Python's int and float do. NaN is none.
func parseNumber(s string) (float64, bool) {
	s = strip(s)
	digit := func(i int) bool { return i >= 0 && i < len(s) && s[i] >= '0' && s[i] <= '9' }
	for i := range len(s) {
		if s[i] == '_' && !(digit(i-1) && digit(i+1)) {
			return 0, false
		}
	}
	s = strings.ReplaceAll(s, "_", "")
	if strings.ContainsAny(s, "xXpP") { // hexadecimal in Go
		return 0, false
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(n, 0) || math.IsNaN(n) {
		return 0, false
	}
	return n, true
}
