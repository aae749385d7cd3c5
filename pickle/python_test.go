package pickle

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/plaintext"
)

// A datapoint as tests compare it.
type datapoint struct {
	name        string
	time, value float64
}

func (p datapoint) String() string { return fmt.Sprintf("%q %v %v", p.name, p.time, p.value) }

// fill returns all datapoints that d hands out.
func fill(d *Decoder) []datapoint {
	var all []datapoint
	var b plaintext.Batch
	for d.Fill(&b) {
		for i := range b.N {
			all = append(all, datapoint{string(b.Name(i)), b.Points[i].Time, b.Points[i].Value})
		}
	}
	return all
}

// decode returns the datapoints of a payload, how many items were refused and
// the frame's error.
func decode(d *Decoder, payload []byte) ([]datapoint, uint64, error) {
	err := d.Decode(payload)
	all := fill(d)
	var refused uint64
	for r, n := range d.Refused {
		if Reason(r) < Forbidden {
			refused += n
		}
	}
	return all, refused, err
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

type wantPoint struct {
	Metric    string
	Timestamp jsonNumber
	Value     jsonNumber
}

// connection runs a stream as a listener does.
func connection(chunks [][]byte) (all []datapoint, closed bool) {
	s := Splitter{MaxFrame: 1 << 20}
	d := NewDecoder(1000)
	for _, c := range chunks {
		for {
			payload, rest, ok, err := s.Next(c)
			if err != nil {
				return all, true
			}
			if !ok {
				break
			}
			c = rest
			d.Decode(payload)
			all = append(all, fill(d)...)
		}
	}
	return all, false
}

func TestVectors(t *testing.T) {
	type vector struct {
		Name   string
		Chunks [][]byte `json:"chunks_b64"`
		Closed bool     `json:"connection_closed"`
		Points []wantPoint
	}
	// Where carbon closes the connection, what is behind the bad element counts
	// here. Text that was sent by mistake closes it here, too.
	better := map[string][]datapoint{
		"bytes name proto 3":          nil,
		"bytes name proto 4":          nil,
		"bytes name proto 5":          nil,
		"int":                         nil,
		"ts inf":                      {{"c.d", 1500000000, 1}},
		"int payload then good frame": {{"a.b", 1500000000, 1.5}, {"c.d", 1500000010, 2}},
	}
	for _, v := range load[vector](t, "pickle.json") {
		t.Run(v.Name, func(t *testing.T) {
			var want []datapoint
			for _, p := range v.Points {
				if v.Name == "ts -1" { // left to the caller
					p.Timestamp = -1
				}
				want = append(want, datapoint{p.Metric, float64(p.Timestamp), float64(p.Value)})
			}
			if b, ok := better[v.Name]; ok {
				want, v.Closed = b, false
			}
			got, closed := connection(v.Chunks)
			if !same(got, want) || closed != v.Closed {
				t.Errorf("got %v, closed %v; want %v, closed %v", got, closed, want, v.Closed)
			}
		})
	}
}

// Payloads of all protocols, some of them mutated, as carbon's own unpickler
// and Python's float() understand them, without those that Python refuses.
func TestAgainstPython(t *testing.T) {
	type vector struct {
		Payload   []byte      `json:"payload_b64"`
		Points    [][3]string // name, timestamp, value
		Refused   uint64
		Unordered bool // of a set
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
		got, refused, err := decode(NewDecoder(1000), v.Payload)
		if v.Unordered {
			byTime := func(a, b datapoint) int { return strings.Compare(a.String(), b.String()) }
			slices.SortFunc(got, byTime)
			slices.SortFunc(want, byTime)
		}
		if err != nil || !same(got, want) || refused != v.Refused {
			t.Errorf("%q:\n got %v, %d refused, %v\nwant %v, %d refused", v.Payload, got, refused, err, want, v.Refused)
		}
	}
}
