package fakeclock

import (
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// engine is what all views of one clock share. Everything is protected by mu but
// what New sets and nobody changes.
type engine struct {
	mode      Mode
	seed      uint64
	start     time.Time
	recording Recording
	maxTime   int64
	maxEvents uint64
	maxIdle   int
	maxAgain  int // as in limitOfCalls, in Advance
	stall     time.Duration
	realDL    bool
	nobody    *owner

	mu      sync.Mutex
	now     int64 // nanoseconds since start
	from    int64 // now before the last event
	queue   queue
	seq     uint64    // armings so far
	round   uint32    // how often events of this very instant have armed others for it
	ties    *rand.PCG // nil for a fixed order
	fired   uint64    // events fired so far
	clicks  uint64    // orders sends
	dropped uint64    // ticks that nobody was there to take
	ended   int       // contexts ended so far
	idle    int       // calls since time moved
	closed  string    // why the clock cannot be used any more
	busy    bool      // enter has more to do than usual: see attend
	owners  []*owner  // in order of naming
	byName  map[string]*owner
	taken   map[string]int // by name: the goroutines of Run that wanted it later

	records []record
	ends    uint64 // waits ended so far

	calling   int  // functions of the caller that step is in
	expiring  int  // contexts that step is ending
	trying    bool // step is part of an attempt
	byParent  map[<-chan struct{}]*adoption
	adoptions uint64
	adopted   []*adoption // live contexts under parents that cannot call us
	calls     uint64      // on the clock, so far
	stmt      statement   // Auto: the one being evaluated
	full      []*timer    // Auto: handed out, fired and perhaps unread
	kept      []*timer    // Auto: handed out and not received at once
	careful   bool        // Auto: the program has contexts that cannot be seen to end
	lookout   lookout     // Auto: looks whether the goroutine is blocked
	awaits    []*await    // Manual: callers of Await
	sched     *scheduler  // Run
	follow    *follower   // Follow
}

// owner is whoever a wait belongs to.
type owner struct {
	name string
	rank uint32
}

func newEngine(cfg Config) *engine {
	e := &engine{
		mode:      cfg.Mode,
		seed:      cfg.Seed,
		start:     time.Unix(946684800, 0).UTC(), // 2000-01-01, where synctest starts too
		recording: cfg.Record,
		maxTime:   int64(cfg.MaxTime),
		maxEvents: uint64(cfg.MaxEvents),
		maxIdle:   math.MaxInt,
		stall:     cfg.Stall,
		realDL:    cfg.RealDeadlines || cfg.Mode == Follow,
		nobody:    &owner{},
	}
	if cfg.TB != nil {
		e.recording = max(e.recording, Waits)
	}
	if e.maxTime == 0 {
		e.maxTime = math.MaxInt64
	}
	if e.maxEvents == 0 {
		e.maxEvents = math.MaxUint64
	}
	e.maxAgain = limitOfCalls(cfg)
	if e.mode == Auto {
		e.maxIdle = e.maxAgain
	}
	if e.stall == 0 {
		e.stall = defaultStall
	}
	if cfg.Seed != 0 {
		e.ties = rand.NewPCG(cfg.Seed, 0x9e3779b97f4a7c15)
	}
	if e.mode == Follow {
		e.follow = newFollower(e, cfg)
	}
	return e
}

// enter locks the engine for a call that is not one case of a select statement.
// It does not return if the call cannot be served; op names what needs an open
// clock, or is empty.
func (e *engine) enter(op string) {
	e.mu.Lock()
	if e.follow != nil {
		e.follow.called()
	}
	e.calls++
	if e.idle++; e.idle > e.maxIdle {
		e.failBusy()
	}
	if e.busy {
		e.attend(op)
	}
}

// enterCase is enter for a call that may be one case of a select statement.
func (e *engine) enterCase(op string) {
	e.mu.Lock()
	if e.follow != nil {
		e.follow.called()
	}
	e.calls++
	if e.idle++; e.idle > e.maxIdle {
		e.failBusy()
	}
	if e.busy {
		e.attendCase(op)
	}
}

// peek locks the engine for a call that only reads, and may come at any time.
func (e *engine) peek() {
	e.mu.Lock()
	if s := e.statement(); s != nil && e.calling == 0 {
		if t := e.settle(s); t != nil && e.mode == Auto {
			e.keep(t)
		}
	}
}

// attend does what is left to do of a statement that has ended.
func (e *engine) attend(op string) {
	e.busy = false
	if e.sched != nil {
		e.sched.claimIfLoose(false)
	}
	if s := e.statement(); s != nil {
		undone := e.settle(s)
		if e.mode == Auto {
			e.leave(s, undone)
		} else if p := e.sched.cur; p.waitedFor != nil {
			p.attendWait()
		}
		e.reset(s)
	}
	if e.closed != "" {
		e.busy = true
		if op != "" {
			e.refuse(op)
		}
	}
}

// leave notes which channels have been handed out for later, when the goroutine
// goes on without having blocked or received anything.
func (e *engine) leave(s *statement, undone *timer) {
	if undone != nil {
		e.keep(undone)
	}
	if e.calling > 0 {
		return
	}
	if l := &e.lookout; l.site[0] != 0 {
		l.site[0] = 0
		for _, t := range s.timers {
			if !l.seen && t.place != 0 {
				e.keep(t)
			}
		}
	}
}

// attendCase does what has to be done before another case is evaluated.
func (e *engine) attendCase(op string) {
	if e.sched != nil {
		e.sched.claimIfLoose(false)
	}
	if s := e.statement(); s != nil {
		undone := e.settle(s)
		switch {
		case e.mode == Auto && op == "NewTimer":
			e.leave(s, undone)
		case e.mode == run && e.sched.cur.received():
			e.reset(s)
		case e.mode == run && op != "Chan":
			e.sched.cur.attendWait()
		}
	}
	if e.calling == 0 {
		e.lookout.site[0] = 0
	}
	if e.closed != "" && op != "" {
		e.refuse(op)
	}
}

func (e *engine) refuse(op string) {
	e.mu.Unlock()
	panic("fakeclock: " + op + " on a clock that has ended: " + e.closed)
}

func (e *engine) close(why string) {
	e.lookout.site[0] = 0
	if e.closed == "" {
		e.closed, e.busy = why, true
	}
}

// named returns the owner of that name, a new one if need be.
func (e *engine) named(name string) *owner {
	if o := e.byName[name]; o != nil {
		return o
	}
	if name == "" {
		return e.nobody
	}
	o := &owner{name, uint32(len(e.owners) + 1)}
	if e.byName == nil {
		e.byName = make(map[string]*owner)
	}
	e.byName[name] = o
	e.owners = append(e.owners, o)
	return o
}

// owned returns who arms a wait through a view owned by o.
func (e *engine) owned(o *owner) *owner {
	if o == e.nobody && e.sched != nil && e.sched.cur != nil {
		return e.sched.cur.owner
	}
	return o
}

// place gives an event of owner o, due at when, its place among the others. What
// is armed for the present instant goes behind all that is due already, so that
// two goroutines which yield to each other both go on.
func (e *engine) place(o *owner, when int64) key {
	e.seq++
	low := o.rank
	if e.ties != nil {
		low = uint32(e.ties.Uint64() >> 32)
	}
	k := key{when: when, tie: uint64(low), seq: e.seq}
	if when <= e.now {
		k.tie |= uint64(e.round+1) << 32
	}
	return k
}

// arm schedules ev for the instant when, which is not in the past.
func (e *engine) arm(ev *event, when int64) {
	e.note(ev, when)
	ev.key = e.place(ev.owner, when)
	e.queue.push(ev)
	e.armed(ev)
}

func (e *engine) armed(ev *event) {
	if e.awaits != nil {
		e.tellAwaits(ev, 1)
	}
	if e.follow != nil && e.queue.isFirst(ev) {
		e.follow.rearm()
	}
}

// disarm takes ev out of the queue.
func (e *engine) disarm(ev *event, o Outcome) {
	e.queue.remove(ev)
	if e.awaits != nil {
		e.tellAwaits(ev, -1)
	}
	e.finish(ev, o)
}

// moveTo moves time forward to t, or leaves it if t has passed. It returns false
// if that is beyond the limit.
func (e *engine) moveTo(t int64) bool {
	if t <= e.now {
		return true
	}
	if t > e.maxTime {
		e.failTime(t)
		return false
	}
	e.now, e.idle, e.round = t, 0, 0
	return true
}

// step moves time to the first event and fires it. The lock is released while a
// function of the caller runs.
func (e *engine) step() {
	if p := e.begin(); p != nil {
		e.sched.resume(p)
	}
}

// begin is step, but for the goroutine of Run whose wait has ended: who calls begin
// resumes it. To return from a switch of stacks costs more the more calls it is
// deep, since the processor guesses each return wrongly.
func (e *engine) begin() *proc {
	ev := e.queue.first()
	e.from = e.now
	if !e.moveTo(ev.when) || !e.another() {
		return nil
	}
	if ev.when == e.now {
		e.round = uint32(ev.tie >> 32)
	}
	e.queue.take()
	if e.awaits != nil {
		e.tellAwaits(ev, -1)
	}
	if ev.proc != nil {
		e.finish(ev, Fired)
		ev.rec = 0
		return ev.proc
	}
	e.fire(ev)
	return nil
}

// another counts an event. It returns false if that is one too many.
func (e *engine) another() bool {
	if e.fired >= e.maxEvents {
		e.failEvents()
		return false
	}
	e.fired++
	return true
}

func (e *engine) fire(ev *event) {
	switch ev.kind {
	case KindTimer, KindAfter:
		e.send(ev.out)
		e.finish(ev, Fired)
		e.resumeWaiter(ev.out)
	case KindTicker:
		e.tick(ev)
	case KindAfterFunc:
		e.finish(ev, Fired)
		e.call(ev)
	case KindDeadline:
		e.finish(ev, Fired)
		e.expire(ev.ctx)
	case KindSleep:
		e.finish(ev, Fired)
		close(ev.wake)
	}
}

func (e *engine) tick(ev *event) {
	o := Fired
	if !e.send(ev.out) {
		o = Dropped
		e.dropped++
	}
	e.finish(ev, o)
	if next := satAdd(ev.when, ev.period); next > ev.when { // time has an end
		e.arm(ev, next)
	}
	e.resumeWaiter(ev.out)
}

// call runs the function of an AfterFunc.
func (e *engine) call(ev *event) {
	switch e.mode {
	case run:
		e.sched.spawnFunc(ev)
	case Follow:
		go ev.fn()
	default:
		e.outside(ev.fn)
	}
}

// expire ends a context at its deadline. Whoever that wakes goes on at once, maybe
// beside this goroutine: so it comes last, but for contexts which nobody can wait
// for without a look at them.
func (e *engine) expire(c *vcontext) {
	e.expiring++
	e.mu.Unlock()
	c.expire()
	e.visitAdopted()
	e.mu.Lock()
	e.expiring--
}

// outside runs f without the lock.
func (e *engine) outside(f func()) {
	e.calling++
	outer := e.stmt // f may contain statements of its own
	e.stmt = statement{}
	e.mu.Unlock()
	returned := false
	defer func() {
		e.mu.Lock()
		e.calling--
		e.stmt = outer
		if !returned { // f panics: whoever recovers must find the clock unlocked
			e.mu.Unlock()
		}
	}()
	f()
	e.visitAdopted()
	returned = true
}

// satAdd adds a duration to an instant; the sum stays at the end of time, some
// 292 years after the start, instead of overflowing.
func satAdd(t int64, d time.Duration) int64 {
	if s := t + int64(d); s >= t {
		return s
	}
	return math.MaxInt64
}
