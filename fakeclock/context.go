package fakeclock

import (
	"cmp"
	"container/list"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"
)

// WithCancel returns a copy of parent that ends when cancel is called or parent
// ends. On virtual time it has two advantages over [context.WithCancel]: in Auto
// and Run a wait sees it end at the very instant, and its children, those of
// package context too, end before cancel returns.
//
// It panics if parent or clk is nil.
func WithCancel(parent context.Context, clk clockwork.Clock) (context.Context, context.CancelFunc) {
	c := newContext("WithCancel", parent, clk)
	return c.face, c.cancel
}

// WithTimeout is WithDeadline(parent, clk, clk.Now().Add(d)).
func WithTimeout(parent context.Context, clk clockwork.Clock, d time.Duration) (context.Context, context.CancelFunc) {
	c := newContext("WithTimeout", parent, clk)
	c.limit(clk.Now().Add(d), d)
	return c.face, c.cancel
}

// WithDeadline returns a copy of parent that ends when clk reaches t, when cancel
// is called or when parent ends, whichever happens first. It works on any
// clockwork.Clock, the real one included.
//
// Err never blocks and returns the values of package context: at the deadline
// context.DeadlineExceeded, on every clock. The deadline reported is the earlier
// of t and the parent's. Calling cancel disarms the timer.
//
// If clk is a [Clock] and parent has a deadline set on the wall clock, the
// returned context has ended already, and its [context.Cause] is an error that
// matches [ErrRealDeadline], unless the clock allows such deadlines.
//
// It panics if parent or clk is nil.
func WithDeadline(parent context.Context, clk clockwork.Clock, t time.Time) (context.Context, context.CancelFunc) {
	c := newContext("WithDeadline", parent, clk)
	c.limit(t, clk.Until(t))
	return c.face, c.cancel
}

// SleepContext sleeps on clk like its Sleep, but no longer than ctx lives. It
// returns nil after the whole duration, or ctx.Err() if ctx ended first or had
// ended before. A deadline armed before the sleep, for the same instant, wins.
//
// The duration [Forever] waits for the context alone. If clk is a [Clock] and ctx
// has a deadline set on the wall clock, SleepContext returns at once, with an
// error that matches [ErrRealDeadline], unless the clock allows such deadlines.
func SleepContext(ctx context.Context, clk clockwork.Clock, d time.Duration) error {
	if ctx == nil {
		panic("fakeclock: SleepContext with a nil context: use Sleep, or context.Background()")
	}
	if clk == nil {
		panic("fakeclock: SleepContext with a nil clock")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	c, ok := clk.(*Clock)
	if !ok {
		return selectSleep(ctx, clk, d)
	}
	if err := c.e.realDeadline(ctx); err != nil {
		return err
	}
	switch {
	case c.e.mode == Auto:
		return c.autoSleepContext(ctx, d)
	case c.e.mode == run:
		return c.runSleepContext(ctx, d)
	}
	return c.blockSleepContext(ctx, d)
}

// Forever is the longest duration. Given to [SleepContext] it stands for a wait
// that only the context ends.
const Forever time.Duration = 1<<63 - 1

func selectSleep(ctx context.Context, clk clockwork.Clock, d time.Duration) error {
	t := clk.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.Chan():
		return nil
	}
}

// vcontext is the core of a context on any clock. Users hold its face, which looks
// to package context like one of its own: a cancelCtx below the core. So the
// children of package context attach to that one, whatever is between, and end
// with it; and it takes over the error of the core, which may be the
// DeadlineExceeded that no cancelCtx could be given from outside.
//
//	parent <- core (vcontext) <- std (cancelCtx) <- face <- children
type vcontext struct {
	parent   context.Context
	clk      clockwork.Clock
	e        *engine // nil unless clk is a Clock
	deadline time.Time
	bounded  bool // deadline is one
	foreign  bool // parent can end without telling us at once
	done     chan struct{}
	face     *face
	drop     context.CancelFunc // ends std

	event      event              // the deadline, with e
	endedAt    int                // e.ended when it ended; zero while it lives; protected by e.mu
	procs      map[*proc]struct{} // goroutines of Run that know it; protected by e.mu
	number     uint64             // of its adoption; this and the next protected by e.mu
	parentDone <-chan struct{}    // of an adopted context
	std        bool               // it has children of package context; protected by e.mu

	mu     sync.Mutex
	err    error
	cause  error
	attach []func() bool   // what to call to leave the parent
	subs   list.List       // of *vcontext: those below that are told, in order
	endStd func()          // ends std with the error of c
	frozen context.Context // answers Value once ended: see Value
}

// face is the context that users hold.
type face struct {
	core *vcontext
	std  context.Context
}

type contextKey struct{}

// ours returns the nearest context of this package at or above ctx.
func ours(ctx context.Context) *vcontext {
	c, _ := ctx.Value(contextKey{}).(*vcontext)
	return c
}

func newContext(op string, parent context.Context, clk clockwork.Clock) *vcontext {
	if parent == nil {
		panic("fakeclock: " + op + " with a nil parent: use context.Background()")
	}
	if clk == nil {
		panic("fakeclock: " + op + " with a nil clock")
	}
	c := &vcontext{parent: parent, clk: clk, done: make(chan struct{})}
	c.face = &face{core: c}
	c.face.std, c.drop = context.WithCancel(c)
	if own, ok := clk.(*Clock); ok {
		c.e = own.e
		c.e.enter(op)
		c.event = event{e: c.e, kind: KindDeadline, owner: c.e.owned(own.owner), ctx: c}
		if c.e.sched != nil && c.e.sched.cur != nil {
			c.e.sched.cur.knows(c)
		}
		c.e.mu.Unlock()
	}
	c.deadline, c.bounded = parent.Deadline()
	if c.e != nil {
		if err := c.e.realDeadline(parent); err != nil {
			c.end(context.Canceled, err)
			return c
		}
	}
	c.join()
	return c
}

// join attaches c to its parent. Another context of this package calls back at
// once. Of others a callback comes on a goroutine of its own, too late for code
// that looks right after the cancellation: so Err and Done look at the parent
// too, and in Auto and Run the engine does, after every event.
func (c *vcontext) join() {
	done := c.parent.Done()
	if done == nil {
		return
	}
	p := ours(c.parent)
	c.foreign = p == nil || p.face.std.Done() != done
	if c.look(); c.ended() {
		return
	}
	if p != nil {
		c.leaving(p.subscribe(c))
	}
	if !c.foreign {
		return
	}
	if c.e != nil && (c.e.mode == Auto || c.e.mode == run) {
		c.e.adopt(c)
	}
	if c.e == nil || c.e.mode != run {
		c.leaving(context.AfterFunc(c.parent, c.hop))
	}
}

// hop is look on a goroutine that package context starts. While the engine calls
// a function, in Auto, it does nothing: the engine will look itself, and in time.
func (c *vcontext) hop() {
	if c.e != nil && c.e.mode == Auto {
		c.e.mu.Lock()
		calling := c.e.calling > 0
		c.e.mu.Unlock()
		if calling {
			return
		}
	}
	c.look()
}

// leaving remembers how to leave a parent, or leaves it if c has ended.
func (c *vcontext) leaving(leave func() bool) {
	c.mu.Lock()
	ended := c.err != nil
	if !ended {
		c.attach = append(c.attach, leave)
	}
	c.mu.Unlock()
	if ended {
		leave()
	}
}

// look ends c if its parent has ended.
func (c *vcontext) look() {
	select {
	case <-c.parent.Done():
		c.end(c.parent.Err(), context.Cause(c.parent))
	default:
	}
}

// settle is look, and makes sure that the engine knows even if another goroutine
// is about to tell it.
func (c *vcontext) settle() {
	c.look()
	if c.e != nil && c.ended() {
		c.e.mu.Lock()
		c.e.contextEnded(c)
		c.e.mu.Unlock()
	}
}

func (c *vcontext) ended() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err != nil
}

// limit gives c the deadline t, which is d from now.
func (c *vcontext) limit(t time.Time, d time.Duration) {
	if c.ended() || c.bounded && c.deadline.Before(t) {
		return // the parent's deadline will do
	}
	c.deadline, c.bounded = t, true
	switch {
	case d <= 0:
		c.expire()
	case c.e != nil:
		c.e.mu.Lock()
		if c.endedAt == 0 { // the parent may have ended meanwhile
			c.e.arm(&c.event, satAdd(c.e.now, d))
		}
		c.e.mu.Unlock()
	default:
		timer := c.clk.AfterFunc(d, c.expire)
		c.leaving(timer.Stop)
	}
}

func (c *vcontext) cancel() {
	if c.e != nil && c.e.sched != nil {
		c.e.mu.Lock()
		c.e.sched.claimIfLoose(false)
		c.e.mu.Unlock()
	}
	if c.end(context.Canceled, context.Canceled) && c.e != nil && c.e.sched != nil {
		c.e.sched.stepAside()
	}
}

func (c *vcontext) expire() { c.end(context.DeadlineExceeded, context.DeadlineExceeded) }

// end ends c and the contexts below it, then returns. Only the first call counts:
// it reports true. All have ended, and the engine knows, before the channel of any
// is closed, which wakes whoever waits for it.
func (c *vcontext) end(err, cause error) bool {
	var ended, later []*vcontext
	if !c.mark(err, cause, &ended, &later) {
		return false
	}
	for _, c := range ended {
		close(c.done)
		c.endStd()
		c.drop()
	}
	for _, c := range later {
		c.look()
	}
	return true
}

// mark is end but for the channels. It appends to ended what has ended, and to
// later what is below a context that ends with its channel.
func (c *vcontext) mark(err, cause error, ended, later *[]*vcontext) bool {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return false
	}
	c.err, c.cause = err, cause
	attach := c.attach
	c.attach = nil
	c.mu.Unlock()

	for _, leave := range attach {
		leave()
	}
	for {
		c.mu.Lock()
		s := c.subs.Front()
		if s == nil {
			c.mu.Unlock()
			break
		}
		below := c.subs.Remove(s).(*vcontext)
		c.mu.Unlock()
		if below.foreign {
			*later = append(*later, below)
		} else {
			below.mark(err, cause, ended, later)
		}
	}
	if c.e != nil {
		c.e.mu.Lock()
		c.e.contextEnded(c)
		c.e.mu.Unlock()
	}
	*ended = append(*ended, c)
	return true
}

// subscribe has below end, or look if it is foreign, when c ends, on the goroutine
// that ends c. If c has ended already it does so at once.
func (c *vcontext) subscribe(below *vcontext) (leave func() bool) {
	c.mu.Lock()
	if err, cause := c.err, c.cause; err != nil {
		c.mu.Unlock()
		if below.foreign {
			below.look()
		} else {
			below.end(err, cause)
		}
		return func() bool { return false }
	}
	s := c.subs.PushBack(below)
	c.mu.Unlock()
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		n := c.subs.Len()
		c.subs.Remove(s)
		return c.subs.Len() < n
	}
}

// AfterFunc is how package context attaches std, when nothing has ended yet. It
// lets go when it drops std, which nobody does before c has ended.
func (c *vcontext) AfterFunc(f func()) (stop func() bool) {
	c.endStd = f
	return func() bool { return false }
}

// Deadline returns the time of the clock at which c ends at the latest.
func (c *vcontext) Deadline() (time.Time, bool) { return c.deadline, c.bounded }

// Done is for std alone.
func (c *vcontext) Done() <-chan struct{} { return c.done }

// Err returns why c has ended, or nil.
func (c *vcontext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Value looks the key up in the parent. Once c has ended, the parent is hidden
// behind a context of package context that carries the cause, because that is
// the only place where context.Cause looks for it.
func (c *vcontext) Value(key any) any {
	c.mu.Lock()
	if c.err != nil && c.frozen == nil {
		frozen, cancel := context.WithCancelCause(context.WithoutCancel(c.parent))
		cancel(c.cause)
		c.frozen = frozen
	}
	frozen := c.frozen
	c.mu.Unlock()
	if frozen != nil {
		return frozen.Value(key)
	}
	if isStd(key) {
		return nil // std asks for the cancelCtx that is c, and c is none
	}
	return c.parent.Value(key)
}

// Deadline returns the time of the clock at which the context ends at the latest.
func (f *face) Deadline() (time.Time, bool) { return f.core.Deadline() }

// Done returns a channel that is closed when the context ends.
func (f *face) Done() <-chan struct{} {
	c := f.core
	if c.foreign {
		c.settle()
	}
	if c.e != nil {
		c.e.mu.Lock()
		c.e.looked(c)
		c.e.mu.Unlock()
	}
	return f.std.Done()
}

// Err returns nil while the context lives; then context.Canceled or
// context.DeadlineExceeded, or whatever its parent returns. It never blocks.
func (f *face) Err() error {
	c := f.core
	if c.foreign {
		c.settle()
	}
	if c.e != nil {
		c.e.enter("")
		c.e.mu.Unlock()
	}
	err := c.Err()
	if err != nil {
		<-f.std.Done() // which another goroutine may be about to close: then there is a cause, too
	}
	return err
}

// Value returns what the parent has for key.
func (f *face) Value(key any) any {
	if key == (contextKey{}) {
		return f.core
	}
	if f.core.e != nil && isStd(key) {
		f.core.beCareful()
	}
	return f.std.Value(key)
}

// isStd reports whether the key may be the one under which package context looks
// for a cancelCtx, as it does when it makes a child.
func isStd(key any) bool {
	_, ok := key.(*int)
	return ok
}

// String describes the context the way package context does.
func (f *face) String() string {
	if !f.core.bounded {
		return "fakeclock.WithCancel"
	}
	return "fakeclock.WithDeadline(" + f.core.deadline.String() + ")"
}

// beCareful is told that there may be a context which can end without telling.
func (c *vcontext) beCareful() {
	c.e.mu.Lock()
	c.std, c.e.careful = true, true
	if c.e.sched != nil && c.e.sched.cur != nil {
		c.e.sched.cur.std = true
	}
	c.e.mu.Unlock()
}

// contextEnded is told that c has ended, with e.mu held.
func (e *engine) contextEnded(c *vcontext) {
	if e.busy && e.calling == 0 {
		if s := e.statement(); s != nil {
			e.settle(s)
		}
	}
	if c.event.place != 0 {
		e.disarm(&c.event, Stopped)
	}
	if c.endedAt != 0 {
		return
	}
	e.ended++
	c.endedAt = e.ended
	if c.foreign {
		e.disown(c)
	}
	if e.sched != nil {
		e.sched.contextEnded(c)
	}
}

// adoption is the contexts under one parent that cannot call them.
type adoption struct {
	done <-chan struct{} // of the parent
	ctxs map[*vcontext]struct{}
}

func (e *engine) adopt(c *vcontext) {
	done := c.parent.Done() // which may take the lock
	e.mu.Lock()
	defer e.mu.Unlock()
	e.adoptions++
	c.number, c.parentDone = e.adoptions, done
	a := e.byParent[done]
	if a == nil {
		if e.byParent == nil {
			e.byParent = make(map[<-chan struct{}]*adoption)
		}
		a = &adoption{done, make(map[*vcontext]struct{})}
		e.byParent[done] = a
		e.adopted = append(e.adopted, a)
	}
	a.ctxs[c] = struct{}{}
}

func (e *engine) disown(c *vcontext) {
	a := e.byParent[c.parentDone]
	if a == nil {
		return
	}
	delete(a.ctxs, c)
	if len(a.ctxs) == 0 {
		delete(e.byParent, c.parentDone)
		i := slices.Index(e.adopted, a)
		e.adopted = slices.Delete(e.adopted, i, i+1)
	}
}

// adoptedEnded reports whether a parent has ended without telling. Package context
// tells nobody at that instant: it closes a channel, or starts a goroutine. So every
// parent has to be asked before time moves.
func (e *engine) adoptedEnded() bool {
	for _, a := range e.adopted {
		select {
		case <-a.done:
			return true
		default:
		}
	}
	return false
}

// visitAdopted ends the contexts whose parents have ended without telling. It is
// called without the lock.
func (e *engine) visitAdopted() {
	var ended []*vcontext
	e.mu.Lock()
	for _, a := range e.adopted {
		select {
		case <-a.done:
			for c := range a.ctxs {
				ended = append(ended, c)
			}
		default:
		}
	}
	e.mu.Unlock()
	slices.SortFunc(ended, func(a, b *vcontext) int { return cmp.Compare(a.number, b.number) })
	for _, c := range ended {
		c.settle()
	}
}

// realDeadline returns an error if ctx has a deadline that was not set on
// virtual time.
func (e *engine) realDeadline(ctx context.Context) error {
	if e.realDL {
		return nil
	}
	d, ok := ctx.Deadline()
	if !ok {
		return nil
	}
	if c := ours(ctx); c != nil && c.e == e && c.bounded && c.deadline.Equal(d) {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.foreignDeadline(d)
}
