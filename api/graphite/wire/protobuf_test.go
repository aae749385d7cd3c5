package wire

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/coalesce-metrics/coalesce/query/functions"
)

// The messages of carbonapi_v2_pb and carbonapi_v3_pb, by their names there:
// number, name and type of each field; [] is repeated.
var schema = map[string][]string{
	"carbonapi_v2_pb.FetchResponse": {
		"1 name string", "2 startTime int32", "3 stopTime int32", "4 stepTime int32", "5 values []double", "6 isAbsent []bool"},
	"carbonapi_v2_pb.MultiFetchResponse": {"1 metrics []FetchResponse"},
	"carbonapi_v2_pb.GlobMatch":          {"1 path string", "2 isLeaf bool"},
	"carbonapi_v2_pb.GlobResponse":       {"1 name string", "2 matches []GlobMatch"},
	"carbonapi_v2_pb.Retention":          {"1 secondsPerPoint int32", "2 numberOfPoints int32"},
	"carbonapi_v2_pb.InfoResponse": {
		"1 name string", "2 aggregationMethod string", "3 maxRetention int32", "4 xFilesFactor float", "5 retentions []Retention"},

	"carbonapi_v3_pb.CapabilityResponse": {
		"1 supportedProtocols []string", "2 name string", "3 highPrecisionTimestamps bool", "4 supportFilteringFunctions bool",
		"5 likeSplittedRequests bool", "6 supportStreaming bool"},
	"carbonapi_v3_pb.FetchRequest": {
		"1 name string", "2 startTime int64", "3 stopTime int64", "5 pathExpression string", "7 maxDataPoints int64"},
	"carbonapi_v3_pb.MultiFetchRequest": {"1 metrics []FetchRequest"},
	"carbonapi_v3_pb.FetchResponse": {
		"1 name string", "2 pathExpression string", "3 consolidationFunc string", "4 startTime int64", "5 stopTime int64",
		"6 stepTime int64", "7 xFilesFactor float", "9 values []double", "11 requestStartTime int64", "12 requestStopTime int64"},
	"carbonapi_v3_pb.MultiFetchResponse": {"1 metrics []FetchResponse"},
	"carbonapi_v3_pb.MultiGlobRequest":   {"1 metrics []string", "2 startTime int64", "3 stopTime int64"},
	"carbonapi_v3_pb.GlobMatch":          {"1 path string", "2 isLeaf bool"},
	"carbonapi_v3_pb.GlobResponse":       {"1 name string", "2 matches []GlobMatch"},
	"carbonapi_v3_pb.MultiGlobResponse":  {"1 metrics []GlobResponse"},
	"carbonapi_v3_pb.Retention":          {"1 secondsPerPoint int64", "2 numberOfPoints int64"},
	"carbonapi_v3_pb.MetricsInfoResponse": {
		"1 name string", "2 consolidationFunc string", "3 maxRetention int64", "4 xFilesFactor float", "5 retentions []Retention"},
	"carbonapi_v3_pb.MultiMetricsInfoResponse": {"1 metrics []MetricsInfoResponse"},
}

var messages = func() map[string]protoreflect.MessageDescriptor {
	all := make(map[string]protoreflect.MessageDescriptor)
	for _, pkg := range []string{"carbonapi_v2_pb", "carbonapi_v3_pb"} {
		file := &descriptorpb.FileDescriptorProto{Name: proto.String(pkg + ".proto"), Package: &pkg, Syntax: proto.String("proto3")}
		for name, fields := range schema {
			if name, ok := strings.CutPrefix(name, pkg+"."); ok {
				file.MessageType = append(file.MessageType, message(pkg, name, fields))
			}
		}
		desc, err := protodesc.NewFile(file, nil)
		if err != nil {
			panic(err)
		}
		for i := range desc.Messages().Len() {
			m := desc.Messages().Get(i)
			all[string(m.FullName())] = m
		}
	}
	return all
}()

func message(pkg, name string, fields []string) *descriptorpb.DescriptorProto {
	m := &descriptorpb.DescriptorProto{Name: &name}
	for _, text := range fields {
		var number int32
		var name, kind string
		fmt.Sscan(text, &number, &name, &kind)
		f := &descriptorpb.FieldDescriptorProto{Name: &name, Number: &number, JsonName: &name}
		f.Label = descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()
		if k, ok := strings.CutPrefix(kind, "[]"); ok {
			kind, f.Label = k, descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
		}
		if t, ok := descriptorpb.FieldDescriptorProto_Type_value["TYPE_"+strings.ToUpper(kind)]; ok {
			f.Type = descriptorpb.FieldDescriptorProto_Type(t).Enum()
		} else {
			f.Type, f.TypeName = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), proto.String("."+pkg+"."+kind)
		}
		m.Field = append(m.Field, f)
	}
	return m
}

// read returns what protobuf reads of a message: fields that are set, by name.
func read(t testing.TB, name string, b []byte) map[string]any {
	t.Helper()
	m := dynamicpb.NewMessage(messages[name])
	if err := proto.Unmarshal(b, m); err != nil {
		t.Fatalf("%s: %v: %x", name, err, b)
	}
	return fieldsOf(t, m)
}

func fieldsOf(t testing.TB, m protoreflect.Message) map[string]any {
	if len(m.GetUnknown()) > 0 {
		t.Fatalf("%s: unknown fields %x", m.Descriptor().FullName(), m.GetUnknown())
	}
	all := map[string]any{}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		value := func(v protoreflect.Value) any {
			if f.Kind() == protoreflect.MessageKind {
				return fieldsOf(t, v.Message())
			}
			return v.Interface()
		}
		if !f.IsList() {
			all[string(f.Name())] = value(v)
			return true
		}
		var list []any
		for i := range v.List().Len() {
			list = append(list, value(v.List().Get(i)))
		}
		all[string(f.Name())] = list
		return true
	})
	return all
}

// anything that a message holds, as fieldsOf writes it.
type (
	object = map[string]any
	array  = []any
)

func diff(want, got object) string { return cmp.Diff(want, got, cmpopts.EquateNaNs()) }

var twoSeries = []*functions.Series{
	{Name: "a.b", Path: "a.*", Start: 1_700_000_040, End: 1_700_000_220, Step: 60, Values: []float64{1.5, math.NaN(), math.Inf(-1)},
		Consolidate: "max", XFilesFactor: 0.5},
	{Name: "none", Start: 60, End: 60, Step: 60},
}

func TestRenderV2(t *testing.T) {
	got := read(t, "carbonapi_v2_pb.MultiFetchResponse", AppendRenderV2(nil, twoSeries))
	want := object{"metrics": array{
		object{"name": "a.b", "startTime": int32(1_700_000_040), "stopTime": int32(1_700_000_220), "stepTime": int32(60),
			"values": array{1.5, 0.0, math.Inf(-1)}, "isAbsent": array{false, true, false}},
		object{"name": "none", "startTime": int32(60), "stopTime": int32(60), "stepTime": int32(60)},
	}}
	if d := diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestRenderV3(t *testing.T) {
	b := AppendRenderV3(nil, &FetchRequest{Name: "a.*", PathExpression: "a.{b,c}", Start: 1_700_000_000, Stop: 1_700_000_200}, twoSeries)
	b = AppendRenderV3(b, &FetchRequest{Name: "none", PathExpression: "bad\xff", Start: 4_300_000_000, Stop: 4_300_000_001}, twoSeries[1:])
	got := read(t, "carbonapi_v3_pb.MultiFetchResponse", b)
	want := object{"metrics": array{
		object{"name": "a.b", "pathExpression": "a.{b,c}", "consolidationFunc": "max", "xFilesFactor": float32(0.5),
			"startTime": int64(1_700_000_040), "stopTime": int64(1_700_000_220), "stepTime": int64(60),
			"values":           array{1.5, math.NaN(), math.Inf(-1)},
			"requestStartTime": int64(1_700_000_000), "requestStopTime": int64(1_700_000_200)},
		object{"name": "none", "pathExpression": "a.{b,c}", "consolidationFunc": "average", "startTime": int64(60), "stopTime": int64(60),
			"stepTime": int64(60), "requestStartTime": int64(1_700_000_000), "requestStopTime": int64(1_700_000_200)},
		object{"name": "none", "pathExpression": "bad\uFFFD", "consolidationFunc": "average", "startTime": int64(60), "stopTime": int64(60),
			"stepTime": int64(60), "requestStartTime": int64(4_300_000_000), "requestStopTime": int64(4_300_000_001)},
	}}
	if d := diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestFindProtobuf(t *testing.T) {
	nodes := []Node{{Path: "a.b", Leaf: true, Branch: true, First: 1, Last: 2}, {Path: "a.c", Branch: true}}
	found := object{"name": "a.*", "matches": array{
		object{"path": "a.b"}, object{"path": "a.b", "isLeaf": true}, object{"path": "a.c"},
	}}
	if d := diff(found, read(t, "carbonapi_v2_pb.GlobResponse", AppendFindV2(nil, "a.*", nodes))); d != "" {
		t.Errorf("v2: %s", d)
	}
	got := read(t, "carbonapi_v3_pb.MultiGlobResponse", AppendFindV3(AppendFindV3(nil, "none", nil), "a.*", nodes))
	if d := diff(object{"metrics": array{object{"name": "none"}, found}}, got); d != "" {
		t.Errorf("v3: %s", d)
	}
}

func TestCapabilities(t *testing.T) {
	got := read(t, "carbonapi_v3_pb.CapabilityResponse", AppendCapabilities(nil, "host"))
	want := object{"supportedProtocols": array{"carbonapi_v3_pb", "carbonapi_v2_pb", "msgpack"}, "name": "host", "likeSplittedRequests": true}
	if d := diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestInfo(t *testing.T) {
	info := &Info{Name: "a.b", AggregationMethod: "sum", MaxRetention: 604_800, XFilesFactor: 0.25,
		Retentions: []Retention{{60, 1440}, {900, 672}}}
	v2 := object{"name": "a.b", "aggregationMethod": "sum", "maxRetention": int32(604_800), "xFilesFactor": float32(0.25), "retentions": array{
		object{"secondsPerPoint": int32(60), "numberOfPoints": int32(1440)},
		object{"secondsPerPoint": int32(900), "numberOfPoints": int32(672)},
	}}
	if d := diff(v2, read(t, "carbonapi_v2_pb.InfoResponse", AppendInfoV2(nil, info))); d != "" {
		t.Errorf("v2: %s", d)
	}
	got := read(t, "carbonapi_v3_pb.MultiMetricsInfoResponse", AppendInfoV3(AppendInfoV3(nil, info), &Info{Name: "c"}))
	v3 := object{"name": "a.b", "consolidationFunc": "sum", "maxRetention": int64(604_800), "xFilesFactor": float32(0.25), "retentions": array{
		object{"secondsPerPoint": int64(60), "numberOfPoints": int64(1440)},
		object{"secondsPerPoint": int64(900), "numberOfPoints": int64(672)},
	}}
	if d := diff(object{"metrics": array{v3, object{"name": "c"}}}, got); d != "" {
		t.Errorf("v3: %s", d)
	}
}
