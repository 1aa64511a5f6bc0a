package fakeclock

import (
	"time"

	"github.com/jonboulle/clockwork"
)

// event is something that happens at an instant of virtual time.
type event struct {
	key            // where it stands in the queue, or stood last
	place  int     // index in the queue plus one; zero when not armed
	rec    int     // index of its record plus one; zero when not recorded
	armed  int64   // when it was armed
	fired  uint64  // e.clicks when it fired last
	e      *engine // whose event it is
	owner  *owner
	kind   Kind
	period time.Duration // ticker
	fn     func()        // AfterFunc
	out    *timer        // timer, after, ticker: where the value goes
	ctx    *vcontext     // context deadline
	proc   *proc         // goroutine of Run
	wake   chan struct{} // Sleep of an ordinary goroutine
}

// timer is a clockwork.Timer. All but the channel of a fired one is protected by
// the lock of the engine.
type timer struct {
	event
	ch      chan time.Time // capacity 1; nil for AfterFunc
	asked   bool           // somebody may be waiting for the channel
	waiters []*proc        // goroutines of Run that are inside Chan, in order
	by      *proc          // goroutine of Run that may yet ask for the channel
	hand    chan time.Time // without a buffer: see inStatements; nil if there is none
	handed  bool           // the value that is due has been handed over
}

var _ clockwork.Timer = (*timer)(nil)

func (e *engine) newTimer(k Kind, o *owner, d time.Duration) *timer {
	t := &timer{event: event{e: e, kind: k, owner: e.owned(o)}, ch: make(chan time.Time, 1)}
	t.event.out = t
	e.set(t, d)
	return t
}

// set arms a stopped timer, or fills its channel if it is due at once.
func (e *engine) set(t *timer, d time.Duration) {
	e.adoptTimer(t)
	if d > 0 || t.kind == KindAfterFunc || len(t.waiters) > 0 { // whoever waits is woken by the event
		e.arm(&t.event, satAdd(e.now, max(d, 0)))
		return
	}
	e.note(&t.event, e.now)
	t.key = key{when: e.now}
	e.send(t)
	e.finish(&t.event, Fired)
}

// adoptTimer notes which goroutine of Run may ask for the channel. That of an After
// has been asked for already.
func (e *engine) adoptTimer(t *timer) {
	if e.sched != nil && t.kind != KindAfter {
		t.by = e.sched.cur
	}
}

// send puts the present instant in the channel and reports whether there was room.
func (e *engine) send(t *timer) bool {
	if t.hand != nil && e.sendByHand(t) {
		return true
	}
	select {
	case t.ch <- e.start.Add(time.Duration(e.now)):
		e.clicks++
		t.fired = e.clicks
		if t.asked && e.mode == Auto && len(t.ch) > 0 {
			e.full = append(e.full, t)
		}
		if e.sched != nil && len(e.sched.loose) > 0 && len(t.ch) == 0 {
			e.sched.received++
		}
		return true
	default:
		return false
	}
}

// sendByHand is send to a goroutine that is blocked where it was told to ask for
// the channel without a buffer.
func (e *engine) sendByHand(t *timer) bool {
	if !t.handed {
		select {
		case t.hand <- e.start.Add(time.Duration(e.now)):
		default:
			e.sched.late = append(e.sched.late, t)
			return false
		}
		e.sched.received++
	}
	t.handed = false
	e.clicks++
	t.fired = e.clicks
	return true
}

// unset disarms the timer and takes back a value that nobody has received. It
// reports whether either was there, as Stop and Reset do since Go 1.23.
func (e *engine) unset(t *timer, out Outcome) bool {
	armed := t.place != 0
	if armed {
		e.disarm(&t.event, out)
	}
	select {
	case <-t.ch: // never of a nil channel, which AfterFunc has
		return true
	default:
		return armed
	}
}

// Chan returns the channel of the timer. In Auto and Run the call begins the wait:
// see the package comment.
func (t *timer) Chan() <-chan time.Time {
	e := t.e
	if t.ch == nil || e.mode == Manual {
		return t.ch
	}
	e.enterCase("Chan")
	ch := (<-chan time.Time)(t.ch)
	switch e.mode {
	case Auto:
		e.autoChan(t)
	case run:
		ch = e.runChan(t)
	}
	e.mu.Unlock()
	return ch
}

// Stop prevents the timer from firing and reports whether it did.
func (t *timer) Stop() bool {
	e := t.e
	e.enter("")
	was := e.unset(t, Stopped)
	e.mu.Unlock()
	return was
}

// Reset arms the timer anew and reports whether it had been armed.
func (t *timer) Reset(d time.Duration) bool {
	e := t.e
	e.enter("Reset")
	was := e.unset(t, Rearmed)
	e.set(t, d)
	e.mu.Unlock()
	return was
}

// ticker is a clockwork.Ticker.
type ticker struct{ timer }

var _ clockwork.Ticker = (*ticker)(nil)

// Stop turns the ticker off. It does not close the channel.
func (t *ticker) Stop() { t.timer.Stop() }

// Reset stops the ticker and starts it anew with period d.
func (t *ticker) Reset(d time.Duration) {
	if d <= 0 {
		panic("fakeclock: non-positive interval for Ticker.Reset: use Stop to end the ticks")
	}
	e := t.e
	e.enter("Ticker.Reset")
	e.unset(&t.timer, Rearmed)
	t.period = d
	e.adoptTimer(&t.timer)
	e.arm(&t.event, satAdd(e.now, d))
	e.mu.Unlock()
}
