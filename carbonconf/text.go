package carbonconf

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/coalesce-metrics/coalesce/config"
)

const (
	excerptMax = 100 // bytes of the file that a comment or problem quotes
	widthMax   = 80  // columns of a comment
)

// excerpt returns text as one short line that a comment may hold.
func excerpt(text string) string {
	text = strings.Join(strings.FieldsFunc(text, isSpace), " ")
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, text)
	if len(text) <= excerptMax {
		return text
	}
	cut := excerptMax
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// quote returns text as one short line in quotes.
func quote(text string) string { return `"` + excerpt(text) + `"` }

// tomlText returns text as a TOML string.
func tomlText(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// tomlValue returns a value as TOML.
func tomlValue(value any) string {
	switch v := value.(type) {
	case string:
		return tomlText(v)
	case config.Duration:
		return tomlText(v.String())
	case config.Size:
		if v%config.KiB != 0 {
			return strconv.FormatInt(int64(v), 10)
		}
		return tomlText(v.String())
	case []string:
		return tomlList(v)
	}
	return fmt.Sprint(value)
}

// tomlList returns a list as TOML, on one line if it is short.
func tomlList(list []string) string {
	texts := make([]string, len(list))
	for i, s := range list {
		texts[i] = tomlText(s)
	}
	if one := "[" + strings.Join(texts, ", ") + "]"; len(one) <= widthMax {
		return one
	}
	return "[\n  " + strings.Join(texts, ",\n  ") + ",\n]"
}

// writer writes a TOML file that people read.
type writer struct {
	text   strings.Builder
	silent bool // settings are written as comments
}

func (w *writer) bytes() []byte { return []byte(w.text.String()) }

// line writes one line.
func (w *writer) line(s string) {
	w.text.WriteString(s)
	w.text.WriteByte('\n')
}

// blank writes an empty line.
func (w *writer) blank() { w.line("") }

// comment writes a paragraph as comment, with an indent behind its "#".
func (w *writer) comment(indent int, text string) { w.wrap(indent, strings.Fields(text)) }

// wrap writes pieces of a comment, as many on a line as it has room for.
func (w *writer) wrap(indent int, pieces []string) {
	start := "#" + strings.Repeat(" ", indent)
	line := start
	for _, piece := range pieces {
		if line != start && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(piece) > widthMax {
			w.line(line)
			line = start
		}
		line += " " + piece
	}
	w.line(line)
}

// heading writes the heading of a table, with an empty line before it.
func (w *writer) heading(name string) {
	w.blank()
	w.setLine(name)
}

// set writes a setting.
func (w *writer) set(key string, value any) { w.setLine(key + " = " + tomlValue(value)) }

// setLine writes a part of the settings proper.
func (w *writer) setLine(text string) {
	if w.silent {
		text = "# " + strings.ReplaceAll(text, "\n", "\n# ")
	}
	w.line(text)
}
