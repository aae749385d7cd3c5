package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	sd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"

	"github.com/coalesce-metrics/coalesce/ingest"
)

// handedSockets returns listeners for the sockets that the service manager has
// opened. The name of a socket (FileDescriptorName) says what it speaks. It is
// called once: the files own the descriptors.
func handedSockets() ([]ingest.Listener, error) {
	protocols := []string{ingest.Plaintext, ingest.Pickle, ingest.Protobuf}
	var out []ingest.Listener
	for name, files := range activation.FilesWithNames() {
		if !slices.Contains(protocols, name) {
			return nil, fmt.Errorf("socket %q from the service manager: accepted as FileDescriptorName: %v", name, protocols)
		}
		for _, f := range files {
			transport, err := transportOf(f)
			if err != nil {
				return nil, fmt.Errorf("socket %q from the service manager: %w", name, err)
			}
			out = append(out, ingest.Listener{Protocol: name, Transport: transport, Socket: f})
		}
	}
	return out, nil
}

// transportOf asks the kernel what kind of socket a file is.
func transportOf(f *os.File) (string, error) {
	kind, err := unix.GetsockoptInt(int(f.Fd()), unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return "", err
	}
	domain, err := unix.GetsockoptInt(int(f.Fd()), unix.SOL_SOCKET, unix.SO_DOMAIN)
	switch {
	case err != nil:
		return "", err
	case kind == unix.SOCK_STREAM && domain == unix.AF_UNIX:
		return "unix", nil
	case kind == unix.SOCK_STREAM:
		return "tcp", nil
	case kind == unix.SOCK_DGRAM && domain != unix.AF_UNIX:
		return "udp", nil
	}
	return "", fmt.Errorf("socket type %d of family %d: accepted: TCP, UDP and unix stream sockets", kind, domain)
}

// listeners returns what to listen on. Sockets of the service manager stand in
// for the configured listeners of their protocol and transport.
func (d *daemon) listeners() ([]ingest.Listener, error) {
	handed, err := handedSockets()
	if err != nil {
		return nil, err
	}
	var out []ingest.Listener
	used := make([]bool, len(handed))
	for _, c := range d.cfg.AllListeners() {
		l := listenerOf(&c)
		for i, h := range handed {
			if h.Protocol == l.Protocol && h.Transport == l.Transport && !used[i] {
				l.Socket, used[i] = h.Socket, true
				break
			}
		}
		if l.Socket == nil && c.Protocol == ingest.Pickle && c.Address == d.cfg.ListenPickle && d.waives(c.Address) {
			continue
		}
		out = append(out, l)
	}
	for i, h := range handed {
		if !used[i] {
			h.MaxConnections, h.MaxFrame = d.cfg.Limits.MaxConnections, int(d.cfg.Limits.MaxFrame)
			h.MaxLine, h.IdleTimeout = int(d.cfg.Limits.MaxLine), time.Duration(d.cfg.Limits.IdleTimeout)
			out = append(out, h)
		}
	}
	return out, nil
}

// waives says whether the pickle listener is left out: nobody has asked for it,
// and its port belongs to another program, so that plaintext alone is better than
// no daemon.
func (d *daemon) waives(address string) bool {
	if d.cfg.Given("listen_pickle") {
		return false
	}
	ln, err := net.Listen("tcp", address)
	if err == nil {
		ln.Close()
		return false
	}
	if !errors.Is(err, unix.EADDRINUSE) {
		return false // ingest says what is wrong
	}
	d.log.Warn("no pickle listener: its default port is in use; set listen_pickle (--listen-pickle) to another address, or to \"\"", "address", address)
	return true
}

// tell informs the service manager, if there is one.
func (d *daemon) tell(state string) {
	if _, err := sd.SdNotify(false, state); err != nil {
		d.log.Warn("cannot notify the service manager", "err", err)
	}
}

// reload reads the rules and the files of names again.
func (d *daemon) reload() {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err == nil {
		d.tell(fmt.Sprintf("%s\nMONOTONIC_USEC=%d", sd.SdNotifyReloading, now.Nano()/1000))
	}
	d.rules.reload(true)
	d.names.reload(true)
	d.tell(sd.SdNotifyReady)
}

// watchdog tells the service manager that the daemon works, for as long as every
// lane can be had: a daemon that hangs is started anew.
func (d *daemon) watchdog(ctx context.Context) {
	every, err := sd.SdWatchdogEnabled(false)
	if err != nil || every == 0 {
		return
	}
	tick := time.NewTicker(every / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			d.agg.Stats()
			d.tell(sd.SdNotifyWatchdog)
		}
	}
}
