package ingest

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/carbonpb"
	"github.com/coalesce-metrics/coalesce/pickle"
	"github.com/coalesce-metrics/coalesce/plaintext"
)

// speaking is a free local address of a stream with the given protocol.
func speaking(t testing.TB, protocol, transport string) Listener {
	l := anywhere(t, transport)
	l.Protocol = protocol
	return l
}

// A refusals map is how many items were refused by reason.
type refused map[Reason]uint64

// check compares a listener's numbers with those wanted, and their balance.
func (want refused) check(t testing.TB, s Stats, accepted, unfinished uint64) {
	t.Helper()
	received := accepted + unfinished
	for r := range NumReasons {
		if s.Refused[r] != want[r] {
			t.Errorf("%v: %d refused, want %d", r, s.Refused[r], want[r])
		}
		if r != Blank {
			received += want[r]
		}
		if s.Refused[r] > 0 && r != Blank && !slices.Contains(s.Reasons(), r) {
			t.Errorf("%v is none of the listener's reasons, %v", r, s.Reasons())
		}
	}
	if s.Accepted != accepted || s.Unfinished != unfinished || s.Received() != received {
		t.Errorf("accepted %d, unfinished %d, received %d; want %d, %d, %d",
			s.Accepted, s.Unfinished, s.Received(), accepted, unfinished, received)
	}
}

// pickled is a frame of datapoints as the pickle package writes it.
func pickled(points ...datapoint) string {
	f := pickle.BeginFrame(nil)
	for _, p := range points {
		f = pickle.AppendPoint(f, []byte(p.Metric), float64(p.Value), float64(p.Timestamp))
	}
	return string(pickle.EndFrame(f, 0))
}

// protobuffed is the same for protobuf.
func protobuffed(points ...datapoint) string {
	f := carbonpb.BeginFrame(nil)
	for _, p := range points {
		f, _ = carbonpb.AppendPoint(f, []byte(p.Metric), float64(p.Value), float64(p.Timestamp))
	}
	return string(carbonpb.EndFrame(f, 0))
}

// framed puts the length in front of a payload.
func framed(payload string) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(payload)))) + payload
}

func TestFrameVectors(t *testing.T) {
	type vector struct {
		Name      string
		Chunks    [][]byte `json:"chunks_b64"`
		Closed    bool     `json:"connection_closed"`
		Exception *string
		Points    []datapoint
	}
	// Where carbon closed the connection, the good elements behind count here.
	better := map[string][]datapoint{
		"bytes name proto 3": nil, "bytes name proto 4": nil, "bytes name proto 5": nil, "int": nil,
		"line protocol sent to pickle port": nil,
		"ts inf":                            {{"c.d", 1500000000, 1}},
		"int payload then good frame":       {{"a.b", 1500000000, 1.5}, {"c.d", 1500000010, 2}},
	}
	for _, protocol := range []string{Pickle, Protobuf} {
		for _, v := range load[vector](t, protocol+".json") {
			t.Run(protocol+"/"+v.Name, func(t *testing.T) {
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
				got, stats := replay(t, speaking(t, protocol, "tcp"), chunks, false)
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("got %v, want %v; %+v", got, want, stats)
				}
			})
		}
	}
}

func TestFrames(t *testing.T) {
	a, b, c := datapoint{"a", 1500000000, 1}, datapoint{"b", 1500000000, 2}, datapoint{"c", 1500000000, 3}
	const maxFrame, maxLine = 300, 20
	// An element of the wrong shape between good ones.
	spoilt := "\x80\x02](X\x01\x00\x00\x00aJ\x00/hYK\x01\x86\x86NX\x01\x00\x00\x00bJ\x00/hYK\x02\x86\x86e."
	global := "\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R."
	damaged := strings.Replace(pickled(a)[4:], "]", "](X\x01\x00\x00\x00cJ\x00/hYK\x03\x86\x86e\xff", 1)
	tests := map[string]struct {
		protocol   string // both without
		chunks     []string
		open       bool // the client does not end its stream
		want       []datapoint
		refused    refused
		unfinished uint64
	}{
		"pickle": {protocol: Pickle, chunks: []string{pickled(a, b) + pickled(c)}, want: []datapoint{a, b, c}},
		"pickle cut": {protocol: Pickle, chunks: []string{pickled(a, b)[:2], pickled(a, b)[2:9], pickled(a, b)[9:] + pickled(c)[:5], pickled(c)[5:]},
			want: []datapoint{a, b, c}},
		"pickle, a bad neighbour": {protocol: Pickle, chunks: []string{framed(spoilt) + pickled(c)}, want: []datapoint{a, b, c},
			refused: refused{BadItem: 1}},
		"pickle, an object": {protocol: Pickle, chunks: []string{framed(global) + pickled(a)}, want: []datapoint{a},
			refused: refused{Forbidden: 1}},
		"pickle, damaged": {protocol: Pickle, chunks: []string{framed(damaged) + pickled(b)}, want: []datapoint{c, b},
			refused: refused{Corrupt: 1}},
		"pickle, empty frame": {protocol: Pickle, chunks: []string{framed("") + pickled(a)}, want: []datapoint{a},
			refused: refused{Corrupt: 1}},
		"pickle, arrival": {protocol: Pickle, chunks: []string{pickled(datapoint{"a", -1, 1}, b)},
			want: []datapoint{{"a", vectorNow, 1}, b}},
		"pickle, NaN": {protocol: Pickle, chunks: []string{pickled(a, datapoint{"x", 1500000000, number(math.NaN())}, b)},
			want: []datapoint{a, b}, refused: refused{NaNValue: 1}},
		"pickle, long name": {protocol: Pickle, chunks: []string{pickled(a, datapoint{strings.Repeat("x", maxLine+1), 1500000000, 1}, b)},
			want: []datapoint{a, b}, refused: refused{BadName: 1}},
		"protobuf": {protocol: Protobuf, chunks: []string{protobuffed(a, b) + protobuffed(c)}, want: []datapoint{a, b, c}},
		"protobuf, cut": {protocol: Protobuf, chunks: []string{protobuffed(a, b)[:3], protobuffed(a, b)[3:] + protobuffed(c)[:4], protobuffed(c)[4:]},
			want: []datapoint{a, b, c}},
		"protobuf, empty frame": {protocol: Protobuf, chunks: []string{framed("") + protobuffed(a)}, want: []datapoint{a}},
		"protobuf, a bad metric": {protocol: Protobuf, chunks: []string{
			framed(protobuffed(a)[4:] + "\x0a\x03\x0a\x7fx" + protobuffed(b)[4:])}, want: []datapoint{a, b}, refused: refused{Corrupt: 1}},
		"protobuf, a bad payload": {protocol: Protobuf, chunks: []string{
			framed(protobuffed(a)[4:]+"\x0a\x7f") + protobuffed(b)}, want: []datapoint{a, b}, refused: refused{Corrupt: 1}},
		"protobuf, NaN and a bad name": {protocol: Protobuf, chunks: []string{
			protobuffed(a, datapoint{"x", 1500000000, number(math.NaN())}, datapoint{"x y", 1500000000, 1}, b)},
			want: []datapoint{a, b}, refused: refused{NaNValue: 1, BadName: 1}},
		"plain text":                    {chunks: []string{"servers.a 1 1500000000\n"}, refused: refused{NotAFrame: 1}},
		"TLS":                           {chunks: []string{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"}, refused: refused{NotAFrame: 1}},
		"too long":                      {chunks: []string{framed(strings.Repeat("x", maxFrame+1))[:10]}, refused: refused{FrameTooLong: 1}},
		"half a header, end of stream":  {chunks: []string{"\x00\x00"}, unfinished: 1},
		"half a payload, end of stream": {chunks: []string{"\x00\x00\x00\x09abc"}, unfinished: 1},
		"half a payload, then Stop":     {chunks: []string{"\x00\x00\x00\x09abc"}, open: true, unfinished: 1},
		"nothing":                       {},
	}
	for name, tt := range tests {
		for _, protocol := range []string{Pickle, Protobuf} {
			if tt.protocol != "" && tt.protocol != protocol {
				continue
			}
			for _, transport := range []string{"tcp", "unix"} {
				t.Run(name+"/"+protocol+"/"+transport, func(t *testing.T) {
					t.Parallel()
					l := speaking(t, protocol, transport)
					l.MaxFrame, l.MaxLine = maxFrame, maxLine
					got, stats := replay(t, l, tt.chunks, !tt.open)
					if !slices.Equal(got, tt.want) {
						t.Errorf("got %v, want %v", got, tt.want)
					}
					tt.refused.check(t, stats, uint64(len(tt.want)), tt.unfinished)
				})
			}
		}
	}
}

// Good frames before a stream is lost count, what is behind is not read, and the
// client sees its connection closed.
func TestLostStreamIsClosed(t *testing.T) {
	var log logged
	in, r := start(t, Config{Listeners: []Listener{speaking(t, Pickle, "tcp")}, Logger: log.logger(), RefusedLines: 1})
	a := datapoint{"a", 1500000000, 1}
	c := dial(t, in, 0)
	send(t, c, pickled(a)+"prod.web 1 1500000000\n"+pickled(a))
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is still open")
	}
	again := dial(t, in, 0)
	send(t, again, "prod.web 1 1500000000\n")
	if _, err := again.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is still open")
	}
	stop(t, in)
	if got := r.all(); !slices.Equal(got, []datapoint{a}) {
		t.Errorf("got %v", got)
	}
	s := in.Stats()[0]
	refused{NotAFrame: 2}.check(t, s, 1, 0)
	if s.ReadErrors != 0 || s.IdleCloses != 0 || s.Connections != 0 {
		t.Errorf("%+v", s)
	}
	want := fmt.Sprintf("refused frame\" listener=pickle sender=%s reason=not_a_frame frame=", c.LocalAddr())
	if got := log.String(); !strings.Contains(got, want) || !strings.Contains(got, `\"prod\" is the beginning of plain text`) ||
		!strings.Contains(got, "suppressed\" items=1") {
		t.Errorf("logged:\n%s", got)
	}
}

func TestRefusedDatapointsAreLogged(t *testing.T) {
	var log logged
	in, _ := start(t, Config{Listeners: []Listener{speaking(t, Pickle, "tcp"), speaking(t, Protobuf, "unix")},
		Logger: log.logger(), RefusedLines: 100})
	bad := []datapoint{{"x y", 1500000000, 1}, {"a", 1500000000, number(math.NaN())}}
	c := dial(t, in, 0)
	send(t, c, pickled(bad...)+framed("\x80\x02"))
	send(t, dial(t, in, 1), protobuffed(bad...)+framed("\xff"))
	until(t, "both are read", func() bool { return in.Stats()[0].Received() == 3 && in.Stats()[1].Received() == 3 })
	stop(t, in)
	got := log.String()
	for _, want := range []string{
		fmt.Sprintf(`refused datapoint" listener=pickle sender=%s reason=bad_name datapoint="(\"x y\", (1500000000, 1))"`, c.LocalAddr()),
		fmt.Sprintf(`refused datapoint" listener=pickle sender=%s reason=nan_value datapoint="(\"a\", (1500000000, nan))"`, c.LocalAddr()),
		fmt.Sprintf(`refused frame" listener=pickle sender=%s reason=corrupt frame="`, c.LocalAddr()),
		`refused datapoint" listener=protobuf sender=unix reason=bad_name datapoint="\"x y\""`,
		`refused datapoint" listener=protobuf sender=unix reason=nan_value datapoint="\"a\""`,
		`refused frame" listener=protobuf sender=unix reason=corrupt frame="protobuf, byte 0`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("not logged: %s", want)
		}
	}
	if n := strings.Count(got, "\n"); n != 6 {
		t.Errorf("%d lines logged, want 6:\n%s", n, got)
	}
}

// A claim of a frame, or plain text taken for one, costs no memory.
func TestClaimsAllocateNothing(t *testing.T) {
	const clients = 100
	l := speaking(t, Pickle, "tcp")
	l.MaxFrame = largestMaxFrame
	in := listen(t, Config{Listeners: []Listener{l}, Now: vectorClock, Acquire: func() Lane { return discard{} }})
	in.Start()
	before := allocated()
	for range clients {
		send(t, dial(t, in, 0), "\x04\x00\x00\x00]")
		send(t, dial(t, in, 0), "servers.web 1 1500000000\n")
	}
	until(t, "all is read", func() bool {
		s := in.Stats()[0]
		return s.Bytes == clients*30 && s.Refused[NotAFrame] == clients
	})
	if n := allocated() - before; n > largestMaxFrame {
		t.Errorf("%d bytes allocated for %d claims of 64 MiB", n, clients)
	}
}

// What arrival, resolution and NaN mean does not depend on the protocol.
func TestProtocolsAgree(t *testing.T) {
	points := []datapoint{
		{"now", -1, 1}, {"floored", 1500000059, 2}, {"boundary", 1500000060, 3}, {"early", 7, 4}, {"zero", 0, 5},
		{"nan", 1500000000, number(math.NaN())}, {"inf", 1500000000, number(math.Inf(1))}, {"negative", 1500000000, -0.5},
	}
	for _, resolution := range []float64{0, 60} {
		t.Run(fmt.Sprint(resolution), func(t *testing.T) {
			in, r := start(t, Config{Resolution: resolution,
				Listeners: []Listener{anywhere(t, "tcp"), speaking(t, Pickle, "tcp"), speaking(t, Protobuf, "tcp"), anywhere(t, "udp")}})
			text := ""
			for _, p := range points {
				text += string(plaintext.Append(nil, []byte(p.Metric), float64(p.Value), float64(p.Timestamp)))
			}
			var all [4][]datapoint
			for i, stream := range []string{text, pickled(points...), protobuffed(points[1:]...), text} {
				before := len(r.all())
				send(t, dial(t, in, i), stream)
				want := uint64(len(points))
				if i == 2 {
					want-- // protobuf has no negative timestamps
				}
				until(t, "it is read", func() bool { return in.Stats()[i].Received() == want })
				all[i] = r.all()[before:]
				refused{NaNValue: 1}.check(t, in.Stats()[i], want-1, 0)
			}
			stop(t, in)
			for i, got := range all {
				want := all[0]
				if i == 2 {
					want = want[1:]
				}
				if !slices.Equal(got, want) {
					t.Errorf("listener %d: got %v, want %v", i, got, want)
				}
			}
			if resolution == 60 && all[0][1] != (datapoint{"floored", 1500000000, 2}) {
				t.Errorf("got %v", all[0][1])
			}
		})
	}
}

// Without a clock, datapoints that need one are refused by every protocol.
func TestArrivalWithoutClock(t *testing.T) {
	r := &recorder{t: t}
	in := listen(t, Config{Acquire: r.acquire, Now: math.NaN, Listeners: []Listener{anywhere(t, "tcp"), speaking(t, Pickle, "tcp")}})
	in.Start()
	a, b := datapoint{"a", 1500000000, 1}, datapoint{"b", 1500000000, 2}
	send(t, dial(t, in, 0), "a 1 1500000000\nx 1 -1\nb 2 1500000000\n")
	send(t, dial(t, in, 1), pickled(a, datapoint{"x", -1, 1}, b))
	stop(t, in)
	for _, s := range in.Stats() {
		refused{BadTimestamp: 1}.check(t, s, 2, 0)
	}
	if got := r.all(); len(got) != 4 {
		t.Errorf("got %v", got)
	}
}

// A lane may look at the names that it was given until it is released, however
// many frames and names a buffer holds. The recorder's lane does.
func TestNamesStayUntilRelease(t *testing.T) {
	for _, length := range []int{1, 40, 900, 16000} {
		for _, protocol := range []string{Pickle, Protobuf} {
			t.Run(fmt.Sprint(protocol, length), func(t *testing.T) {
				l := speaking(t, protocol, "unix")
				l.MaxFrame = largestMaxFrame
				in, r := start(t, Config{Listeners: []Listener{l}})
				var want []datapoint
				var stream strings.Builder
				for frame := range 7 {
					var points []datapoint
					for i := range min(1+frame*300, 4<<20/length) {
						points = append(points, datapoint{fmt.Sprintf("%0*d", length, (frame*1000+i)%10), 1500000000, number(i)})
					}
					want = append(want, points...)
					if protocol == Pickle {
						stream.WriteString(pickled(points...))
					} else {
						stream.WriteString(protobuffed(points...))
					}
				}
				c := dial(t, in, 0)
				if _, err := io.WriteString(c, stream.String()); err != nil {
					t.Fatal(err)
				}
				c.Close()
				stop(t, in)
				if got := r.all(); !slices.Equal(got, want) {
					t.Errorf("%d datapoints are not the %d sent; %+v", len(got), len(want), in.Stats()[0])
				}
			})
		}
	}
}

// decodeFrames decodes a stream in pieces of the given sizes, in turn.
func decodeFrames(t *testing.T, protocol string, stream []byte, maxFrame int, sizes []byte) ([]datapoint, Stats) {
	t.Helper()
	r := &recorder{t: t}
	in, err := New(Config{Acquire: r.acquire, Now: vectorClock, ReadBuffer: smallestBuffer,
		Listeners: []Listener{{Protocol: protocol, Transport: "tcp", Address: ":0", MaxFrame: maxFrame, MaxLine: 100}}})
	if err != nil {
		t.Fatal(err)
	}
	l := in.listeners[0]
	d := l.newDecoder(&stream0)
	w := in.workers.get()
	defer in.workers.put(w)
	for i := 0; len(stream) > 0; i++ {
		size := len(stream)
		if len(sizes) > 0 {
			size = int(sizes[i%len(sizes)]) + 1
		}
		n := copy(w.room(), stream[:min(size, len(stream))])
		ok := d.feed(w, n)
		for j := range w.buf {
			w.buf[j] = '#' // nothing may be kept here
		}
		if !ok {
			if d.cut() != 0 {
				t.Error("something is kept of a lost stream")
			}
			return r.all(), l.stats()
		}
		stream = stream[n:]
	}
	l.counts.unfinished.Add(uint64(d.end(w)))
	return r.all(), l.stats()
}

var stream0 stream // a client without a name

// A stream cut anywhere gives what it gives in one piece, and what is accepted
// is what lanes got.
func fuzzFrames(f *testing.F, protocol string, encode func(...datapoint) string) {
	a, b := datapoint{"a.b", 1500000000, 1.5}, datapoint{"c", -1, -2}
	whole := encode(a, b) + encode() + encode(b)
	for _, s := range []string{whole, whole[:len(whole)-3], whole + "plain text", whole + "\x7f\x00\x00\x00", framed("\xff\xfe") + whole, framed("")} {
		f.Add([]byte(s), []byte{0}, uint16(500))
		f.Add([]byte(s), []byte{6, 2, 90}, uint16(20))
	}
	f.Fuzz(func(t *testing.T, stream, sizes []byte, maxFrame uint16) {
		if len(stream) > smallestBuffer || maxFrame == 0 {
			return
		}
		whole, stats := decodeFrames(t, protocol, stream, int(maxFrame), nil)
		cut, cutStats := decodeFrames(t, protocol, stream, int(maxFrame), sizes)
		if fmt.Sprint(whole) != fmt.Sprint(cut) || stats != cutStats {
			t.Errorf("in pieces: %v %+v\nin one: %v %+v", cut, cutStats, whole, stats)
		}
		if stats.Accepted != uint64(len(whole)) || stats.Unfinished > 1 {
			t.Errorf("%d datapoints, %+v", len(whole), stats)
		}
		for _, p := range whole {
			if !plaintext.ValidName([]byte(p.Metric)) || len(p.Metric) > 100 || p.Value != p.Value || p.Timestamp-p.Timestamp != 0 || math.Trunc(float64(p.Timestamp)) == -1 {
				t.Errorf("accepted %v", p)
			}
		}
	})
}

func FuzzPickleStream(f *testing.F) {
	f.Add([]byte(framed("\x80\x02](X\x01\x00\x00\x00aK\x05K\x06\x86\x86Ne.")), []byte{3}, uint16(100))
	f.Add([]byte(framed("cos\nsystem\n.")), []byte{3}, uint16(100))
	fuzzFrames(f, Pickle, pickled)
}

func FuzzProtobufStream(f *testing.F) { fuzzFrames(f, Protobuf, protobuffed) }
