package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/coalesce-metrics/coalesce/config"
	"github.com/coalesce-metrics/coalesce/node"
)

const (
	// maxNodeConnections bounds the connections to the query node's listener.
	maxNodeConnections = 100
	// replyPatience is how long a client may take none of a reply.
	replyPatience = 30 * time.Second
)

// nodeServer answers messages of the query node over TCP. A nil one serves nobody.
type nodeServer struct {
	ln   net.Listener
	node *node.Node
	idle time.Duration // after which a connection that says nothing is closed; 0 is never
	log  *slog.Logger
}

// newNodeServer binds the address of the query node; it returns nil where there is
// none.
func newNodeServer(cfg *config.Config, n *node.Node, log *slog.Logger) (*nodeServer, error) {
	if cfg.Node.Listen == "" {
		return nil, nil
	}
	ln, err := net.Listen("tcp", cfg.Node.Listen)
	if err != nil {
		return nil, fmt.Errorf("query node: %w (key node.listen)", err)
	}
	return &nodeServer{ln: ln, node: n, idle: time.Duration(cfg.Limits.IdleTimeout), log: log}, nil
}

// close gives the address back when nothing was started.
func (s *nodeServer) close() {
	if s != nil {
		s.ln.Close()
	}
}

// serve answers messages until ctx is done.
func (s *nodeServer) serve(ctx context.Context) {
	var open sync.WaitGroup
	defer open.Wait()
	stop := context.AfterFunc(ctx, func() { s.ln.Close() })
	defer stop()
	slots := make(chan struct{}, maxNodeConnections)
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		c, err := s.ln.Accept()
		if err != nil {
			<-slots
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			s.log.Warn("a connection to the query node could not be accepted", "err", err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		open.Go(func() {
			defer func() { <-slots }()
			s.converse(ctx, c)
		})
	}
}

// converse answers the messages of one connection, and closes it.
func (s *nodeServer) converse(ctx context.Context, c net.Conn) {
	defer c.Close()
	done := context.AfterFunc(ctx, func() { c.Close() })
	defer done()
	timed := timedConn{c, s.idle}
	if err := s.node.Serve(ctx, timed, timed); err != nil && ctx.Err() == nil {
		s.log.Debug("a connection to the query node broke", "remote", c.RemoteAddr().String(), "err", err)
	}
}

// timedConn lets no read and no write wait for ever, as there are only so many
// connections for all.
type timedConn struct {
	net.Conn
	idle time.Duration // 0 is any time
}

func (c timedConn) Read(b []byte) (int, error) {
	if c.idle > 0 {
		if err := c.SetReadDeadline(time.Now().Add(c.idle)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Read(b)
}

func (c timedConn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(replyPatience)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}
