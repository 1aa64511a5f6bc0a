package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
)

// connectionCounts are the connections that no script can tell of.
type connectionCounts struct {
	Incomplete int `json:"incomplete"` // something came, but no request that could be read
	TooMany    int `json:"too_many"`
}

func (c connectionCounts) write(w io.Writer) {
	if c.Incomplete > 0 {
		fmt.Fprintf(w, "  – %s ended, or took too long, before a whole request had come\n", count(c.Incomplete, "connection"))
	}
	if c.TooMany > 0 {
		fmt.Fprintf(w, "  – %s came while %d were open, and were closed\n", count(c.TooMany, "connection"), maxConnections)
	}
}

// connections keeps the counts. It is safe for concurrent use.
type connections struct {
	mu      sync.Mutex
	mute    map[net.Conn]struct{} // open ones on which no request has come
	current connectionCounts
}

func newConnections() *connections { return &connections{mute: make(map[net.Conn]struct{})} }

func (c *connections) counts() connectionCounts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current
}

func (c *connections) turnedAway() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current.TooMany++
}

// note is for the ConnState of an [http.Server], which calls a connection active
// once a byte has come.
func (c *connections) note(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateActive:
		c.mute[conn] = struct{}{}
	case http.StateClosed:
		if _, ok := c.mute[conn]; ok {
			c.current.Incomplete++
		}
		delete(c.mute, conn)
	}
}

type connectionKey struct{}

// context is for the ConnContext of an [http.Server]: a request knows its
// connection.
func (c *connections) context(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, conn)
}

// heard notes that a request has come.
func (c *connections) heard(r *http.Request) {
	conn, ok := r.Context().Value(connectionKey{}).(net.Conn)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.mute, conn)
}
