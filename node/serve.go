package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// maxKeptLine is the longest reply whose memory the next one uses again, in bytes.
const maxKeptLine = 1 << 20

// Serve answers the messages of r on w, each with one line in the order of the
// messages, as long as ctx lasts. Objects may follow one another on a line or be
// spread over several. Text that is no object is logged, and reading goes on
// with the next line; a message longer than the limit is answered with error 12
// and its rest passed over.
//
// Each reply is one Write, after which a Flush() error that w may have is
// called. At the end of r all is answered and Serve returns nil; otherwise it
// returns the error of r, w or ctx. A Read under way is not interrupted by ctx:
// close r.
func (n *Node) Serve(ctx context.Context, r io.Reader, w io.Writer) error {
	s := session{node: n}
	complaints := complaints{node: n}
	defer complaints.flush()
	f := newFramer(r, n.cfg.MaxObject)
	var line []byte
	for {
		p, text, err := f.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("reading messages: %w", err)
		case ctx.Err() != nil:
			return ctx.Err()
		case p == junk:
			complaints.add(text)
			continue
		}
		line = s.appendPiece(ctx, line[:0], p, text)
		if err := writeLine(w, line); err != nil {
			return fmt.Errorf("writing a reply: %w", err)
		}
		if cap(line) > maxKeptLine {
			line = nil
		}
	}
}

func writeLine(w io.Writer, line []byte) error {
	if _, err := w.Write(line); err != nil {
		return err
	}
	if b, ok := w.(interface{ Flush() error }); ok {
		return b.Flush()
	}
	return nil
}

// Answer answers the messages in body as a stream of their own: one line for
// each object, however they stand on lines, and one Write for each line. An
// envelope is answered with an envelope, a bare body with a bare body. Text that
// is no object, an array too, and a body without any message, are answered with a
// bare error 12. When ctx ends, a bare error 11 stands for all messages that are
// left. The error is that of w.
func (n *Node) Answer(ctx context.Context, w io.Writer, body []byte) error {
	s := session{node: n}
	f := newFramer(bytes.NewReader(body), n.cfg.MaxObject)
	var line []byte
	for first, last := true, false; !last; first = false {
		p, text, err := f.next()
		switch {
		case err != nil && !first:
			return nil
		case err != nil:
			last = true
			line = s.appendRefusal(line[:0], &message{}, bad("the body holds no message; it must be a JSON object"))
		case ctx.Err() != nil:
			last = true
			line = s.appendRefusal(line[:0], &message{},
				faultf(unavailable, "the messages before took all the time of a request; send what is left again, fewer at a time"))
		case p == junk:
			line = s.appendRefusal(line[:0], &message{},
				bad("%q is no message; messages are JSON objects, one after the other", clip(text)))
		default:
			line = s.appendPiece(ctx, line[:0], p, text)
		}
		if _, err := w.Write(line); err != nil {
			return err
		}
		if cap(line) > maxKeptLine {
			line = nil
		}
	}
	return nil
}

// appendPiece appends the reply to a piece that is not junk.
func (s *session) appendPiece(ctx context.Context, dst []byte, p piece, text []byte) []byte {
	switch p {
	case long:
		m := addressOf(text)
		return s.appendRefusal(dst, &m, bad("the message is longer than %d bytes", s.node.cfg.MaxObject))
	case deep:
		m := addressOf(text)
		return s.appendRefusal(dst, &m, bad("the message nests deeper than %d levels", maxDepth))
	}
	return s.answer(ctx, dst, text)
}

func (s *session) appendRefusal(dst []byte, m *message, f *fault) []byte {
	return s.appendReply(dst, m, "error", s.node.appendFault(nil, f))
}

// complaintEvery is how often text that is no message is logged.
const complaintEvery = 10 * time.Second

// complaints logs text that is no message, and counts what it does not log.
type complaints struct {
	node       *Node
	last       time.Time
	suppressed int
}

func (c *complaints) add(text []byte) {
	now := c.node.cfg.Now()
	if !c.last.IsZero() && now.Sub(c.last) < complaintEvery {
		c.suppressed++
		return
	}
	c.node.cfg.Logger.Warn("text that is no message; reading goes on with the next line",
		"text", string(clip(text)), "suppressed", c.suppressed)
	c.last, c.suppressed = now, 0
}

func (c *complaints) flush() {
	if c.suppressed > 0 {
		c.node.cfg.Logger.Warn("more text that was no message", "times", c.suppressed)
	}
}
