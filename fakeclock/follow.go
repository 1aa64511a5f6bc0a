package fakeclock

import (
	"slices"
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
	barren int           // ticks in a row that nobody took, without a call on the clock
	most   int           // of them
	frozen bool          // there were more, so nothing fires until the next call
	gaveUp *Report
}

func newFollower(e *engine, cfg Config) *follower {
	f := &follower{e: e, base: cfg.Base, start: cfg.Base.Now(), settle: cfg.Settle, token: make(chan struct{}, 1), most: limitOfCalls(cfg)}
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

// called is catchUp for a call on the clock, which may be a sign of life.
func (f *follower) called() {
	f.catchUp()
	if f.barren = 0; f.frozen {
		f.frozen = false
		for _, q := range slices.Clone(f.e.queue.all()) {
			if late := f.e.now - q.ev.when; late >= 0 {
				f.e.queue.remove(q.ev)
				q.ev.when += (late/int64(q.ev.period) + 1) * int64(q.ev.period) // dropped, as those before
				f.e.queue.push(q.ev)
			}
		}
		f.rearm()
	}
}

// freeze stops the time of the clock if nothing but tickers would fire: they must
// not keep a deadlock from being seen.
func (f *follower) freeze() {
	f.barren = 0
	f.frozen = !slices.ContainsFunc(f.e.queue.all(), func(q entry) bool { return q.ev.kind != KindTicker })
}

// rearm has turn called when the first event is due.
func (f *follower) rearm() {
	if f.turns || f.frozen || f.gaveUp != nil || f.e.queue.len() == 0 {
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
		if e.queue.len() == 0 || e.queue.first().when > e.now || f.gaveUp != nil || f.frozen {
			break
		}
		if when := e.queue.first().when; when > e.maxTime {
			e.failTime(when)
			continue
		}
		dropped := e.dropped
		e.step()
		if f.barren++; e.dropped == dropped {
			f.barren = 0
		} else if f.barren > f.most {
			f.freeze()
		}
	}
	f.turns = false
	f.rearm()
	e.mu.Unlock()
}

// Err returns the [*Report] with which a Follow clock gave up, because it went
// beyond a limit, and nil otherwise. From then on nothing fires.
func (c *Clock) Err() error {
	e := c.e
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.follow == nil || e.follow.gaveUp == nil {
		return nil
	}
	return e.follow.gaveUp
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
