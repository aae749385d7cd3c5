package ingest

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"strconv"
	"time"
)

const (
	defaultMaxLine         = 16384 // carbon's
	defaultReadBuffer      = 256 << 10
	defaultRefusedInterval = time.Minute

	// Every worker keeps room for an unfinished line in front of its buffer.
	largestMaxLine    = 1 << 20
	smallestBuffer    = 4 << 10
	largestReadBuffer = 16 << 20
	largestUDPBuffer  = 1 << 30
	longestSocketPath = 107 // sockaddr_un has 108 bytes, the last is NUL
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
	for _, l := range cfg.Listeners {
		in.listeners = append(in.listeners, newListener(in, l))
		head = max(head, l.MaxLine)
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

// check validates l and fills in its defaults, except for the name.
func (l *Listener) check() error {
	switch l.Transport {
	case "tcp", "udp":
		if _, _, err := net.SplitHostPort(l.Address); err != nil {
			return errors.New("the address must be host:port, where the host may be empty")
		}
	case "unix":
		if l.Address == "" || len(l.Address) > longestSocketPath {
			return fmt.Errorf("the address must be a path of 1 to %d bytes", longestSocketPath)
		}
	default:
		return errors.New("the transport must be tcp, udp or unix")
	}
	if l.MaxLine == 0 {
		l.MaxLine = defaultMaxLine
	}
	switch {
	case l.MaxLine < 0 || l.MaxLine > largestMaxLine:
		return fmt.Errorf("longest line of %d bytes: must be 1 to %d, or 0 for %d", l.MaxLine, largestMaxLine, defaultMaxLine)
	case l.MaxConnections < 0:
		return fmt.Errorf("%d connections at most: must be 0 (no limit) or more", l.MaxConnections)
	case l.IdleTimeout < 0:
		return fmt.Errorf("idle timeout of %v: must be 0 (never) or more", l.IdleTimeout)
	}
	return nil
}
