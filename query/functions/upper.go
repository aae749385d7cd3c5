package functions

import "strings"

var upper = caseBy("upper", strings.ToUpper,
	"Writes names in capital letters, or the letters at some positions only.")

var lower = caseBy("lower", strings.ToLower,
	"Writes names in small letters, or the letters at some positions only.")

func caseBy(name string, convert func(string) string, doc string) function {
	return function{
		name:   name,
		group:  "Alias",
		doc:    doc,
		params: []Param{list, optional("pos", typeInteger).many()},
		run: func(c *call) ([]*Series, error) {
			list := c.list(0)
			for _, s := range list {
				if !c.has(1) {
					s.Name = convert(s.Name)
					continue
				}
				letters := strings.Split(s.Name, "")
				for _, v := range c.args[1] {
					at := int(v.number)
					if at < 0 {
						at += len(letters)
					}
					if at >= 0 && at < len(letters) {
						letters[at] = convert(letters[at])
					}
				}
				s.Name = strings.Join(letters, "")
			}
			return list, nil
		},
	}
}
