package explore

import (
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
)

// shrinkAll makes every scenario that was found smaller, for as long as it still
// shows its fault.
func (c *search) shrinkAll() {
	for _, name := range sortedKeys(c.found) {
		if f := c.found[name]; f.Script != nil && !c.over && f.Rule.Decidable() && !stalled(f.Trace) {
			c.found[name] = c.shrink(f)
		}
	}
}

// shrink returns the failure with the smallest scenario found that still shows
// it, at the same level.
func (c *search) shrink(f *Failure) *Failure {
	c.subject.leaves, c.subject.bare = f.leaves, f.bare
	defer func() { c.subject.leaves, c.subject.bare = 0, false }()
	Minimize(f.Script, len(c.options.Policies) == 0, func(s *scripted.Script) bool {
		events, findings := c.judge(s)
		i := slices.IndexFunc(findings, func(x verdict.Finding) bool { return x.Rule.Name == f.Rule.Name && x.Level == f.Level })
		if i < 0 || usedUp(events) && !usedUp(f.Trace) {
			return false
		}
		f = &Failure{Finding: findings[i], Script: s, From: f.From, Trace: events, leaves: f.leaves, bare: f.bare}
		return true
	})
	return f
}

// patience is how many scenarios are tried to make one smaller.
const patience = 2000

// Minimize tries ever smaller scenarios, the boldest cuts first, and begins anew
// with each that still does.
func Minimize(s *scripted.Script, anyPolicy bool, does func(*scripted.Script) bool) *scripted.Script {
	left := patience
	for again := true; again; {
		again = false
		for next := range smaller(s, anyPolicy) {
			if left--; left < 0 {
				return s
			}
			if does(next) {
				s, again = next, true
				break
			}
		}
	}
	return s
}

// usedUp reports whether an attempt found no turn: such a script is smaller, but
// no longer says what happens.
func usedUp(events trace.Trace) bool {
	return slices.ContainsFunc(events, func(e trace.Event) bool {
		return e.Kind == trace.Failed && strings.Contains(e.Error, "finds the script used up")
	})
}

// smaller yields scenarios that have a little less than s. The policy is changed
// too if any will do.
func smaller(s *scripted.Script, anyPolicy bool) iter.Seq[*scripted.Script] {
	return func(yield func(*scripted.Script) bool) {
		for _, change := range changes(s, anyPolicy) {
			next := *s
			next.Turns = slices.Clone(s.Turns)
			if change(&next) && !yield(&next) {
				return
			}
		}
	}
}

// changes returns what may be left out. Each reports whether it changed
// anything.
func changes(s *scripted.Script, anyPolicy bool) []func(*scripted.Script) bool {
	out := []func(*scripted.Script) bool{
		func(s *scripted.Script) bool { was := s.Cancel != nil; s.Cancel = nil; return was },
		func(s *scripted.Script) bool { was := s.TotalTimeout != 0; s.TotalTimeout = 0; return was },
		func(s *scripted.Script) bool { was := s.Seed != nil; s.Seed = nil; return was },
		func(s *scripted.Script) bool { was := s.AtOnce; s.AtOnce = false; return was },
	}
	for i := range s.Blocks {
		if len(s.Blocks) > 1 {
			out = append(out, func(s *scripted.Script) bool { s.Blocks = slices.Delete(slices.Clone(s.Blocks), i, i+1); return true })
		}
	}
	for i := range s.Turns {
		if len(s.Turns) > 1 {
			out = append(out, func(s *scripted.Script) bool { s.Turns = slices.Delete(s.Turns, i, i+1); return true })
		}
	}
	for i, t := range s.Turns {
		for _, simpler := range simplerTurns(t) {
			out = append(out, func(s *scripted.Script) bool { s.Turns[i] = simpler; return true })
		}
	}
	if anyPolicy {
		for _, p := range simplerPolicies(*s.Policy) {
			out = append(out, func(s *scripted.Script) bool { s.Policy = &p; return true })
		}
	}
	return out
}

// simplerTurns returns turns that say less than t.
func simplerTurns(t scripted.Turn) (out []scripted.Turn) {
	add := func(change func(*scripted.Turn)) {
		next := t
		change(&next)
		out = append(out, next)
	}
	if t.After > 0 {
		add(func(t *scripted.Turn) { t.After = 0 })
	}
	if t.Repeat > 1 && t.Repeat != scripted.Forever {
		add(func(t *scripted.Turn) { t.Repeat = 1 })
	}
	switch a := t.Answer.(type) {
	case scripted.Transient:
		if a.Hinted {
			add(func(t *scripted.Turn) { t.Answer = scripted.Transient{} })
			for _, d := range []time.Duration{0, time.Millisecond, time.Second, a.Wait / 2} {
				if d = d.Truncate(time.Millisecond); d < a.Wait {
					add(func(t *scripted.Turn) { t.Answer = scripted.Transient{Hinted: true, Wait: d} })
				}
			}
		}
	case scripted.Status, scripted.Reset:
		add(func(t *scripted.Turn) { t.Answer = scripted.Transient{} })
	case scripted.Stream:
		for i := range a.Items {
			add(func(t *scripted.Turn) {
				t.Answer = scripted.Stream{Items: slices.Delete(slices.Clone(a.Items), i, i+1), End: a.End}
			})
		}
		if a.End != nil {
			add(func(t *scripted.Turn) { t.Answer = scripted.Stream{Items: a.Items} })
		}
	}
	return out
}

// simplerPolicies returns policies that say less than p.
func simplerPolicies(p retry.Policy) (out []retry.Policy) {
	add := func(differs bool, change func(*retry.Policy)) {
		next := p
		change(&next)
		if differs && next != p && next.Validate() == nil {
			out = append(out, next)
		}
	}
	add(p.MaxElapsed != 0, func(p *retry.Policy) { p.MaxElapsed = 0 })
	add(p.AttemptTimeout != 0, func(p *retry.Policy) { p.AttemptTimeout = 0 })
	add(p.MaxRetryAfter != 0, func(p *retry.Policy) { p.MaxRetryAfter, p.LongRetryAfter = 0, retry.HintClamped })
	add(p.LongRetryAfter != 0, func(p *retry.Policy) { p.LongRetryAfter = retry.HintClamped })
	add(p.RetryAfter != 0, func(p *retry.Policy) { p.RetryAfter = retry.HintReplaces })
	add(p.ThrottleDelay != 0, func(p *retry.Policy) { p.ThrottleDelay = 0 })
	add(p.Cap != 0, func(p *retry.Policy) { p.Cap = retry.CapBeforeJitter })
	add(p.Jitter != 0, func(p *retry.Policy) { p.Jitter = retry.JitterNone })
	add(p.MaxDelay != 0 && p.Cap == retry.CapBeforeJitter, func(p *retry.Policy) { p.MaxDelay = 0 })
	add(p.Multiplier != 0, func(p *retry.Policy) { p.Multiplier = 0 })
	add(p.Step != 0, func(p *retry.Policy) { p.Step = 0 })
	add(p.Schedule != 0, func(p *retry.Policy) {
		if p.Schedule == retry.List {
			p.BaseDelay = time.Second
		}
		p.Schedule, p.Step, p.Delays = retry.Exponential, 0, ""
	})
	add(p.MaxAttempts > 1, func(p *retry.Policy) { p.MaxAttempts = min(p.MaxAttempts, 10) - 1 })
	add(p.BaseDelay != 0 && p.BaseDelay != time.Second, func(p *retry.Policy) { p.BaseDelay = time.Second })
	return out
}
