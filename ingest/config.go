package ingest

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strconv"
	"time"
)

const (
	defaultReadBuffer      = 256 << 10
	defaultRefusedInterval = time.Minute

	smallestBuffer    = 4 << 10
	largestReadBuffer = 16 << 20
	largestUDPBuffer  = 1 << 30
)

// New checks cfg and fills in its defaults; nothing is bound yet.
func New(cfg Config) (*Ingest, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	in := &Ingest{
		cfg:     cfg,
		log:     cfg.Logger,
		stop:    make(chan struct{}),
		sources: make(map[*source]struct{}),
		refused: &sampler{log: cfg.Logger, lines: cfg.RefusedLines, interval: cfg.RefusedInterval},
	}
	head := 0
	for _, c := range cfg.Listeners {
		l, err := newListener(in, c)
		if err != nil {
			return nil, err
		}
		in.listeners = append(in.listeners, l)
		if c.Protocol == Plaintext {
			head = max(head, c.MaxLine)
		}
	}
	in.workers.init(in, head, 2*runtime.GOMAXPROCS(0))
	return in, nil
}

// check validates c and fills in its defaults.
func (c *Config) check() error {
	if c.Acquire == nil || c.Now == nil {
		return errors.New("ingest: Acquire and Now must be set")
	}
	if c.ReadBuffer == 0 {
		c.ReadBuffer = defaultReadBuffer
	}
	if c.RefusedInterval == 0 {
		c.RefusedInterval = defaultRefusedInterval
	}
	switch {
	case c.ReadBuffer < smallestBuffer || c.ReadBuffer > largestReadBuffer:
		return fmt.Errorf("read buffer of %d bytes: must be %d to %d", c.ReadBuffer, smallestBuffer, largestReadBuffer)
	case c.UDPBuffer < 0 || c.UDPBuffer > largestUDPBuffer:
		return fmt.Errorf("UDP buffer of %d bytes: must be 0 (system default) to %d", c.UDPBuffer, largestUDPBuffer)
	case !(c.Resolution >= 0 && c.Resolution <= 1<<31):
		return fmt.Errorf("resolution of %v seconds: must be 0 (off) or a number of seconds", c.Resolution)
	case c.RefusedLines < 0:
		return fmt.Errorf("%d refused lines: must be 0 (none logged) or more", c.RefusedLines)
	case c.RefusedInterval < 0:
		return fmt.Errorf("refused-lines interval of %v: must be above 0", c.RefusedInterval)
	}
	names := make(map[string]bool)
	listeners := make([]Listener, len(c.Listeners))
	for i, l := range c.Listeners {
		if err := l.check(); err != nil {
			return fmt.Errorf("listener %d (%s %q): %w", i+1, l.Transport, l.Address, err)
		}
		if names[l.Name] {
			return fmt.Errorf("listener %d (%s %q): there is another listener with the name %q", i+1, l.Transport, l.Address, l.Name)
		}
		if l.Name != "" {
			names[l.Name] = true
		}
		listeners[i] = l
	}
	for i := range listeners {
		l := &listeners[i]
		for n := 1; l.Name == ""; n++ {
			name := l.Transport
			if l.Protocol != Plaintext {
				name = l.Protocol
			}
			if n > 1 {
				name += strconv.Itoa(n)
			}
			if !names[name] {
				l.Name, names[name] = name, true
			}
		}
	}
	c.Listeners = listeners
	return nil
}
