package ingest

import "github.com/coalesce-metrics/coalesce/pickle"

// A decoder turns the bytes of one connection into datapoints. It is the
// protocol of a stream and belongs to the connection's goroutine.
type decoder interface {
	// feed decodes the n bytes at w.buf[w.head:]. What is unfinished it keeps
	// in memory of its own: the worker is lent for this call only. It returns
	// false when nothing can be found in the stream any more; that has been
	// counted, and nothing is kept then.
	feed(w *worker, n int) bool
	// end decodes what is kept, because the client has ended the stream, and
	// returns how many items are dropped because they are not whole.
	end(w *worker) int
	// cut drops what is kept, because the stream ended in the middle, and
	// returns how many items that were.
	cut() int
}

// newDecoder returns a decoder for a connection from the given client.
func (l *listener) newDecoder(from sender) decoder {
	if l.Protocol == Plaintext {
		return &lines{listener: l, from: from}
	}
	return &frames{listener: l, from: from, splitter: pickle.Splitter{MaxFrame: l.MaxFrame}}
}
