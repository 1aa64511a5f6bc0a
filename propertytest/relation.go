package propertytest

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
)

// relation is something that must hold between two scenarios whatever the policy
// is: it needs no oracle.
type relation struct {
	name string
	says string
	// any: it needs code that obeys any policy.
	any bool
	// drawn are the scenarios that it is about.
	drawn func(*rapid.Generator[retry.Policy]) *rapid.Generator[*scripted.Script]
	// other returns the scenario to compare with; ok is false if the relation
	// says nothing about this one. first is what the first made the code do.
	other func(s *scripted.Script, first trace.Trace) (other *scripted.Script, ok bool)
	// differ says what is wrong between the two, "" if nothing.
	differ func(s *scripted.Script, first, second trace.Trace) string
}

// relations, in the order of their subtests.
var relations = []relation{
	{
		name: "again", says: "the same scenario, played again, makes the code do the same",
		drawn:  withCancellations,
		other:  func(s *scripted.Script, _ trace.Trace) (*scripted.Script, bool) { return s, true },
		differ: sameCourse,
	}, {
		name: "earlier-call", says: "a call is the same after another",
		drawn: Scenarios, other: afterAnother, differ: sameLastCall,
	}, {
		name: "calls-at-once", says: "a call is the same beside others",
		drawn: Scenarios, other: besideOthers, differ: sameLastCall,
	}, {
		name: "larger-hint", says: "a server that asks for more time is given no less",
		drawn: Scenarios, other: withLargerHints, differ: noShorterWaits,
	}, {
		name: "larger-cap", says: "a larger cap makes no wait shorter", any: true,
		drawn: Scenarios, other: withLargerCap, differ: noShorterWaits,
	}, {
		name: "jitter-adds", says: "jitter that only adds changes no attempt and makes no wait shorter", any: true,
		drawn: Scenarios, other: withJitter, differ: noShorterWaits,
	}, {
		name: "scale", says: "twice as long everywhere is twice as long", any: true,
		drawn: withCancellations, other: twiceAsLong, differ: twiceTheTimes,
	}, {
		name: "one-more", says: "with a constant wait, one more failure and one more attempt only shift the call", any: true,
		drawn: withConstantWaits, other: withOneMore, differ: shifted,
	}, {
		name: "after-the-end", says: "what the server would do after a call has ended does not matter to it",
		drawn: withCancellations, other: withMoreAfterwards, differ: sameCourse,
	}, {
		name: "in-other-words", says: "three times the same is the same three times",
		drawn: withCancellations, other: inOtherWords, differ: sameCourse,
	},
}

// withCancellations draws scenarios, half of them cancelled.
func withCancellations(policies *rapid.Generator[retry.Policy]) *rapid.Generator[*scripted.Script] {
	s := Scenarios(policies)
	return rapid.OneOf(s, Cancelled(s))
}

// withConstantWaits draws scenarios, those of a constant schedule with the base as
// the cap: code whose backoff grows whatever the schedule waits the same then.
func withConstantWaits(policies *rapid.Generator[retry.Policy]) *rapid.Generator[*scripted.Script] {
	return Scenarios(rapid.Map(policies, func(p retry.Policy) retry.Policy {
		if p.Schedule == retry.Constant {
			p.MaxDelay, p.Cap = p.BaseDelay, retry.CapBeforeJitter
		}
		return p
	}))
}

// each is how many scenarios are drawn for a relation.
const each = 100

// relate asks for every relation. The scenarios depend on the seed alone.
func relate(t *testing.T, s explore.Subject, o explore.Options) (out []told) {
	t.Helper()
	if s.IsDelay() || o.Checks < 0 {
		return nil
	}
	run := inBubbles(t, o, s.IsClockless()).Run
	for _, r := range relations {
		out = append(out, r.waive(o, r.ask(t, s, o, run)))
	}
	return out
}

// prefix is what the names of relations begin with, as subtests and in Known.
const prefix = "relation/"

// strangers returns the names in Known that are those of no relation.
func strangers(o explore.Options) (out []string) {
	var names []string
	for _, r := range relations {
		names = append(names, prefix+r.name)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Known)) {
		if !strings.HasPrefix(name, prefix) || slices.Contains(names, name) {
			continue
		}
		near := ""
		if n, ok := scripted.Nearest(name, names); ok {
			near = fmt.Sprintf(" (did you mean %q?)", n)
		}
		out = append(out, fmt.Sprintf("propertytest: Known: there is no %s%s", name, near))
	}
	return out
}

// waive says what becomes of a relation that is known not to hold: that it holds
// all the same fails. Where a rule is known to be broken, a relation may be broken
// by the same fault, and is only told of.
func (r relation) waive(o explore.Options, x told) told {
	reason, known := o.Known[prefix+r.name]
	switch {
	case x.Fail && known:
		x.Fail, x.Text = false, fmt.Sprintf("known: %s\n%s", reason, x.Text)
	case x.Fail && slices.ContainsFunc(slices.Collect(maps.Keys(o.Known)), func(name string) bool { return !strings.HasPrefix(name, prefix) }):
		x.Fail, x.Text = false, "it does not hold, which may be the doing of a fault that is known:\n"+x.Text
	case known && !strings.HasPrefix(x.Text, "not applicable"):
		x.Fail, x.Text = true, fmt.Sprintf("stale: the relation holds; take it out of Known (known as: %s)", reason)
	}
	return x
}

// ask looks for scenarios between which the relation does not hold.
func (r relation) ask(t *testing.T, s explore.Subject, o explore.Options, run explore.Runner) told {
	out := told{Name: "relation/" + r.name}
	policies := ShortPolicies()
	switch {
	case r.any && len(o.Policies) > 0:
		out.Text = "not applicable: the code has a policy of its own"
		return out
	case slices.Contains(o.Lacks, verdict.Seeded) && !calm(o.Policies):
		out.Text = "not applicable: the code lacks " + string(verdict.Seeded)
		return out
	case r.name == "scale" && s.IsClockless():
		out.Text = "not applicable: without a clock every attempt takes a millisecond at least"
		return out
	case r.name == "calls-at-once" && slices.Contains(o.Lacks, verdict.Concurrency):
		out.Text = "not applicable: the code lacks " + string(verdict.Concurrency)
		return out
	case len(o.Policies) > 0:
		policies = rapid.SampledFrom(o.Policies)
	}
	drawn, about := r.drawn(policies), 0
	for i := range each {
		found := drawn.Example(int(max(o.Seed, 1))*1000 + i)
		said, ok := r.between(s, found, run)
		if ok {
			about++
		}
		if said == "" {
			continue
		}
		explore.Minimize(found, len(o.Policies) == 0, func(smaller *scripted.Script) bool {
			again, _ := r.between(s, smaller, run)
			if again != "" {
				found, said = smaller, again
			}
			return again != ""
		})
		out.Fail, out.Text = true, r.tell(t, s, found, said, run)
		return out
	}
	out.Text = fmt.Sprintf("holds between %d pairs of scenarios", about)
	return out
}

// calm reports whether no policy has jitter.
func calm(policies []retry.Policy) bool {
	return len(policies) > 0 && !slices.ContainsFunc(policies, func(p retry.Policy) bool { return p.Jitter != retry.JitterNone })
}

// between says what is wrong between a scenario and the other one; ok is false
// if the relation says nothing about it.
func (r relation) between(s explore.Subject, script *scripted.Script, run explore.Runner) (said string, ok bool) {
	first := s.Play(script, run)
	other, ok := r.other(script, first)
	if !ok {
		return "", false
	}
	return r.differ(script, first, s.Play(other, run)), true
}

// tell describes a failure.
func (r relation) tell(t *testing.T, s explore.Subject, script *scripted.Script, said string, run explore.Runner) string {
	var b strings.Builder
	fmt.Fprintf(&b, "relation/%s: %s\n    %-9s %s\n", r.name, said, "promise", r.says)
	first := s.Play(script, run)
	other, _ := r.other(script, first)
	second := s.Play(other, run)
	for _, x := range []struct {
		label  string
		script *scripted.Script
		seen   trace.Trace
	}{{"script", script, first}, {"other", other, second}} {
		fmt.Fprintf(&b, "    %s\n", x.label)
		for line := range strings.Lines(scripted.Format(x.script)) {
			b.WriteString("        " + line)
		}
		fmt.Fprintf(&b, "    %s\n", "timeline")
		for _, line := range course(x.seen, 0, true) {
			b.WriteString("        " + line + "\n")
		}
	}
	fmt.Fprintf(&b, "    %-9s go test -run '%s'%s\n", "again", pattern(t.Name()+"/relation/"+r.name), importPath())
	return b.String()
}

// course returns what happened in a call, one event a line, with the times since
// it began. call 0 is all calls.
func course(events trace.Trace, call uint64, times bool) (out []string) {
	begin := time.Duration(0)
	for _, e := range events {
		if call != 0 && e.Call != call {
			continue
		}
		if e.Kind == trace.Begin {
			begin = e.At
			continue
		}
		line := string(e.Kind)
		if e.Attempt > 0 {
			line += fmt.Sprintf(" %d", e.Attempt)
		}
		if e.Chunk != "" {
			line += " " + e.Chunk
		}
		if e.Error != "" {
			line += ": " + strings.SplitN(e.Error, "\n", 2)[0]
		}
		if times {
			line = fmt.Sprintf("%-12v %s", e.At-begin, line)
		}
		out = append(out, line)
	}
	return out
}

// firstDifference says where two courses part, "" if nowhere.
func firstDifference(a, b []string) string {
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(a):
			return fmt.Sprintf("then comes %q, and there nothing", b[i])
		case i >= len(b):
			return fmt.Sprintf("%q is followed by nothing", a[i])
		case a[i] != b[i]:
			return fmt.Sprintf("%q is not %q", strings.Join(strings.Fields(a[i]), " "), strings.Join(strings.Fields(b[i]), " "))
		}
	}
	return ""
}

func sameCourse(_ *scripted.Script, first, second trace.Trace) string {
	return firstDifference(course(first, 0, true), course(second, 0, true))
}

// sameLastCall compares the one call of the first scenario with the last of the
// second. Its jitter may be another: it is another call. What is announced while
// there are several calls nobody can tell apart, and no trace has it.
func sameLastCall(s *scripted.Script, first, second trace.Trace) string {
	first = slices.DeleteFunc(slices.Clone(first), func(e trace.Event) bool { return e.Kind == trace.Notice })
	last := uint64(0)
	for _, e := range second {
		last = max(last, e.Call)
	}
	times := s.Policy.Jitter == retry.JitterNone
	return firstDifference(course(first, 1, times), course(second, last, times))
}

// usedUp reports whether an attempt found no turn.
func usedUp(events trace.Trace) bool {
	return slices.ContainsFunc(events, func(e trace.Event) bool {
		return e.Kind == trace.Failed && strings.Contains(e.Error, "script used up")
	})
}

// companion is the call that another has to do with.
var companion = scripted.Block{Turns: []scripted.Turn{
	{Answer: scripted.Transient{Hinted: true, Wait: 90 * time.Second}, After: 3 * time.Millisecond, Repeat: 2},
	{Answer: scripted.Permanent{Reason: "no"}},
}}

// byChance reports whether it is chance that ends a call: its waits add up to the
// limit sooner or later.
func byChance(p *retry.Policy) bool { return p.MaxElapsed > 0 && p.Jitter != retry.JitterNone }

func afterAnother(s *scripted.Script, _ trace.Trace) (*scripted.Script, bool) {
	c := *s
	c.Turns, c.Blocks = nil, []scripted.Block{companion, {Turns: s.Turns}}
	return &c, !byChance(s.Policy)
}

func besideOthers(s *scripted.Script, first trace.Trace) (*scripted.Script, bool) {
	c := *s
	c.Turns, c.AtOnce = nil, true
	c.Blocks = []scripted.Block{companion, companion, {Turns: s.Turns}}
	return &c, !usedUp(first) && !byChance(s.Policy)
}

// withLargerHints asks for a second more in every turn that asks for anything.
// With jitter a wait that is longer may take another draw.
func withLargerHints(s *scripted.Script, _ trace.Trace) (*scripted.Script, bool) {
	p, hinted := *s.Policy, false
	c := *s
	c.Turns = slices.Clone(s.Turns)
	for i, t := range c.Turns {
		if a, ok := t.Answer.(scripted.Transient); ok && a.Hinted {
			a.Wait += time.Second
			c.Turns[i].Answer, hinted = a, true
		}
	}
	return &c, hinted && p.MaxElapsed == 0 && p.MaxRetryAfter == 0 && p.Jitter == retry.JitterNone
}

func withLargerCap(s *scripted.Script, _ trace.Trace) (*scripted.Script, bool) {
	p := *s.Policy
	if p.MaxDelay == 0 || p.MaxElapsed > 0 || p.Jitter != retry.JitterNone {
		return nil, false
	}
	p.MaxDelay = 3 * p.MaxDelay
	c := *s
	c.Policy = &p
	return &c, true
}

func withJitter(s *scripted.Script, _ trace.Trace) (*scripted.Script, bool) {
	p := *s.Policy
	if p.MaxElapsed > 0 || p.Jitter != retry.JitterNone {
		return nil, false
	}
	p.Jitter = retry.JitterAdditive
	c := *s
	c.Policy = &p
	return &c, true
}

// noShorterWaits compares the waits of two calls, attempt by attempt.
func noShorterWaits(_ *scripted.Script, first, second trace.Trace) string {
	a, b := attempts(first), attempts(second)
	if len(a) != len(b) {
		return fmt.Sprintf("there are %d attempts, and %d in the other", len(a), len(b))
	}
	for i := 1; i < len(a); i++ {
		if was, is := a[i].start-a[i-1].end, b[i].start-b[i-1].end; is < was {
			return fmt.Sprintf("wait %d is %v, and only %v in the other", i, was, is)
		}
	}
	return ""
}

func twiceAsLong(s *scripted.Script, _ trace.Trace) (*scripted.Script, bool) {
	p := *s.Policy
	if p.Jitter != retry.JitterNone {
		return nil, false
	}
	for _, d := range []*time.Duration{&p.BaseDelay, &p.Step, &p.MaxDelay, &p.AttemptTimeout, &p.MaxElapsed} {
		*d *= 2
	}
	c := *s
	c.Policy, c.TotalTimeout, c.Turns = &p, 2*s.TotalTimeout, slices.Clone(s.Turns)
	if s.Cancel != nil {
		at := 2 * *s.Cancel
		c.Cancel = &at
	}
	for i, t := range c.Turns {
		c.Turns[i].After *= 2
		if a, ok := t.Answer.(scripted.Transient); ok {
			a.Wait *= 2
			c.Turns[i].Answer = a
		}
	}
	return &c, true
}

func twiceTheTimes(_ *scripted.Script, first, second trace.Trace) string {
	a, b := attempts(first), attempts(second)
	if len(a) != len(b) {
		return fmt.Sprintf("there are %d attempts, and %d in the other", len(a), len(b))
	}
	for i := range a {
		if b[i].start != 2*a[i].start {
			return fmt.Sprintf("attempt %d began at %v, and not at twice that in the other, but at %v", i+1, a[i].start, b[i].start)
		}
	}
	return ""
}

// withMoreAfterwards adds turns that no attempt comes to.
func withMoreAfterwards(s *scripted.Script, first trace.Trace) (*scripted.Script, bool) {
	c := *s
	c.Turns = append(slices.Clone(s.Turns), scripted.Turn{Answer: scripted.Permanent{Reason: "too late"}}, scripted.Turn{Answer: scripted.Transient{}, Repeat: scripted.Forever})
	return &c, !usedUp(first)
}

// inOtherWords writes turns that are the same as one that is repeated.
func inOtherWords(s *scripted.Script, _ trace.Trace) (*scripted.Script, bool) {
	c := *s
	c.Turns = nil
	for _, t := range s.Turns {
		if n := len(c.Turns) - 1; n >= 0 && t.Repeat <= 1 {
			last := c.Turns[n]
			last.Repeat = t.Repeat
			if reflect.DeepEqual(last, t) {
				c.Turns[n].Repeat = max(c.Turns[n].Repeat, 1) + 1
				continue
			}
		}
		c.Turns = append(c.Turns, t)
	}
	return &c, len(c.Turns) < len(s.Turns)
}

func withOneMore(s *scripted.Script, first trace.Trace) (*scripted.Script, bool) {
	p := *s.Policy
	if p.Jitter != retry.JitterNone || p.MaxElapsed > 0 || p.MaxAttempts < 1 || p.MaxAttempts == retry.Unlimited {
		return nil, false
	}
	if p.Schedule != retry.Constant || p.MaxDelay != p.BaseDelay || usedUp(first) {
		return nil, false
	}
	p.MaxAttempts++
	c := *s
	c.Policy = &p
	c.Turns = append([]scripted.Turn{{Answer: scripted.Transient{}}}, s.Turns...)
	return &c, true
}

func shifted(_ *scripted.Script, first, second trace.Trace) string {
	a, b := attempts(first), attempts(second)
	if len(b) != len(a)+1 {
		return fmt.Sprintf("there are %d attempts, and %d in the other", len(a), len(b))
	}
	for i := 1; i < len(a); i++ {
		if was, is := a[i].start-a[0].start, b[i+1].start-b[1].start; is != was {
			return fmt.Sprintf("attempt %d came %v after the first, and in the other attempt %d came %v after the second", i+1, was, i+2, is)
		}
	}
	return ""
}

// span is when an attempt began and ended.
type span struct{ start, end time.Duration }

func attempts(events trace.Trace) (out []span) {
	for _, e := range events {
		switch n := len(out) - 1; {
		case e.Kind == trace.Attempt:
			out = append(out, span{start: e.At})
		case n >= 0 && (e.Kind == trace.Failed || e.Kind == trace.Opened):
			out[n].end = e.At
		}
	}
	return out
}
