package fakeclock

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// Advance moves time forward by d, event by event in their order, each with Now
// equal to its deadline, and returns when all that is due by then has fired. It
// calls functions armed with AfterFunc itself, one after the other, and does not
// wait for the goroutines it wakes: what they arm for an instant already passed
// fires late. To go step by step, alternate [Clock.Await] and
// [Clock.AdvanceNext]; to have the waiting done for you, use Run or a bubble.
//
// Advance panics if d is negative, and in Run and Follow, where time moves by
// itself; and with a [*Report] where functions arm others for the same instant
// without end, see [Config.BusyLoop].
func (c *Clock) Advance(d time.Duration) {
	if d < 0 {
		panic(fmt.Sprintf("fakeclock: Advance(%v): time cannot go back; make a new Clock for an earlier instant", d))
	}
	e := c.e
	e.drive("Advance")
	until := satAdd(e.now, d)
	// Functions may arm others for the same instant; those fire too.
	var here, due int // events fired since time moved last, and what was armed then
	for at := int64(-1); e.queue.len() > 0 && e.queue.first().when <= until; here++ {
		if e.now != at {
			at, here, due = e.now, 0, e.queue.len()
		}
		if here-due >= e.maxAgain {
			e.failAgain(here - due)
		}
		e.step()
	}
	e.moveTo(until)
	e.mu.Unlock()
}

// AdvanceNext moves time to the first event, fires it, and no other even if it is
// due at the same instant, and returns what it was. It returns false if nothing
// is armed. It panics where Advance does.
func (c *Clock) AdvanceNext() (Wait, bool) {
	e := c.e
	e.drive("AdvanceNext")
	if e.queue.len() == 0 {
		e.mu.Unlock()
		return Wait{}, false
	}
	ev := e.queue.first()
	w := Wait{N: max(ev.rec, 1), Kind: ev.kind, Owner: ev.owner.name, Armed: time.Duration(ev.armed),
		Until: time.Duration(ev.when), Ended: time.Duration(max(e.now, ev.when)), Outcome: Fired}
	dropped := e.dropped
	e.step()
	if e.dropped != dropped {
		w.Outcome = Dropped
	}
	e.mu.Unlock()
	return w, true
}

// drive is enter for a call that moves time from outside.
func (e *engine) drive(op string) {
	e.enter(op)
	if e.mode == run || e.mode == Follow {
		mode := e.mode
		e.mu.Unlock()
		panic("fakeclock: " + op + " in " + mode.String() + " mode, where time moves by itself: use Sleep to let it pass")
	}
}

// Next returns the time of the first armed event, and false if nothing is armed.
func (c *Clock) Next() (time.Time, bool) {
	e := c.e
	e.enter("")
	defer e.mu.Unlock()
	if e.queue.len() == 0 {
		return time.Time{}, false
	}
	return e.start.Add(time.Duration(e.queue.first().when)), true
}

// Events returns how many events have fired so far: what [Config.MaxEvents] limits.
func (c *Clock) Events() int {
	e := c.e
	e.peek()
	defer e.mu.Unlock()
	return int(e.fired)
}

// await is a caller of Await.
type await struct {
	n    int
	m    Match
	have int
	done chan struct{} // closed when enough waits are armed
}

// Await blocks until at least n waits that m selects are armed, so that a test
// can move time once the goroutines it waits for are asleep. Contexts do not
// count unless m asks for them. It returns an error, with a dump, if ctx ends
// first, so give it a context with a real deadline, such as the test's.
//
// Await is for Manual clocks. It panics where Advance does.
func (c *Clock) Await(ctx context.Context, n int, m Match) error {
	e := c.e
	e.drive("Await")
	a := &await{n: n, m: m, have: e.count(m), done: make(chan struct{})}
	if a.have >= n {
		e.mu.Unlock()
		return nil
	}
	e.awaits = append(e.awaits, a)
	e.mu.Unlock()
	select {
	case <-a.done:
		return nil
	case <-ctx.Done():
	}
	cause := context.Cause(ctx)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.forget(a)
	if e.count(m) >= n {
		return nil // in time, after all
	}
	return fmt.Errorf("fakeclock: waited for %d %s, have %d: %w\n%s", n, m, e.count(m), cause, e.dump())
}

func (e *engine) count(m Match) int {
	n := 0
	for _, q := range e.queue.all() {
		if m.wants(q.ev) {
			n++
		}
	}
	return n
}

// tellAwaits counts ev, which has been armed or is armed no longer.
func (e *engine) tellAwaits(ev *event, one int) {
	for _, a := range append([]*await(nil), e.awaits...) {
		if !a.m.wants(ev) {
			continue
		}
		if a.have += one; a.have >= a.n {
			close(a.done)
			e.forget(a)
		}
	}
}

func (e *engine) forget(gone *await) {
	var rest []*await
	for _, a := range e.awaits {
		if a != gone {
			rest = append(rest, a)
		}
	}
	e.awaits = rest
}

// refuseInFunc refuses a wait in a function that Advance is calling, and so waits
// for.
func (e *engine) refuseInFunc(op string) {
	if e.mode != Manual || e.calling == 0 {
		return
	}
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		f, more := frames.Next()
		if f.Function == ownFrames+"(*engine).outside" {
			e.mu.Unlock()
			panic("fakeclock: " + op + " in a function armed with AfterFunc, while the Advance that calls it waits for its return: start a goroutine in it")
		}
		if !more {
			return
		}
	}
}

// blockSleep blocks an ordinary goroutine until time has moved. It unlocks.
func (e *engine) blockSleep(o *owner, d time.Duration) {
	ev := &event{e: e, kind: KindSleep, owner: o, wake: make(chan struct{})}
	if d <= 0 {
		e.note(ev, e.now)
		e.finish(ev, Fired)
		e.mu.Unlock()
		return
	}
	e.refuseInFunc("Sleep")
	e.arm(ev, satAdd(e.now, d))
	e.mu.Unlock()
	<-ev.wake
}

func (c *Clock) blockSleepContext(ctx context.Context, d time.Duration) error {
	e := c.e
	e.enter("SleepContext")
	ev := &event{e: e, kind: KindSleep, owner: c.owner, wake: make(chan struct{})}
	if d > 0 {
		e.refuseInFunc("SleepContext")
		e.arm(ev, satAdd(e.now, d))
	} else {
		e.note(ev, e.now)
		e.finish(ev, Fired)
		close(ev.wake)
	}
	e.mu.Unlock()
	select {
	case <-ev.wake:
		return nil
	case <-ctx.Done():
	}
	e.mu.Lock()
	cut := ev.place != 0 // or else it fired first, after all
	if cut {
		e.disarm(ev, Cancelled)
	}
	e.mu.Unlock()
	if cut {
		return ctx.Err()
	}
	return nil
}
