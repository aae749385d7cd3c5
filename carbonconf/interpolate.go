package carbonconf

import (
	"errors"
	"fmt"
	"strings"
)

const (
	depthMax      = 10       // references within references, as in Python
	valueMax      = 64 << 10 // bytes of a value with all that it refers to
	referencesMax = 1000     // in one value, those within others included
)

// expander puts values in the place of references.
type expander struct {
	file       *file
	section    *section
	out        strings.Builder
	references int
}

// interpolate puts values in the place of the references %(key)s of a value in
// a section.
func (f *file) interpolate(s *section, value string) (string, error) {
	e := &expander{file: f, section: s}
	if err := e.expand(value, 1); err != nil {
		return "", err
	}
	return e.out.String(), nil
}

func (e *expander) expand(rest string, depth int) error {
	if depth > depthMax {
		return fmt.Errorf("refers to values that refer to others more than %d deep", depthMax)
	}
	for {
		text, behind, found := strings.Cut(rest, "%")
		if err := e.write(text); err != nil || !found {
			return err
		}
		if rest, found = strings.CutPrefix(behind, "%"); found {
			e.out.WriteByte('%')
			continue
		}
		key, after, ok := strings.Cut(behind, ")s")
		inner, paren := strings.CutPrefix(key, "(")
		if !ok || !paren || inner == "" || strings.Contains(inner, ")") {
			return errors.New("has a % that begins no reference; accepted: %(KEY)s for another value, %% for a %")
		}
		if err := e.refer(inner, depth); err != nil {
			return err
		}
		rest = after
	}
}

// refer writes the value that a reference means.
func (e *expander) refer(key string, depth int) error {
	o := e.section.options[strings.ToLower(key)]
	if o == nil {
		o = e.file.defaults.options[strings.ToLower(key)]
	}
	if o == nil {
		return fmt.Errorf("refers to %s, which is neither in [%s] nor in [DEFAULT]", excerpt(key), excerpt(e.section.name))
	}
	e.file.referred[strings.ToUpper(key)] = true
	if e.references++; e.references > referencesMax {
		return fmt.Errorf("has more than %d references", referencesMax)
	}
	if strings.Contains(o.value, "%") {
		return e.expand(o.value, depth+1)
	}
	return e.write(o.value)
}

func (e *expander) write(text string) error {
	if e.out.Len()+len(text) > valueMax {
		return fmt.Errorf("grows beyond %d bytes", valueMax)
	}
	e.out.WriteString(text)
	return nil
}
