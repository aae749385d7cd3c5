package wire

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// marshal writes a message with the fields that are given, by protobuf itself.
func marshal(t testing.TB, name string, fields object) []byte {
	t.Helper()
	b, err := proto.Marshal(build(messages[name], fields))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func build(desc protoreflect.MessageDescriptor, fields object) *dynamicpb.Message {
	m := dynamicpb.NewMessage(desc)
	for name, v := range fields {
		f := desc.Fields().ByName(protoreflect.Name(name))
		list, ok := v.(array)
		if !ok {
			m.Set(f, protoreflect.ValueOf(v))
			continue
		}
		for _, v := range list {
			if o, ok := v.(object); ok {
				v = build(f.Message(), o).ProtoReflect()
			}
			m.Mutable(f).List().Append(protoreflect.ValueOf(v))
		}
	}
	return m
}

func TestParseFetchRequest(t *testing.T) {
	body := marshal(t, "carbonapi_v3_pb.MultiFetchRequest", object{"metrics": array{
		object{"name": "a.*", "startTime": int64(1_700_000_000), "stopTime": int64(1_700_003_600), "pathExpression": "sum(a.*)", "maxDataPoints": int64(100)},
		object{"name": "größe", "stopTime": int64(-1)},
	}})
	// What carbonapi may send besides, and fields to come.
	body = append(body, unhex(t, "0a 0a 0a0162 2001 3203 0a0178 fa0101 7a")...)
	got, err := ParseFetchRequest(body)
	want := []FetchRequest{
		{Name: "a.*", PathExpression: "sum(a.*)", Start: 1_700_000_000, Stop: 1_700_003_600, MaxDataPoints: 100},
		{Name: "größe", Stop: -1},
		{Name: "b"},
	}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v %s", err, d)
	}
}

func TestParseGlobRequest(t *testing.T) {
	body := marshal(t, "carbonapi_v3_pb.MultiGlobRequest", object{
		"metrics": array{"a.*", "b"}, "startTime": int64(1_700_000_000), "stopTime": int64(1_700_003_600)})
	got, err := ParseGlobRequest(append(body, unhex(t, "7a 01 00")...))
	want := GlobRequest{Queries: []string{"a.*", "b"}, Start: 1_700_000_000, Stop: 1_700_003_600}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v %s", err, d)
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParseErrors(t *testing.T) {
	long := protowire.AppendString([]byte{0x0a}, strings.Repeat("x", MaxText+1))
	for name, c := range map[string]struct {
		body        []byte
		fetch, glob string // "" is no error
	}{
		"nothing":           {nil, "no request in it", "no query in it"},
		"another field":     {unhex(t, "7a0100"), "no request in it", "no query in it"},
		"another type":      {unhex(t, "0801"), "no request in it", "no query in it"},
		"no name":           {unhex(t, "0a00"), `a request "" without a name`, "an empty query"},
		"broken off":        {unhex(t, "0a05610a"), `byte 0, "\n\x05a\n": no field of protobuf: unexpected EOF`, "byte 0"},
		"not protobuf":      {[]byte("target=a.b"), "no field of protobuf", "no field of protobuf"},
		"field 0":           {unhex(t, "0200"), "byte 0", "byte 0"},
		"field too high":    {unhex(t, "fa ff ff ff 1f 00"), "number 1073741823; accepted: 536870911 at most", "number 1073741823"},
		"not UTF-8":         {unhex(t, "0a03 0a01ff"), `"\xff" is not UTF-8`, `"\n\x01\xff" is not UTF-8`},
		"broken inside":     {unhex(t, "0a01 0a"), `byte 0, "\n": no field of protobuf`, ""},
		"long":              {protowire.AppendBytes([]byte{0x0a}, long), "of 65537 bytes; accepted: 65536 at most", "of 65541 bytes"},
		"as long as can be": {protowire.AppendString([]byte{0x0a}, strings.Repeat("x", MaxText)), "without a name", ""},
		"too many":          {slices.Repeat(unhex(t, "0a03 0a0161"), MaxEntries+1), "more than 10000 requests", "more than 10000 queries"},
		"many":              {slices.Repeat(unhex(t, "0a03 0a0161"), MaxEntries), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			check := func(err error, want, message string) {
				t.Helper()
				switch {
				case want == "" && err != nil:
					t.Error(err)
				case want != "" && (err == nil || !strings.HasPrefix(err.Error(), message+" of carbonapi_v3_pb: ") || !strings.Contains(err.Error(), want)):
					t.Errorf("got %v, want %q", err, want)
				}
			}
			_, err := ParseFetchRequest(c.body)
			check(err, c.fetch, "MultiFetchRequest")
			_, err = ParseGlobRequest(c.body)
			check(err, c.glob, "MultiGlobRequest")
		})
	}
}

// What is read is what protobuf reads; what is refused is refused by it as well
// or beyond a bound.
func FuzzParseFetchRequest(f *testing.F) {
	f.Add(marshal(f, "carbonapi_v3_pb.MultiFetchRequest", object{"metrics": array{
		object{"name": "a", "startTime": int64(1), "stopTime": int64(2), "pathExpression": "f(a)", "maxDataPoints": int64(3)}, object{"name": "b"}}}))
	f.Add([]byte("\x0a\x05\x0a\x01a\x33\x34\x0b\x0c"))
	f.Add([]byte("\x0a\x02\x0a\x00\x0a\x04\x0a\x02\xc3\x28"))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := ParseFetchRequest(body)
		m := dynamicpb.NewMessage(messages["carbonapi_v3_pb.MultiFetchRequest"])
		if theirs := proto.Unmarshal(body, m); theirs != nil {
			if err == nil {
				t.Fatalf("accepted, protobuf says %v", theirs)
			}
			return
		}
		list := m.Get(m.Descriptor().Fields().ByNumber(1)).List()
		var want []FetchRequest
		bounded := list.Len() > 0 && list.Len() <= MaxEntries
		for i := range list.Len() {
			e := list.Get(i).Message()
			get := func(n protoreflect.FieldNumber) protoreflect.Value { return e.Get(e.Descriptor().Fields().ByNumber(n)) }
			r := FetchRequest{Name: get(1).String(), PathExpression: get(5).String(), Start: get(2).Int(), Stop: get(3).Int(), MaxDataPoints: get(7).Int()}
			bounded = bounded && r.Name != "" && len(body) <= MaxText
			want = append(want, r)
		}
		if bounded != (err == nil) && len(body) <= MaxText || err == nil && !slices.Equal(got, want) {
			t.Fatalf("got %+v, %v\nwant %+v", got, err, want)
		}
	})
}

func FuzzParseGlobRequest(f *testing.F) {
	f.Add(marshal(f, "carbonapi_v3_pb.MultiGlobRequest", object{"metrics": array{"a.*", "b"}, "startTime": int64(1), "stopTime": int64(-2)}))
	f.Add([]byte("\x0a\x01a\x12\x01\x00\x10\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"))
	f.Add([]byte("\x0a\x00\x0b\x0b\x0c\x0c"))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := ParseGlobRequest(body)
		m := dynamicpb.NewMessage(messages["carbonapi_v3_pb.MultiGlobRequest"])
		if theirs := proto.Unmarshal(body, m); theirs != nil {
			if err == nil {
				t.Fatalf("accepted, protobuf says %v", theirs)
			}
			return
		}
		get := func(n protoreflect.FieldNumber) protoreflect.Value { return m.Get(m.Descriptor().Fields().ByNumber(n)) }
		want := GlobRequest{Start: get(2).Int(), Stop: get(3).Int()}
		bounded := get(1).List().Len() > 0 && get(1).List().Len() <= MaxEntries
		for i := range get(1).List().Len() {
			want.Queries = append(want.Queries, get(1).List().Get(i).String())
			bounded = bounded && want.Queries[i] != ""
		}
		if bounded != (err == nil) && len(body) <= MaxText || err == nil && !cmp.Equal(got, want) {
			t.Fatalf("got %+v, %v\nwant %+v", got, err, want)
		}
	})
}
