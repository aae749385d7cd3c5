package spool

import (
	"errors"
	"io"
	"os"
)

// file is what is used of an *os.File.
type file interface {
	io.Writer
	io.ReaderAt
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
		return f, nil
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
