package fakeclock

import "slices"

// A select statement evaluates the channels of all its cases, in source order,
// before it looks at any:
//
//	select {
//	case <-ctx.Done():
//	case <-t.Chan():
//	}
//
// so in Auto and Run the call of Chan is the wait. It must end at the first
// event that makes a case ready, and only one case may be ready then, or the
// statement picks one at random. The calls of Done and Chan since the last other
// call on the clock tell what the statement waits for.

// selection is what one statement has evaluated so far.
type selection struct {
	ctxs   []*vcontext
	timers []*timer
	over   bool   // a context in ctxs has ended
	ready  *timer // has a value, unless the statement has received it

	// What can be taken back, because nobody can have noticed: since the instant
	// from, nothing happened but that these timers fired, the last of them ready.
	from  int64
	fired []*timer
}

func (s *selection) reset() {
	*s = selection{ctxs: s.ctxs[:0], timers: s.timers[:0], fired: s.fired[:0]}
}

// selection returns the statement that the caller is evaluating, or nil where
// time does not depend on it.
func (e *engine) selection() *selection {
	switch {
	case e.mode == Auto:
		return &e.sel
	case e.mode == run && e.sched.cur != nil:
		return &e.sched.cur.sel
	}
	return nil
}

// addTimer begins a new statement if the timer has been evaluated already, since
// each statement evaluates each case once.
func (s *selection) addTimer(t *timer) {
	if slices.Contains(s.timers, t) {
		s.reset()
	}
	s.timers = append(s.timers, t)
}

func (s *selection) addContext(c *vcontext) {
	if slices.Contains(s.ctxs, c) {
		s.reset()
	}
	s.ctxs = append(s.ctxs, c)
	s.over = s.over || c.endedAt != 0
}

// looked is called when Done of a context was.
func (e *engine) looked(c *vcontext) {
	s := e.selection()
	if s == nil {
		return
	}
	e.busy = true
	s.addContext(c)
	if e.mode == run && c.endedAt == 0 {
		c.known(e.sched.cur)
	}
	if s.over {
		e.outOfLimbo() // the statement has a ready case after all
	}
	if s.over && s.ready != nil && len(s.ready.ch) > 0 {
		e.takeBack(s, 0, s.from)
	}
}

// settled decides what can be decided without waiting: an ended context comes
// before any timer, and of two timers the one that fired first. It reports
// whether the statement has a ready case, or never will.
func (e *engine) settled(s *selection, t *timer) bool {
	e.busy = true
	s.addTimer(t)
	switch {
	case s.over:
		e.unfire(t)
	case s.ready != nil && len(s.ready.ch) > 0:
		switch {
		case len(t.ch) == 0:
		case t.event.fired < s.ready.event.fired:
			e.takeBack(s, t.event.fired, t.when)
			s.ready = t
		default:
			e.unfire(t)
		}
	case len(t.ch) > 0:
		e.gotReady(s, t, e.now)
	default:
		return t.place == 0 // stopped: it will never be ready
	}
	return true
}

// gotReady notes that the timer has a value, and that nothing else has happened
// since the instant from, or nothing but what s.fired has.
func (e *engine) gotReady(s *selection, t *timer, from int64) {
	s.ready, s.from = t, from
	if len(s.fired) == 0 {
		s.fired = append(s.fired, t)
	}
}

// takeBack unfires what the statement's own wait has fired after the given
// click, and moves time back to the instant to, or as far as it can go.
func (e *engine) takeBack(s *selection, click uint64, to int64) {
	for _, t := range s.fired {
		if t.event.fired > click {
			e.unfire(t)
		}
	}
	e.now, e.round = max(to, s.from), 0
	s.ready = nil
}

// unfire takes back the value of a timer, if it has one, because it must not
// compete with a case that was ready before it.
func (e *engine) unfire(t *timer) {
	select {
	case <-t.ch:
	default:
		return
	}
	e.fired--
	if t.place == 0 {
		e.reopen(&t.event)
		e.queue.push(&t.event)
		return
	}
	// A ticker, armed for its next tick already.
	e.queue.remove(&t.event)
	t.when -= int64(t.period)
	e.queue.push(&t.event)
	if t.rec != 0 {
		e.records[t.rec-1].until = t.when
	}
}

// over reports whether a wait that watches these contexts has ended for one of
// them; a wait that watches none ends with any context, since a Done further
// down in the same statement is yet to be evaluated.
func (e *engine) over(watched []*vcontext, ended int) bool {
	if len(watched) == 0 {
		return e.ended != ended
	}
	return slices.ContainsFunc(watched, func(c *vcontext) bool { return c.endedAt != 0 })
}
