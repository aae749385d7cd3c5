package wire

import (
	"encoding/binary"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/coalesce-metrics/coalesce/query/functions"
)

// AppendRenderV2 appends the series as a MultiFetchResponse of carbonapi_v2_pb.
// Its readers keep 32 bits of a time, which is enough until 2038.
func AppendRenderV2(dst []byte, series []*functions.Series) []byte {
	const perSeries, perPoint = 100, 9 // typical
	dst = slices.Grow(dst, perSeries*len(series)+perPoint*points(series))
	var head []byte
	for _, s := range series {
		head = appendText(head[:0], 1, s.Name)
		head = appendInt(head, 2, s.Start)
		head = appendInt(head, 3, s.End)
		head = appendInt(head, 4, s.Step)

		n := len(s.Values)
		size := len(head) + packedSize(5, 8*n) + packedSize(6, n)
		dst = append(appendHead(dst, 1, size), head...)
		if n == 0 {
			continue
		}
		dst = appendHead(dst, 5, 8*n)
		for _, v := range s.Values {
			if math.IsNaN(v) {
				v = 0
			}
			dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
		}
		dst = appendHead(dst, 6, n)
		for _, v := range s.Values {
			dst = append(dst, byte(protowire.EncodeBool(math.IsNaN(v))))
		}
	}
	return dst
}

// AppendRenderV3 appends the series that answer one request of a
// MultiFetchRequest. The answers to all of its requests, one after the other,
// are the MultiFetchResponse of carbonapi_v3_pb.
func AppendRenderV3(dst []byte, req *FetchRequest, series []*functions.Series) []byte {
	const perSeries, perPoint = 200, 8 // typical
	dst = slices.Grow(dst, perSeries*len(series)+perPoint*points(series))
	var head []byte
	for _, s := range series {
		head = appendText(head[:0], 1, s.Name)
		head = appendText(head, 2, req.PathExpression)
		head = appendText(head, 3, consolidation(s))
		head = appendInt(head, 4, s.Start)
		head = appendInt(head, 5, s.End)
		head = appendInt(head, 6, s.Step)
		head = appendFloat(head, 7, s.XFilesFactor)
		head = appendInt(head, 11, req.Start)
		head = appendInt(head, 12, req.Stop)

		n := 8 * len(s.Values)
		size := len(head) + packedSize(9, n)
		dst = append(appendHead(dst, 1, size), head...)
		if n == 0 {
			continue
		}
		dst = appendHead(dst, 9, n)
		for _, v := range s.Values {
			dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
		}
	}
	return dst
}

// AppendFindV2 appends the nodes that a query matched as a GlobResponse of
// carbonapi_v2_pb.
func AppendFindV2(dst []byte, query string, nodes []Node) []byte {
	dst = growFor(dst, nodes, 1, 10)
	dst = appendText(dst, 1, query)
	var match []byte
	for n, leaf := range each(nodes) {
		match = appendText(match[:0], 1, n.Path)
		match = appendInt(match, 2, int64(protowire.EncodeBool(leaf)))
		dst = appendMessage(dst, 2, match)
	}
	return dst
}

// AppendFindV3 appends the nodes that one query of a MultiGlobRequest matched.
// The answers to all of its queries, one after the other, are the
// MultiGlobResponse of carbonapi_v3_pb, which answers /metrics/expand as well.
func AppendFindV3(dst []byte, query string, nodes []Node) []byte {
	return appendMessage(dst, 1, AppendFindV2(nil, query, nodes)) // as a GlobResponse is the same in both
}

// Protocols are those that AppendCapabilities lists. carbonapi uses the first.
func Protocols() []string { return []string{V3.String(), V2.String(), MsgPack.String()} }

// AppendCapabilities appends a CapabilityResponse of carbonapi_v3_pb for the
// server of that name. The request that it answers holds nothing.
func AppendCapabilities(dst []byte, name string) []byte {
	for _, p := range Protocols() {
		dst = appendText(dst, 1, p)
	}
	dst = appendText(dst, 2, name)
	const likeSplittedRequests = 5 // a query may be asked in parts
	return appendInt(dst, likeSplittedRequests, 1)
}

// Info says how a series is kept. In JSON it has the names of an InfoResponse.
type Info struct {
	Name              string      `json:"name"`
	AggregationMethod string      `json:"aggregationMethod"`
	MaxRetention      int64       `json:"maxRetention"` // in seconds
	XFilesFactor      float64     `json:"xFilesFactor"`
	Retentions        []Retention `json:"retentions"`
}

// Retention is how much is kept of a series in points of one length.
type Retention struct {
	SecondsPerPoint int64 `json:"secondsPerPoint"`
	NumberOfPoints  int64 `json:"numberOfPoints"`
}

// AppendInfoV2 appends an InfoResponse of carbonapi_v2_pb. carbonapi expects it
// from /info even where it asks for msgpack.
func AppendInfoV2(dst []byte, info *Info) []byte {
	dst = appendText(dst, 1, info.Name)
	dst = appendText(dst, 2, info.AggregationMethod)
	dst = appendInt(dst, 3, info.MaxRetention)
	dst = appendFloat(dst, 4, info.XFilesFactor)
	var retention []byte
	for _, r := range info.Retentions {
		retention = appendInt(retention[:0], 1, r.SecondsPerPoint)
		retention = appendInt(retention, 2, r.NumberOfPoints)
		dst = appendMessage(dst, 5, retention)
	}
	return dst
}

// AppendInfoV3 appends what is known of one series. Several, one after the
// other, are the MultiMetricsInfoResponse of carbonapi_v3_pb.
func AppendInfoV3(dst []byte, info *Info) []byte {
	return appendMessage(dst, 1, AppendInfoV2(nil, info)) // the fields are the same in both
}

// Fields that hold their type's zero are left out, as protobuf has it.

func appendText(dst []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return dst
	}
	return protowire.AppendString(protowire.AppendTag(dst, num, protowire.BytesType), valid(s))
}

func appendInt(dst []byte, num protowire.Number, n int64) []byte {
	if n == 0 {
		return dst
	}
	return protowire.AppendVarint(protowire.AppendTag(dst, num, protowire.VarintType), uint64(n))
}

func appendFloat(dst []byte, num protowire.Number, v float64) []byte {
	if v == 0 {
		return dst
	}
	return protowire.AppendFixed32(protowire.AppendTag(dst, num, protowire.Fixed32Type), math.Float32bits(float32(v)))
}

func appendMessage(dst []byte, num protowire.Number, message []byte) []byte {
	return append(appendHead(dst, num, len(message)), message...)
}

// appendHead begins a field of size bytes.
func appendHead(dst []byte, num protowire.Number, size int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(dst, num, protowire.BytesType), uint64(size))
}

// packedSize is the size of a field of packed values, which is left out if empty.
func packedSize(num protowire.Number, size int) int {
	if size == 0 {
		return 0
	}
	return protowire.SizeTag(num) + protowire.SizeBytes(size)
}
