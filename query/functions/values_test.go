package functions

import (
	"slices"
	"testing"
)

// What graphite-web fails at, worked out by hand.
func TestValuesWhereGraphiteFails(t *testing.T) {
	counter := []float64{100, 90, 95, 5, 6, 7, nan, 9}
	for _, c := range []struct {
		text   string
		values []float64
		want   []float64
	}{
		{"nonNegativeDerivative(a, 255)", counter, []float64{nan, 246, 5, 166, 1, 1, nan, nan}},
		{"nonNegativeDerivative(a, 100, 5)", counter, []float64{nan, 86, 5, 6, 1, 1, nan, nan}},
		{"nonNegativeDerivative(a, minValue=6)", counter, []float64{nan, 84, 5, nan, nan, 1, nan, nan}},
		{"nonNegativeDerivative(a, 95)", counter, []float64{nan, nan, 5, 6, 1, 1, nan, nan}},
		{"perSecond(a, 255)", counter, []float64{nan, 24.6, 0.5, 16.6, 0.1, 0.1, nan, nan}},
		{"asPercent(a, nothing)", []float64{1, 2}, []float64{nan, nan}},
		{"sigmoid(a)", []float64{-1000, 1000}, []float64{0, 1}},
		{"percentileOfSeries(a, 100, true)", []float64{1, 2}, []float64{1, 2}},
		{"delay(a, 0)", []float64{1, 2}, []float64{1, 2}},
	} {
		s := &Series{Name: "a", Start: 10, Step: 10, Values: c.values}
		ctx := &Context{From: 1, Until: 80, Fetch: func(path string, from, until int64) ([]*Series, error) {
			if path == "nothing" {
				return nil, nil
			}
			return fixed(s)(path, from, until)
		}}
		got, err := Eval(ctx, parse(t, c.text))
		if err != nil || len(got) != 1 || !slices.EqualFunc(got[0].Values, c.want, alike) {
			t.Errorf("%s: %v, want %v, %v", c.text, got, c.want, err)
		}
	}
}

func TestPercentByNodes(t *testing.T) {
	v := readVectors(t)
	const from, until = 1700000400, 1700001000
	got, err := evaluate(v, "asPercent(a.*.cpu,b.*.mem,1)", from, until)
	if err != nil {
		t.Fatal(err)
	}
	want := "asPercent(a.none.cpu,MISSING) asPercent(a.x.cpu,b.x.mem) asPercent(a.y.cpu,b.y.mem) asPercent(a.z.cpu,MISSING)"
	if names(got) != want {
		t.Fatalf("got %s", names(got))
	}
	for i, text := range map[int]string{1: "asPercent(a.x.cpu,b.x.mem)", 2: "asPercent(a.y.cpu,b.y.mem)"} {
		one, err := evaluate(v, text, from, until)
		if err != nil || !slices.EqualFunc(one[0].Values, got[i].Values, alike) {
			t.Errorf("%s: %v, want %v, %v", text, got[i].Values, one[0].Values, err)
		}
	}
	if present(got[0].Values)+present(got[3].Values) > 0 || len(got[3].Values) != 10 {
		t.Errorf("without a total: %v and %v", got[0].Values, got[3].Values)
	}
	got, err = evaluate(v, "asPercent(a.x.cpu,b.*.mem,1)", from, until)
	if err != nil || names(got) != "asPercent(a.x.cpu,b.x.mem) asPercent(MISSING,b.y.mem)" || present(got[1].Values) > 0 {
		t.Errorf("%s, %v", names(got), err)
	}
}

// Graphite's clients write a shift that does not fit the step, too.
func TestShiftBetweenSteps(t *testing.T) {
	v := readVectors(t)
	for _, text := range []string{`timeShift(a.x.cpu, "95s")`, `timeShift(a.x.cpu, "95s", false)`, `timeShift(m.*, "1min35s")`} {
		got, err := evaluate(v, text, 1700000430, 1700001000)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range got {
			if s.Start%s.Step != 0 || s.Start <= 1700000430 || s.Start > 1700000430+s.Step {
				t.Errorf("%s: %s begins at %d", text, s.Name, s.Start)
			}
		}
	}
}
