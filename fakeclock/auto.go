package fakeclock

import (
	"context"
	"slices"
	"time"
)

// autoSleep moves time to the end of the sleep, event by event. It unlocks.
func (e *engine) autoSleep(o *owner, d time.Duration) {
	ev := event{kind: KindSleep, owner: o}
	until := satAdd(e.now, max(d, 0))
	e.note(&ev, until)
	if d > 0 {
		if e.queue.len() > 0 {
			e.fireBefore(e.place(o, until))
		}
		e.moveTo(until)
	}
	e.finish(&ev, Fired)
	e.mu.Unlock()
}

// fireBefore fires what comes before k.
func (e *engine) fireBefore(k key) {
	for e.queue.len() > 0 && e.queue.first().before(&k) {
		e.step()
	}
}

// autoChan moves time to where the timer fires, if that is certain to be right, or
// else has it moved once the goroutine is seen blocked.
func (e *engine) autoChan(t *timer) {
	s := &e.stmt
	e.busy = true
	e.addTimer(s, t)
	t.asked = true
	if e.decided(s) {
		if s.over { // unless that was another statement
			e.lookLater(false)
		}
		return
	}
	var filled *timer
	if t.place != 0 && !e.careful && !e.unread() {
		filled = e.attempt(s)
	}
	switch {
	case filled == nil || !slices.Contains(s.timers, filled):
		e.lookSoon()
	case filled.kind == KindTicker: // a range loop will not ask for it again
		e.lookLater(true)
	}
}

// unread reports whether a channel that was handed out before has a value that
// nobody has received: it may be a case of the statement.
func (e *engine) unread() bool {
	rest := e.full[:0]
	for _, t := range e.full {
		if t.asked && len(t.ch) > 0 {
			rest = append(rest, t)
		}
	}
	clear(e.full[len(rest):])
	e.full = rest
	return len(rest) > 0
}

func (c *Clock) autoSleepContext(ctx context.Context, d time.Duration) (err error) {
	e := c.e
	defer func() {
		v := recover()
		if r, ok := v.(*Report); ok {
			err = r // here is somebody to give it to
		} else if v != nil {
			panic(v)
		}
	}()
	e.enter("SleepContext")
	ev := &event{e: e, kind: KindSleep, owner: c.owner}
	until := satAdd(e.now, max(d, 0))
	e.note(ev, until)
	k := e.place(c.owner, until)
	for d > 0 && e.queue.len() > 0 && e.queue.first().before(&k) {
		e.step()
		e.mu.Unlock()
		err = ctx.Err()
		e.enter("")
		if err != nil {
			e.finish(ev, Cancelled)
			e.mu.Unlock()
			return err
		}
	}
	if d == Forever {
		e.fail(e.report(ErrDeadlock, "the wait is for a context alone, and nothing armed will end it"))
	}
	e.moveTo(until)
	e.finish(ev, Fired)
	e.mu.Unlock()
	return nil
}
