package ingest

import "sync/atomic"

// Stats is what a listener has seen since the start. Its numbers are exact once
// Stop has returned; before that, those of a buffer in work may be missing.
type Stats struct {
	Name        string
	Protocol    string
	Transport   string
	Address     string // as bound; as configured before Listen
	Compression string
	TLS         bool

	// Connections is how many are open now, Connected how many were ever made.
	Connections, Connected uint64
	// AtLimit says that no connection is accepted now because of MaxConnections,
	// LimitReached how many times that began.
	AtLimit      bool
	LimitReached uint64
	// AcceptErrors, ReadErrors and IdleCloses count failed attempts to accept,
	// broken connections (or failed reads from a UDP socket) and connections
	// closed by IdleTimeout.
	AcceptErrors, ReadErrors, IdleCloses uint64
	// HandshakeErrors counts connections on which no TLS session came about.
	HandshakeErrors uint64
	// NotAllowed counts connections or datagrams from outside the networks in
	// Allow. They are in no other number.
	NotAllowed uint64

	// Bytes and Datagrams count what was received: Bytes as they came, still
	// encrypted or compressed.
	Bytes, Datagrams uint64
	// KernelDrops counts the datagrams for which the UDP socket had no room.
	KernelDrops uint64

	// Accepted counts datapoints.
	Accepted uint64
	// Refused counts, by Reason, lines, datapoints of frames, and what is refused
	// as a whole: a frame, a metric of a protobuf frame, a compressed stream.
	// Blank lines are no items.
	Refused [NumReasons]uint64
	// Unfinished counts lines dropped because the connection was not ended by
	// the client in an orderly way before their newline came (half a line looks
	// like another datapoint), frames that did not come whole, and compressed
	// streams that their client ended in the middle.
	Unfinished uint64
}

// Received returns how many items came: Accepted + Refused (without Blank) +
// Unfinished.
func (s *Stats) Received() uint64 {
	n := s.Accepted + s.Unfinished
	for _, count := range s.Refused[Blank+1:] {
		n += count
	}
	return n
}

// Stats returns one Stats for each of Config.Listeners, in their order.
func (in *Ingest) Stats() []Stats {
	stats := make([]Stats, len(in.listeners))
	for i, l := range in.listeners {
		stats[i] = l.stats()
	}
	return stats
}

// counts are a listener's counters. Workers add to them once for each buffer.
type counts struct {
	opened, closed, limitReached         atomic.Uint64
	acceptErrors, readErrors, idleCloses atomic.Uint64
	handshakeErrors, notAllowed          atomic.Uint64
	bytes, datagrams                     atomic.Uint64
	accepted, unfinished                 atomic.Uint64
	refused                              refusals
	drops                                atomic.Uint64 // as last read from the kernel
}

func (l *listener) stats() Stats {
	c := &l.counts
	closed := c.closed.Load() // before opened, so that the difference is never negative
	s := Stats{
		Name: l.Name, Protocol: l.Protocol, Transport: l.Transport, Address: l.Address,
		Compression: l.Compression, TLS: l.TLS != nil,
		Connected: c.opened.Load(), LimitReached: c.limitReached.Load(),
		AcceptErrors: c.acceptErrors.Load(), ReadErrors: c.readErrors.Load(), IdleCloses: c.idleCloses.Load(),
		HandshakeErrors: c.handshakeErrors.Load(), NotAllowed: c.notAllowed.Load(),
		Bytes: c.bytes.Load(), Datagrams: c.datagrams.Load(),
		Accepted: c.accepted.Load(), Unfinished: c.unfinished.Load(),
	}
	s.Connections = s.Connected - closed
	s.AtLimit = l.MaxConnections > 0 && s.Connections >= uint64(l.MaxConnections)
	for r := range s.Refused {
		s.Refused[r] = c.refused[r].Load()
	}
	if l.addr != nil {
		s.Address = l.addr.String()
	}
	s.KernelDrops = l.dropped()
	return s
}

// dropped returns the kernel's drops, after close the last that were seen.
func (l *listener) dropped() uint64 {
	if l.packets == nil {
		return 0
	}
	now := kernelDrops(l.packets)
	for {
		seen := l.counts.drops.Load()
		if now <= seen || l.counts.drops.CompareAndSwap(seen, now) {
			return max(now, seen)
		}
	}
}
