package fakeclock

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"
)

// Run calls main on a new clock, as the first of any number of goroutines that
// wait on it, and returns when all of them have returned. Exactly one goroutine
// runs at a time, and goes on until it waits: on the clock, for a [Group] or a
// [Cond]. Then time moves to the next event. The same program with the same
// Config does the same every time, on any machine.
//
// More goroutines are started with [Group.Go]. A goroutine started with a go
// statement must not touch the clock. One that blocks on anything else (a raw
// channel, a lock held by a sleeper, a WaitGroup) is a stall: code like that
// belongs in a bubble.
//
// Run returns the error of main, or a [*Report] when the program is deadlocked,
// stalled, spinning or beyond a limit. Before it returns a report, the goroutines
// that are parked on the clock end, their deferred calls run; those which block
// elsewhere, or were found blocked in a select statement, are left alone and named in the report. A panic of a goroutine
// becomes a panic of Run, with a [*Panic]; a goroutine that exits with
// runtime.Goexit, as t.FailNow does, takes the caller of Run with it.
//
// Run ignores Config.Mode. It panics if main is nil.
func Run(cfg Config, main func(*Clock) error) error {
	if main == nil {
		panic("fakeclock: Run with a nil function: give it the first goroutine of the program")
	}
	cfg.Mode = Manual
	cfg.check()
	e := newEngine(cfg)
	e.mode, e.maxIdle = run, limitOfCalls(cfg)
	s := &scheduler{e: e, done: make(chan struct{})}
	s.turns.L = &e.mu
	e.sched = s
	clk := &Clock{e: e, owner: e.nobody}
	if cfg.TB != nil {
		attach(cfg.TB, clk)
	}
	var err error
	e.mu.Lock()
	s.spawn("main", e.named("main"), func(c *Clock) error { err = main(c); return err })
	e.mu.Unlock()

	s.runAll()
	switch {
	case s.panicked != nil:
		panic(s.panicked)
	case s.goexit:
		runtime.Goexit()
	case s.failure != nil:
		return s.failure
	}
	return err
}

// Panic is what Run panics with after a goroutine has.
type Panic struct {
	Goroutine string
	Value     any    // what the goroutine panicked with
	Stack     []byte // of the goroutine
}

// Error returns the value and the stack, as a crash of the program would show.
func (p *Panic) Error() string {
	return fmt.Sprintf("fakeclock: panic in goroutine %q: %v\n\n%s", p.Goroutine, p.Value, p.Stack)
}

// Unwrap returns the value if it is an error.
func (p *Panic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// scheduler runs the goroutines of one Run, one at a time.
type scheduler struct {
	e       *engine
	cur     *proc   // the one that runs
	procs   []*proc // all that have not returned, in no order
	started int
	resumes uint64 // lets the watchdog see that something happens
	barren  int    // events in a row that let nobody run

	loose    []*proc       // blocked in a statement: see goOnInDoubt
	late     []*timer      // fired when nobody was blocked at the channel without a buffer
	woke     bool          // one of them may have been woken
	received int           // how many of them have been woken by a value, and nothing else
	claimed  bool          // one of them wants its turn
	handed   bool          // another loop goes on
	turns    sync.Cond     // one of them has got its turn
	done     chan struct{} // closed when the last loop has ended
	ended    bool          // done is closed

	over     bool // there is a failure or a panic
	failure  *Report
	panicked *Panic
	goexit   bool
	unwound  bool // no more than the deferred calls are to run
}

// proc is one goroutine. It is a coroutine: it and the scheduler hand control to
// each other, never running both.
type proc struct {
	event  event // first, so that what a sleep needs is in few cache lines
	parked bool
	woken  bool  // by a context
	since  int64 // parked since when
	yield  func(struct{}) bool
	next   func() (struct{}, bool)

	// While parked for more than a sleep.
	waits string      // for what
	watch []*vcontext // contexts that end the wait
	timer *timer      // inside Chan of this timer: any context it knows does
	cond  *Cond       // inside Wait of this Cond
	site  *site       // where

	name        string
	owner       *owner
	id          int // order of starting
	place       int // index in procs
	stmt        statement
	doubt       *doubt
	gid         string // of the goroutine, once it is known: at once if sites are recorded
	waitedFor   *timer // by parking, in the statement being evaluated
	loose       bool   // blocked in a statement, or woken there and not yet granted a turn
	claims      bool   // its turn
	known       map[*vcontext]struct{}
	missed      []*vcontext // that have ended, and that it has not asked for since
	ended       []*vcontext // likewise, but it has ended them itself
	unread      []*timer    // that have fired, likewise
	endedBefore int         // e.ended when it parked in Chan last
	std         bool        // it has made contexts that can end without telling
	stop        func()
	onExit      func(error)
}

// spawn makes a goroutine that will run f when its turn comes.
func (s *scheduler) spawn(name string, o *owner, f func(*Clock) error) *proc {
	p := s.newProc(name, o, f)
	s.ready(p)
	return p
}

func (s *scheduler) newProc(name string, o *owner, f func(*Clock) error) *proc {
	s.started++
	p := &proc{name: name, owner: o, id: s.started, place: len(s.procs), since: s.e.now}
	p.event = event{e: s.e, owner: o, proc: p}
	p.next, p.stop = pull(func(yield func(struct{}) bool) {
		p.yield = yield
		s.body(p, f)
	})
	s.procs = append(s.procs, p)
	return p
}

// body runs f and sees how it ends. Like park, it is entered and left with the
// lock: to hand it over with the control spares two atomic operations per wait.
func (s *scheduler) body(p *proc, f func(*Clock) error) {
	var err error
	returned := false
	if s.e.recording == Sites {
		p.gid = goroutineID()
	}
	s.e.mu.Unlock()
	defer func() {
		v := recover()
		s.e.mu.Lock() // for the scheduler
		s.e.calls++
		if p.loose && !s.unwound {
			s.claim(p, false)
		}
		for c := range p.known {
			delete(c.procs, p)
		}
		switch {
		case returned || s.unwound:
		case v != nil:
			s.panicked, s.over = &Panic{p.name, v, debug.Stack()}, true
		default:
			s.goexit = true
		}
		last := len(s.procs) - 1
		s.procs[p.place] = s.procs[last]
		s.procs[p.place].place = p.place
		s.procs[last] = nil
		s.procs = s.procs[:last]
		if p.onExit != nil {
			p.onExit(err)
		}
	}()
	err = f(&Clock{e: s.e, owner: p.owner})
	returned = true
}

// spawnFunc runs the function of an AfterFunc, now.
func (s *scheduler) spawnFunc(ev *event) {
	name := ev.kind.String()
	if ev.owner.name != "" {
		name += " of " + ev.owner.name
	}
	fn := ev.fn
	s.resume(s.newProc(name, ev.owner, func(*Clock) error { fn(); return nil }))
}

// ready queues a goroutine that can go on, behind what is due already.
func (s *scheduler) ready(p *proc) {
	p.event.kind, p.event.owner, p.event.rec = kindReady, p.owner, 0
	p.event.key = s.e.place(p.owner, s.e.now)
	s.e.queue.push(&p.event)
}

// readyFirst queues a goroutine that goes on before anything else happens.
func (s *scheduler) readyFirst(p *proc) {
	p.event.kind, p.event.owner, p.event.rec = kindReady, p.owner, 0
	p.event.key = s.e.place(p.owner, s.e.now)
	p.event.when--
	s.e.queue.push(&p.event)
}

// resume lets p run until it parks or returns. It is called with the lock, which
// p gives back when it calls the code under test.
func (s *scheduler) resume(p *proc) {
	if s.turnTo(p) {
		p.next()
		s.tookTurn()
	}
}

// turnTo makes p the goroutine that runs. It reports whether p is to be resumed:
// a loose one goes on by itself, and this loop ends.
func (s *scheduler) turnTo(p *proc) bool {
	if p.loose {
		s.grant(p)
		s.handed = true
		return false
	}
	s.cur, p.parked = p, false
	s.resumes++
	s.barren = 0
	return true
}

// tookTurn makes it known that the goroutine which ran has parked.
func (s *scheduler) tookTurn() {
	s.cur = nil
	s.woke = s.woke || len(s.loose) > 0 // by a channel or a context that does not tell
	if len(s.e.adopted) > 0 && s.e.adoptedEnded() {
		s.e.mu.Unlock()
		s.e.visitAdopted()
		s.e.mu.Lock()
	}
}

// park gives control back to the scheduler until p is resumed. It is called with
// the lock and returns with it, or, if the Run is over, not at all.
func (p *proc) park() {
	p.beginPark()
	if !p.yield(struct{}{}) {
		p.exit()
	}
}

func (p *proc) beginPark() {
	p.parked, p.since, p.woken = true, p.event.e.now, false
	if p.waits != "" || p.watch != nil {
		p.parkFor()
	}
}

// exit ends p, whose turn will not come again.
func (p *proc) exit() {
	p.event.e.mu.Unlock()
	runtime.Goexit()
}

// parkFor is the part of park for a wait that is not a mere sleep.
func (p *proc) parkFor() {
	if p.event.e.recording == Sites && p.waits != "" {
		p.site = new(site)
		runtime.Callers(3, p.site[:])
	}
	for _, c := range p.watch {
		p.knows(c)
	}
}

// forgetWait clears what park was told.
func (p *proc) forgetWait() {
	p.waits, p.site, p.watch, p.timer, p.cond = "", nil, nil, nil, nil
}

// current returns the goroutine that runs. It is called with the lock.
func (e *engine) current(op string) *proc {
	if e.sched == nil || e.sched.cur == nil || e.recording == Sites && e.sched.cur.gid != goroutineID() {
		e.refuseStranger(op)
	}
	return e.sched.cur
}

func (e *engine) refuseStranger(op string) {
	e.mu.Unlock()
	if e.mode != run {
		panic("fakeclock: " + op + " on a clock in " + e.mode.String() + " mode: only Run has goroutines of its own")
	}
	panic("fakeclock: " + op + " in a goroutine that Run does not know: start it with Group.Go, or use a bubble")
}

// drive runs the loop until it ends, or another goes on.
func (s *scheduler) drive() {
	handed := false
	defer func() { // also when a goroutine exits and takes the loop along
		ended := !handed && !s.ended // or it is that of a goroutine which was blocked in its statement, too late
		s.ended = s.ended || ended
		s.e.mu.Unlock()
		if ended {
			close(s.done)
		}
	}()
	s.e.mu.Lock()
	handed = s.loop()
}

// loop fires events until no goroutine is left, or something is wrong. It reports
// whether another loop goes on.
func (s *scheduler) loop() (handed bool) {
	e := s.e
	for len(s.procs) > 0 && !s.over {
		switch {
		case len(s.loose) > 0 && s.unsettled():
			if s.settleLoose() {
				return true
			}
		case e.queue.len() == 0:
			s.over = true
			s.failure = e.report(ErrDeadlock, "all %s blocked and nothing is armed", goroutinesAre(len(s.procs)))
		case s.barren > e.maxIdle:
			s.over = true
			s.failure = e.report(ErrDeadlock, "all %s blocked, and the last %d events woke none: only timers that nobody waits for go on",
				goroutinesAre(len(s.procs)), s.barren)
		default:
			s.barren++
			if p := e.begin(); p != nil && s.turnTo(p) {
				p.next()
				s.tookTurn()
			}
			if s.handed {
				s.handed = false
				return true
			}
		}
	}
	return false
}

func goroutinesAre(n int) string {
	if n == 1 {
		return "1 goroutine is"
	}
	return fmt.Sprintf("%d goroutines are", n)
}

// runAll runs the loop on a goroutine of its own, so that one which blocks
// elsewhere cannot block Run, and then ends what is left.
func (s *scheduler) runAll() {
	done := s.done
	go s.drive()
	stuck := s.watch(done)
	if stuck != nil {
		// Should it ever come back, the clock refuses to serve it.
		s.close()
		go func() {
			<-done
			s.unwind(nil)
		}()
	}
	alive := s.unwind(stuck)
	if s.failure != nil {
		s.failure.Alive = append(s.failure.Alive, alive...)
	}
	s.close()
}

func (s *scheduler) close() {
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	s.e.close("the Run that made it has returned")
}

// unwind ends every goroutine but the one that is stuck, and returns the names of
// those whose deferred calls block.
func (s *scheduler) unwind(stuck *proc) (alive []string) {
	s.e.mu.Lock()
	s.unwound = true
	rest := slices.Clone(s.procs)
	s.e.mu.Unlock()
	slices.SortFunc(rest, func(a, b *proc) int { return cmp.Compare(a.id, b.id) })
	for _, p := range rest {
		if p == stuck {
			continue
		}
		if p.loose { // nobody can end it where it is
			alive = append(alive, p.name)
			continue
		}
		s.e.mu.Lock()
		s.cur = p
		s.e.mu.Unlock()
		if !s.endInTime(p) {
			alive = append(alive, p.name)
		}
	}
	s.e.mu.Lock()
	s.cur = nil
	s.e.mu.Unlock()
	return alive
}

// fail makes the Run end with r. It returns only on the scheduler.
func (s *scheduler) fail(r *Report) {
	if s.failure == nil {
		s.failure, s.over = r, true
	}
	if s.cur != nil {
		s.cur.park()
	}
}

// setAlarm arms the event that ends a sleep of p.
func (e *engine) setAlarm(p *proc, o *owner, d time.Duration) {
	ev := &p.event
	ev.kind, ev.owner = KindSleep, e.owned(o)
	until := satAdd(e.now, max(d, 0))
	e.note(ev, until)
	ev.key = e.place(ev.owner, until)
	e.queue.push(ev)
}

// nextIs ends the sleep of p on the spot if it is the next event: no need to switch.
func (e *engine) nextIs(p *proc) bool {
	ev := &p.event
	if !e.queue.isFirst(ev) || e.fired >= e.maxEvents || ev.when > e.maxTime || len(e.adopted) > 0 && e.adoptedEnded() {
		return false
	}
	e.queue.take()
	e.fired++
	e.sched.resumes++ // it goes on, which the watchdog must see
	e.moveTo(ev.when)
	e.round = uint32(ev.tie >> 32)
	e.finish(ev, Fired)
	ev.rec = 0
	return true
}

func (c *Clock) runSleepContext(ctx context.Context, d time.Duration) error {
	e := c.e
	v, release := e.native("SleepContext", ctx)
	defer release()
	e.enter("SleepContext")
	p := e.current("SleepContext")
	if v != nil {
		p.watch = []*vcontext{v}
	}
	if d == Forever {
		p.event.kind, p.event.owner = KindSleep, e.owned(c.owner)
		e.note(&p.event, int64(Forever))
		p.waits = "a context to end"
		p.park()
	} else if e.setAlarm(p, c.owner, d); !e.nextIs(p) {
		p.park()
	} else {
		p.woken = false
	}
	p.forgetWait()
	e.mu.Unlock()
	if p.woken {
		return ctx.Err()
	}
	return nil
}

// native returns the context whose end this engine is told of at once: ctx itself,
// or one that lives until release is called, or nil if ctx never ends.
func (e *engine) native(op string, ctx context.Context) (v *vcontext, release func()) {
	done := ctx.Done()
	if done == nil {
		return nil, func() {}
	}
	if v := ours(ctx); v != nil && v.face.std.Done() == done && v.e == e {
		return v, func() {}
	}
	v = newContext(op, ctx, &Clock{e: e, owner: e.nobody})
	return v, v.cancel
}

// runChan parks the running goroutine until something has happened that may be a
// case of its statement, and returns the channel to ask for. It is called with the
// lock and returns with it.
func (e *engine) runChan(t *timer) <-chan time.Time {
	p := e.current("Chan")
	s := &p.stmt
	if len(e.adopted) > 0 && e.adoptedEnded() {
		e.mu.Unlock()
		e.visitAdopted()
		e.mu.Lock()
	}
	e.busy = true
	e.addTimer(s, t)
	if t.kind != KindAfter {
		t.by = p
	}
	switch {
	case e.decided(s):
		if s.over { // or that was another statement
			e.goOnInDoubt(p, t)
		}
		return t.ch
	case t.place == 0 || p.std:
		return e.goOnInDoubt(p, t)
	case len(e.sched.loose) == 0 && e.attempt(s) != nil:
		return t.ch // nobody but p can have noticed
	case p.missedAny(s):
		return e.goOnInDoubt(p, t)
	}
	p.timer, p.waits = t, "the "+t.kind.String()+" due at "+offset(time.Duration(t.when))
	for _, t := range s.timers {
		t.waiters = append(t.waiters, p)
	}
	p.endedBefore = e.ended
	p.park()
	for _, t := range s.timers {
		t.waiters = slices.DeleteFunc(t.waiters, func(q *proc) bool { return q == p })
	}
	p.forgetWait()
	e.busy = true
	s.over = slices.ContainsFunc(s.ctxs, func(c *vcontext) bool { return c.endedAt != 0 })
	if !e.decided(s) {
		return e.goOnInDoubt(p, t)
	}
	if !s.over {
		p.waitedFor = t
	}
	return t.ch
}

// received reports whether p has received what it has parked for, so that its
// statement is over.
func (p *proc) received() bool {
	if t := p.waitedFor; t == nil || len(t.ch) > 0 {
		return false
	}
	p.waitedFor = nil
	return true
}

// attendWait refuses to go on if the goroutine has waited for a channel and has
// not received from it: time has moved for nothing.
func (p *proc) attendWait() {
	t := p.waitedFor
	p.waitedFor = nil
	if t != nil && len(t.ch) > 0 && !t.event.e.sched.unwound {
		t.event.e.mu.Unlock()
		panic("fakeclock: the value of this wait (" + t.kind.String() + ") was not received before the next call: in Run the call of Chan or After is the wait. " +
			"Keep a timer and not its channel, make the timers of a select statement before it, and use no default case")
	}
}

// resumeWaiter lets the goroutine go on that is inside Chan of a timer which has
// just fired: of several the one that has waited longest, for there is one value.
func (e *engine) resumeWaiter(t *timer) {
	for _, p := range t.waiters {
		if p.parked && !p.woken {
			e.sched.resume(p)
			return
		}
	}
	switch p := t.by; {
	case p == nil || len(t.ch) == 0:
	case p.inChan():
		p.miss(t)
		e.sched.resume(p) // it may yet ask for this timer, in the same statement
	case !e.trying:
		p.miss(t)
	}
}

func (p *proc) inChan() bool { return p.parked && p.timer != nil && !p.woken }

// knows remembers that p has seen c, so that the end of c can end a wait of p.
func (p *proc) knows(c *vcontext) {
	if c.endedAt != 0 {
		return
	}
	if c.procs == nil {
		c.procs = make(map[*proc]struct{})
	}
	if p.known == nil {
		p.known = make(map[*vcontext]struct{})
	}
	c.procs[p], p.known[c] = struct{}{}, struct{}{}
}

// contextEnded wakes the goroutines that wait for c.
func (s *scheduler) contextEnded(c *vcontext) {
	s.woke = s.woke || len(s.loose) > 0
	var wake []*proc
	for p := range c.procs {
		delete(p.known, c)
		woken := p.parked && !p.woken && (p.timer != nil || slices.Contains(p.watch, c))
		if woken {
			wake = append(wake, p)
		}
		switch {
		case p == s.cur:
			p.ended = remember(p.ended, c)
		case !woken || p.timer != nil && !slices.Contains(p.stmt.ctxs, c):
			p.missed = remember(p.missed, c)
		}
	}
	if c.std { // a child of it may be known to any
		for _, p := range s.procs {
			if _, known := c.procs[p]; !known && p.parked && !p.woken && p.timer != nil {
				wake = append(wake, p)
			}
		}
	}
	c.procs = nil
	slices.SortFunc(wake, func(a, b *proc) int { return cmp.Compare(a.id, b.id) })
	for _, p := range wake {
		p.woken = true
		if p.event.place != 0 {
			s.e.disarm(&p.event, Cancelled)
		} else {
			s.e.finish(&p.event, Cancelled)
		}
		if p.cond != nil {
			p.cond.forget(p)
		}
		s.readyFirst(p)
	}
}

// dump writes a line for each goroutine, in the order they were started.
func (s *scheduler) dump(b *strings.Builder) {
	procs := slices.Clone(s.procs)
	slices.SortFunc(procs, func(a, b *proc) int { return cmp.Compare(a.id, b.id) })
	const most = 50
	for i, p := range procs {
		if i == most {
			fmt.Fprintf(b, "  ... and %d more goroutines\n", len(procs)-most)
			break
		}
		state := "waiting"
		switch {
		case p == s.cur:
			state = "running"
		case p.loose:
			state = "blocked"
		case p.event.place != 0:
			state = map[bool]string{true: "ready", false: "sleeping"}[p.event.kind == kindReady]
		}
		line := fmt.Sprintf("  goroutine %-14q %-8s since %-6s %s", p.name, state, offset(time.Duration(p.since)), p.waits)
		if l := p.site.line(); l != "" {
			line += " " + l
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}
