package fakeclock

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Group is a set of goroutines of a [Run] that can be waited for, like an
// errgroup. Make one with [Clock.NewGroup].
type Group struct {
	e       *engine
	running []*proc
	err     error
	waiting []*proc
}

// NewGroup returns an empty group. It panics on a clock that Run did not make.
func (c *Clock) NewGroup() *Group {
	c.e.enter("NewGroup")
	c.e.current("NewGroup")
	c.e.mu.Unlock()
	return &Group{e: c.e}
}

// Go starts f as a goroutine that runs when its turn comes, not before the caller
// waits. The name stands in traces and dumps and gives the goroutine its place
// among simultaneous events; a name already taken gets a number, as in
// "client#2". The clock given to f belongs to the goroutine. It panics if f is
// nil.
func (g *Group) Go(name string, f func(*Clock) error) {
	if f == nil {
		panic("fakeclock: Go with a nil function: give it what the goroutine does")
	}
	e := g.e
	e.enter("Go")
	e.current("Go")
	name = e.fresh(name)
	p := e.sched.spawn(name, e.named(name), f)
	g.running = append(g.running, p)
	p.onExit = func(err error) { g.exit(p, err) }
	e.mu.Unlock()
}

// fresh returns the name with a number behind it if it is taken.
func (e *engine) fresh(name string) string {
	unique := name
	for e.byName[unique] != nil {
		if e.taken == nil {
			e.taken = make(map[string]int)
		}
		e.taken[name]++
		unique = name + "#" + strconv.Itoa(e.taken[name]+1)
	}
	return unique
}

func (g *Group) exit(p *proc, err error) {
	g.running = slices.DeleteFunc(g.running, func(q *proc) bool { return q == p })
	if g.err == nil {
		g.err = err
	}
	if len(g.running) == 0 {
		for _, w := range g.waiting {
			g.e.sched.ready(w)
		}
		g.waiting = nil
	}
}

// Wait parks the calling goroutine until every goroutine of the group has
// returned, and returns the first error that one of them returned, in order of
// virtual time.
func (g *Group) Wait() error {
	e := g.e
	e.enter("Group.Wait")
	p := e.current("Group.Wait")
	if len(g.running) == 0 {
		e.mu.Unlock()
		return g.err
	}
	names := make([]string, 0, len(g.running))
	for _, r := range g.running {
		names = append(names, r.name)
	}
	if len(names) > 5 {
		names = append(names[:4], fmt.Sprintf("%d more", len(names)-4))
	}
	p.waits = "the group of " + strings.Join(names, ", ")
	g.waiting = append(g.waiting, p)
	p.park()
	p.forgetWait()
	e.mu.Unlock()
	return g.err
}

// Cond is a queue of goroutines of a [Run] that wait for something to become
// true: a place in a pool, a token, an answer. It needs no lock, because nothing
// else runs between the check of a condition and the call of Wait. Make one with
// [Clock.NewCond].
type Cond struct {
	e       *engine
	reason  string
	waiting []*proc
}

// NewCond returns a Cond on which nobody waits. The reason, such as "token bucket
// refill", stands in dumps. It panics on a clock that Run did not make.
func (c *Clock) NewCond(reason string) *Cond {
	c.e.enter("NewCond")
	c.e.current("NewCond")
	c.e.mu.Unlock()
	return &Cond{e: c.e, reason: reason}
}

// Wait parks the calling goroutine until Signal or Broadcast wakes it, and then
// returns nil, or until ctx ends, and then returns ctx.Err(). Check the condition
// again afterwards, as with sync.Cond.
func (c *Cond) Wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e := c.e
	v, release := e.native("Cond.Wait", ctx)
	defer release()
	e.enter("Cond.Wait")
	p := e.current("Cond.Wait")
	if v != nil {
		p.watch = []*vcontext{v}
	}
	p.waits, p.cond = c.reason, c
	c.waiting = append(c.waiting, p)
	p.park()
	p.forgetWait()
	e.mu.Unlock()
	if p.woken {
		return ctx.Err()
	}
	return nil
}

// Signal wakes the goroutine that has waited longest, if there is one.
func (c *Cond) Signal() { c.wake(1) }

// Broadcast wakes all that wait.
func (c *Cond) Broadcast() { c.wake(len(c.waiting)) }

func (c *Cond) wake(n int) {
	c.e.enter("Cond")
	defer c.e.mu.Unlock()
	for _, p := range c.waiting[:min(n, len(c.waiting))] {
		p.parked = false // a context that ends now is too late
		c.e.sched.ready(p)
	}
	c.waiting = c.waiting[min(n, len(c.waiting)):]
}

func (c *Cond) forget(p *proc) {
	c.waiting = slices.DeleteFunc(c.waiting, func(q *proc) bool { return q == p })
}
