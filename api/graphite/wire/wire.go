// Package wire writes Graphite's answers in the formats of its clients.
//
// Every Append function appends one whole answer (or, where it says so, a part
// of one) to dst, keeps none of what it is given, and cannot fail: what a name
// holds that is not UTF-8 becomes U+FFFD, since readers drop the whole answer
// otherwise.
package wire

import (
	"fmt"
	"slices"
	"strings"
)

// A Format is one way to write an answer.
type Format uint8

// The formats of /render and /metrics/find; see RenderFormat and FindFormat for
// which is whose.
const (
	JSON Format = iota
	Raw
	CSV
	Pickle
	MsgPack
	V2 // carbonapi's protobuf, as of go-carbon's first
	V3 // carbonapi's present protobuf
	TreeJSON
	Completer
	NodeList
	numFormats
)

var formats = [numFormats]struct{ name, contentType string }{
	JSON:      {"json", "application/json"},
	Raw:       {"raw", "text/plain"},
	CSV:       {"csv", "text/csv"},
	Pickle:    {"pickle", "application/pickle"},
	MsgPack:   {"msgpack", "application/x-msgpack"},
	V2:        {"carbonapi_v2_pb", "application/x-protobuf"},
	V3:        {"carbonapi_v3_pb", "application/x-carbonapi-v3-pb"},
	TreeJSON:  {"treejson", "application/json"},
	Completer: {"completer", "application/json"},
	NodeList:  {"nodelist", "application/json"},
}

var (
	renderFormats = []Format{JSON, Raw, CSV, Pickle, MsgPack, V2, V3}
	findFormats   = []Format{TreeJSON, JSON, Completer, NodeList, Pickle, MsgPack, V2, V3}
)

// String returns the name of the format in requests.
func (f Format) String() string {
	if f < numFormats {
		return formats[f].name
	}
	return fmt.Sprintf("format(%d)", uint8(f))
}

// ContentType returns what the answer's header of that name holds. graphite-web
// compares it as a whole, so it has no parameters.
func (f Format) ContentType() string { return formats[f].contentType }

// Parse returns the format of that name; protobuf and protobuf3 are names of V2.
func Parse(format string) (Format, bool) {
	if format == "protobuf" || format == "protobuf3" {
		return V2, true
	}
	for f := range numFormats {
		if formats[f].name == format {
			return f, true
		}
	}
	return 0, false
}

// RenderFormat chooses the format of an answer of /render by the request's
// Accept headers and its parameter format, "" where it has none. The error is
// the client's.
func RenderFormat(accept []string, format string) (Format, error) {
	switch f, ok := choose(accept, format, renderFormats); {
	case ok:
		return f, nil
	case format == "" || format == "png" || format == "svg" || format == "pdf":
		return 0, fmt.Errorf("image rendering not supported; accepted: format=%s", list(renderFormats))
	}
	return 0, fmt.Errorf("format %q is not supported; accepted: %s", format, list(renderFormats))
}

// FindFormat chooses the format of an answer of /metrics/find as RenderFormat
// does; without any it is TreeJSON.
func FindFormat(accept []string, format string) (Format, error) {
	if format == "" {
		format = TreeJSON.String()
	}
	if f, ok := choose(accept, format, findFormats); ok {
		return f, nil
	}
	return 0, fmt.Errorf("format %q is not supported; accepted: %s", format, list(findFormats))
}

// choose lets the Accept header decide for V3 only: carbonapi names V2's there
// whatever it asks for.
func choose(accept []string, format string, of []Format) (Format, bool) {
	if AcceptsV3(accept) {
		return V3, true
	}
	f, ok := Parse(format)
	return f, ok && slices.Contains(of, f)
}

// AcceptsV3 tells whether the Accept headers of a request name the type of V3.
// The body of such a request is V3 as well.
func AcceptsV3(accept []string) bool {
	for _, header := range accept {
		for element := range strings.SplitSeq(header, ",") {
			kind, _, _ := strings.Cut(element, ";")
			if strings.EqualFold(strings.TrimSpace(kind), V3.ContentType()) {
				return true
			}
		}
	}
	return false
}

func list(of []Format) string {
	names := make([]string, len(of))
	for i, f := range of {
		names[i] = f.String()
	}
	return strings.Join(names, ", ")
}

// valid returns s as readers demand it.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
