package functions

// maxStep bounds the common step of series, in seconds: 1000 years.
const maxStep = 1000 * 365 * 86400

// grid is the values of series on the same points.
type grid struct {
	start, step int64
	n           int
	rows        [][]float64 // for each series; to be read only
}

// align puts series on the same points. Where their steps differ, their points
// are merged to the least step that all have a multiple of.
func (c *call) align(list []*Series) (grid, error) {
	g := grid{rows: make([][]float64, len(list))}
	if len(list) == 0 {
		return g, nil
	}
	even := true
	g.step = list[0].Step
	for _, s := range list[1:] {
		even = even && s.Step == list[0].Step && (s.Start-list[0].Start)%s.Step == 0
		if g.step = lcm(g.step, s.Step); g.step > maxStep {
			return g, refuse("%s: series with steps such as %d s and %d s have no common step", c.fn.name, list[0].Step, s.Step)
		}
	}
	starts := make([]int64, len(list))
	for i, s := range list {
		starts[i], g.rows[i] = s.Start, s.Values
		if even {
			continue
		}
		start, n := s.widened(g.step)
		values, err := c.values(n)
		if err != nil {
			return g, err
		}
		s.widenInto(values, start, g.step)
		starts[i], g.rows[i] = start, values
	}
	return g, g.fit(c, starts)
}

// fit makes all rows begin and end together.
func (g *grid) fit(c *call, starts []int64) error {
	g.start = starts[0]
	end := starts[0]
	for i, start := range starts {
		g.start = min(g.start, start)
		end = max(end, start+int64(len(g.rows[i]))*g.step)
	}
	g.n = int((end - g.start) / g.step)
	for i, row := range g.rows {
		if len(row) == g.n {
			continue
		}
		values, err := c.values(g.n)
		if err != nil {
			return err
		}
		copy(values[(starts[i]-g.start)/g.step:], row)
		g.rows[i] = values
	}
	return nil
}

// row copies the values of all series at the i-th point to dst and returns how
// many there are.
func (g *grid) row(dst []float64, i int) int {
	n := 0
	for j, values := range g.rows {
		v := values[i]
		dst[j] = v
		if !missing(v) {
			n++
		}
	}
	return n
}

// lcm returns the least common multiple, or what is above maxStep.
func lcm(a, b int64) int64 {
	x, y := a, b
	for y != 0 {
		x, y = y, x%y
	}
	if a/x > maxStep/b {
		return maxStep + 1
	}
	return a / x * b
}
