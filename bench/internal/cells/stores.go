package cells

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/coalesce-metrics/coalesce/bench/internal/postgres"
	"github.com/coalesce-metrics/coalesce/store"
	"github.com/coalesce-metrics/coalesce/store/memory"
	pgstore "github.com/coalesce-metrics/coalesce/store/postgres"
	"github.com/coalesce-metrics/coalesce/store/sqlite"
)

// Stores names the stores in the order in which they are measured.
var Stores = []string{"memory", "sqlite", "postgres"}

// ErrMissing says that a store cannot be had on this machine.
var ErrMissing = postgres.ErrMissing

// Opened is an empty store, with what it needs.
type Opened struct {
	Store store.Store

	dir    string           // its files; empty without any
	server *postgres.Server // nil if it runs in this process
}

// Open makes a store of Stores. What it writes is on the disk, in the folder for
// temporary files, but for memory.
func Open(ctx context.Context, name string) (o *Opened, err error) {
	o = new(Opened)
	defer func() {
		if err != nil {
			o.Close()
		}
	}()
	switch name {
	case "memory":
		o.Store = memory.New(memory.Options{MaxBytes: 4 << 30})
	case "sqlite":
		if o.dir, err = os.MkdirTemp("", "coalesce-bench-"); err != nil {
			return nil, err
		}
		if s, err := sqlite.Open(filepath.Join(o.dir, "cells.sqlite"), sqlite.Options{}); err != nil {
			return nil, err
		} else {
			o.Store = s
		}
	case "postgres":
		if o.server, err = postgres.Start(ctx); err != nil {
			return nil, err
		}
		if s, err := pgstore.Open(ctx, o.server.URL(), pgstore.Options{}); err != nil {
			return nil, err
		} else {
			o.Store = s
		}
	default:
		panic("cells: BUG: no store " + name)
	}
	return o, nil
}

// Close removes all of it.
func (o *Opened) Close() error {
	var err error
	if o.Store != nil {
		err = o.Store.Close()
	}
	if o.server != nil {
		o.server.Stop()
	}
	if o.dir != "" {
		err = errors.Join(err, os.RemoveAll(o.dir))
	}
	return err
}
