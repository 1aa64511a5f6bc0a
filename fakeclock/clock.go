package fakeclock

import (
	"time"

	"github.com/jonboulle/clockwork"
)

var _ clockwork.Clock = (*Clock)(nil)

// Clock is virtual time. It implements [clockwork.Clock], so any code that takes
// one can run on it. Make one with [New], or let [Run] make it; the zero Clock is
// not usable.
//
// A Clock is safe for concurrent use. What concurrent use means depends on the
// mode: see the package comment.
type Clock struct {
	e     *engine
	owner *owner // nobody, unless the view was made with Named
}

// New returns a clock that shows 2000-01-01T00:00:00Z, or the time of its base
// in Follow mode. It panics if the configuration contradicts itself.
func New(cfg Config) *Clock {
	cfg.check()
	e := newEngine(cfg)
	c := &Clock{e: e, owner: e.nobody}
	if cfg.TB != nil {
		attach(cfg.TB, c)
	}
	return c
}

// Named returns a view of the same clock whose waits belong to the given owner.
// Owners break ties: of the events of one instant, those without an owner come
// first, then those of the owner that was named first, and so on. The same name
// means the same owner. Give each goroutine of a test a view of its own to make
// the order of simultaneous events independent of the scheduler.
func (c *Clock) Named(owner string) *Clock {
	e := c.e
	e.mu.Lock()
	defer e.mu.Unlock()
	return &Clock{e: e, owner: e.named(owner)}
}

// Now returns the virtual time, in UTC.
func (c *Clock) Now() time.Time { return c.e.start.Add(c.Elapsed()) }

// Elapsed returns the virtual time that has passed since the start of the clock.
func (c *Clock) Elapsed() time.Duration {
	e := c.e
	e.enter("")
	now := e.now
	e.mu.Unlock()
	return time.Duration(now)
}

// Since returns the virtual time that has passed since t.
func (c *Clock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// Until returns the virtual time that remains until t.
func (c *Clock) Until(t time.Time) time.Duration { return t.Sub(c.Now()) }

// Sleep waits until the virtual time has moved by d. Zero and negative durations
// return at once; in Run they let the other goroutines of that instant go first.
func (c *Clock) Sleep(d time.Duration) {
	e := c.e
	e.enter("Sleep")
	switch e.mode {
	case Auto:
		e.autoSleep(c.owner, d)
	case run:
		p := e.current("Sleep")
		e.setAlarm(p, c.owner, d)
		if !e.nextIs(p) {
			p.beginPark() // park, but for a call: see begin
			if !p.yield(struct{}{}) {
				p.exit()
			}
		}
		e.mu.Unlock()
	default:
		e.blockSleep(c.owner, d)
	}
}

// NewTimer returns a timer that sends the virtual time on its channel when d has
// passed, as [time.NewTimer] does since Go 1.23: after Stop or Reset no stale
// value is ever received. A zero or negative d is due at once.
//
// In Auto and Run, the call of the timer's Chan method begins the wait.
func (c *Clock) NewTimer(d time.Duration) clockwork.Timer {
	e := c.e
	e.enterCase("NewTimer")
	t := e.newTimer(KindTimer, c.owner, d)
	e.mu.Unlock()
	return t
}

// After returns the channel of a new timer. In Run the wait happens in the call:
// to keep the channel for later, keep a timer instead. See the package comment.
func (c *Clock) After(d time.Duration) <-chan time.Time {
	e := c.e
	e.enterCase("After")
	t := e.newTimer(KindAfter, c.owner, d)
	e.mu.Unlock()
	return t.Chan()
}

// AfterFunc calls f when d has passed, with Now equal to the deadline, and
// returns a timer whose Stop prevents the call. It panics if f is nil.
//
// Manual and Auto call f on the goroutine that moves time, so f must not wait on
// the clock: Sleep in it panics in Manual. Run starts a goroutine of the clock for it, Follow an ordinary one.
// Even a zero or negative d never calls f before AfterFunc has returned: it is
// due the next time the clock moves or is asked to.
func (c *Clock) AfterFunc(d time.Duration, f func()) clockwork.Timer {
	if f == nil {
		panic("fakeclock: AfterFunc with a nil function: use NewTimer for a wait that calls nothing")
	}
	e := c.e
	e.enter("AfterFunc")
	t := &timer{event: event{e: e, kind: KindAfterFunc, owner: e.owned(c.owner), fn: f}}
	e.arm(&t.event, satAdd(e.now, max(d, 0)))
	e.mu.Unlock()
	return t
}

// NewTicker returns a ticker that sends the virtual time every d. Ticks that
// nobody has taken when the next is due are dropped. It panics if d is not
// positive.
//
// In Auto and Run each call of the ticker's Chan method waits for one tick, so
// select on it in a loop. A range over it calls Chan only once: in Run it stalls,
// and in Auto each tick costs a millisecond of real time.
func (c *Clock) NewTicker(d time.Duration) clockwork.Ticker {
	if d <= 0 {
		panic("fakeclock: non-positive interval for NewTicker: use NewTimer for a single wait")
	}
	e := c.e
	e.enter("NewTicker")
	t := &ticker{timer{event: event{e: e, kind: KindTicker, owner: e.owned(c.owner), period: d}, ch: make(chan time.Time, 1)}}
	t.event.out = &t.timer
	e.adoptTimer(&t.timer)
	e.arm(&t.event, satAdd(e.now, d))
	e.mu.Unlock()
	return t
}

// Close ends the use of the clock: what would wait on it from now on panics.
// Reading it (Now, Waits, Trace and so on) still works. Close is optional, and a
// second Close does nothing.
func (c *Clock) Close() {
	e := c.e
	e.mu.Lock()
	defer e.mu.Unlock()
	e.close("it was closed with Close; make a new one for each test")
}
