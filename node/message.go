package node

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"runtime/debug"
	"strconv"
)

// session is one stream of messages; init names it.
type session struct {
	node  *Node
	id    string
	named bool
}

// message is one request, as far as the reply needs it.
type message struct {
	envelope  bool
	src, dest string // "" where absent
	id        []byte // msg_id as JSON; nil without
	body      fields
}

// answer appends the reply to an object, a line, to dst.
func (s *session) answer(ctx context.Context, dst, obj []byte) []byte {
	m, err := parseMessage(obj)
	var kind string
	var rest []byte
	if err == nil {
		kind, rest, err = s.handle(ctx, &m)
	}
	if err != nil {
		kind, rest = "error", s.node.appendFault(nil, err)
	}
	return s.appendReply(dst, &m, kind, rest)
}

func (n *Node) appendFault(dst []byte, err error) []byte {
	f := n.faultOf(err)
	dst = append(dst, `,"code":`...)
	dst = strconv.AppendInt(dst, int64(f.code), 10)
	dst = append(dst, `,"text":`...)
	return appendText(dst, f.text)
}

// appendReply appends a line with the reply: rest is what follows in_reply_to.
func (s *session) appendReply(dst []byte, m *message, kind string, rest []byte) []byte {
	if m.envelope {
		own := m.dest
		if s.named {
			own = s.id
		}
		dst = append(dst, '{')
		if own != "" {
			dst = appendText(append(dst, `"src":`...), own)
			dst = append(dst, ',')
		}
		if m.src != "" {
			dst = appendText(append(dst, `"dest":`...), m.src)
			dst = append(dst, ',')
		}
		dst = append(dst, `"body":`...)
	}
	dst = appendText(append(dst, `{"type":`...), kind)
	if m.id != nil {
		dst = append(append(dst, `,"in_reply_to":`...), m.id...)
	}
	dst = append(append(dst, rest...), '}')
	if m.envelope {
		dst = append(dst, '}')
	}
	return append(dst, '\n')
}

// parseMessage reads a message. What could be read of it is returned with an
// error, too, so that the reply finds its way.
func parseMessage(obj []byte) (m message, err error) {
	top, ok := fieldsOf(obj)
	if !ok {
		return m, bad("the message must be an object")
	}
	raw, ok := top["body"]
	if m.envelope = ok; !ok {
		if _, ok := top["type"]; !ok {
			return m, bad("the message has neither body nor type")
		}
		m.body = top
	} else {
		var errs [2]error
		m.src, _, errs[0] = top.text("src")
		m.dest, _, errs[1] = top.text("dest")
		if m.body, ok = fieldsOf(raw); !ok {
			return m, bad("body is %s; it must be an object", clip(raw))
		}
		for _, e := range errs {
			if e != nil {
				err = e
			}
		}
	}
	id, e := m.body.messageID()
	m.id = id
	if e != nil {
		err = e
	}
	return m, err
}

// messageID returns msg_id as JSON, nil without.
func (f fields) messageID() ([]byte, error) {
	raw, ok := f.get("msg_id")
	if !ok {
		return nil, nil
	}
	x, err := number(raw)
	switch {
	case err != nil:
		return nil, bad("msg_id %s", err)
	case x != math.Trunc(x):
		return nil, bad("msg_id is %s; it must be a whole number", clip(raw))
	case len(bytes.Trim(raw, "-0123456789")) == 0 && len(raw) <= 32:
		return raw, nil // beyond 2^53, too
	}
	return appendNumber(nil, x), nil
}

// handle returns the type of the reply to a message, and what follows
// in_reply_to in it.
func (s *session) handle(ctx context.Context, m *message) (kind string, rest []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.node.cfg.Logger.Error("a message failed because of a mistake in the program",
				"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = faultf(crash, "internal failure; the log has more")
		}
	}()
	kind, ok, err := m.body.text("type")
	switch {
	case err != nil:
		return "", nil, err
	case !ok:
		return "", nil, bad("type is missing; accepted: %s", types)
	}
	switch kind {
	case "init":
		return "init_ok", nil, s.init(m.body)
	case "aggregate_metric":
		ctx, cancel := context.WithTimeout(ctx, s.node.cfg.Patience)
		defer cancel()
		rest, err = s.node.aggregate(ctx, m.body)
		return "aggregation_result", rest, err
	case "record_metric":
		ctx, cancel := context.WithTimeout(ctx, s.node.cfg.Patience)
		defer cancel()
		return "record_ok", nil, s.node.record(ctx, m.body)
	}
	return "", nil, faultf(notSupported, "unknown type %q; accepted: %s", clip([]byte(kind)), types)
}

const types = "init, aggregate_metric, record_metric"

// init takes the name of this end.
func (s *session) init(f fields) error {
	id, ok, err := f.text("node_id")
	if err != nil {
		return err
	}
	if !ok || id == "" {
		return bad("node_id is missing; it must be a string that is not empty")
	}
	if raw, ok := f.get("node_ids"); ok && !bytes.Equal(raw, []byte("[]")) {
		if _, _, err := f.texts("node_ids"); err != nil {
			return err
		}
	}
	s.id, s.named = id, true
	return nil
}

// addressOf returns where the reply to an object goes of which only the
// beginning is there.
func addressOf(start []byte) (m message) {
	d := json.NewDecoder(bytes.NewReader(start[:min(len(start), 4096)]))
	d.UseNumber()
	if _, err := d.Token(); err != nil { // the brace
		return m
	}
	for depth := 1; depth > 0; {
		key, err := d.Token()
		if err != nil {
			return m
		}
		name, ok := key.(string)
		if !ok { // a closing brace
			depth--
			continue
		}
		if name == "body" && depth == 1 {
			m.envelope = true
			if open, err := d.Token(); err != nil || open != json.Delim('{') {
				return m
			}
			depth++
			continue
		}
		var raw json.RawMessage
		if d.Decode(&raw) != nil {
			return m
		}
		f := fields{name: raw}
		if depth == 1 {
			if s, ok, _ := f.text("src"); ok {
				m.src = s
			}
			if s, ok, _ := f.text("dest"); ok {
				m.dest = s
			}
		}
		if (depth == 2) == m.envelope {
			if id, err := f.messageID(); err == nil && id != nil {
				m.id = id
			}
		}
	}
	return m
}
