package fakeclock

import (
	"math/rand/v2"
	"slices"
	"time"
)

// A select statement evaluates the channels of all its cases, in source order,
// before it looks at any of them:
//
//	select {
//	case <-ctx.Done():
//	case <-t.Chan():
//	}
//
// Only when its goroutine blocks is it certain that no other case is ready, and
// that all have been evaluated. To see that takes a look at the stacks of the
// program. So the call of Chan first tries something cheaper: an attempt, which
// moves time to the first channel that has been handed out, as far as nothing
// happens on the way that cannot be undone. The next call on the clock confirms
// the attempt if the value has been received, and undoes it if not: then another
// case of the statement is being evaluated, or has been chosen, or the channel is
// kept for later.

// statement is what one goroutine has evaluated so far.
type statement struct {
	ctxs   []*vcontext
	timers []*timer
	over   bool // a context in ctxs has ended
	held   []held
	try    attempt
	hand   *timer // the last whose channel without a buffer was asked for
}

// held is a value taken out of a channel for the time of a statement that has
// another case ready, which came first.
type held struct {
	t *timer
	v time.Time
}

// attempt is a move of time that can be undone: only channels were filled.
type attempt struct {
	firings []firing
	before  instant
}

// instant is the part of the engine that an attempt changes.
type instant struct {
	now, from                 int64
	seq, fired, clicks, ended uint64
	round                     uint32
	idle, records             int
	ties                      rand.PCG
}

// firing is one event of an attempt.
type firing struct {
	t    *timer
	key  key
	rec  int
	last uint64 // t.fired before
	sent bool   // there was room in the channel
}

func (e *engine) instant() instant {
	i := instant{now: e.now, from: e.from, seq: e.seq, fired: e.fired, clicks: e.clicks, ended: e.ends,
		round: e.round, idle: e.idle, records: len(e.records)}
	if e.ties != nil {
		i.ties = *e.ties
	}
	return i
}

// attempt fires channels in their order until it has filled one that is handed
// out, which it returns. If there is none before anything that cannot be undone,
// it does nothing and returns nil.
func (e *engine) attempt(s *statement) (filled *timer) {
	a := &s.try
	a.before = e.instant()
	for len(a.firings) < 1000 && e.queue.len() > 0 && e.queue.first().undoable() {
		t := e.queue.first().out
		f := firing{t: t, key: t.key, rec: t.rec, last: t.event.fired, sent: len(t.ch) == 0}
		e.trying = true
		e.step()
		e.trying = false
		a.firings = append(a.firings, f)
		if f.sent && (t.asked || slices.Contains(s.timers, t)) {
			return t
		}
	}
	if len(a.firings) > 0 {
		e.undo(a)
	}
	return nil
}

// undoable reports whether nobody but the reader of its channel can notice that
// ev has fired.
func (ev *event) undoable() bool {
	t := ev.out
	return t != nil && len(t.waiters) == 0 && (t.by == nil || !t.by.inChan())
}

// settle confirms the attempt of the statement or undoes it. It returns the timer
// of an attempt that it has undone.
func (e *engine) settle(s *statement) (undone *timer) {
	a := &s.try
	if len(a.firings) == 0 {
		return nil
	}
	for _, f := range a.firings {
		if f.sent && len(f.t.ch) == 0 { // received
			e.confirm(a)
			e.reset(s)
			return nil
		}
	}
	undone = a.firings[len(a.firings)-1].t
	e.undo(a)
	return undone
}

// confirm makes the attempt final.
func (e *engine) confirm(a *attempt) {
	for _, f := range a.firings {
		if p := f.t.by; p != nil && len(f.t.ch) > 0 {
			p.miss(f.t)
		}
	}
	a.clear()
}

func (a *attempt) clear() {
	clear(a.firings)
	a.firings = a.firings[:0]
}

// undo makes everything as it was before the attempt.
func (e *engine) undo(a *attempt) {
	for _, f := range slices.Backward(a.firings) {
		t := f.t
		if f.sent {
			<-t.ch
		}
		if t.place != 0 { // a ticker, armed anew
			e.queue.remove(&t.event)
		}
		t.key, t.rec, t.event.fired = f.key, f.rec, f.last
		e.reopen(&t.event)
		e.queue.push(&t.event)
	}
	b := &a.before
	e.now, e.from, e.seq, e.fired, e.clicks, e.ends, e.round, e.idle = b.now, b.from, b.seq, b.fired, b.clicks, b.ended, b.round, b.idle
	if e.ties != nil {
		*e.ties = b.ties
	}
	clear(e.records[b.records:])
	e.records = e.records[:b.records]
	a.clear()
}

// reset begins a new statement.
func (e *engine) reset(s *statement) {
	for _, h := range s.held {
		select {
		case h.t.ch <- h.v:
		default:
		}
	}
	clear(s.held)
	s.held, s.ctxs, s.timers, s.over, s.hand = s.held[:0], s.ctxs[:0], s.timers[:0], false, nil
}

// statement returns the one that the caller is evaluating, or nil where time does
// not depend on it.
func (e *engine) statement() *statement {
	switch {
	case e.mode == Auto:
		return &e.stmt
	case e.mode == run && e.sched.cur != nil:
		return &e.sched.cur.stmt
	}
	return nil
}

// addTimer begins a new statement if the timer has been evaluated already, since
// each statement evaluates each case once.
func (e *engine) addTimer(s *statement, t *timer) {
	if slices.Contains(s.timers, t) {
		e.reset(s)
	}
	s.timers = append(s.timers, t)
}

func (e *engine) addContext(s *statement, c *vcontext) {
	if slices.Contains(s.ctxs, c) {
		e.reset(s)
	}
	s.ctxs = append(s.ctxs, c)
	s.over = s.over || c.endedAt != 0
}

// decided reports whether a case of the statement is ready without a wait. Of
// several, one must be left, or the statement picks one at random: an ended
// context, or else the timer that fired first.
func (e *engine) decided(s *statement) bool {
	var first *timer
	for _, t := range s.timers {
		if len(t.ch) > 0 && (first == nil || t.event.fired < first.event.fired) {
			first = t
		}
	}
	if first == nil {
		return s.over
	}
	for _, t := range s.timers {
		if len(t.ch) > 0 && (s.over || t != first) {
			s.held = append(s.held, held{t, <-t.ch})
		}
	}
	return true
}

// looked is called when Done of a context was.
func (e *engine) looked(c *vcontext) {
	if e.sched != nil {
		e.sched.claimIfLoose(true)
	}
	e.calls++
	s := e.statement()
	if s == nil {
		return
	}
	e.busy = true
	if e.mode == run {
		e.sched.cur.looks(c)
	}
	e.addContext(s, c)
	switch l := &e.lookout; {
	case s.over:
		e.settle(s)
		e.decided(s)
		l.site[0] = 0
	case e.mode != Auto || e.calling > 0 || len(s.try.firings) > 0:
	case l.site[0] != 0:
		l.calls = e.calls // the same statement goes on
	default:
		e.lookLater(false)
	}
}
