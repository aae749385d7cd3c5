package ingest

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/coalesce-metrics/coalesce/plaintext"
)

func TestDatagramVectors(t *testing.T) {
	type vector struct {
		Datagram  []byte `json:"datagram_b64"`
		Exception *string
		Points    []datapoint
	}
	for i, v := range load[vector](t, "udp.json") {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			in, r := start(t, Config{Listeners: []Listener{anywhere(t, "udp")}})
			send(t, dial(t, in, 0), string(v.Datagram))
			stop(t, in)
			want := v.Points
			if v.Exception != nil { // carbon loses the datagram, we lose the one line
				want = []datapoint{{"a", 1500000000, 1}, {"b", 1500000000, 2}}
			}
			s := in.Stats()[0]
			if got := r.all(); !slices.Equal(got, want) || s.Datagrams != 1 || s.Bytes != uint64(len(v.Datagram)) || s.Accepted != uint64(len(want)) {
				t.Errorf("%.60q: got %v, want %v; %+v", v.Datagram, got, want, s)
			}
		})
	}
}

// A datagram is a whole: its last line needs no newline and never joins the next
// datagram, however many are read together.
func TestDatagramsTogether(t *testing.T) {
	r := &recorder{t: t}
	in := listen(t, Config{Listeners: []Listener{anywhere(t, "udp")}, Acquire: r.acquire, Now: vectorClock})
	c := dial(t, in, 0)
	var want []datapoint
	// As many as the smallest usual socket buffer holds; each with a line, half a
	// line and a blank one.
	for i := range 100 {
		send(t, c, fmt.Sprintf("m%d %d 1500000000\nhalf 1 ", i, i))
		send(t, c, "")
		want = append(want, datapoint{fmt.Sprintf("m%d", i), 1500000000, number(i)})
	}
	in.Start() // all wait in the socket
	stop(t, in)
	s := in.Stats()[0]
	if s.KernelDrops > 0 {
		t.Fatalf("%d datagrams found no room in the socket", s.KernelDrops)
	}
	if got := r.all(); !slices.Equal(got, want) {
		t.Errorf("got %d datapoints, want %d in order", len(got), len(want))
	}
	if s.Datagrams != 200 || s.Refused[plaintext.BadFields] != 100 || s.Refused[plaintext.Blank] != 100 || s.Received() != 200 {
		t.Errorf("%+v", s)
	}
}

func TestLargestDatagram(t *testing.T) {
	in, r := start(t, Config{Listeners: []Listener{anywhere(t, "udp")}})
	name := strings.Repeat("n", 65507-len(" 1 1500000000")) // what IPv4 can carry
	send(t, dial(t, in, 0), name+" 1 1500000000")
	stop(t, in)
	if got := r.all(); len(got) != 1 || got[0].Metric != name {
		t.Errorf("got %d datapoints; %+v", len(got), in.Stats()[0])
	}
}

// What the kernel drops is counted: sent = datagrams + drops.
func TestKernelDrops(t *testing.T) {
	const sent = 3000
	var log logged
	r := &recorder{t: t}
	in := listen(t, Config{Listeners: []Listener{anywhere(t, "udp")}, Acquire: r.acquire, Now: vectorClock, UDPBuffer: 4096, Logger: log.logger()})
	c := dial(t, in, 0)
	for range sent {
		send(t, c, "a 1 1500000000\n")
	}
	in.Start()
	stop(t, in)
	if s := in.Stats()[0]; s.KernelDrops == 0 || s.Datagrams+s.KernelDrops != sent || s.Accepted != s.Datagrams {
		t.Errorf("%d sent: %+v", sent, s)
	}
}

func TestUDPBufferNotGranted(t *testing.T) {
	var log logged
	r := &recorder{t: t}
	listen(t, Config{Listeners: []Listener{anywhere(t, "udp")}, Acquire: r.acquire, Now: vectorClock, UDPBuffer: 1 << 30, Logger: log.logger()})
	if !strings.Contains(log.String(), "net.core.rmem_max") {
		t.Errorf("logged: %s", log.String())
	}
}

func TestRefusedLinesAreLogged(t *testing.T) {
	var log logged
	in, _ := start(t, Config{
		Listeners: []Listener{anywhere(t, "udp"), anywhere(t, "tcp"), anywhere(t, "unix")},
		Logger:    log.logger(), RefusedLines: 4,
	})
	first, second, stream, local := dial(t, in, 0), dial(t, in, 0), dial(t, in, 1), dial(t, in, 2)
	send(t, first, "one bad\n")
	send(t, second, "a 1 1500000000\ntwo bad\n")
	until(t, "the datagrams are read", func() bool { return in.Stats()[0].Datagrams == 2 })
	send(t, stream, "\n\nthree "+strings.Repeat("x", 500)+"\n")
	until(t, "the stream is read", func() bool { return in.Stats()[1].Received() == 1 })
	send(t, local, "four bad\nfive bad\nsix bad\nseven bad\n")
	until(t, "the unix stream is read", func() bool { return in.Stats()[2].Received() == 4 })
	stop(t, in)
	got := log.String()
	for _, want := range []string{
		fmt.Sprintf("listener=udp sender=%s reason=bad_fields line=\"one bad\"", first.LocalAddr()),
		fmt.Sprintf("listener=udp sender=%s reason=bad_fields line=\"two bad\"", second.LocalAddr()),
		fmt.Sprintf("listener=tcp sender=%s reason=bad_fields line=\"three %s\"\n", stream.LocalAddr(), strings.Repeat("x", 400-len("three "))),
		"listener=unix sender=unix reason=bad_fields line=\"four bad\"",
		"more refused items suppressed\" items=3\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("not logged: %s", want)
		}
	}
	if n := strings.Count(got, "\n"); n != 5 {
		t.Errorf("%d lines logged, want 5:\n%s", n, got)
	}
}

// Datagrams read together give what they give one by one, each with its sender.
func FuzzGather(f *testing.F) {
	f.Add([]byte("a 1 1500000000\nb 2 1500000000"), uint8(7))
	f.Add([]byte("a 1 1500000000\r\nb\u2028c 2 1\x1c\x85"), uint8(3))
	f.Add([]byte("\n\r\n\u0085"), uint8(1))
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { syscall.Close(pair[0]); syscall.Close(pair[1]) })
	f.Fuzz(func(t *testing.T, text []byte, size uint8) {
		if size == 0 || len(text) > 8*int(size) {
			return // a socket pair holds ten datagrams
		}
		r, alone := &recorder{t: t}, &recorder{t: t}
		in, err := New(Config{Acquire: r.acquire, Now: vectorClock, Listeners: []Listener{{Transport: "udp", Address: ":0"}}})
		if err != nil {
			t.Fatal(err)
		}
		p := &packets{listener: in.listeners[0]}
		p.source = source{in: in}
		s := plaintext.NewScanner(largestDatagram)
		s.Now = vectorNow
		for piece := range slices.Chunk(text, int(size)) {
			if _, err := syscall.Write(pair[0], piece); err != nil {
				t.Fatal(err)
			}
			b := plaintext.Batch{Buf: plaintext.Datagram(slices.Clone(piece))}
			lane := alone.acquire()
			for i := 0; i < len(b.Buf); {
				if i = s.Scan(&b, i, len(b.Buf)); b.N > 0 {
					lane.Add(&b)
				}
			}
			lane.Release()
		}
		if p.read(uintptr(pair[1])) {
			t.Fatal("ended")
		}
		got := in.listeners[0].stats()
		var refused [NumReasons]uint64
		copy(refused[:], s.Refused[:])
		if fmt.Sprint(r.all()) != fmt.Sprint(alone.all()) || got.Refused != refused || got.Bytes != uint64(len(text)) {
			t.Errorf("together %v %+v\nalone %v %v", r.all(), got, alone.all(), s.Refused)
		}
	})
}
