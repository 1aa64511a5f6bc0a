package wire

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/jonboulle/clockwork"
)

// network is a listener whose connections are buffers in memory. They buffer,
// as those of TCP do and those of [net.Pipe] do not: a client that closes the
// body of its request before the server has read it must not fail for that.
// What waits on them is blocked durably, as testing/synctest calls it.
type network struct {
	accepts chan net.Conn
	done    chan struct{}
	once    sync.Once
}

func newNetwork() *network {
	return &network{accepts: make(chan net.Conn), done: make(chan struct{})}
}

// dial returns the client's end of a new connection.
func (n *network) dial(ctx context.Context) (net.Conn, error) {
	client, server := newConns()
	select {
	case n.accepts <- server:
		return client, nil
	case <-ctx.Done():
		return nil, &net.OpError{Op: "dial", Net: "memory", Err: ctx.Err()}
	case <-n.done:
		return nil, &net.OpError{Op: "dial", Net: "memory", Err: syscall.ECONNREFUSED}
	}
}

func (n *network) Accept() (net.Conn, error) {
	select {
	case c := <-n.accepts:
		return c, nil
	case <-n.done:
		return nil, net.ErrClosed
	}
}

func (n *network) Close() error {
	n.once.Do(func() { close(n.done) })
	return nil
}

func (n *network) Addr() net.Addr { return address{} }

type address struct{}

func (address) Network() string { return "memory" }
func (address) String() string  { return "memory" }

// window is how much one direction of a connection buffers.
const window = 256 << 10

// conn is one end of a connection.
type conn struct {
	in, out *direction
	clock   clockwork.Clock
	linger  bool // false: closing is a reset
	mu      sync.Mutex
	read    clockwork.Timer
	write   clockwork.Timer
}

// direction carries bytes one way.
type direction struct {
	mu                sync.Mutex
	change            *sync.Cond
	data              []byte
	closed            bool // no more will be written
	broken            bool // the reader has closed, or either end has reset
	reset             bool
	lateRead, lateOut bool // a deadline has passed
}

func newConns() (client, server *conn) {
	up, down := newDirection(), newDirection()
	clock := clockwork.NewRealClock() // the deadlines of net/http are on it
	return &conn{in: down, out: up, clock: clock, linger: true}, &conn{in: up, out: down, clock: clock, linger: true}
}

func newDirection() *direction {
	d := new(direction)
	d.change = sync.NewCond(&d.mu)
	return d
}

func (d *direction) set(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
	d.change.Broadcast()
}

func (c *conn) Read(b []byte) (int, error) {
	d := c.in
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		switch {
		case d.reset:
			return 0, &net.OpError{Op: "read", Net: "memory", Err: syscall.ECONNRESET}
		case d.broken:
			return 0, net.ErrClosed
		case d.lateRead:
			return 0, os.ErrDeadlineExceeded
		case len(d.data) > 0:
			n := copy(b, d.data)
			d.data = d.data[n:]
			d.change.Broadcast()
			return n, nil
		case d.closed:
			return 0, io.EOF
		case len(b) == 0:
			return 0, nil
		}
		d.change.Wait()
	}
}

func (c *conn) Write(b []byte) (n int, err error) {
	d := c.out
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		switch {
		case d.closed:
			return n, net.ErrClosed
		case d.reset:
			return n, &net.OpError{Op: "write", Net: "memory", Err: syscall.ECONNRESET}
		case d.broken:
			return n, &net.OpError{Op: "write", Net: "memory", Err: syscall.EPIPE}
		case d.lateOut:
			return n, os.ErrDeadlineExceeded
		}
		room := min(window-len(d.data), len(b))
		if room > 0 {
			d.data = append(d.data, b[:room]...)
			b, n = b[room:], n+room
			d.change.Broadcast()
		}
		if len(b) == 0 {
			return n, nil
		}
		d.change.Wait()
	}
}

// SetLinger is that of [net.TCPConn]: with 0 closing resets the connection.
func (c *conn) SetLinger(seconds int) error {
	c.linger = seconds != 0
	return nil
}

func (c *conn) Close() error {
	c.out.set(func() { c.out.closed, c.out.reset = true, c.out.reset || !c.linger })
	c.in.set(func() { c.in.broken = true })
	c.SetDeadline(time.Time{})
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return address{} }
func (c *conn) RemoteAddr() net.Addr { return address{} }

func (c *conn) SetDeadline(t time.Time) error {
	c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.deadline(&c.read, t, func(late bool) { c.in.set(func() { c.in.lateRead = late }) })
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.deadline(&c.write, t, func(late bool) { c.out.set(func() { c.out.lateOut = late }) })
	return nil
}

// deadline replaces a deadline; the zero time is none.
func (c *conn) deadline(timer *clockwork.Timer, t time.Time, late func(bool)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if *timer != nil {
		(*timer).Stop()
		*timer = nil
	}
	switch wait := t.Sub(c.clock.Now()); {
	case t.IsZero():
		late(false)
	case wait <= 0:
		late(true)
	default:
		late(false)
		*timer = c.clock.AfterFunc(wait, func() { late(true) })
	}
}
