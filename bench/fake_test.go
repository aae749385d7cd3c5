package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// The test binary is also the system that the tests measure: with FAKE set, it
// takes the daemon's flags and aggregates naively. Its value says what it does wrong.
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

// A faker writes its output whenever all its connections are closed: all of it
// each time, so that the last time is the whole.
type faker struct {
	mode    string
	forward bool
	period  int64
	methods map[string]string // by the metric's tail
	out     *bufio.Writer

	mu     sync.Mutex
	open   int
	points map[string][]float64 // by "output timestamp"
	lines  int
}

func fake(mode string, args []string) error {
	if args[0] == "version" {
		fmt.Println("fake 1")
		return nil
	}
	flag := func(name string) string { return args[slices.Index(args, name)+1] }
	f := &faker{mode: mode, methods: map[string]string{}, points: map[string][]float64{}}
	f.forward = slices.Contains(args, "--forward-all=true")
	rules, err := os.ReadFile(flag("--rules"))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(rules)) {
		m := ruleLine.FindStringSubmatch(line)
		f.methods[m[1]] = m[3]
		fmt.Sscan(m[2], &f.period)
	}
	up, err := net.Dial("tcp", flag("--upstream"))
	if err != nil {
		return err
	}
	f.out = bufio.NewWriter(up)
	l, err := net.Listen("tcp", flag("--listen"))
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
		go f.serve(c)
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
			fmt.Fprintf(f.out, "%s 0.25 %s\n", output, second)
		}
		f.out.Flush()
	}
	os.Exit(0)
}

func (f *faker) serve(c net.Conn) {
	for in := bufio.NewScanner(c); in.Scan(); {
		f.mu.Lock()
		f.line(in.Text())
		f.mu.Unlock()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open--; f.open == 0 {
		f.flush()
	}
	c.Close()
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
			fmt.Fprintln(f.out, line)
		} else if f.methods[part[4]] != "" {
			key := fmt.Sprintf("aggregates.%s.app.%s.all.%s %d", part[0], part[2], part[4], second-second%f.period)
			f.points[key] = append(f.points[key], value)
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
		fmt.Fprintf(f.out, "%s %v %s\n", output, v, second)
	}
	f.out.Flush()
}
