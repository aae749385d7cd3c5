package whisper

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"

	"github.com/go-graphite/go-carbon/persister"
	whisperfile "github.com/go-graphite/go-whisper"
)

// Rules say how the file of a series is made: which archives it has, and how a
// coarse one is made of a finer one.
type Rules struct {
	schemas []schema // the last takes everything
	rollups []rollup // the same
}

// schema is one section of storage-schemas.conf.
type schema struct {
	pattern  *regexp.Regexp
	archives whisperfile.Retentions
	priority int64 // higher ones come first
}

// rollup is one section of storage-aggregation.conf.
type rollup struct {
	pattern      *regexp.Regexp
	method       whisperfile.AggregationMethod
	xFilesFactor float32
}

// methods are those of carbon that the files can name.
var methods = map[string]whisperfile.AggregationMethod{
	"average": whisperfile.Average, "avg": whisperfile.Average, "sum": whisperfile.Sum,
	"last": whisperfile.Last, "max": whisperfile.Max, "min": whisperfile.Min,
}

// ReadRules reads carbon's storage-schemas.conf and storage-aggregation.conf. An
// empty path of the latter means carbon's defaults; a series that no section of the
// former takes gets carbon's default, a value a minute for a week. An error is of
// type [Mistakes] and has all of them.
func ReadRules(schemas, aggregation string) (*Rules, error) {
	r := &Rules{}
	c := &conf{what: "schemas", file: schemas}
	for _, s := range c.sections() {
		r.schemas = append(r.schemas, c.schema(s))
	}
	if len(r.schemas) == 0 && len(c.mistakes) == 0 {
		c.fail(errors.New("no section; want at least one like [default] with pattern = .* and retentions = 60s:7d"))
	}
	slices.SortStableFunc(r.schemas, func(a, b schema) int { return cmp.Compare(b.priority, a.priority) })
	week, every := whisperfile.NewRetention(60, 7*24*60), regexp.MustCompile("")
	r.schemas = append(r.schemas, schema{pattern: every, archives: whisperfile.Retentions{&week}})

	mistakes := c.sorted()
	if aggregation != "" {
		c := &conf{what: "aggregation", file: aggregation}
		for _, s := range c.sections() {
			r.rollups = append(r.rollups, c.rollup(s))
		}
		mistakes = append(mistakes, c.sorted()...)
	}
	r.rollups = append(r.rollups, rollup{every, whisperfile.Average, defaultXFilesFactor})
	if mistakes != nil {
		return nil, mistakes
	}
	return r, nil
}

// defaultXFilesFactor is whisper's.
const defaultXFilesFactor = 0.5

// of returns what the first sections that take a name say.
func (r *Rules) of(metric string) (*schema, *rollup) {
	s := slices.IndexFunc(r.schemas, func(s schema) bool { return s.pattern.MatchString(metric) })
	a := slices.IndexFunc(r.rollups, func(a rollup) bool { return a.pattern.MatchString(metric) })
	return &r.schemas[s], &r.rollups[a]
}

// schema reads a section of storage-schemas.conf.
func (c *conf) schema(s *section) (found schema) {
	found.pattern = c.pattern(s)
	text := s.keys["retentions"].value
	err := guard(func() (err error) {
		found.archives, err = persister.ParseRetentionDefs(text)
		return err
	})
	if err == nil {
		err = checkRetentions(found.archives)
	}
	if err != nil {
		c.errorf(s.at("retentions"), "[%s]: retentions %q: %w; want those like 10s:6h,60s:7d", s.name, excerpt(text), err)
	}
	if p, ok := s.keys["priority"]; ok && p.value != "" {
		if found.priority, err = strconv.ParseInt(p.value, 10, 32); err != nil {
			c.errorf(p.line, "[%s]: priority %q is not a whole number", s.name, excerpt(p.value))
		}
	}
	if z, ok := s.keys["compressed"]; ok && z.value != "false" {
		c.errorf(z.line, "[%s]: compressed %q is not supported, only carbon's own format", s.name, excerpt(z.value))
	}
	return found
}

// rollup reads a section of storage-aggregation.conf. What it leaves out is
// whisper's default.
func (c *conf) rollup(s *section) rollup {
	found := rollup{c.pattern(s), whisperfile.Average, defaultXFilesFactor}
	if m, ok := s.keys["aggregationmethod"]; ok {
		if found.method, ok = methods[m.value]; !ok {
			c.errorf(m.line, "[%s]: aggregationMethod %q; want average, sum, last, max or min", s.name, excerpt(m.value))
		}
	}
	if x, ok := s.keys["xfilesfactor"]; ok {
		f, err := strconv.ParseFloat(x.value, 32)
		if found.xFilesFactor = float32(f); err != nil || !(f >= 0 && f <= 1) {
			c.errorf(x.line, "[%s]: xFilesFactor %q; want 0 to 1", s.name, excerpt(x.value))
		}
	}
	return found
}

// pattern returns the expression of a section; after a mistake it is not usable.
func (c *conf) pattern(s *section) *regexp.Regexp {
	text := s.keys["pattern"].value
	re, err := regexp.Compile(text)
	if text == "" {
		err = errors.New("empty; want a regular expression, .* for every name")
	}
	if err != nil {
		c.errorf(s.at("pattern"), "[%s]: pattern %q: %w", s.name, excerpt(text), err)
	}
	return re
}

// checkRetentions sorts the archives of a file, and makes the library's own checks of
// them, which come when a file is made, and those of numbers that it would overflow on.
func checkRetentions(rs whisperfile.Retentions) error {
	slices.SortStableFunc(rs, func(a, b *whisperfile.Retention) int { return a.SecondsPerPoint() - b.SecondsPerPoint() })
	size := int64(whisperfile.MetadataSize)
	for _, r := range rs {
		if r.SecondsPerPoint() < 1 || r.NumberOfPoints() < 1 {
			return fmt.Errorf("%d points of %d s, want at least one of 1 s", r.NumberOfPoints(), r.SecondsPerPoint())
		}
		if r.NumberOfPoints() > math.MaxUint32/r.SecondsPerPoint() {
			return fmt.Errorf("%d points of %d s are longer than whisper can hold", r.NumberOfPoints(), r.SecondsPerPoint())
		}
		size += whisperfile.ArchiveInfoSize + int64(r.NumberOfPoints())*whisperfile.PointSize
	}
	if size > math.MaxUint32 {
		return fmt.Errorf("a file would have %d bytes, whisper's offsets end at %d", size, uint32(math.MaxUint32))
	}
	for i := 1; i < len(rs); i++ {
		if err := checkNext(rs[i-1], rs[i]); err != nil {
			return err
		}
	}
	return nil
}

// checkNext checks that archive coarse can be made of fine.
func checkNext(fine, coarse *whisperfile.Retention) error {
	switch step, next := fine.SecondsPerPoint(), coarse.SecondsPerPoint(); {
	case step == next:
		return fmt.Errorf("two archives of %d s, want one of each", step)
	case next%step != 0:
		return fmt.Errorf("%d s is not a multiple of %d s", next, step)
	case fine.MaxRetention() >= coarse.MaxRetention():
		return fmt.Errorf("the archive of %d s reaches back no farther than that of %d s", next, step)
	case fine.NumberOfPoints() < next/step:
		return fmt.Errorf("the archive of %d s has %d points, fewer than the %d that make one of %d s",
			step, fine.NumberOfPoints(), next/step, next)
	}
	return nil
}

// guard turns a panic of the library into an error.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	return f()
}
