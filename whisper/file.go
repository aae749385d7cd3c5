package whisper

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	whisperfile "github.com/go-graphite/go-whisper"
)

// slack is how far from the end of an archive a point is handed over alone: the
// library reads the clock again, later.
const slack = 60

// openFile opens the file of a series, or makes it.
func (r *Rules) openFile(path, metric string) (*whisperfile.Whisper, error) {
	w, err := whisperfile.OpenWithOptions(path, &whisperfile.Options{})
	if !os.IsNotExist(err) {
		return w, err
	}
	if readable := readablePath(path, metric); readable != "" {
		w, err := whisperfile.OpenWithOptions(readable, &whisperfile.Options{})
		if !os.IsNotExist(err) && !errors.Is(err, syscall.ENAMETOOLONG) && !errors.Is(err, syscall.ENOTDIR) {
			return w, err
		}
	}
	schema, rollup := r.of(metric)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	return create(path, schema.archives, rollup.method, rollup.xFilesFactor)
}

// create makes a file under another name first: one that was cut short, because the
// disk is full or the machine has stopped, could never be opened again.
func create(path string, rs whisperfile.Retentions, m whisperfile.AggregationMethod, xff float32) (*whisperfile.Whisper, error) {
	tmp := path + unfinished
	if err := os.Remove(tmp); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	w, err := whisperfile.CreateWithOptions(tmp, rs, m, xff, &whisperfile.Options{})
	if err == nil {
		if err = os.Rename(tmp, path); err == nil {
			return w, nil
		}
		w.Close()
	}
	os.Remove(tmp)
	return nil, err
}

// store writes points to the file of a series, and sorts them for that. It returns
// which of them, by index, are older than the file reaches back.
func (r *Rules) store(path, metric string, points []point) (tooOld []int, err error) {
	// In the order of time, as carbon does: then no run of one archive is broken by
	// points of another, and the last of an interval stays.
	slices.SortStableFunc(points, func(a, b point) int { return cmp.Compare(a.time, b.time) })
	err = guard(func() error {
		w, err := r.openFile(path, metric)
		if err != nil {
			return err
		}
		if tooOld, err = update(w, points, time.Now().Unix()); err != nil {
			w.Close()
			return err
		}
		return w.Close()
	})
	return tooOld, err
}

// update hands points to the library such that each call has those of one archive
// alone, and not more than that holds: it files one point too many under the next
// archive where a call reaches over the end of one, and writes behind the archive
// where a call goes round it more than once.
func update(w *whisperfile.Whisper, points []point, now int64) (tooOld []int, err error) {
	archives := w.Retentions()
	if len(archives) == 0 {
		return nil, fmt.Errorf("the file has no archive")
	}
	var run []*whisperfile.TimeSeriesPoint
	in := -1 // the archive of run
	flush := func() error {
		if len(run) == 0 {
			return nil
		}
		err := w.UpdateMany(run)
		run = run[:0]
		return err
	}
	for i, p := range points {
		age := now - p.time
		if age > int64(w.MaxRetention()) {
			tooOld = append(tooOld, i)
			continue
		}
		k, alone := archiveOf(archives, age)
		if k != in || alone || len(run) >= archives[k].NumberOfPoints() {
			if err := flush(); err != nil {
				return tooOld, err
			}
		}
		run = append(run, &whisperfile.TimeSeriesPoint{Time: int(p.time), Value: p.value})
		if in = k; alone {
			in = -1
		}
	}
	return tooOld, flush()
}

// archiveOf returns the finest archive that reaches back for age, and whether the end
// of one is near.
func archiveOf(archives []whisperfile.Retention, age int64) (k int, alone bool) {
	for k := range archives {
		end := int64(archives[k].MaxRetention())
		if age <= end {
			return k, age > end-slack || k > 0 && age <= int64(archives[k-1].MaxRetention())+slack
		}
	}
	return len(archives) - 1, true
}
