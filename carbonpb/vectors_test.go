package carbonpb

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/pickle"
	"github.com/coalesce-metrics/coalesce/plaintext"
)

// A datapoint as tests compare it.
type datapoint struct {
	name        string
	time, value float64
}

// decode returns the datapoints of a payload, how many were refused and the
// payload's error.
func decode(d *Decoder, payload []byte) (all []datapoint, refused uint64, err error) {
	err = d.Decode(payload)
	var b plaintext.Batch
	for d.Fill(&b) {
		for i := range b.N {
			all = append(all, datapoint{string(b.Name(i)), b.Points[i].Time, b.Points[i].Value})
		}
	}
	return all, d.Refused[BadName] + d.Refused[NaNValue], err
}

// same compares by text, so that the sign of zero counts.
func same(a, b []datapoint) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

func load[T any](t testing.TB, name string) []T {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var out []T
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// jsonNumber is a JSON number, or one of the words that JSON lacks.
type jsonNumber float64

func (n *jsonNumber) UnmarshalJSON(b []byte) error {
	f, err := strconv.ParseFloat(strings.Trim(string(b), `"`), 64)
	*n = jsonNumber(f)
	return err
}

func TestVectors(t *testing.T) {
	type vector struct {
		Name   string
		Chunks [][]byte `json:"chunks_b64"`
		Closed bool     `json:"connection_closed"`
		Points []struct {
			Metric    string
			Timestamp jsonNumber
			Value     jsonNumber
		}
	}
	for _, v := range load[vector](t, "protobuf.json") {
		t.Run(v.Name, func(t *testing.T) {
			var got, want []datapoint
			for _, p := range v.Points {
				want = append(want, datapoint{p.Metric, float64(p.Timestamp), float64(p.Value)})
			}
			s := pickle.Splitter{MaxFrame: 1 << 20}
			closed := false
			for _, c := range v.Chunks {
				for !closed {
					payload, rest, ok, err := s.Next(c)
					if closed = err != nil; !ok {
						break
					}
					c = rest
					points, _, _ := decode(NewDecoder(1000), payload)
					got = append(got, points...)
				}
			}
			if !same(got, want) || closed != v.Closed {
				t.Errorf("got %v, closed %v; want %v, closed %v", got, closed, want, v.Closed)
			}
		})
	}
}

// Payloads with fields in any order, unknown ones and damage, as Python's
// protobuf and carbon's message types understand them. Where they refuse a
// payload, the undamaged metrics count here.
func TestAgainstPython(t *testing.T) {
	type vector struct {
		Payload []byte      `json:"payload_b64"`
		Points  [][3]string // name, timestamp, value
		Refused uint64
		Error   *string
	}
	for _, v := range load[vector](t, "python.json") {
		var want []datapoint
		for _, p := range v.Points {
			time, err1 := strconv.ParseFloat(p[1], 64)
			value, err2 := strconv.ParseFloat(p[2], 64)
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			want = append(want, datapoint{p[0], time, value})
		}
		d := NewDecoder(1000)
		got, refused, _ := decode(d, v.Payload)
		if v.Error != nil {
			if d.Refused[Corrupt]+d.Refused[BadName] == 0 {
				t.Errorf("%q: accepted %v, want damage", v.Payload, got)
			}
			continue
		}
		if !same(got, want) || refused != v.Refused || d.Refused[Corrupt] != 0 {
			t.Errorf("%q:\n got %v, refused %v\nwant %v, %d refused", v.Payload, got, d.Refused, want, v.Refused)
		}
	}
}
