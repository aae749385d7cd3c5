// Package measured makes points, as the measurements API answers them, of the cells
// of a metric's streams.
//
// It goes in three steps. Cells of a stream are merged in time, exactly, to the
// resolution. A [Function] reads a number from each merged cell. A [Grouping], if
// there is one, then combines the numbers that streams have at the same time.
package measured

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/query"
)

// Query says what is made of the cells.
type Query struct {
	// Resolution is the distance of points, in seconds. Their times are multiples
	// of it.
	Resolution int64
	// From is the time of the earliest point. Of what is before only differences
	// are taken.
	From int64
	// Function reads the points' numbers.
	Function Function
	// Grouping combines streams; nil leaves each as it is.
	Grouping *Grouping
}

// Point is the number of a time in Unix seconds. A Value that nobody knows is NaN.
type Point struct {
	Time  int64
	Value float64
}

// Series is the points of a stream or group, ascending.
type Series struct {
	Tags   map[string]string
	Points []Point
	// Cells has for [All] what the points are of, instead of their values.
	Cells []cell.Cell
}

// Builder makes points of streams that come piece by piece. Its zero value is of no
// use; see [New].
type Builder struct {
	query   Query
	streams map[string]*stream // by name
	series  map[string]*series // by their tags that are shown
	points  int
}

// New returns a Builder without points.
func New(q Query) *Builder {
	return &Builder{query: q, streams: map[string]*stream{}, series: map[string]*series{}}
}

// stream is what is to be known of one until its next piece.
type stream struct {
	series *series // nil where it is dropped
	seen   bool    // whether the following are known
	until  int64   // the start of its last cell
	last   float64 // of its last point's cell
}

// series is one of the answer as it is made.
type series struct {
	Series
	pairs  []pair
	groups map[int64]*group // by time; nil without a Grouping
}

type pair struct{ key, value string }

// Add adds a piece of a stream, all of whose earlier pieces have been added. Pieces
// begin and end at multiples of the resolution. Cells that it has had before are
// left out. The Builder keeps the tags and does not change them.
func (b *Builder) Add(piece query.Stream) {
	if len(piece.Cells) == 0 {
		return // so that only what is read is remembered
	}
	s := b.streams[piece.Name]
	if s == nil {
		s = &stream{series: b.seriesOf(piece)}
		b.streams[strings.Clone(piece.Name)] = s
	}
	if s.series == nil {
		return
	}
	cells := piece.Cells
	for len(cells) > 0 && s.seen && cells[0].Start <= s.until {
		cells = cells[1:]
	}
	for len(cells) > 0 {
		time := b.floor(cells[0].Start)
		var whole cell.Cell
		for len(cells) > 0 && b.floor(cells[0].Start) == time {
			s.until = cells[0].Start
			whole.Merge(&cells[0].Cell)
			cells = cells[1:]
		}
		if whole.Count > 0 {
			b.addPoint(s, time, &whole)
		}
	}
}

func (b *Builder) floor(t int64) int64 {
	r := b.query.Resolution
	return t - (t%r+r)%r
}

// addPoint adds the next point of a stream, if it is one.
func (b *Builder) addPoint(s *stream, time int64, c *cell.Cell) {
	previous, seen := s.last, s.seen
	s.last, s.seen = c.Last, true
	if time < b.query.From {
		return
	}
	var value float64
	switch b.query.Function {
	case All:
		s.series.Cells = append(s.series.Cells, *c)
	case Derivative, Increase:
		value = c.Last - previous
		if !seen || b.query.Function == Increase && value < 0 {
			return
		}
	default:
		value = b.query.Function.read(c)
	}
	if s.series.groups == nil {
		s.series.Points = append(s.series.Points, Point{time, value})
		b.points++
		return
	}
	g := s.series.groups[time]
	if g == nil {
		g = new(group)
		s.series.groups[time] = g
		b.points++
	}
	g.add(value)
}

// seriesOf returns the series that a stream is part of, or nil.
func (b *Builder) seriesOf(piece query.Stream) *series {
	tags, key := piece.Tags, piece.Name
	if g := b.query.Grouping; g != nil {
		if tags, key = g.Group(piece.Tags); tags == nil {
			return nil
		}
	}
	s := b.series[key]
	if s == nil {
		s = &series{Series: Series{Tags: tags}}
		for _, k := range slices.Sorted(maps.Keys(tags)) {
			s.pairs = append(s.pairs, pair{k, tags[k]})
		}
		if b.query.Grouping != nil {
			s.groups = map[int64]*group{}
		}
		b.series[strings.Clone(key)] = s
	}
	return s
}

// Points returns how many points there are.
func (b *Builder) Points() int { return b.points }

// Series returns the points before until, up to which all cells must have been
// added, and at most limit of them: they end before a time, next, with which there
// would be more. The points of one time stay together, so that there are more than
// limit where the first time alone has more. Where none are left out, next is
// until. Series without points are left out; the others are sorted by their tags.
// The Builder is of no use afterwards.
func (b *Builder) Series(until int64, limit int) (all []Series, next int64) {
	count := map[int64]int{}
	var sorted []*series
	for _, s := range b.series {
		for time, g := range s.groups {
			s.Points = append(s.Points, Point{time, g.value(b.query.Grouping.Function)})
		}
		if s.groups != nil {
			slices.SortFunc(s.Points, func(x, y Point) int { return cmp.Compare(x.Time, y.Time) })
		}
		for _, p := range s.Points {
			count[p.Time]++
		}
		sorted = append(sorted, s)
	}
	next = until
	total := 0
	for i, time := range slices.Sorted(maps.Keys(count)) {
		if time >= until {
			break
		}
		if total += count[time]; total > limit && i > 0 {
			next = time
			break
		}
	}
	slices.SortFunc(sorted, func(x, y *series) int { return slices.CompareFunc(x.pairs, y.pairs, comparePairs) })
	for _, s := range sorted {
		n, _ := slices.BinarySearchFunc(s.Points, next, func(p Point, t int64) int { return cmp.Compare(p.Time, t) })
		if n == 0 {
			continue
		}
		if s.Points = s.Points[:n]; s.Cells != nil {
			s.Cells = s.Cells[:n]
		}
		all = append(all, s.Series)
	}
	return all, next
}

func comparePairs(x, y pair) int {
	return cmp.Or(strings.Compare(x.key, y.key), strings.Compare(x.value, y.value))
}

// group is the numbers of several streams at one time.
type group struct {
	numbers cell.Cell
	unknown bool // one of them is
}

func (g *group) add(value float64) {
	if math.IsNaN(value) {
		g.unknown = true
		return
	}
	g.numbers.Add(value, 0)
}

func (g *group) value(f Function) float64 {
	if g.unknown {
		return math.NaN()
	}
	return f.read(&g.numbers)
}
