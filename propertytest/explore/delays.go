package explore

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
)

// farthest is the last attempt that a delay function is asked about: far beyond
// the point where doubling overflows.
const farthest = 5000

// delays asks a delay function for every wait of a call, and many clients for
// their first ones, for each policy where a watchdog sees it if that never ends.
func (c *search) delays() {
	policies := c.policies()
	if len(c.options.Policies) == 0 {
		policies = append(policies, spreading())
	}
	c.delaysUnder(policies)
	if c.over || len(c.options.Policies) > 0 {
		return
	}
	policies = nil
	var unknown []string
	c.watched(func(part *search) {
		for _, f := range part.known() {
			policies = append(policies, f.says)
			if f.says.Jitter == retry.JitterDecorrelated {
				policies = append(policies, walking())
			}
		}
		unknown = part.unknown
	})
	c.unknown = unknown
	c.delaysUnder(policies)
	c.delaysDrawn()
}

// delaysDrawn asks under policies that are drawn, for no more than bounds: code
// that counts in a unit of its own is wrong between two of them.
func (c *search) delaysDrawn() {
	clients := c.options.Clients
	defer func() { c.options.Clients = clients }()
	c.options.Clients = -1
	var policies []retry.Policy
	for n := range min(c.options.Checks, 100) {
		d := drawer{Rand: rand.New(rand.NewPCG(c.options.Seed, uint64(n)))}
		p := d.policy(nil)
		p.MaxAttempts = 40
		policies = append(policies, p)
	}
	c.delaysUnder(policies)
}

func (c *search) delaysUnder(policies []retry.Policy) {
	for _, p := range policies {
		if c.over {
			return
		}
		found, err := c.watched(func(part *search) { part.delaysOf(p) })
		if err != nil {
			c.delay("stuck", p, 1, "%v", err)
			return
		}
		c.played++
		for _, name := range sortedKeys(found) {
			f := found[name]
			c.keep(f.Script, f.Trace, verdict.Findings{f.Finding})
		}
	}
}

// watched lets part of the search ask, where a watchdog sees it if that never
// ends, and returns what it found.
func (c *search) watched(ask func(part *search)) (found map[string]*Failure, err error) {
	part := *c // which is left alone with the subject if that hangs
	part.found = make(map[string]*Failure)
	err = c.options.Run(fakeclock.Config{Stall: time.Second}, func(stage Stage) error {
		part.alive = func() { stage.Clock.Sleep(1) } // the watchdog is for one question, not for all
		ask(&part)
		return nil
	})
	return part.found, err
}

func (c *search) delaysOf(p retry.Policy) {
	last := min(max(p.MaxAttempts-1, 1), farthest)
	next, ok := c.delayOf(p, 0)
	if !ok {
		return
	}
	previous := time.Duration(0)
	for n := 1; n <= last; n++ {
		d, ok := c.ask(next, n)
		if !ok {
			return
		}
		low, high := backoff(p, n, previous)
		previous = d
		switch {
		case d < low:
			c.delay("early-retry", p, n, "the wait after attempt %d is %v, and not %v at least", n, d, low)
		case d > high:
			c.delay("over-wait", p, n, "the wait after attempt %d is %v, and not %v at most", n, d, high)
		}
		if d <= 0 && low > 0 {
			c.delay("hammer", p, n, "the wait after attempt %d is %v, and the policy asks for %v", n, d, low)
		}
	}
	c.delayJitter(p, min(last, measured))
}

// delay keeps what is wrong with a wait.
func (c *search) delay(rule string, p retry.Policy, n int, format string, args ...any) {
	r, _ := verdict.Named(rule)
	s := &scripted.Script{Policy: &p, Turns: []scripted.Turn{{Answer: scripted.Transient{}, Repeat: n}, {Answer: scripted.Stream{}}}}
	c.keep(s, nil, verdict.Findings{{Rule: r, Attempt: n + 1, What: fmt.Sprintf(format, args...)}})
}

// delayOf makes the function for one client; ok is false if that panicked.
func (c *search) delayOf(p retry.Policy, client uint64) (f func(int) time.Duration, ok bool) {
	defer c.recovered(p, 0)
	f = c.subject.delay(Env{Policy: p, Seed: c.options.Seed, Client: client, Notify: func(int, error, time.Duration) {}, sources: new(atomic.Uint64)})
	if f == nil {
		c.delay("panicked", p, 1, unmade)
	}
	return f, f != nil
}

// ask asks for one wait; ok is false if that panicked.
func (c *search) ask(f func(int) time.Duration, n int) (d time.Duration, ok bool) {
	defer c.recovered(retry.Policy{}, n)
	if n%64 == 1 {
		c.alive()
	}
	return f(n), true
}

func (c *search) recovered(p retry.Policy, n int) {
	if v := recover(); v != nil {
		c.delay("panicked", p, max(n, 1), "attempt %d: %v%s", n, v, panickedAt())
	}
}

// delayJitter measures the first k waits of many clients.
func (c *search) delayJitter(p retry.Policy, k int) {
	if c.options.Clients < 0 || p.MaxAttempts < 2 {
		return
	}
	s := &scripted.Script{Policy: &p, Turns: []scripted.Turn{{Answer: scripted.Transient{}, Repeat: k}, {Answer: scripted.Stream{}}}}
	waits := make([][]time.Duration, k)
	for client := range c.options.Clients {
		f, ok := c.delayOf(p, uint64(client))
		if !ok {
			return
		}
		for i := range k {
			d, ok := c.ask(f, i+1)
			if !ok {
				return
			}
			waits[i] = append(waits[i], d)
		}
	}
	var all []spread
	for i, w := range waits {
		low, high := backoff(p, i+1, low(p, i))
		if high == math.MaxInt64 {
			return
		}
		all = append(all, spread{low, high, w})
	}
	c.spreadsOut(s, p, all)
}

// firstDelays asks for the first waits of a call; right reports whether they are
// as the policy says.
func (c *search) firstDelays(p retry.Policy) (out []time.Duration, right bool) {
	f, right := c.delayOf(p, 0)
	previous := time.Duration(0)
	for n := 1; right && n < 5; n++ {
		low, high := backoff(p, n, previous)
		previous, right = c.ask(f, n)
		out, right = append(out, previous), right && previous >= low && previous <= high
	}
	return out, right
}
