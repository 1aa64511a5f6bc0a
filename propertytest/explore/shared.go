package explore

import (
	"fmt"
	"slices"
	"time"

	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
)

// shared makes several calls on one subject, one after another and all at once,
// each with a script of its own. A fault that a call shows in company and not
// alone is the company's.
func (c *search) shared() {
	defer c.crowded()
	for _, p := range c.policies() {
		kinds := companions(p, !c.lacks(verdict.Classes))
		middle := p.BaseDelay/2 + 1 // of the first wait, where jitter does not move it
		for i, first := range kinds {
			for j, second := range kinds {
				if c.over {
					return
				}
				s := &scripted.Script{Policy: &p}
				for n, turns := range [][]scripted.Turn{first, second, kinds[(i+j)%len(kinds)]} {
					if c.subject.streams() {
						turns = answering(turns, []string{"one", "two", "three"}[n])
					}
					s.Blocks = append(s.Blocks, scripted.Block{Turns: turns})
				}
				c.company(s)
				if !c.lacks(verdict.Concurrency) {
					at := *s
					at.AtOnce = true
					c.company(&at)
					if i+j == 3 {
						at.Cancel = &middle
						c.company(&at)
					}
				}
			}
		}
	}
}

// crowded makes many calls on one subject, one after another, most of which fail:
// what is used up bit by bit is gone then.
func (c *search) crowded() {
	for _, p := range c.policies() {
		if !retries(p, 2) || p.MaxAttempts == retry.Unlimited {
			continue
		}
		kinds := companions(p, !c.lacks(verdict.Classes))
		s := &scripted.Script{Policy: &p}
		for i := range 24 {
			s.Blocks = append(s.Blocks, scripted.Block{Turns: kinds[len(kinds)-1-i%len(kinds)]})
		}
		if !c.over {
			c.company(s)
		}
		return // another policy would show no more
	}
}

// companions returns the turns of calls that may leave something behind.
func companions(p retry.Policy, classes bool) [][]scripted.Turn {
	turn := func(a scripted.Answer, after time.Duration) scripted.Turn {
		return scripted.Turn{Answer: a, After: after}
	}
	_, long := hints(p)
	hello := turn(scripted.Stream{Items: []scripted.Item{scripted.Text("hi")}}, 0)
	transient := turn(scripted.Transient{}, 3*time.Millisecond)
	out := [][]scripted.Turn{
		{hello},
		{transient, hello},
		{transient, transient, turn(scripted.Transient{}, 0), hello},
		{turn(scripted.Transient{Hinted: true, Wait: long}, 0), transient, hello},
	}
	if p.MaxAttempts != retry.Unlimited {
		out = append(out, []scripted.Turn{{Answer: scripted.Transient{}, Repeat: scripted.Forever}})
	}
	if classes {
		out = append(out, []scripted.Turn{transient, turn(scripted.Permanent{Reason: "no"}, time.Millisecond)})
	}
	return out
}

// answering returns the turns with another answer in their streams, which takes
// time: streams of calls that run at once meet, and it shows whose is whose.
func answering(turns []scripted.Turn, text string) []scripted.Turn {
	turns = slices.Clone(turns)
	for i, t := range turns {
		if _, ok := t.Answer.(scripted.Stream); ok {
			turns[i].Answer = scripted.Stream{Items: []scripted.Item{scripted.Text(text), scripted.Pause(time.Second), scripted.Text(text)}}
		}
	}
	return turns
}

// company tries a scenario of several calls, and each of its calls alone.
func (c *search) company(s *scripted.Script) {
	events := c.try(s)
	for _, f := range verdict.Check(events, c.options.spec(*s.Policy)) {
		if f.Level != verdict.Violation || f.Call == 0 || int(f.Call) > len(s.Blocks) {
			continue
		}
		if c.alone(s, f) {
			continue
		}
		rule, _ := verdict.Named("shared-state")
		f.What = fmt.Sprintf("call %d shows %s (%s), and alone it does not", f.Call, f.Rule.Name, f.What)
		f.Rule = rule
		c.keep(s, events, verdict.Findings{f})
	}
}

// alone reports whether a call shows a fault without the others. What is left
// behind may be any call's: it was noted when all were over.
func (c *search) alone(s *scripted.Script, f verdict.Finding) bool {
	blocks := s.Blocks[f.Call-1 : f.Call]
	if f.Rule.Name == "leaked" {
		blocks = s.Blocks
	}
	return slices.ContainsFunc(blocks, func(b scripted.Block) bool {
		_, solo := c.judge(&scripted.Script{Policy: s.Policy, Seed: s.Seed, Cancel: s.Cancel, Turns: b.Turns})
		return has(solo, f.Rule.Name)
	})
}

func has(findings verdict.Findings, rule string) bool {
	for _, f := range findings {
		if f.Rule.Name == rule && f.Level == verdict.Violation {
			return true
		}
	}
	return false
}

// repeated plays some scenarios again: what was seen must be the same to the
// byte.
func (c *search) repeated() {
	if c.lacks(verdict.Seeded) {
		return
	}
	for _, p := range c.policies() {
		s := &scripted.Script{Policy: &p, Turns: []scripted.Turn{
			{Answer: scripted.Transient{}, Repeat: 3, After: time.Millisecond},
			{Answer: scripted.Stream{Items: []scripted.Item{scripted.Text("hi")}}},
		}}
		first, again := c.try(s), c.play(c.subject, s)
		if first.Digest() == again.Digest() {
			continue
		}
		rule, _ := verdict.Named("nondeterministic")
		c.keep(s, again, verdict.Findings{{Rule: rule, Call: 1, At: differ(first, again), What: "the same scenario and seed gave another course: " + difference(first, again)}})
		return
	}
}

// differ returns the time of the first event that is not the same.
func differ(a, b trace.Trace) time.Duration {
	for i := range min(len(a), len(b)) {
		if a[i:i+1].Digest() != b[i:i+1].Digest() {
			return b[i].At
		}
	}
	return 0
}

func difference(a, b trace.Trace) string {
	for i := range min(len(a), len(b)) {
		if a[i:i+1].Digest() != b[i:i+1].Digest() {
			return fmt.Sprintf("event %d, %s of attempt %d, at %v and then at %v", i+1, b[i].Kind, b[i].Attempt, a[i].At, b[i].At)
		}
	}
	return fmt.Sprintf("%d events and then %d", len(a), len(b))
}
