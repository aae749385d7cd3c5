package heldport

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
)

func TestHeld(t *testing.T) {
	address := New(t)
	if other := New(t); other == address {
		t.Errorf("%s twice", address)
	}
	for range 3 {
		if c, err := net.Dial("tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("connected to %s, or %v", c.LocalAddr(), err)
		}
		if ln, err := net.Listen("tcp", address); !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatalf("somebody else listens on %s, or %v", ln.Addr(), err)
		}
		ln := Listen(t, address)
		if ln.Addr().String() != address {
			t.Errorf("listens on %s, want %s", ln.Addr(), address)
		}
		client, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		server, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		ln.Close()
		server.Close() // first, so that the port is left waiting
		if _, err := io.ReadAll(client); err != nil {
			t.Error(err)
		}
		client.Close()
	}
}
