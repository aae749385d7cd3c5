package ask

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
)

// Points are the values of a series: one every Step seconds from Start on, all of
// them there.
type Points struct {
	Start, Step int64
	Values      []float64
}

// A Range is a time range in Unix seconds, from exclusive and until inclusive.
type Range struct{ From, Until int64 }

// Series asks for a target whose series are want, by name, as JSON or pickle.
func Series(target, format string, r Range, want map[string]Points) *Question {
	points := 0
	for _, p := range want {
		points += len(p.Values)
	}
	read := readJSON
	if format == "pickle" {
		read = readPickle
	}
	return &Question{
		What: "render " + target + ", " + format,
		Path: "/render?" + url.Values{
			"target": {target}, "format": {format},
			"from": {strconv.FormatInt(r.From, 10)}, "until": {strconv.FormatInt(r.Until, 10)},
		}.Encode(),
		Answer: fmt.Sprintf("%d series, %d points", len(want), points),
		Check: func(body []byte) error {
			got, err := read(body)
			if err == nil {
				err = compare(got, want)
			}
			return err
		},
	}
}

func compare(got, want map[string]Points) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d series, want %d", len(got), len(want))
	}
	for name, w := range want {
		g, ok := got[name]
		switch {
		case !ok:
			return fmt.Errorf("series %s is missing", name)
		case len(g.Values) != len(w.Values) || g.Start != w.Start || g.Step != w.Step:
			return fmt.Errorf("series %s has %d points from %d every %d s, want %d from %d every %d s",
				name, len(g.Values), g.Start, g.Step, len(w.Values), w.Start, w.Step)
		}
		for i, v := range w.Values {
			if g.Values[i] != v {
				return fmt.Errorf("series %s is %v at %d, want %v", name, g.Values[i], w.Start+int64(i)*w.Step, v)
			}
		}
	}
	return nil
}

func readJSON(body []byte) (map[string]Points, error) {
	var series []struct {
		Target     string
		Datapoints [][2]*float64
	}
	if err := json.Unmarshal(body, &series); err != nil {
		return nil, err
	}
	all := make(map[string]Points, len(series))
	for _, s := range series {
		var p Points
		for i, d := range s.Datapoints {
			if d[0] == nil || d[1] == nil {
				return nil, fmt.Errorf("series %s has null as point %d", s.Target, i)
			}
			at := int64(*d[1])
			switch i {
			case 0:
				p.Start = at
			case 1:
				p.Step = at - p.Start
			}
			if at != p.Start+int64(i)*p.Step {
				return nil, fmt.Errorf("series %s has timestamp %d as point %d", s.Target, at, i)
			}
			p.Values = append(p.Values, *d[0])
		}
		all[s.Target] = p
	}
	return all, nil
}

func readPickle(body []byte) (map[string]Points, error) {
	x, err := unpickle(body)
	if err != nil {
		return nil, err
	}
	series, ok := x.(*list)
	if !ok {
		return nil, fmt.Errorf("the pickle is %T, want a list", x)
	}
	all := make(map[string]Points, len(series.items))
	for _, x := range series.items {
		s, _ := x.(dict)
		name, ok1 := s["name"].(string)
		start, ok2 := s["start"].(int64)
		step, ok3 := s["step"].(int64)
		values, ok4 := s["values"].(*list)
		if !ok1 || !ok2 || !ok3 || !ok4 {
			return nil, fmt.Errorf("the pickle has no series with name, start, step and values: %.200v", x)
		}
		p := Points{Start: start, Step: step}
		for i, v := range values.items {
			f, ok := v.(float64)
			if !ok {
				return nil, fmt.Errorf("series %s has %v as point %d", name, v, i)
			}
			p.Values = append(p.Values, f)
		}
		all[name] = p
	}
	return all, nil
}
