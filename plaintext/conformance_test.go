package plaintext

import (
	"encoding/json"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
)

// number is a JSON number, or one of the words that JSON lacks.
type number float64

func (n *number) UnmarshalJSON(b []byte) error {
	f, err := strconv.ParseFloat(strings.Trim(string(b), `"`), 64)
	*n = number(f)
	return err
}

type wantPoint struct {
	Metric    string
	Timestamp number
	Value     number
}

func load[T any](t *testing.T, name string) []T {
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

// the clock of the recorded runs
const vectorNow = 1600000000.25

func padded(s []byte) []byte { return append(make([]byte, 0, len(s)+Pad), s...) }

// scanAll scans whole lines and returns all datapoints.
func scanAll(s *Scanner, lines []byte) []wantPoint {
	var out []wantPoint
	var b Batch
	b.Buf = padded(lines)
	for i := 0; i < len(lines); {
		i = s.Scan(&b, i, len(lines))
		for k := range b.N {
			p := b.Points[k]
			out = append(out, wantPoint{string(b.Name(k)), number(p.Time), number(p.Value)})
		}
	}
	return out
}

func samePoints(got, want []wantPoint) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range got {
		if got[i] != want[i] {
			return false
		}
	}
	return true
}

func TestPlaintextVectors(t *testing.T) {
	type vector struct {
		Line       string
		LineB64    []byte `json:"line_b64"`
		Accepted   bool
		Closed     bool `json:"connection_closed"`
		Metric     string
		Value      *number
		Timestamp  *number
		Resolution float64 `json:"MIN_TIMESTAMP_RESOLUTION"`
	}
	for _, v := range load[vector](t, "plaintext.json") {
		line := []byte(v.Line)
		if v.LineB64 != nil {
			line = v.LineB64
		}
		s := NewScanner(16384)
		s.Now, s.Resolution = vectorNow, v.Resolution
		// A good line behind it must survive, even where carbon hangs up.
		got := scanAll(s, append(append(line, '\n'), "after 1 1500000000\n"...))
		var want []wantPoint
		if v.Accepted {
			want = append(want, wantPoint{v.Metric, *v.Timestamp, *v.Value})
		}
		after := wantPoint{"after", 1500000000, 1}
		if v.Resolution > 0 {
			after.Timestamp = number(math.Floor(1500000000/v.Resolution) * v.Resolution)
		}
		want = append(want, after)
		if !samePoints(got, want) {
			t.Errorf("%.60q: got %v, want %v", line, got, want)
		}
	}
}

func TestLineStreamVectors(t *testing.T) {
	type vector struct {
		Name      string
		Chunks    [][]byte `json:"chunks_b64"`
		Closed    bool     `json:"connection_closed"`
		Exception *string
		Points    []wantPoint
	}
	// Where carbon closed the connection, the good lines behind count here.
	better := map[string][]wantPoint{
		"bad utf8 then good same chunk": {{"m1", 1500000000, 1}, {"m2", 1500000000, 1}},
		"inf timestamp then good":       {{"m1", 1500000000, 1}, {"m2", 1500000000, 1}},
	}
	for _, v := range load[vector](t, "line-stream.json") {
		if v.Closed {
			if w, ok := better[v.Name]; ok {
				v.Points = w
			} else {
				t.Errorf("%s: carbon closed the connection and the test knows no better answer", v.Name)
			}
		}
		s := NewScanner(16384)
		s.Now = vectorNow
		var got []wantPoint
		var tail []byte
		for _, c := range v.Chunks {
			tail = append(tail, c...)
			n := Complete(tail)
			got = append(got, scanAll(s, tail[:n])...)
			tail = tail[n:]
		}
		if !samePoints(got, v.Points) {
			t.Errorf("%s: got %v, want %v", v.Name, got, v.Points)
		}
	}
}

func TestDatagramVectors(t *testing.T) {
	type vector struct {
		Datagram  []byte `json:"datagram_b64"`
		Exception *string
		Points    []wantPoint
	}
	for _, v := range load[vector](t, "udp.json") {
		s := NewScanner(1 << 20)
		s.Now = vectorNow
		want := v.Points
		if v.Exception != nil { // carbon loses the datagram, we lose the one line
			want = []wantPoint{{"a", 1500000000, 1}, {"b", 1500000000, 2}}
		}
		got := scanAll(s, Datagram(append([]byte(nil), v.Datagram...)))
		if !samePoints(got, want) {
			t.Errorf("%.60q: got %v, want %v", v.Datagram, got, want)
		}
	}
}

// carbon's client rounds to ten decimals; ours must read back to the very value,
// and equal carbon's text wherever that loses nothing and needs no exponent.
func TestLineFormatVectors(t *testing.T) {
	type vector struct {
		Line      string
		Metric    string
		Timestamp number
		Value     number
	}
	for _, v := range load[vector](t, "line-format.json") {
		got := strings.TrimSuffix(string(Append(nil, []byte(v.Metric), float64(v.Value), math.Trunc(float64(v.Timestamp)))), "\n")
		f := strings.Fields(v.Line)
		carbon, err := strconv.ParseFloat(f[1], 64)
		exact := err == nil && (carbon == float64(v.Value) || math.IsNaN(carbon) && math.IsNaN(float64(v.Value)))
		if g := strings.Fields(got); exact && len(f[1]) <= 16 && f[1] != "-0" && !strings.Contains(g[1], "e") && got != v.Line {
			t.Errorf("got %q, carbon writes %q", got, v.Line)
		}
		back, err := strconv.ParseFloat(strings.Fields(got)[1], 64)
		if err != nil || math.Float64bits(back) != math.Float64bits(float64(v.Value)) && !math.IsNaN(back) {
			t.Errorf("%q does not read back to %v", got, float64(v.Value))
		}
	}
}
