package ingest

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

// number is a JSON number, or one of the words that JSON lacks.
type number float64

func (n *number) UnmarshalJSON(b []byte) error {
	f, err := strconv.ParseFloat(strings.Trim(string(b), `"`), 64)
	*n = number(f)
	return err
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

// replay sends chunks over one connection, each read before the next is sent,
// and returns what came of it. It ends the stream like a client, or stops.
func replay(t *testing.T, l Listener, chunks []string, eof bool) ([]datapoint, Stats) {
	t.Helper()
	in, r := start(t, Config{Listeners: []Listener{l}})
	c := dial(t, in, 0)
	bytes := uint64(0)
	for _, chunk := range chunks {
		send(t, c, chunk)
		bytes += uint64(len(chunk))
		until(t, "the chunk is read", func() bool { return in.Stats()[0].Bytes == bytes })
	}
	if eof {
		c.Close()
	}
	stop(t, in)
	return r.all(), in.Stats()[0]
}

func TestFraming(t *testing.T) {
	const maxLine = 40
	a, b, c := datapoint{"a", 1500000000, 1}, datapoint{"b", 1500000000, 2}, datapoint{"c", 1500000000, 3}
	long := strings.Repeat("x", 2*maxLine)
	exact := "n" + strings.Repeat(" ", maxLine-len("n1 1500000000")) + "1 1500000000" // MaxLine bytes
	tests := map[string]struct {
		chunks     []string
		open       bool // the client does not end its stream
		want       []datapoint
		refused    map[plaintext.Reason]uint64
		unfinished uint64
	}{
		"one line":                   {chunks: []string{"a 1 1500000000\n"}, want: []datapoint{a}},
		"several lines":              {chunks: []string{"a 1 1500000000\nb 2 1500000000\nc 3 1500000000\n"}, want: []datapoint{a, b, c}},
		"cut in the value":           {chunks: []string{"a 1 1500000000\nb ", "2 1500000000\nc 3 1500000000\n"}, want: []datapoint{a, b, c}},
		"cut before the newline":     {chunks: []string{"a 1 1500000000", "\nb 2 1500000000\n"}, want: []datapoint{a, b}},
		"cut behind the newline":     {chunks: []string{"a 1 1500000000\n", "b 2 1500000000\n"}, want: []datapoint{a, b}},
		"one line in three":          {chunks: []string{"a 1", " 15000", "00000\n"}, want: []datapoint{a}},
		"CRLF":                       {chunks: []string{"a 1 1500000000\r\nb 2 1500000000\r", "\n"}, want: []datapoint{a, b}},
		"arrival time":               {chunks: []string{"a 1 -1\n"}, want: []datapoint{{"a", vectorNow, 1}}},
		"no newline at the end":      {chunks: []string{"a 1 1500000000\nb 2 1500000000"}, want: []datapoint{a, b}},
		"no newline at the end, cut": {chunks: []string{"a 1 1500000000\nb 2 15000", "00000"}, want: []datapoint{a, b}},
		"half a line, then Stop": {chunks: []string{"a 1 1500000000\nb 2 15000"}, open: true,
			want: []datapoint{a}, unfinished: 1},
		"half a blank line, then Stop": {chunks: []string{"a 1 1500000000\n\r"}, open: true, want: []datapoint{a}},
		"begins in the middle": {chunks: []string{"00\na 1 1500000000\n"}, want: []datapoint{a},
			refused: map[plaintext.Reason]uint64{plaintext.BadFields: 1}},
		"blank lines": {chunks: []string{"\n\na 1 1500000000\n", "\r\n", " "}, want: []datapoint{a},
			refused: map[plaintext.Reason]uint64{plaintext.Blank: 4}},
		"bad lines": {chunks: []string{"a\nb x 1500000000\nb nan 1500000000\nb 1 inf\n\xff 1 1500000000\na 1 1500000000\n"}, want: []datapoint{a},
			refused: map[plaintext.Reason]uint64{plaintext.BadFields: 1, plaintext.BadValue: 1, plaintext.NaNValue: 1, plaintext.BadTimestamp: 1, plaintext.BadUTF8: 1}},
		"longest line":                {chunks: []string{exact + "\n"}, want: []datapoint{{"n", 1500000000, 1}}},
		"longest line, cut":           {chunks: []string{exact, "\n"}, want: []datapoint{{"n", 1500000000, 1}}},
		"longest line, end of stream": {chunks: []string{exact}, want: []datapoint{{"n", 1500000000, 1}}},
		"a byte too long": {chunks: []string{"n " + exact[1:] + "\na 1 1500000000\n"}, want: []datapoint{a},
			refused: map[plaintext.Reason]uint64{plaintext.LineTooLong: 1}},
		"a byte too long, cut": {chunks: []string{"n " + exact[1:], "\na 1 1500000000\n"}, want: []datapoint{a},
			refused: map[plaintext.Reason]uint64{plaintext.LineTooLong: 1}},
		"too long over several reads": {chunks: []string{"a 1 1500000000\nb" + long, long, long, " 2 1500000000\nc 3 1500000000\n"}, want: []datapoint{a, c},
			refused: map[plaintext.Reason]uint64{plaintext.LineTooLong: 1}},
		"too long, its newline last": {chunks: []string{long, "\n", "a 1 1500000000\n"}, want: []datapoint{a},
			refused: map[plaintext.Reason]uint64{plaintext.LineTooLong: 1}},
		"too long twice": {chunks: []string{long, long + "\n" + long, "\na 1 1500000000\n"}, want: []datapoint{a},
			refused: map[plaintext.Reason]uint64{plaintext.LineTooLong: 2}},
		"too long grown by small reads": {chunks: []string{exact, "0", "0", "0\na 1 1500000000\n"}, want: []datapoint{a},
			refused: map[plaintext.Reason]uint64{plaintext.LineTooLong: 1}},
		"too long at the end of stream": {chunks: []string{"a 1 1500000000\n" + long}, want: []datapoint{a},
			refused: map[plaintext.Reason]uint64{plaintext.LineTooLong: 1}},
		"nothing": {},
	}
	for name, tt := range tests {
		for _, transport := range []string{"tcp", "unix"} {
			t.Run(name+"/"+transport, func(t *testing.T) {
				t.Parallel()
				l := anywhere(t, transport)
				l.MaxLine = maxLine
				got, stats := replay(t, l, tt.chunks, !tt.open)
				if !slices.Equal(got, tt.want) {
					t.Errorf("got %v, want %v", got, tt.want)
				}
				received := uint64(len(tt.want)) + tt.unfinished
				for r := range plaintext.NumReasons {
					if stats.Refused[r] != tt.refused[r] {
						t.Errorf("%v: %d refused, want %d", r, stats.Refused[r], tt.refused[r])
					}
					if r != plaintext.Blank {
						received += tt.refused[r]
					}
				}
				if stats.Accepted != uint64(len(tt.want)) || stats.Unfinished != tt.unfinished || stats.Received() != received {
					t.Errorf("accepted %d, unfinished %d, received %d; want %d, %d, %d",
						stats.Accepted, stats.Unfinished, stats.Received(), len(tt.want), tt.unfinished, received)
				}
			})
		}
	}
}

func TestLineStreamVectors(t *testing.T) {
	type vector struct {
		Name   string
		Chunks [][]byte `json:"chunks_b64"`
		Closed bool     `json:"connection_closed"`
		Points []datapoint
	}
	// Where carbon closed the connection, the good lines behind count here.
	better := map[string][]datapoint{
		"bad utf8 then good same chunk": {{"m1", 1500000000, 1}, {"m2", 1500000000, 1}},
		"inf timestamp then good":       {{"m1", 1500000000, 1}, {"m2", 1500000000, 1}},
	}
	for _, v := range load[vector](t, "line-stream.json") {
		t.Run(v.Name, func(t *testing.T) {
			want := v.Points
			if v.Closed {
				var ok bool
				if want, ok = better[v.Name]; !ok {
					t.Fatal("carbon closed the connection and the test knows no better answer")
				}
			}
			var chunks []string
			for _, c := range v.Chunks {
				chunks = append(chunks, string(c))
			}
			// Like the recorded ones, the connection stays open.
			got, _ := replay(t, anywhere(t, "tcp"), chunks, false)
			if !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// decodeCut decodes text in pieces of the given sizes, in turn.
func decodeCut(t *testing.T, text []byte, maxLine int, sizes []byte) ([]datapoint, Stats) {
	t.Helper()
	r := &recorder{t: t}
	in, err := New(Config{Acquire: r.acquire, Now: vectorClock, ReadBuffer: smallestBuffer,
		Listeners: []Listener{{Transport: "tcp", Address: ":0", MaxLine: maxLine}}})
	if err != nil {
		t.Fatal(err)
	}
	l := in.listeners[0]
	d := &lines{listener: l, from: &stream{}}
	w := in.workers.get()
	defer in.workers.put(w)
	for i := 0; len(text) > 0; i++ {
		size := len(text)
		if len(sizes) > 0 {
			size = int(sizes[i%len(sizes)]) + 1
		}
		n := copy(w.room(), text[:min(size, len(text))])
		d.feed(w, n)
		for j := range w.buf {
			w.buf[j] = '#' // nothing may be kept here
		}
		text = text[n:]
		if len(d.tail) > maxLine {
			t.Fatalf("keeps %d bytes of a line, %d are allowed", len(d.tail), maxLine)
		}
	}
	d.end(w)
	return r.all(), l.stats()
}

// A stream cut anywhere gives what it gives in one piece, and every line is
// accepted or refused, once.
func FuzzLines(f *testing.F) {
	for _, s := range []string{"a 1 1500000000\nb 2 1500000000\n", "a 1 1500000000", "\n\n\r\n", "a\nb x 1\n\xff 1 1\n",
		strings.Repeat("x", 100) + "\na 1 1\n", strings.Repeat("x", 41), "a 1 -1\n\n" + strings.Repeat(" ", 60) + "b 1 1\n"} {
		f.Add([]byte(s), []byte{0}, uint8(40))
		f.Add([]byte(s), []byte{6, 2, 90}, uint8(20))
	}
	f.Fuzz(func(t *testing.T, text, sizes []byte, maxLine uint8) {
		if len(text) > smallestBuffer || maxLine == 0 {
			return
		}
		whole, stats := decodeCut(t, text, int(maxLine), nil)
		cut, cutStats := decodeCut(t, text, int(maxLine), sizes)
		if fmt.Sprint(whole) != fmt.Sprint(cut) || stats != cutStats {
			t.Errorf("in pieces: %v %+v\nin one: %v %+v", cut, cutStats, whole, stats)
		}
		all := strings.Split(string(text), "\n")
		if all[len(all)-1] == "" {
			all = all[:len(all)-1]
		}
		tooLong := 0
		for _, line := range all {
			if len(line) > int(maxLine) {
				tooLong++
			}
		}
		if got := stats.Received() + stats.Refused[plaintext.Blank]; got != uint64(len(all)) {
			t.Errorf("%d lines counted, %d sent", got, len(all))
		}
		if stats.Accepted != uint64(len(whole)) || stats.Refused[plaintext.LineTooLong] != uint64(tooLong) {
			t.Errorf("%+v, want %d accepted and %d too long", stats, len(whole), tooLong)
		}
	})
}
