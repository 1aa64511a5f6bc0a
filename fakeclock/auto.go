package fakeclock

import (
	"context"
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

// autoChan waits until the timer has fired or a context has ended.
func (e *engine) autoChan(t *timer) {
	s := &e.sel
	if !e.settled(s, t) {
		e.autoWait(s, t)
	}
	if t.kind == KindTicker || len(t.ch) == 0 && (s.ready == nil || len(s.ready.ch) == 0) {
		e.intoLimbo(t)
	}
}

// autoWait fires events until the timer has fired or the wait is over. It reports
// whether the timer has fired; a goroutine that is blocked on the channel already
// may have taken the value.
func (e *engine) autoWait(s *selection, t *timer) bool {
	// Functions that fire meanwhile evaluate statements of their own.
	outer := *s
	*s = selection{}
	from, ended, last := e.now, e.ended, t.event.fired
	fired := outer.fired[:0]
	for t.place != 0 && t.event.fired == last && !e.over(outer.ctxs, ended) {
		ev := e.queue.first()
		e.step()
		if ev.kind == KindTimer || ev.kind == KindAfter || ev == &t.event {
			fired = append(fired, ev.out)
		} else {
			from, fired = e.now, fired[:0]
		}
	}
	*s = outer
	s.fired = fired
	e.busy = true
	if len(t.ch) > 0 {
		e.gotReady(s, t, from)
	}
	return t.event.fired != last
}

func (c *Clock) autoSleepContext(ctx context.Context, d time.Duration) error {
	e := c.e
	e.enter("SleepContext")
	ev := &event{e: e, kind: KindSleep, owner: c.owner}
	until := satAdd(e.now, max(d, 0))
	e.note(ev, until)
	k := e.place(c.owner, until)
	for d > 0 && e.queue.len() > 0 && e.queue.first().before(&k) {
		e.step()
		e.mu.Unlock()
		err := ctx.Err()
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
