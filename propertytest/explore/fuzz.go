package explore

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate"
)

// Fuzzing is a search for scripts and seeds with which our own decorator, under
// a policy, does not do what is expected of it.
type Fuzzing struct {
	// Scenario says what stays as it is: the policy, the callers' deadline and
	// the expectations, which must hold for every call whatever the model does.
	// Its turns, if it has any, are what the search begins with.
	Scenario *scripted.Script
	Seed     uint64 // of what is drawn. 0: 1
	Runs     int    // scenarios to play. 0: until More says stop
	// More is asked after every scenario whether to go on. nil: always.
	More func(Progress) bool
}

// Progress is how far a [Fuzzing] has come.
type Progress struct {
	Runs    int // scenarios played
	Reached []State
}

// Broken is a scenario that breaks an expectation.
type Broken struct {
	Script *scripted.Script // shrunk, with the expectation that it breaks
	From   int              // turns that it had before it was shrunk
	What   string           // such as "total <= 10s: got 12s"
}

// errNothing is the error of a search that could not find anything.
var errNothing = errors.New("explore: nothing to search for: neither a number of runs nor an end is given")

// Fuzz plays scenarios until one breaks an expectation, or a rule of package
// verdict, or the search is over: first every small world, then what the seed
// draws. It returns the scenario made as small as it can be, or nil if none was
// found. The same Fuzzing, played for the same number of runs, finds the same.
//
// The error is that of a policy or a script that cannot be played.
func Fuzz(f Fuzzing) (*Broken, Progress, error) {
	if f.Runs <= 0 && f.More == nil {
		return nil, Progress{}, errNothing
	}
	h := &hunt{Fuzzing: f, policy: retry.Default(), reached: make(map[string]int)}
	if f.Scenario.Policy != nil {
		h.policy = *f.Scenario.Policy
	}
	if err := h.policy.Validate(); err != nil {
		return nil, Progress{}, err
	}
	if h.Seed == 0 {
		h.Seed = 1
	}
	for s := range h.scenarios {
		if what := h.try(s); what != "" {
			return h.smallest(s, what), h.progress(), h.err
		}
		if h.err != nil || h.Runs > 0 && h.played >= h.Runs || h.More != nil && !h.More(h.progress()) {
			break
		}
	}
	return nil, h.progress(), h.err
}

// hunt is one Fuzz.
type hunt struct {
	Fuzzing
	policy  retry.Policy
	played  int
	reached map[string]int
	err     error
}

// outcomes are the states that a search tells of.
var outcomes = []scripted.Outcome{scripted.Success, scripted.Exhausted, scripted.Refused, scripted.Cancelled, scripted.Broken, scripted.Truncated}

func (h *hunt) progress() Progress {
	p := Progress{Runs: h.played}
	for _, o := range outcomes {
		p.Reached = append(p.Reached, State{string(o), h.reached[string(o)]})
	}
	return p
}

// scenarios yields what to play: the turns that were given, small worlds, and
// then what is drawn, without an end.
func (h *hunt) scenarios(yield func(*scripted.Script) bool) {
	if given := h.Scenario; len(given.Turns) > 0 && !yield(h.with(given)) {
		return
	}
	for failures := range 4 {
		for s := range newWorld(h.policy, true, true).scripts(failures) {
			if !yield(h.with(s)) {
				return
			}
		}
	}
	for n := uint64(0); ; n++ {
		d := drawer{rand.New(rand.NewPCG(h.Seed, n)), true, true}
		s := d.script(h.policy)
		if seed := d.Uint64N(1 << 32); s.Seed == nil && h.Scenario.Seed == nil {
			s.Seed = &seed
		}
		if !yield(h.with(s)) {
			return
		}
	}
}

// with returns the scenario that plays the turns of s.
func (h *hunt) with(s *scripted.Script) *scripted.Script {
	given := h.Scenario
	out := &scripted.Script{
		Policy: &h.policy, Seed: s.Seed, AttemptTimeout: given.AttemptTimeout, TotalTimeout: given.TotalTimeout,
		Cancel: given.Cancel, Turns: s.Turns, Expects: given.Expects,
	}
	if given.Seed != nil {
		out.Seed = given.Seed
	}
	return out
}

// try plays a scenario and says what it breaks, "" if nothing. A scenario whose
// script does not reach tells nothing.
func (h *hunt) try(s *scripted.Script) string {
	run, err := simulate.Play(s, simulate.Options{})
	if err != nil {
		h.err = err
		return ""
	}
	h.played++
	h.reached[string(run.Outcome)]++
	if len(run.Unfit()) > 0 {
		return ""
	}
	for _, c := range run.Failed() {
		if !absent(run.Call, c.Expect) {
			return fmt.Sprintf("%s: got %s", c.Expect, c.Got)
		}
	}
	if findings := verdict.Check(run.Trace, verdict.Spec{Policy: run.Policy}); findings.Err() != nil {
		return findings.Err().Error()
	}
	return ""
}

// absent reports whether an expectation is about a wait or an attempt that did
// not come about: a condition on all waits holds for a call that made none.
func absent(c *simulate.Call, e scripted.Expect) bool {
	n := -1
	switch e.Subject {
	case scripted.SubjectWait:
		n = len(c.Waits())
	case scripted.SubjectStart:
		n = len(c.Starts())
	}
	return n == 0 || n > 0 && e.Index > n
}

// smallest returns the smallest scenario found that breaks the same
// expectation.
func (h *hunt) smallest(s *scripted.Script, what string) *Broken {
	b := &Broken{From: len(s.Turns), What: what}
	expect := ""
	for _, e := range s.Expects {
		if text := e.String() + ": got "; len(what) > len(text) && what[:len(text)] == text {
			expect = text
		}
	}
	b.Script = Minimize(s, false, func(next *scripted.Script) bool {
		w := h.try(next)
		if w == "" || expect != "" && (len(w) < len(expect) || w[:len(expect)] != expect) {
			return false
		}
		b.What = w
		return true
	})
	return b
}
