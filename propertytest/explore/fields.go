package explore

import (
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
)

// field is something that a policy can say and plain retry code has no word for.
type field struct {
	family string // of fields that code has words for together, or not at all
	// says is a policy that says it and little else, without the same for code that
	// has no word for it. On [tells] they differ.
	says, without retry.Policy
	// draw lets a policy say it, with values that are drawn. What makes an invalid
	// policy is not used.
	draw func(d drawer, p *retry.Policy)
}

// name returns how a policy's text says it, such as "factor=3".
func (f field) name() string {
	words := func(p retry.Policy) []string {
		return strings.FieldsFunc(p.String(), func(r rune) bool { return r == ':' || r == ',' })
	}
	without := words(f.without)
	return strings.Join(slices.DeleteFunc(words(f.says), func(w string) bool { return slices.Contains(without, w) }), ",")
}

// fields are all of them.
func fields() []field {
	const s = time.Second
	plain := retry.Policy{MaxAttempts: 5, BaseDelay: s}
	var out []field
	add := func(family string, before, says func(*retry.Policy), draw func(d drawer, p *retry.Policy)) {
		f := field{family: family, without: plain, draw: draw}
		before(&f.without)
		f.says = f.without
		says(&f.says)
		out = append(out, f)
	}
	nothing := func(*retry.Policy) {}
	always := func(family string, before, says func(*retry.Policy)) {
		add(family, before, says, func(_ drawer, p *retry.Policy) { says(p) })
	}

	always("schedule", nothing, func(p *retry.Policy) { p.Schedule = retry.Constant })
	linear := func(p *retry.Policy) { p.Schedule = retry.Linear }
	always("schedule", nothing, linear)
	add("schedule", linear, func(p *retry.Policy) { p.Step = 5 * s }, func(d drawer, p *retry.Policy) { p.Schedule, p.Step = retry.Linear, d.delay() })
	list := func(p *retry.Policy, delays ...time.Duration) {
		p.Schedule, p.BaseDelay, p.Delays = retry.List, 0, retry.MakeDelays(delays...)
	}
	add("schedule", func(p *retry.Policy) { p.BaseDelay = 0 }, func(p *retry.Policy) { list(p, 2*s, s, 3*s) }, func(d drawer, p *retry.Policy) {
		list(p, []time.Duration{d.delay(), d.delay(), d.delay()}[:1+d.IntN(3)]...)
	})
	add("schedule", nothing, func(p *retry.Policy) { p.Multiplier = 3 }, func(d drawer, p *retry.Policy) {
		p.Multiplier = []float64{3, 1.5, 1, 1.1, 2, 4}[d.IntN(6)]
	})

	for _, j := range []retry.Jitter{retry.JitterFull, retry.JitterEqual, retry.JitterBetween(250, 500), retry.JitterDecorrelated} {
		always("jitter", nothing, func(p *retry.Policy) { p.Jitter = j })
	}
	always("jitter", func(p *retry.Policy) { p.MaxDelay, p.Jitter = 3*s, retry.JitterEqual }, func(p *retry.Policy) { p.Cap = retry.CapAfterJitter })
	always("jitter", func(p *retry.Policy) { p.MaxDelay, p.Jitter = 3*s, retry.JitterAdditive }, func(p *retry.Policy) { p.Cap = retry.CapExact })

	for _, r := range []retry.HintRule{retry.HintOrBackoff, retry.HintIgnored} {
		always("retry-after", nothing, func(p *retry.Policy) { p.RetryAfter = r })
	}
	limited := func(p *retry.Policy) { p.MaxRetryAfter = 2 * s }
	for _, r := range []retry.LongHint{retry.HintClamped, retry.HintDropped, retry.HintGivesUp, retry.HintWithin} {
		before := limited
		if r == retry.HintClamped {
			before = nothing
		}
		add("retry-after", before, func(p *retry.Policy) { p.MaxRetryAfter, p.LongRetryAfter = 2*s, r }, func(d drawer, p *retry.Policy) {
			p.MaxRetryAfter, p.LongRetryAfter = max(d.delay().Truncate(time.Millisecond), time.Millisecond), r
		})
	}
	add("throttling", nothing, func(p *retry.Policy) { p.ThrottleDelay = 7 * s }, func(d drawer, p *retry.Policy) { p.ThrottleDelay = d.delay() })
	return out
}

// tells is a script on which every field makes a difference.
func tells(p retry.Policy) *scripted.Script {
	turn := func(a scripted.Answer) scripted.Turn { return scripted.Turn{Answer: a} }
	return &scripted.Script{Policy: &p, Turns: []scripted.Turn{
		turn(scripted.Transient{}),
		turn(scripted.Transient{Hinted: true, Wait: 500 * time.Millisecond}),
		turn(scripted.Transient{Hinted: true, Wait: 6 * time.Second}),
		turn(scripted.Status{Status: 429}),
		turn(scripted.Stream{Items: []scripted.Item{scripted.Text("hi")}}),
	}}
}

// known returns the fields of a policy that a subject has a word for: each
// changes what it does, and as it should. Code that has words for all but some
// of one family is taken to have a fault there, and code with fewer is not asked
// for what it does not know.
func (c *search) known() []field {
	if c.asked || len(c.options.Policies) > 0 {
		return c.fields
	}
	c.asked = true
	var known []field
	var unknown []string
	all, missing := fields(), make(map[string]bool)
	for i, f := range all {
		switch knows, ok := c.knows(f); {
		case !ok: // nor is it asked for the others
			for _, f := range all[i:] {
				unknown = append(unknown, f.name())
			}
			c.unknown = unknown
			return nil
		case knows:
			known = append(known, f)
		default:
			missing[f.family] = true
			if c.subject.delay == nil || f.family != "retry-after" && f.family != "throttling" { // which it is not told of
				unknown = append(unknown, f.name())
			}
		}
	}
	if c.fields, c.unknown = known, unknown; len(missing) == 1 {
		c.fields, c.unknown = all, nil
	}
	return c.fields
}

// knows reports whether a subject has a word for a field; ok is false if it got
// stuck, which takes too long to ask for more.
func (c *search) knows(f field) (knows, ok bool) {
	if c.subject.delay != nil {
		was, _ := c.firstDelays(f.without)
		is, right := c.firstDelays(f.says)
		return right && !slices.Equal(was, is), !c.over
	}
	s := tells(f.says)
	events := c.subject.Play(s, c.options.Run)
	if stalled(events) {
		return false, false
	}
	if verdict.Check(events, c.options.spec(f.says)).Err() != nil || oracle(s, events) != "" {
		return false, true
	}
	return !slices.Equal(gaps(events), gaps(c.play(c.subject, tells(f.without)))), true
}

// varied tries, in small worlds, a policy for each field that the subject knows.
func (c *search) varied() {
	known := c.known()
	for _, f := range known {
		c.try(tells(f.says))
	}
	for failures := range 3 {
		for _, f := range known {
			w := newWorld(f.says, c.subject.streams(), !c.lacks(verdict.Classes))
			w.streams = nil // what becomes of a stream does not depend on the policy
			for s := range w.scripts(failures) {
				if c.over {
					return
				}
				c.try(s)
			}
		}
	}
}

// paired tries a policy for every two fields, of a subject that knows them all,
// with a cap or jitter beside them.
func (c *search) paired() {
	known := c.known()
	if len(known) < len(fields()) {
		return
	}
	d := drawer{Rand: rand.New(rand.NewPCG(1, 1))} // the same for every seed
	for i, f := range known {
		for j, g := range known {
			p := f.says
			p.MaxAttempts = 10
			if (i+j)%2 == 0 && p.MaxDelay == 0 {
				p.MaxDelay = 3 * time.Second
			} else if p.Jitter == retry.JitterNone {
				p.Jitter = retry.JitterAdditive
			}
			if g.draw(d, &p); i != j && p.Validate() == nil && !c.over {
				s := tells(p)
				s.Turns = slices.Insert(s.Turns, len(s.Turns)-1, scripted.Turn{Answer: scripted.Transient{}, Repeat: 4})
				c.try(s)
			}
		}
	}
}

// spreads measures the waits of fewer clients, under the policies with jitter
// that the subject knows.
func (c *search) spreads() {
	known, few := c.known(), *c
	few.options.Clients /= 8
	for _, f := range known {
		if f.says.Jitter != retry.JitterNone {
			few.clients(f.says, scripted.Transient{})
		}
		if f.says.Jitter == retry.JitterDecorrelated {
			few.clients(walking(), scripted.Transient{})
		}
	}
	c.played = few.played
}

// vary lets a policy say some of what the subject knows.
func (d drawer) vary(p retry.Policy, known []field) retry.Policy {
	for range 1 + d.IntN(3) {
		next := p
		known[d.IntN(len(known))].draw(d, &next)
		if next.Validate() == nil {
			p = next
		}
	}
	return p
}

// varying returns the drawer that the n-th policy is varied with: what the n-th
// scenario is otherwise does not depend on it.
func (d drawer) varying(seed, n uint64) drawer {
	d.Rand = rand.New(rand.NewPCG(^seed, n))
	return d
}
