//go:build race

package fakeclock

import (
	"iter"
	"runtime"
	"strings"
)

// pull is iter.Pull with a goroutine and two channels. Of a coroutine that ends
// the race detector is not told, up to Go 1.26 at least: it keeps five kilobytes
// of each for good, and a fuzz run makes millions.
func pull(seq iter.Seq[struct{}]) (next func() (struct{}, bool), stop func()) {
	c := &coroutine{turn: make(chan struct{}), back: make(chan struct{})}
	return func() (struct{}, bool) { return c.next(seq) }, c.stop
}

// coroutine passes control to and fro: only who has it looks at the fields.
type coroutine struct {
	turn, back             chan struct{}
	started, stopped, over bool
	exited                 bool // with runtime.Goexit
}

func (c *coroutine) next(seq iter.Seq[struct{}]) (struct{}, bool) {
	switch {
	case c.over:
		return struct{}{}, false
	case c.started:
		c.turn <- struct{}{}
	default:
		c.started = true
		go c.run(seq)
	}
	c.wait()
	return struct{}{}, !c.over
}

func (c *coroutine) run(seq iter.Seq[struct{}]) {
	c.exited = true
	defer func() {
		c.over = true
		c.back <- struct{}{}
	}()
	seq(c.yield)
	c.exited = false
}

// wait returns when the coroutine has yielded or is over; one that exits takes
// the caller along.
func (c *coroutine) wait() {
	<-c.back
	if c.over && c.exited {
		runtime.Goexit()
	}
}

//go:noinline
func (c *coroutine) yield(struct{}) bool {
	if !c.stopped {
		c.back <- struct{}{}
		<-c.turn
	}
	return !c.stopped
}

func (c *coroutine) stop() {
	switch {
	case c.over:
	case !c.started:
		c.over = true
	default:
		c.stopped = true
		c.turn <- struct{}{}
		c.wait()
	}
}

// isParked reports whether a goroutine is a coroutine that is parked, by its
// state and its stack.
func isParked(_, frames string) bool {
	return strings.HasPrefix(frames, "github.com/retrykit/retrykit/fakeclock.(*coroutine).yield(")
}
