package explore

import (
	"math/rand/v2"
	"time"

	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
)

// drawn tries scenarios drawn from the seed. The n-th depends on the seed and n
// alone.
func (c *search) drawn() {
	for n := range max(c.options.Checks, 0) {
		if c.over {
			return
		}
		d := drawer{rand.New(rand.NewPCG(c.options.Seed, uint64(n))), c.subject.streams(), !c.lacks(verdict.Classes)}
		p := d.policy(c.options.Policies)
		if known := c.known(); n%2 == 1 && len(known) == len(fields()) { // only then can it be asked for any two at once
			p = d.varying(c.options.Seed, uint64(n)).vary(p, known)
		}
		s := d.script(p)
		events := c.try(s)
		if d.IntN(2) == 0 {
			c.try(d.cut(s, events))
		}
		if len(c.options.Policies) == 0 && d.IntN(2) == 0 {
			c.try(d.edge(s, events))
		}
	}
}

// drawer draws scenarios. Each leaves most features out, so that the others
// show.
type drawer struct {
	*rand.Rand
	streams, classes bool
}

// policy draws one of the given, or makes one up.
func (d drawer) policy(given []retry.Policy) retry.Policy {
	if len(given) > 0 {
		return given[d.IntN(len(given))]
	}
	p := retry.Policy{MaxAttempts: d.IntN(8) - 1, BaseDelay: d.delay()}
	if d.IntN(2) == 0 {
		p.MaxDelay = d.delay()
	}
	if d.IntN(2) == 0 {
		p.Jitter = retry.JitterAdditive
	}
	if d.IntN(4) == 0 {
		p.MaxElapsed = d.delay() + 1
	}
	if d.IntN(4) == 0 {
		p.AttemptTimeout = d.delay() + 1
	}
	return p
}

// delay draws a duration: a magnitude, and somewhere near it.
func (d drawer) delay() time.Duration {
	magnitudes := []time.Duration{time.Second, 10 * time.Millisecond, time.Minute, time.Nanosecond, time.Hour, 0, time.Microsecond, 24 * time.Hour}
	m := magnitudes[d.IntN(len(magnitudes))]
	return m*time.Duration(1+d.IntN(9)) + time.Duration(d.IntN(3))
}

// script draws the turns: refusals and an ending.
func (d drawer) script(p retry.Policy) *scripted.Script {
	s := &scripted.Script{Policy: &p}
	if seed := d.Uint64N(1000); seed > 500 {
		s.Seed = &seed
	}
	kinds := d.Uint64() // a feature is in if its bit is set
	for range d.IntN(8) {
		t := scripted.Turn{Answer: d.refusal(p, kinds)}
		if kinds&1 != 0 {
			t.After = time.Duration(d.IntN(1000)) * time.Millisecond
		}
		if kinds&2 != 0 && d.IntN(4) == 0 {
			t.Repeat = 1 + d.IntN(3)
		}
		s.Turns = append(s.Turns, t)
	}
	s.Turns = append(s.Turns, d.ending(p))
	return s
}

func (d drawer) refusal(p retry.Policy, kinds uint64) scripted.Answer {
	short, long := hints(p)
	pool := []scripted.Answer{scripted.Transient{}}
	for i, a := range []scripted.Answer{
		scripted.Transient{Hinted: true, Wait: short + time.Millisecond},
		scripted.Transient{Hinted: true, Wait: long},
		scripted.Transient{Hinted: true},
		// beside the first backoff
		scripted.Transient{Hinted: true, Wait: p.BaseDelay.Truncate(time.Millisecond)},
		scripted.Transient{Hinted: true, Wait: plus(p.BaseDelay, time.Millisecond).Truncate(time.Millisecond)},
		scripted.Reset{},
		scripted.Status{Status: 503},
		scripted.Status{Status: 429, Header: []scripted.Field{{Name: "retry-after", Value: "2"}}},
	} {
		if kinds>>(8+i)&1 != 0 {
			pool = append(pool, a)
		}
	}
	if p.MaxRetryAfter > 0 { // the longest that is honoured, one above it, and what is beyond the window
		for _, wait := range []time.Duration{p.MaxRetryAfter, p.MaxRetryAfter + time.Millisecond, plus(p.MaxRetryAfter, 2*p.BaseDelay)} {
			pool = append(pool, scripted.Transient{Hinted: true, Wait: wait.Truncate(time.Millisecond)})
		}
	}
	if p.AttemptTimeout > 0 && kinds&4 != 0 {
		pool = append(pool, scripted.Hang{})
	}
	return pool[d.IntN(len(pool))]
}

func (d drawer) ending(p retry.Policy) scripted.Turn {
	text := scripted.Stream{Items: []scripted.Item{scripted.Text("Hel"), scripted.Pause(time.Second), scripted.Text("lo")}}
	pool := []scripted.Turn{{Answer: text}, {Answer: scripted.Stream{}}}
	if p.MaxAttempts != retry.Unlimited {
		pool = append(pool, scripted.Turn{Answer: scripted.Transient{}, Repeat: scripted.Forever})
	}
	if d.classes {
		pool = append(pool, scripted.Turn{Answer: scripted.Permanent{Reason: "no"}}, scripted.Turn{Answer: scripted.Status{Status: 401}})
	}
	if d.streams {
		for _, end := range []scripted.Ending{scripted.Transient{}, scripted.EOF{}, scripted.Cut{}, scripted.Permanent{Reason: "no"}} {
			pool = append(pool, scripted.Turn{Answer: scripted.Stream{Items: text.Items, End: end}})
		}
	}
	return pool[d.IntN(len(pool))]
}

// cut lets the caller's context end at some moment of a run.
func (d drawer) cut(s *scripted.Script, events trace.Trace) *scripted.Script {
	starts, ends := moments(events)
	var all []*scripted.Script
	for c := range cuts(s, starts, ends, 0) {
		all = append(all, c)
	}
	return all[d.IntN(len(all))]
}

// edge sets the limit on the time for all attempts so that a retry of the run
// just meets it, or just does not.
func (d drawer) edge(s *scripted.Script, events trace.Trace) *scripted.Script {
	starts, _ := moments(events)
	if len(starts) < 2 {
		return s
	}
	p := *s.Policy
	p.MaxElapsed = max(starts[1+d.IntN(len(starts)-1)]+time.Duration(d.IntN(3)-1), 0)
	c := *s
	c.Policy = &p
	return &c
}
