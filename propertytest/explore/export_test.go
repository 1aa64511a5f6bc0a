package explore

import (
	"math/rand/v2"
	"time"

	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
)

// Kills looks for a violation of one rule on each of the seeds, and stops at the
// first it finds. It returns one failure for each seed, nil where there is none.
// What is tried whatever the seed is tried once.
func Kills(s Subject, o Options, rule string, seeds ...uint64) []*Failure {
	found := make([]*Failure, len(seeds))
	look := func(seed uint64, run func(c *search)) *Failure {
		o.Seed = seed
		c := newSearch(s, o.withDefaults())
		c.until = rule
		run(c)
		if f := c.found[rule]; f != nil && f.Level == verdict.Violation {
			return f
		}
		return nil
	}
	parts := func(drawn bool) func(c *search) {
		return func(c *search) {
			if !drawn {
				c.smallest()
			}
			for _, p := range c.parts() {
				if p.drawn == drawn && !c.over && c.tells(p) {
					p.run()
				}
			}
		}
	}
	var always *Failure
	if s.delay == nil {
		always = look(seeds[0], parts(false))
	}
	for i, seed := range seeds {
		switch {
		case always != nil:
			found[i] = always
		case s.delay != nil:
			found[i] = look(seed, (*search).all)
		default:
			found[i] = look(seed, parts(true))
		}
	}
	return found
}

// smallest tries the smallest of the worlds that the parts of a search are made
// of, which show most faults.
func (c *search) smallest() {
	for _, p := range []part{
		{run: func() { c.small(1, func(s *scripted.Script, _ int) { c.try(s) }) }, calls: true},
		{run: func() { c.small(1, c.cut) }, calls: true},
		{run: func() { c.small(1, c.edge) }, calls: true},
		{run: func() {
			for _, f := range c.known() {
				c.try(tells(f.says))
				c.try(&scripted.Script{Policy: &f.says, Turns: []scripted.Turn{{Answer: scripted.Transient{}, Repeat: 3}, {Answer: scripted.Stream{}}}})
			}
		}, calls: true},
		{run: c.long, calls: true},
		{run: c.shared, calls: true, shows: []string{"shared-state"}},
	} {
		if !c.over && c.tells(p) {
			p.run()
		}
	}
}

// Fired returns the rules that a quick search finds violated, in their order:
// smaller worlds than those of Check, and no script is made smaller.
func Fired(s Subject, o Options) (names []string) {
	c := newSearch(s, o.withDefaults())
	c.whole = true
	parts := []func(){
		func() { c.small(2, func(s *scripted.Script, _ int) { c.try(s) }) },
		func() { c.small(1, c.cut) }, func() { c.small(1, c.edge) },
		c.long, c.shared, c.drawn, c.repeated, c.jitter,
	}
	if s.delay != nil {
		parts = []func(){c.delays}
	}
	for _, run := range parts {
		if !c.over {
			run()
		}
	}
	for _, r := range verdict.Rules() {
		if f := c.found[r.Name]; f != nil && f.Level == verdict.Violation {
			names = append(names, r.Name)
		}
	}
	return names
}

// Unknown returns what a subject has no word for.
func Unknown(s Subject, o Options) []string {
	c := newSearch(s, o.withDefaults())
	c.known()
	return c.unknown
}

// Oracle says what is wrong with a run, as the search asks it.
var Oracle = oracle

// Window returns the bounds of the wait after the n-th attempt.
func Window(p retry.Policy, n int, a scripted.Answer, previous time.Duration) (low, high time.Duration, givesUp bool) {
	return window(p, n, a, nil, previous)
}

// Drawn returns the n-th scenario of a seed, and what becomes of it when its
// caller's context ends and when the time for all attempts is limited, which
// depends on the run of the first.
func Drawn(seed, n uint64, play func(*scripted.Script) trace.Trace) (s, cut, edge *scripted.Script) {
	d := drawer{rand.New(rand.NewPCG(seed, n)), true, true}
	s = d.script(d.varying(seed, n).vary(d.policy(nil), fields()))
	events := play(s)
	return s, d.cut(s, events), d.edge(s, events)
}

// FieldNames are the names of what a policy can say and plain code has no word for.
func FieldNames() (names []string) {
	for _, f := range fields() {
		names = append(names, f.name())
	}
	return names
}

// Moments returns when the attempts of a run began and ended.
var Moments = moments
