package main

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coalesce-metrics/coalesce/node"
)

// connected returns the client's end of a connection to a query node, and a channel
// that is closed when the node has done with it.
func connected(s nodeServer) (net.Conn, <-chan struct{}) {
	client, server := net.Pipe()
	s.node, s.log = node.New(node.Config{Source: &nodeSource{}}), slog.New(slog.DiscardHandler)
	ended := make(chan struct{})
	go func() {
		s.converse(context.Background(), server)
		close(ended)
	}()
	return client, ended
}

func TestNodeConnectionIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, ended := connected(nodeServer{idle: time.Minute})
		begin := time.Now()
		time.Sleep(59 * time.Second)
		if _, err := io.WriteString(client, inlineSample); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(client).ReadString('\n'); err != nil || !strings.Contains(line, "aggregation_result") {
			t.Errorf("%q, %v", line, err)
		}
		<-ended
		if took := time.Since(begin); took != 119*time.Second {
			t.Errorf("closed after %v, want a minute after the message", took)
		}
		if _, err := client.Read(make([]byte, 1)); err != io.EOF {
			t.Error(err)
		}
	})
}

func TestNodeConnectionNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, ended := connected(nodeServer{})
		defer client.Close()
		begin := time.Now()
		if _, err := io.WriteString(client, inlineSample); err != nil {
			t.Fatal(err)
		}
		<-ended
		if took := time.Since(begin); took != 30*time.Second {
			t.Errorf("closed after %v", took)
		}
	})
}
