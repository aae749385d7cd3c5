package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/coalesce-metrics/coalesce/pickle"
	"github.com/coalesce-metrics/coalesce/plaintext"
	"github.com/coalesce-metrics/coalesce/route"
	"github.com/coalesce-metrics/coalesce/store/sqlite"
)

// The test binary is also the system that the tests measure: with FAKE set, it
// reads the daemon's configuration and aggregates naively. Its value says what it does wrong.
func TestMain(m *testing.M) {
	if mode := os.Getenv("FAKE"); mode != "" {
		if err := fake(mode, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

var ruleLine = regexp.MustCompile(`^aggregates\.<env>\.app\.<app>\.all\.(\S+) \((\d+)\) = (\w+) `)

// fakeConfig is what a faker reads of its configuration.
type fakeConfig struct {
	Rules        string `toml:"rules"`
	Listen       string `toml:"listen"`
	ListenPickle string `toml:"listen_pickle"`
	Forward      bool   `toml:"forward_all"`
	Data         string `toml:"data"`
	Store        any    `toml:"store"` // a text or a table
	HTTP         struct {
		Listen string `toml:"listen"`
	} `toml:"http"`
	Keeps []struct {
		Period string `toml:"period"`
	} `toml:"keep"`
	Destinations []struct {
		Address string `toml:"address"`
	} `toml:"destination"`
}

// A faker writes its output whenever all its connections are closed: all of it
// each time, so that the last time is the whole.
type faker struct {
	mode    string
	forward bool
	period  int64
	methods map[string]string // by the metric's tail
	ring    *route.Ring
	store   *sqlite.Store // nil without one
	keep    int64         // seconds of the cells of metrics, 0 if they are not kept

	mu     sync.Mutex
	outs   []*fakeOut
	open   int
	points map[string][]float64 // by "output timestamp"
	kept   map[string][]float64 // by "metric timestamp"
	lines  int
}

// A fakeOut is a destination; what is written before it is up waits.
type fakeOut struct {
	waiting bytes.Buffer
	conn    net.Conn // nil until it is up
}

func (o *fakeOut) flush() {
	if o.conn != nil {
		o.waiting.WriteTo(o.conn)
	}
}

func fake(mode string, args []string) error {
	if args[0] == "version" {
		fmt.Println("fake 1")
		return nil
	}
	var cfg fakeConfig
	if _, err := toml.DecodeFile(args[slices.Index(args, "--config")+1], &cfg); err != nil {
		return err
	}
	f := &faker{mode: mode, forward: cfg.Forward, methods: map[string]string{}, points: map[string][]float64{}, kept: map[string][]float64{}}
	if cfg.Data != "" {
		if err := os.MkdirAll(cfg.Data, 0o755); err != nil {
			return err
		}
	}
	rules, err := os.ReadFile(cfg.Rules)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(rules)) {
		m := ruleLine.FindStringSubmatch(line)
		f.methods[m[1]] = m[3]
		fmt.Sscan(m[2], &f.period)
	}
	var ring route.RingConfig
	for _, d := range cfg.Destinations {
		node, err := route.ParseNode(d.Address)
		if err != nil {
			return err
		}
		ring.Nodes = append(ring.Nodes, node)
		o := new(fakeOut)
		f.outs = append(f.outs, o)
		go f.connect(o, fmt.Sprintf("%s:%d", node.Host, node.Port))
	}
	if f.ring, err = route.NewRing(ring); err != nil {
		return err
	}
	if err := f.openStore(&cfg); err != nil {
		return err
	}
	l, err := net.Listen("tcp", cfg.Listen+cfg.ListenPickle) // one of them is empty
	if err != nil {
		return err
	}
	go f.stop()
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		if mode == "crashes" {
			return fmt.Errorf("crashed as told")
		}
		f.mu.Lock()
		f.open++
		f.mu.Unlock()
		go f.serve(c, cfg.ListenPickle != "")
	}
}

// connect brings a destination up as soon as it listens.
func (f *faker) connect(o *fakeOut, address string) {
	for {
		c, err := net.Dial("tcp", address)
		if err != nil {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		o.conn = c
		o.flush()
		return
	}
}

func (f *faker) stop() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
	f.mu.Lock()
	if f.mode == "late" { // a wrong value at the last moment
		for key := range f.points {
			output, second, _ := strings.Cut(key, " ")
			fmt.Fprintf(&f.outs[0].waiting, "%s 0.25 %s\n", output, second)
		}
		f.outs[0].flush()
	}
	f.closeStore()
	os.Exit(0)
}

func (f *faker) serve(c net.Conn, pickled bool) {
	if pickled {
		f.readFrames(c)
	} else {
		for in := bufio.NewScanner(c); in.Scan(); {
			f.mu.Lock()
			f.line(in.Text())
			f.mu.Unlock()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open--; f.open == 0 {
		f.flush()
	}
	c.Close()
}

// readFrames reads pickle with the project's own decoder.
func (f *faker) readFrames(c net.Conn) {
	d := pickle.NewDecoder(128)
	var size [4]byte
	var b plaintext.Batch
	for {
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		payload := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(c, payload); err != nil {
			return
		}
		if err := d.Decode(payload); err != nil {
			return // its datapoints are missing
		}
		for d.Fill(&b) {
			f.mu.Lock()
			for i := range b.N {
				f.line(fmt.Sprintf("%s %v %.0f", b.Name(i), b.Points[i].Value, b.Points[i].Time))
			}
			f.mu.Unlock()
		}
	}
}

func (f *faker) line(line string) {
	f.lines++
	times := 1
	if f.lines == 100 && f.mode == "loses" {
		times = 0
	}
	if f.lines == 100 && f.mode == "doubles" {
		times = 2
	}
	var name string
	var value float64
	var second int64
	fmt.Sscan(line, &name, &value, &second)
	part := strings.SplitN(name, ".", 5)
	for range times {
		if f.forward {
			to := f.ring.Get(nil, []byte(name))[0]
			if f.lines == 100 && f.mode == "misroutes" {
				to = (to + 1) % len(f.outs)
			}
			fmt.Fprintln(&f.outs[to].waiting, line)
		} else if f.methods[part[4]] != "" {
			key := fmt.Sprintf("aggregates.%s.app.%s.all.%s %d", part[0], part[2], part[4], second-second%f.period)
			f.points[key] = append(f.points[key], value)
		}
		if f.keep > 0 {
			key := fmt.Sprintf("%s %d", name, second-second%f.keep)
			f.kept[key] = append(f.kept[key], value)
		}
	}
}

func (f *faker) flush() {
	for key, values := range f.points {
		output, second, _ := strings.Cut(key, " ")
		var v float64
		switch f.methods[output[strings.Index(output, ".all.")+len(".all."):]] {
		case "count":
			v = float64(len(values))
		case "sum":
			for _, x := range values {
				v += x
			}
		case "p99":
			slices.Sort(values)
			v = values[(len(values)*99+99)/100-1]
			if f.mode == "p95" {
				v = values[(len(values)*95+99)/100-1]
			}
		}
		fmt.Fprintf(&f.outs[0].waiting, "%s %v %s\n", output, v, second)
	}
	for _, o := range f.outs {
		o.flush()
	}
	f.keepCells()
}
