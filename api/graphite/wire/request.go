package wire

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// Bounds of what a request may hold.
const (
	MaxEntries = 10_000  // queries, or requests for series
	MaxText    = 1 << 16 // bytes of a name or an expression
)

// A FetchRequest is one of those in a MultiFetchRequest of carbonapi_v3_pb.
type FetchRequest struct {
	// Name is the pattern of the series wanted.
	Name string
	// PathExpression is the part of the client's target that Name is of, by
	// which it knows the answer again.
	PathExpression string
	// Start, exclusive, and Stop, inclusive, are Unix seconds.
	Start, Stop int64
	// MaxDataPoints is the number of points wanted at most, 0 without a limit.
	MaxDataPoints int64
}

// ParseFetchRequest reads a MultiFetchRequest of carbonapi_v3_pb; it has one
// request at least, each with a name. Fields other than those of FetchRequest
// are ignored, filter functions as well: the answer says that none was applied.
func ParseFetchRequest(body []byte) ([]FetchRequest, error) {
	var all []FetchRequest
	err := eachField(body, func(f field) error {
		if !f.is(1, protowire.BytesType) {
			return nil
		}
		if len(all) == MaxEntries {
			return fmt.Errorf("more than %d requests", MaxEntries)
		}
		r, err := parseFetch(f.bytes)
		all = append(all, r)
		return err
	})
	if err == nil && len(all) == 0 {
		err = errors.New("no request in it; one at least is needed")
	}
	if err != nil {
		return nil, fmt.Errorf("MultiFetchRequest of carbonapi_v3_pb: %w", err)
	}
	return all, nil
}

func parseFetch(message []byte) (FetchRequest, error) {
	var r FetchRequest
	err := eachField(message, func(f field) (err error) {
		switch {
		case f.is(1, protowire.BytesType):
			r.Name, err = f.text()
		case f.is(2, protowire.VarintType):
			r.Start = int64(f.varint)
		case f.is(3, protowire.VarintType):
			r.Stop = int64(f.varint)
		case f.is(5, protowire.BytesType):
			r.PathExpression, err = f.text()
		case f.is(7, protowire.VarintType):
			r.MaxDataPoints = int64(f.varint)
		}
		return err
	})
	if err == nil && r.Name == "" {
		err = fmt.Errorf("a request %.40q without a name", message)
	}
	return r, err
}

// A GlobRequest is a MultiGlobRequest of carbonapi_v3_pb.
type GlobRequest struct {
	// Queries are the patterns looked for.
	Queries []string
	// Start and Stop are Unix seconds, 0 where there is no such bound.
	Start, Stop int64
}

// ParseGlobRequest reads a MultiGlobRequest of carbonapi_v3_pb, or a
// MultiMetricsInfoRequest, which is alike; it has one query at least, and none
// is empty.
func ParseGlobRequest(body []byte) (GlobRequest, error) {
	var r GlobRequest
	err := eachField(body, func(f field) error {
		switch {
		case f.is(1, protowire.BytesType):
			query, err := f.text()
			switch {
			case err != nil:
				return err
			case query == "":
				return errors.New("an empty query")
			case len(r.Queries) == MaxEntries:
				return fmt.Errorf("more than %d queries", MaxEntries)
			}
			r.Queries = append(r.Queries, query)
		case f.is(2, protowire.VarintType):
			r.Start = int64(f.varint)
		case f.is(3, protowire.VarintType):
			r.Stop = int64(f.varint)
		}
		return nil
	})
	if err == nil && len(r.Queries) == 0 {
		err = errors.New("no query in it; one at least is needed")
	}
	if err != nil {
		return GlobRequest{}, fmt.Errorf("MultiGlobRequest of carbonapi_v3_pb: %w", err)
	}
	return r, nil
}

// A field of a message. What it holds is in bytes or varint, by its type; other
// types are only skipped.
type field struct {
	num    protowire.Number
	typ    protowire.Type
	bytes  []byte
	varint uint64
}

func (f *field) is(num protowire.Number, typ protowire.Type) bool {
	return f.num == num && f.typ == typ
}

func (f *field) text() (string, error) {
	switch {
	case len(f.bytes) > MaxText:
		return "", fmt.Errorf("%.40q… of %d bytes; accepted: %d at most", f.bytes, len(f.bytes), MaxText)
	case !utf8.Valid(f.bytes):
		return "", fmt.Errorf("%.40q is not UTF-8", f.bytes)
	}
	return string(f.bytes), nil
}

// eachField calls visit for each field until one is refused.
func eachField(message []byte, visit func(field) error) error {
	for b := message; len(b) > 0; {
		f, n, err := readField(b)
		if err != nil {
			return fmt.Errorf("byte %d, %.40q: no field of protobuf: %w", len(message)-len(b), b, err)
		}
		if err := visit(f); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// readField returns the field that b begins with, and its size.
func readField(b []byte) (field, int, error) {
	num, typ, n := protowire.ConsumeTag(b)
	if n < 0 {
		return field{}, 0, protowire.ParseError(n)
	}
	if num > protowire.MaxValidNumber {
		return field{}, 0, fmt.Errorf("number %d; accepted: %d at most", num, protowire.MaxValidNumber)
	}
	f := field{num: num, typ: typ}
	var m int
	switch typ {
	case protowire.BytesType:
		f.bytes, m = protowire.ConsumeBytes(b[n:])
	case protowire.VarintType:
		f.varint, m = protowire.ConsumeVarint(b[n:])
	default:
		m = protowire.ConsumeFieldValue(num, typ, b[n:])
	}
	if m < 0 {
		return field{}, 0, protowire.ParseError(m)
	}
	return f, n + m, nil
}
