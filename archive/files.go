package archive

import (
	"errors"
	"io"
	"os"
)

// file is what is used of an *os.File.
type file interface {
	io.Writer
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	Sync() error
}

// layer is the file system, so that tests can have it fail.
type layer struct {
	open    func(name string, flag int) (file, error)
	remove  func(name string) error
	syncDir func(name string) error
}

var disk = layer{
	open: func(name string, flag int) (file, error) {
		f, err := os.OpenFile(name, flag, 0o640)
		if err != nil {
			return nil, err // not a nil *os.File
		}
		return dataFile{f}, nil
	},
	remove: os.Remove,
	syncDir: func(name string) error {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	},
}

// dataFile is a file whose Sync need not wait for its times to be written.
type dataFile struct{ *os.File }

func (f dataFile) Sync() error { return syncData(f.File) }

// readFile returns what it can of the first limit bytes of a file.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}
