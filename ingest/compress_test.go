package ingest

import (
	"bytes"
	stdgzip "compress/gzip"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

var compressions = []string{Gzip, Zstd, Snappy}

// A flusher compresses and can be made to hand out all that it has.
type flusher interface {
	io.WriteCloser
	Flush() error
}

func newCompressor(t testing.TB, compression string, to io.Writer) flusher {
	t.Helper()
	switch compression {
	case Gzip:
		return stdgzip.NewWriter(to) // the standard library's, of other origin than the reader
	case Zstd:
		w, err := zstd.NewWriter(to, zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		return w
	default:
		return s2.NewWriter(to, s2.WriterSnappyCompat(), s2.WriterBlockSize(snappyBlock), s2.WriterConcurrency(1))
	}
}

func compressed(t testing.TB, compression string, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := newCompressor(t, compression, &b)
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// compressing is a free local address of each transport that undoes a compression.
func compressing(t testing.TB, compression, transport string) Listener {
	l := anywhere(t, transport)
	l.Compression = compression
	return l
}

// eachCompression runs a test for all of them.
func eachCompression(t *testing.T, f func(t *testing.T, compression string)) {
	for _, compression := range compressions {
		t.Run(compression, func(t *testing.T) {
			t.Parallel()
			f(t, compression)
		})
	}
}

func TestCompressedStreams(t *testing.T) {
	a, b, c := datapoint{"a", 1500000000, 1}, datapoint{"b", 1500000000, 2}, datapoint{"c", 1500000000, 3}
	text := "a 1 1500000000\nb 2 1500000000\nc 3 1500000000\n"
	const most = 10000
	eachCompression(t, func(t *testing.T, compression string) {
		compress := func(s string) string { return string(compressed(t, compression, []byte(s))) }
		tests := map[string]struct {
			chunks     []string
			open       bool // the client does not end its stream
			want       []datapoint
			refused    refused
			unfinished uint64
			readErrors uint64
		}{
			"whole":             {chunks: []string{compress(text)}, want: []datapoint{a, b, c}},
			"one after another": {chunks: []string{compress(text[:20]) + compress(text[20:]), compress(text[:15])}, want: []datapoint{a, b, c, a}},
			// What a closed frame holds is read at once, not with the next one.
			"whole, left open":      {chunks: []string{compress(text)}, open: true, want: []datapoint{a, b, c}},
			"cut":                   {chunks: []string{compress(text)[:3], compress(text)[3:20], compress(text)[20:]}, want: []datapoint{a, b, c}},
			"no newline at the end": {chunks: []string{compress(text[:len(text)-1])}, want: []datapoint{a, b, c}},
			"half a line, then Stop": {chunks: []string{compress(text[:20])}, open: true,
				want: []datapoint{a}, unfinished: 1},
			"bad lines": {chunks: []string{compress("x\n" + text + strings.Repeat("y", most+1) + "\n")}, want: []datapoint{a, b, c},
				refused: refused{BadFields: 1, LineTooLong: 1}},
			"empty":               {chunks: []string{compress("")}},
			"ends in the middle":  {chunks: []string{compress(text) + compress(text)[:9]}, want: []datapoint{a, b, c}, unfinished: 1, readErrors: 1},
			"damaged":             {chunks: []string{compress(text[:20]) + "no header of any compression", text}, want: []datapoint{a}, unfinished: 1, refused: refused{BadCompression: 1}},
			"not compressed":      {chunks: []string{text}, refused: refused{BadCompression: 1}},
			"ends before a frame": {chunks: []string{"\x1f"}, unfinished: 1, readErrors: 1},
			"nothing":             {},
		}
		if compression == Snappy { // each byte of the identifier is looked at when all have come
			delete(tests, "ends before a frame")
		}
		for name, tt := range tests {
			for _, transport := range []string{"tcp", "unix"} {
				t.Run(name+"/"+transport, func(t *testing.T) {
					l := compressing(t, compression, transport)
					l.MaxLine = most
					chunks := tt.chunks
					if name == "damaged" {
						chunks = chunks[:1] // the connection is closed then
					}
					got, stats := replay(t, l, chunks, !tt.open)
					if !slices.Equal(got, tt.want) {
						t.Errorf("got %v, want %v", got, tt.want)
					}
					tt.refused.check(t, stats, uint64(len(tt.want)), tt.unfinished)
					if stats.ReadErrors != tt.readErrors {
						t.Errorf("%d read errors, want %d", stats.ReadErrors, tt.readErrors)
					}
				})
			}
		}
	})
}

// What a client flushes is read at once, though its stream goes on.
func TestFlushedLinesCountAtOnce(t *testing.T) {
	eachCompression(t, func(t *testing.T, compression string) {
		in, r := start(t, Config{Listeners: []Listener{compressing(t, compression, "tcp")}})
		c := dial(t, in, 0)
		w := newCompressor(t, compression, c)
		for i := range 50 {
			fmt.Fprintf(w, "a %d 1500000000\n", i)
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			until(t, "the line is read", func() bool { return len(r.all()) == i+1 })
		}
		stop(t, in)
		if s := in.Stats()[0]; s.Accepted != 50 || s.Unfinished != 0 || s.ReadErrors != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// Stop at once after the clients' writes loses nothing.
func TestStopDrainsCompressed(t *testing.T) {
	const clients, lines = 10, 50000
	eachCompression(t, func(t *testing.T, compression string) {
		in, r := start(t, Config{Listeners: []Listener{compressing(t, compression, "unix")}, ReadBuffer: smallestBuffer})
		stream := compressed(t, compression, repeat("some.metric.with.a.name 1 1500000000\n", lines))
		for range clients {
			if _, err := dial(t, in, 0).Write(stream); err != nil {
				t.Fatal(err)
			}
		}
		stop(t, in)
		if got := len(r.all()); got != clients*lines {
			t.Errorf("%d datapoints, want %d", got, clients*lines)
		}
	})
}

// bomb is a few bytes that become so many, of one line.
func bomb(t testing.TB, compression string, size int) []byte {
	t.Helper()
	var b bytes.Buffer
	w := newCompressor(t, compression, &b)
	piece := repeat("x", 1<<20)
	for range size >> 20 {
		w.Write(piece)
	}
	w.Close()
	return b.Bytes()
}

// allocated is how much has ever been allocated, in bytes.
func allocated() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.TotalAlloc)
}

// Bombs are decoded as they come and take no memory.
func TestBombs(t *testing.T) {
	bombs := 4
	if raceEnabled {
		bombs = 1
	}
	for _, compression := range []string{Gzip, Zstd} {
		t.Run(compression, func(t *testing.T) {
			in, r := start(t, Config{Listeners: []Listener{compressing(t, compression, "tcp")}})
			small := bomb(t, compression, 64<<20)
			last := compressed(t, compression, []byte("\na 1 1500000000\n"))
			before := allocated()
			c := dial(t, in, 0)
			for range bombs {
				send(t, c, string(small))
			}
			send(t, c, string(last))
			until(t, "the line behind them is read", func() bool { return len(r.all()) == 1 })
			// With the race detector, sync.Pool forgets at random.
			if n := allocated() - before; n > 32<<20 && !raceEnabled {
				t.Errorf("%d bytes allocated for bombs of %d", n, len(small))
			}
			refused{LineTooLong: 1}.check(t, in.Stats()[0], 1, 0)
		})
	}
}

// Stop does not wait for all that a bomb can become.
func TestStopDuringBomb(t *testing.T) {
	r := &recorder{t: t}
	entered, leave := make(chan struct{}, 2), make(chan struct{})
	in := listen(t, Config{Listeners: []Listener{compressing(t, Zstd, "tcp")}, Now: vectorClock, Acquire: func() Lane {
		entered <- struct{}{}
		<-leave
		return r.acquire()
	}})
	in.Start()
	line := compressed(t, Zstd, []byte("a 1 1500000000\n"))
	c := dial(t, in, 0)
	send(t, c, string(line))
	<-entered // the rest is not decompressed before Stop begins
	send(t, c, string(bomb(t, Zstd, inflatedLimit+1<<20))+string(compressed(t, Zstd, []byte("\n")))+string(line))
	go func() {
		<-in.stop
		close(leave)
	}()
	stop(t, in)
	refused{LineTooLong: 1}.check(t, in.Stats()[0], 1, 0)
}

// A window beyond what the format asks for is refused before it takes memory.
func TestZstdWindow(t *testing.T) {
	var log logged
	in, r := start(t, Config{Listeners: []Listener{compressing(t, Zstd, "tcp")}, Logger: log.logger(), RefusedLines: 5})
	for window, accepted := range map[int]int{zstdWindow: 1, 2 * zstdWindow: 0} {
		before := len(r.all())
		var b bytes.Buffer
		w, err := zstd.NewWriter(&b, zstd.WithWindowSize(window), zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, "a 1 1500000000\n")
		w.Flush() // or the frame would say that it is small
		w.Close()
		c := dial(t, in, 0)
		send(t, c, b.String())
		if accepted == 0 {
			if _, err := c.Read(make([]byte, 1)); err == nil {
				t.Error("the connection is still open")
			}
		} else {
			until(t, "the line is read", func() bool { return len(r.all()) == before+accepted })
		}
	}
	stop(t, in)
	refused{BadCompression: 1}.check(t, in.Stats()[0], 1, 0)
	if got := log.String(); !strings.Contains(got, "refused stream\" listener=tcp sender=127.0.0.1:") || !strings.Contains(got, "reason=bad_compression") || !strings.Contains(got, "window size") {
		t.Errorf("logged:\n%s", got)
	}
}

func TestIdleTimeoutCompressed(t *testing.T) {
	t.Parallel()
	stream := compressed(t, Gzip, []byte("a 1 1500000000\nb 2 15"))
	unhurried(300*time.Millisecond, func(timeout time.Duration) bool {
		l := compressing(t, Gzip, "tcp")
		l.IdleTimeout = timeout
		in, _ := start(t, Config{Listeners: []Listener{l}})
		defer stop(t, in)
		begin := time.Now()
		c := dial(t, in, 0)
		if _, err := c.Write(stream); err != nil || time.Since(begin) >= timeout {
			return false
		}
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("reading from an idle connection: %v, want EOF", err)
		}
		until(t, "the connection is counted out", func() bool { return in.Stats()[0].Connections == 0 })
		if s := in.Stats()[0]; s.IdleCloses != 1 || s.Accepted != 1 || s.Unfinished != 1 || s.ReadErrors != 0 {
			t.Errorf("%+v", s)
		}
		return true
	})
}

// The memory of a connection that waits, as the documentation has it.
func TestIdleCompressedConnections(t *testing.T) {
	const clients = 20
	for compression, most := range map[string]int64{Gzip: 80 << 10, Snappy: 200 << 10, Zstd: 9 << 20} {
		t.Run(compression, func(t *testing.T) {
			in := listen(t, Config{Listeners: []Listener{compressing(t, compression, "tcp")}, Now: vectorClock,
				Acquire: func() Lane { return discard{} }})
			in.Start()
			stream := compressed(t, compression, repeat("some.metric.with.a.name 1 1500000000\n", 20000))
			before := memory()
			for range clients {
				send(t, dial(t, in, 0), string(stream))
			}
			until(t, "all is read", func() bool { return in.Stats()[0].Accepted == clients*20000 })
			until(t, fmt.Sprintf("an idle connection costs no more than %d bytes", most), func() bool { return int64(memory()-before)/clients <= most })
		})
	}
}

// A stream cut anywhere gives what it gives in one piece, and no stream does
// harm.
func FuzzCompressed(f *testing.F) {
	text := []byte(strings.Repeat("servers.web 1 1500000000\n", 20))
	for i, compression := range compressions {
		stream := compressed(f, compression, text)
		f.Add(uint8(i), append(stream, stream...))
		f.Add(uint8(i), stream[:len(stream)-5])
		f.Add(uint8(i), append(stream, "garbage"...))
	}
	f.Fuzz(func(t *testing.T, which uint8, stream []byte) {
		if len(stream) > smallestBuffer {
			return
		}
		compression := compressions[int(which)%len(compressions)]
		read := func(r io.Reader) (string, bool) {
			got, err := io.ReadAll(io.LimitReader(decompressor(compression, r), 10<<20))
			return string(got), err == nil
		}
		whole, ok := read(bytes.NewReader(stream))
		bytewise, bytewiseOK := read(iotest.OneByteReader(bytes.NewReader(stream)))
		late, lateOK := read(iotest.DataErrReader(bytes.NewReader(stream)))
		if whole != bytewise || whole != late || ok != bytewiseOK || ok != lateOK {
			t.Errorf("%q %v in one, %q %v bytewise, %q %v with the end", whole, ok, bytewise, bytewiseOK, late, lateOK)
		}
		if compression != Gzip {
			return
		}
		// Another implementation.
		z, err := stdgzip.NewReader(bytes.NewReader(stream))
		if err != nil {
			if ok && len(stream) > 0 {
				t.Errorf("the standard library refuses it: %v", err)
			}
			return
		}
		want, err := io.ReadAll(io.LimitReader(z, 10<<20))
		if (err == nil) != ok || ok && string(want) != whole {
			t.Errorf("got %q %v, the standard library %q %v", whole, ok, want, err)
		}
	})
}

// Errors below the decompressor stay what they are.
func TestDecompressorErrors(t *testing.T) {
	broken := errors.New("broken")
	for _, compression := range compressions {
		r := decompressor(compression, iotest.ErrReader(broken))
		if _, err := r.Read(make([]byte, 10)); err != broken {
			t.Errorf("%s: %v", compression, err)
		}
	}
}
