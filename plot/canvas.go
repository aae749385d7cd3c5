package plot

// canvas is a grid of characters with dots in them. Places on it are from 0, left
// or below, to 1.
type canvas struct {
	columns, rows int
	perColumn     int // dots side by side in a character
	perRow        int // dots one above the other
	dots          []byte
	owner         []int8 // the series in front, counted from 1
}

// newCanvas returns a canvas of braille characters, or one of one dot each.
func newCanvas(columns, rows int, braille bool) *canvas {
	c := &canvas{columns: columns, rows: rows, perColumn: 1, perRow: 1}
	if braille {
		c.perColumn, c.perRow = 2, 4
	}
	c.dots = make([]byte, columns*rows)
	c.owner = make([]int8, columns*rows)
	return c
}

// cell returns the dots of a character, as braille counts them, and the series
// in front, or -1 where there is none.
func (c *canvas) cell(col, row int) (dots byte, series int) {
	i := row*c.columns + col
	return c.dots[i], int(c.owner[i]) - 1
}

// seen tells whether any of a series is in front.
func (c *canvas) seen(series int) bool {
	for _, o := range c.owner {
		if int(o) == series+1 {
			return true
		}
	}
	return false
}

// row returns the row, from the top, of a height.
func (c *canvas) row(y float64) int { return c.rows - 1 - dot(y, c.rows*c.perRow)/c.perRow }

// dot returns which of n dots is at a place; a place outside is at the edge.
func dot(place float64, n int) int { return int(min(max(place, 0), 1)*float64(n-1) + 0.5) }

// brailleDots has the bit of each dot by its place from the left and from below.
var brailleDots = [2][4]byte{{0x40, 0x04, 0x02, 0x01}, {0x80, 0x20, 0x10, 0x08}}

// set makes a dot. What was there before stays in front.
func (c *canvas) set(x, y, series int) {
	i := (c.rows-1-y/c.perRow)*c.columns + x/c.perColumn
	c.dots[i] |= brailleDots[x%c.perColumn][y%c.perRow]
	if c.owner[i] == 0 {
		c.owner[i] = int8(series) + 1
	}
}

// pen draws one series.
type pen struct {
	*canvas
	series int
	down   bool
	alone  bool // the line is a point so far
	x, y   int  // where it is, when it is down
}

func (c *canvas) pen(series int) *pen { return &pen{canvas: c, series: series} }

// to draws a line from where the pen is, or a point if it is nowhere.
func (p *pen) to(placeX, placeY float64) {
	x, y := dot(placeX, p.columns*p.perColumn), dot(placeY, p.rows*p.perRow)
	if p.down {
		p.line(p.x, p.y, x, y)
	} else {
		p.set(x, y, p.series)
	}
	p.alone = !p.down
	p.x, p.y, p.down = x, y, true
}

// lift ends a line. One of a single point is made large enough to be seen.
func (p *pen) lift() {
	if p.down && p.alone && p.perColumn > 1 {
		// The other dots of its corner of the character.
		for _, x := range []int{p.x, p.x ^ 1} {
			p.set(x, p.y, p.series)
			p.set(x, p.y^1, p.series)
		}
	}
	p.down = false
}

// line draws with Bresenham's algorithm.
func (p *pen) line(x, y, toX, toY int) {
	dx, stepX := distance(x, toX)
	dy, stepY := distance(y, toY)
	for err := dx - dy; ; {
		p.set(x, y, p.series)
		if x == toX && y == toY {
			return
		}
		twice := 2 * err
		if twice > -dy {
			err -= dy
			x += stepX
		}
		if twice < dx {
			err += dx
			y += stepY
		}
	}
}

func distance(from, to int) (n, step int) {
	if to < from {
		return from - to, -1
	}
	return to - from, 1
}
