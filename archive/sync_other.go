//go:build !linux

package archive

import "os"

func syncData(f *os.File) error { return f.Sync() }
