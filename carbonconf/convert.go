package carbonconf

import (
	"fmt"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/coalesce-metrics/coalesce/config"
)

// conversion is one translation under way.
type conversion struct {
	options  Options
	file     *file
	settings map[string]setting
	used     map[string]bool // keys that have been read
	said     map[string]bool // messages of problems
	out      writer
}

func (c *conversion) convert() {
	c.header()
	c.top()
	c.limits()
	c.listeners()
	c.names()
	c.aggregation()
	c.destinations()
	c.metrics()
	c.http()
	c.withoutEqual()
}

// given reports whether the file has a key.
func (c *conversion) given(key string) bool {
	_, ok := c.settings[key]
	return ok
}

// text returns the value of a key, or carbon's default.
func (c *conversion) text(key string) string {
	c.used[key] = true
	if s, ok := c.settings[key]; ok {
		return s.value
	}
	return keys[key].initial
}

// unset reports whether a key has no value: it is not there, or it is the text
// None, by which people mean that.
func (c *conversion) unset(key string) bool {
	v := c.text(key)
	return v == "" || v == "None"
}

// truth returns the value of a key that is true or false.
func (c *conversion) truth(key string) bool {
	v, _ := parseTruth(c.text(key)) // checked when it was read
	return v
}

// number returns the value of a key that carbon needs a number in.
func (c *conversion) number(key string) float64 {
	text := c.text(key)
	n, ok := parseNumber(text)
	if !ok {
		c.errorf(key, "not a number, and carbon fails with it; accepted: a number")
		n, _ = parseNumber(keys[key].initial)
	}
	return n
}

// whole returns the value of a key within bounds, as a whole number. Beyond
// them it is the nearest bound, with a warning.
func (c *conversion) whole(key string, low, high int) int {
	n := c.number(key)
	bounded := min(max(math.Ceil(n), float64(low)), float64(high))
	if bounded != n && !(math.IsInf(n, 1) && key == "MAX_RECEIVER_CONNECTIONS") {
		c.warnf(key, "coalesce takes whole numbers from %d to %d; it is %.0f now", low, high, bounded)
	}
	return int(bounded)
}

// seconds returns the value of a key in seconds within bounds, like whole.
func (c *conversion) seconds(key string, low, high config.Duration) config.Duration {
	n := c.number(key)
	bounded := min(max(n, seconds(low)), seconds(high))
	d := config.Duration(bounded * float64(config.Second))
	if bounded != n {
		c.warnf(key, "coalesce takes %q to %q; it is %q now", low, high, d)
	}
	return d
}

func seconds(d config.Duration) float64 { return float64(d) / float64(config.Second) }

// line returns the line of a key in the file, 0 if it is not there.
func (c *conversion) line(key string) int { return c.settings[key].line }

// errorf reports a value that carbon or coalesce does not take.
func (c *conversion) errorf(key, format string, args ...any) {
	c.report(config.Error, key, fmt.Sprintf(format, args...))
}

// warnf reports a value that makes the daemon behave otherwise than carbon.
func (c *conversion) warnf(key, format string, args ...any) {
	c.report(config.Warning, key, fmt.Sprintf(format, args...))
}

// report says something about the value of a key, once.
func (c *conversion) report(severity config.Severity, key, message string) {
	message = c.shown(key) + ": " + message
	if !c.said[message] {
		c.said[message] = true
		c.file.problem(severity, c.line(key), "%s", message)
	}
}

// shown returns KEY = value as the file has it.
func (c *conversion) shown(key string) string {
	if s, ok := c.settings[key]; ok {
		if strings.Contains(key, "PASSWORD") {
			return excerpt(key) + " = …"
		}
		return strings.TrimSpace(excerpt(key) + " = " + excerpt(s.value))
	}
	if initial := keys[key].initial; initial != "" {
		return key + " = " + initial + " (default)"
	}
	return key + " is not set"
}

// from begins an entry: an empty line, the carbon settings that it is made of,
// and what else is to be said.
func (c *conversion) from(note string, names ...string) {
	c.out.blank()
	var list []string
	for i, key := range names {
		c.used[key] = true
		shown := c.shown(key)
		if i < len(names)-1 {
			shown += ","
		}
		if len(shown) > widthMax/2 {
			list = append(list, strings.Fields(shown)...)
		} else {
			list = append(list, shown)
		}
	}
	if len(list) > 0 {
		c.out.wrap(0, list)
	}
	if note != "" {
		c.out.comment(0, note)
	}
}

// path returns the absolute path of a file in carbon's CONF_DIR.
func (c *conversion) path(name string) string {
	if path.IsAbs(name) {
		return path.Clean(name)
	}
	dir := c.options.Dir
	if c.given("CONF_DIR") {
		own := c.text("CONF_DIR")
		if !path.IsAbs(own) {
			own = path.Join(dir, own)
		}
		dir = own
	}
	return path.Join(dir, name)
}

// missing reports whether there is no file with a path.
func (c *conversion) missing(path string) bool {
	return c.options.Exists != nil && !c.options.Exists(path)
}

// header says what the file is.
func (c *conversion) header() {
	sections := "carbon's defaults"
	var found []string
	for _, name := range []string{"aggregator", "aggregator:" + c.options.Instance} {
		if c.file.sections[name] != nil {
			found = append(found, "["+excerpt(name)+"]")
		}
	}
	if len(found) > 0 {
		sections = strings.Join(found, " and ")
	}
	c.out.comment(0, "Settings of coalesce in the place of carbon-aggregator.")
	c.out.comment(0, "")
	c.out.comment(0, fmt.Sprintf("Made of %s of %s by \"coalesce import\". The comments quote carbon's settings; (default) stands behind those "+
		"that the file leaves out. Settings that have no equal are listed at the end. What is not set here has the "+
		"default of coalesce.", sections, excerpt(c.file.name)))
	if c.given("CONF_DIR") {
		c.from("Files are looked for there.", "CONF_DIR")
		if !path.IsAbs(c.text("CONF_DIR")) {
			c.warnf("CONF_DIR", "relative to wherever carbon was started; taken as relative to %s", excerpt(c.options.Dir))
		}
	}
}

// withoutEqual lists what has not been read.
func (c *conversion) withoutEqual() {
	var rest []setting
	for _, s := range inOrder(c.settings) {
		if !c.used[s.key] {
			rest = append(rest, s)
		}
	}
	if len(rest) == 0 {
		return
	}
	c.out.blank()
	c.out.comment(0, "Settings without an equal:")
	for i := 0; i < len(rest); i++ {
		key, known := keys[rest[i].key]
		why := key.none
		switch {
		case c.file.referred[rest[i].key]:
			why = "Only other settings refer to it."
		case !known:
			why = "carbon does not know this setting, either."
			c.warnf(rest[i].key, "carbon does not know this setting%s", near(rest[i].key))
		case why == "":
			why = "Without effect, since there are no DESTINATIONS."
		case key.changes && c.on(rest[i]):
			c.warnf(rest[i].key, "%s", why)
		case key.changes:
			why = "Not on; there is nothing to do."
		}
		c.out.comment(0, "")
		c.out.comment(0, c.shown(rest[i].key))
		// What is said of several in a row is said once.
		for i+1 < len(rest) && key.none != "" && key.none == keys[rest[i+1].key].none && !key.changes {
			i++
			c.out.comment(0, c.shown(rest[i].key))
		}
		c.out.comment(2, why)
	}
}

// on reports whether a setting has an effect in carbon.
func (c *conversion) on(s setting) bool {
	if keys[s.key].kind == truth {
		v, _ := parseTruth(s.value)
		return v
	}
	return s.value != "" && s.value != "None"
}

// near names a known key that differs from an unknown one by a letter.
func near(key string) string {
	var found []string
	for known := range keys {
		if len(known)+1 == len(key) && without(key, known) || len(known) == len(key)+1 && without(known, key) {
			found = append(found, known)
		}
	}
	if len(found) == 0 {
		return ""
	}
	return "; did you mean " + slices.Min(found) + "?"
}

// without reports whether long is short with one letter more.
func without(long, short string) bool {
	i := 0
	for i < len(short) && long[i] == short[i] {
		i++
	}
	return long[i+1:] == short[i:]
}
