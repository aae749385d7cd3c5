package whisper

import (
	"fmt"
	"math"
	"regexp"
	"slices"

	"github.com/go-graphite/go-carbon/persister"
	whisperfile "github.com/go-graphite/go-whisper"
)

// Rules say how the file of a series is made: which archives it has, and how a
// coarse one is made of a finer one.
type Rules struct {
	schemas     persister.WhisperSchemas
	aggregation *persister.WhisperAggregation
}

// ReadRules reads carbon's storage-schemas.conf and storage-aggregation.conf. An
// empty path of the latter means carbon's defaults; a series that no section of the
// former takes gets carbon's default, a value a minute for a week. Errors name the
// file.
func ReadRules(schemas, aggregation string) (*Rules, error) {
	r := &Rules{aggregation: persister.NewWhisperAggregation()}
	err := guard(func() (err error) {
		r.schemas, err = persister.ReadWhisperSchemas(schemas)
		return err
	})
	if err == nil {
		err = checkSchemas(r.schemas)
	}
	if err != nil {
		return nil, fmt.Errorf("schemas %q: %w", schemas, err)
	}
	week := whisperfile.NewRetention(60, 7*24*60)
	r.schemas = append(r.schemas, persister.Schema{
		Name: "default", Pattern: regexp.MustCompile(""), Retentions: whisperfile.Retentions{&week},
	})
	if aggregation == "" {
		return r, nil
	}
	if r.aggregation, err = persister.ReadWhisperAggregation(aggregation); err != nil {
		return nil, fmt.Errorf("aggregation %q: %w", aggregation, err)
	}
	for _, a := range r.aggregation.Data {
		if x := a.XFilesFactor(); !(x >= 0 && x <= 1) {
			return nil, fmt.Errorf("aggregation %q: [%s]: xFilesFactor is %v, want 0 to 1", aggregation, a.Name(), x)
		}
	}
	return r, nil
}

// checkSchemas finds what would otherwise be noticed when a file is made.
func checkSchemas(schemas persister.WhisperSchemas) error {
	if len(schemas) == 0 {
		return fmt.Errorf("no section; want at least one like [default] with pattern = .* and retentions = 60s:7d")
	}
	for _, s := range schemas {
		if s.Compressed != nil && *s.Compressed {
			return fmt.Errorf("[%s]: compressed = true is not supported, only carbon's own format", s.Name)
		}
		if err := checkRetentions(s.Retentions); err != nil {
			return fmt.Errorf("[%s]: retentions %q: %w", s.Name, s.RetentionStr, err)
		}
	}
	return nil
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
