package fakeclock

import (
	"cmp"
	"runtime"
	"slices"
	"sync"
	"time"
)

// In Run, the call of Chan parks its goroutine until something happens that may
// be a case of its statement: a channel it has asked for is filled, or another of
// its timers, or a context ends that it knows. Often it is; if not, the goroutine
// blocks in the statement, and the loop with it, inside next. Then another loop
// takes over. The goroutine is loose: whatever wakes it, it goes on beside that
// loop, until its next call on the clock, in which it waits for its turn.

// doubt is a goroutine that goes on although nothing it has asked for is ready.
type doubt struct {
	calls uint64 // e.calls when it went on
	site  site
	over  *timer // to be handed over; nil if a look has to tell whether the goroutine blocks
}

// goOnInDoubt lets the running goroutine go on, in the statement that has asked
// for t, and has it looked for. It returns the channel to ask for.
func (e *engine) goOnInDoubt(p *proc, t *timer) <-chan time.Time {
	d := &doubt{calls: e.calls}
	runtime.Callers(3, d.site[:])
	if p.gid == "" {
		p.gid = goroutineID()
	}
	ch := t.ch
	if p.std && t.place != 0 {
		first := e.queue.first().out
		if _, ok := inStatements.Load(d.site); ok && first == t {
			if t.hand == nil {
				t.hand = make(chan time.Time)
			}
			ch, p.stmt.hand = t.hand, t
		}
		if p.stmt.hand == first {
			d.over = first
		}
	}
	p.doubt = d
	go e.sched.resolve(p, d)
	return ch
}

// inStatements are the sites at which channels are asked for that are received in
// the very statement: a goroutine was found blocked there. It is of the whole
// program, as what is true of code in one Run is true in the next.
//
// There a look at the goroutine can be spared if the first event is the timer of
// such a channel. What the goroutine gets then has no buffer, so that a value can
// be handed over if it is blocked, and not before.
var inStatements sync.Map // of site

// handOver fires t if that is the first event and a goroutine is blocked where it
// receives from it, and reports whether it was.
func (e *engine) handOver(t *timer) bool {
	if e.sched.unsettled() || e.queue.len() == 0 || e.queue.first().out != t || e.fired >= e.maxEvents || t.when > e.maxTime {
		return false
	}
	select {
	case t.hand <- e.start.Add(time.Duration(max(t.when, e.now))):
	default:
		return false
	}
	t.handed = true
	e.step()
	e.sched.resumes++ // it goes on, which the watchdog must see
	return true
}

// handLate hands over a value that was there before the goroutine which was to
// receive it blocked, and reports whether there was one.
func (s *scheduler) handLate() bool {
	s.late = slices.DeleteFunc(s.late, func(t *timer) bool { return len(t.ch) == 0 })
	for _, t := range s.late {
		v := <-t.ch
		select {
		case t.hand <- v:
			s.resumes++
			return true
		default:
			t.ch <- v
		}
	}
	return false
}

// resolve waits until p calls the clock again, and all is well, or is blocked.
func (s *scheduler) resolve(p *proc, d *doubt) {
	const tries = 20 // to hand over, before a look
	now, pause := elsewhere, soon
	for n := 0; ; n++ {
		s.e.mu.Lock()
		over, found := s.settleDoubt(p, d, now)
		s.e.mu.Unlock()
		switch {
		case found:
			s.drive()
			return
		case over:
			return
		case d.over != nil && n < tries:
			runtime.Gosched()
			continue
		}
		restBetweenLooks(pause)
		pause = min(2*pause, lastPause)
		now = goroutineState(p.gid, d.site.calls(), false, false)
	}
}

// settleDoubt reports whether there is nothing more to be found out, and whether p
// has been found blocked, which a look has told or else its statement.
func (s *scheduler) settleDoubt(p *proc, d *doubt, now state) (over, found bool) {
	switch {
	case p.doubt != d || d.calls != s.e.calls || s.over:
		return true, false
	case s.handLate() || d.over != nil && s.e.handOver(d.over):
		p.doubt = nil
		s.e.reset(&p.stmt)
		return true, false
	case now == blocked:
		inStatements.Store(d.site, true)
		s.detach(p)
		return true, true
	}
	return false, false
}

// detach makes p loose: it is blocked, and its loop with it.
func (s *scheduler) detach(p *proc) {
	s.cur, p.loose, p.since = nil, true, s.e.now
	s.loose = append(s.loose, p)
	s.woke = s.woke || len(p.stmt.held) > 0
	s.e.confirm(&p.stmt.try)
	s.e.reset(&p.stmt)
	s.e.busy = true
}

// missedAny reports whether there is a channel that p may yet ask for, in the
// same statement, and that is ready already. A context which p has ended itself is
// none if others are cases: most are done with when they are cancelled.
func (p *proc) missedAny(s *statement) bool {
	p.unread = slices.DeleteFunc(p.unread, func(t *timer) bool { return len(t.ch) == 0 })
	return len(p.unread)+len(p.missed) > 0 || len(s.ctxs) == 0 && len(p.ended) > 0
}

// miss notes that t has fired while p was elsewhere.
func (p *proc) miss(t *timer) {
	t.by = nil
	p.unread = append(p.unread, t)
}

// remember appends c, and forgets what is too long ago.
func remember(ended []*vcontext, c *vcontext) []*vcontext {
	const most = 16
	if len(ended) == most {
		ended = slices.Delete(ended, 0, 1)
	}
	return append(ended, c)
}

// looks notes that the running goroutine has called Done of c.
func (p *proc) looks(c *vcontext) {
	p.knows(c)
	if c.endedAt != 0 {
		p.asksFor(c)
	} else if d := p.doubt; d != nil && d.calls == c.e.calls-1 {
		d.calls = c.e.calls // the same statement goes on
	}
}

// asksFor notes that the running goroutine has asked for c, which has ended. If
// that was so before it parked, time has moved for nothing.
func (p *proc) asksFor(c *vcontext) {
	other := func(d *vcontext) bool { return d == c }
	p.missed, p.ended = slices.DeleteFunc(p.missed, other), slices.DeleteFunc(p.ended, other)
	if p.waitedFor != nil && len(p.waitedFor.ch) > 0 && c.endedAt <= p.endedBefore {
		p.waitedFor = nil
		c.e.mu.Unlock()
		panic("fakeclock: a context that had ended before is a case of a select statement behind a timer: in Run put the contexts first")
	}
}

// yields is how often a loose goroutine may run, to want its turn, before it is
// looked at: a look stops all goroutines and takes as long as many turns.
const yields = 4

// settleLoose waits until each loose goroutine is blocked or wants its turn, and
// gives the first its turn. Then it reports true: the loop of that goroutine goes
// on as soon as it parks.
func (s *scheduler) settleLoose() bool {
	e := s.e
	known := s.awaitClaims()
	for pause := soon; !known; pause = min(2*pause, lastPause) {
		s.woke = false
		running := false
		for _, p := range slices.Clone(s.loose) {
			for n := 0; n < yields && !p.claims; n++ {
				e.mu.Unlock()
				runtime.Gosched()
				e.mu.Lock()
			}
			if p.claims {
				continue
			}
			e.mu.Unlock()
			now := goroutineState(p.gid, p.doubt.site.calls(), false, false)
			e.mu.Lock()
			if !p.claims && now != blocked {
				s.cur, running = p, true // for the watchdog
			}
		}
		if s.over {
			return false
		}
		if !running && !s.woke {
			break
		}
		e.mu.Unlock()
		restBetweenLooks(pause)
		e.mu.Lock()
	}
	s.cur, s.received, s.claimed = nil, 0, false
	var turn []*proc
	for _, p := range s.loose {
		if p.claims && p.event.place == 0 {
			turn = append(turn, p)
		}
	}
	slices.SortFunc(turn, func(a, b *proc) int { return cmp.Compare(a.id, b.id) })
	for i, p := range turn {
		if i > 0 {
			s.ready(p)
		}
	}
	if len(turn) == 0 {
		return false
	}
	s.grant(turn[0])
	return true
}

// awaitClaims waits until those want their turn that have received a value since the
// last, and reports whether nobody else can have been woken. That spares a look at
// each of the others.
func (s *scheduler) awaitClaims() bool {
	for n := 0; n < 10*yields && s.received > 0 && !s.woke && !s.over; n++ {
		s.e.mu.Unlock()
		runtime.Gosched()
		s.e.mu.Lock()
	}
	return s.received == 0 && !s.woke && !s.over
}

// grant gives a loose goroutine its turn.
func (s *scheduler) grant(p *proc) {
	s.loose = slices.DeleteFunc(s.loose, func(q *proc) bool { return q == p })
	s.cur, p.loose, p.claims, p.doubt = p, false, false, nil
	s.resumes++
	s.barren = 0
	s.turns.Broadcast()
}

// unsettled reports whether a loose goroutine may be running.
func (s *scheduler) unsettled() bool { return s.woke || s.claimed || s.received > 0 }

// claim waits, on the goroutine of p and with the lock, until it is the turn of p. If
// the Run is over it ends p.
// To look at a context is part of cancelling another, which may have woken more.
func (s *scheduler) claim(p *proc, looking bool) {
	p.claims, s.claimed = true, true
	if s.received > 0 && !looking {
		s.received--
	} else {
		s.woke = true
	}
	for p.loose && s.e.closed == "" && !s.unwound {
		s.turns.Wait()
	}
	if p.loose && s.unwound {
		p.exit()
	}
}

// claimIfLoose is claim if the caller is a loose goroutine.
func (s *scheduler) claimIfLoose(looking bool) {
	if len(s.loose) == 0 {
		return
	}
	s.e.busy = true
	gid := goroutineID()
	for _, p := range s.loose {
		if p.gid == gid && !p.claims {
			s.claim(p, looking)
			return
		}
	}
}

// stepAside parks the running goroutine for a moment, so that a loose one which it
// has woken does not run beside it.
func (s *scheduler) stepAside() {
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	if p := s.cur; p != nil && len(s.loose) > 0 && s.e.calling == 0 && !s.over {
		s.woke = true
		s.readyFirst(p)
		p.park()
	}
}
