package fakeclock

import (
	"time"

	"github.com/jonboulle/clockwork"
)

// follower fires the events of a clock at the times of another, and lets what
// each event has woken come to rest before the next.
type follower struct {
	e      *engine
	base   clockwork.Clock
	start  time.Time
	settle func()
	timer  clockwork.Timer
	token  chan struct{} // held by turn, or by the caller of Settle
	turns  bool          // turn is running
}

func newFollower(e *engine, cfg Config) *follower {
	f := &follower{e: e, base: cfg.Base, start: cfg.Base.Now(), settle: cfg.Settle, token: make(chan struct{}, 1)}
	if f.settle == nil {
		f.settle = func() {}
	}
	e.start = f.start.UTC().Round(0)
	return f
}

// catchUp moves time to where the base is, firing nothing.
func (f *follower) catchUp() {
	if t := int64(f.base.Now().Sub(f.start)); t > f.e.now {
		f.e.now, f.e.round = t, 0
	}
}

// rearm has turn called when the first event is due.
func (f *follower) rearm() {
	if f.turns || f.e.queue.len() == 0 {
		return
	}
	if f.timer != nil {
		f.timer.Stop()
	}
	f.timer = f.base.AfterFunc(time.Duration(f.e.queue.first().when-f.e.now), f.turn)
}

// turn fires all that is due.
func (f *follower) turn() {
	f.token <- struct{}{}
	defer func() { <-f.token }()
	e := f.e
	e.mu.Lock()
	for f.turns = true; ; {
		e.mu.Unlock()
		f.settle()
		e.mu.Lock()
		f.catchUp()
		if e.queue.len() == 0 || e.queue.first().when > e.now {
			break
		}
		e.step()
	}
	f.turns = false
	f.rearm()
	e.mu.Unlock()
}

// Settle waits, in Follow, until all that is due has fired and has come to rest:
// in a bubble, until all its other goroutines are durably blocked. Use it there
// instead of synctest.Wait, which panics if the clock is waiting for the same. In
// other modes it panics.
func (c *Clock) Settle() {
	e := c.e
	e.enter("Settle")
	f := e.follow
	e.mu.Unlock()
	if f == nil {
		panic("fakeclock: Settle on a clock in " + e.mode.String() + " mode: only a clock that follows another can wait for rest")
	}
	f.token <- struct{}{}
	defer func() { <-f.token }()
	f.settle()
}
