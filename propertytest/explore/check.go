package explore

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
)

// Check looks for the promises that a subject breaks, and returns what it found.
// It takes a second or two, most of it for subjects that obey any policy.
func Check(s Subject, o Options) *Report {
	playable := !s.clockless || o.Run != nil // in a bubble
	o = o.withDefaults()
	r := &Report{Subject: o.Name, Ruleset: o.Ruleset, Seed: o.Seed}
	if err := cmp.Or(o.Validate(), s.validate()); err != nil {
		r.Problems = append(r.Problems, err)
		return r
	}
	c := newSearch(s, o)
	if playable {
		c.all()
	} else {
		c.over = true
	}
	r.Played, r.Reached, r.Unknown = c.played, c.reached.list(), c.unknown
	r.Results = o.results(s, playable, c.found)
	if c.over {
		untried(r.Results)
	}
	for i, x := range r.Results {
		if x.Rule.Name == "wrong-notice" && x.Status == Passed && !c.reached.noticed {
			r.Results[i].Status, r.Results[i].Reason = NotApplicable, "the subject announces nothing"
		}
	}
	return r
}

// Replay plays nothing but one scenario, and returns what it shows. Rules that
// take more than one scenario to see find nothing.
func Replay(s Subject, o Options, script *scripted.Script) *Report {
	playable := s.delay == nil && (!s.clockless || o.Run != nil)
	o = o.withDefaults()
	r := &Report{Subject: o.Name, Ruleset: o.Ruleset, Seed: o.Seed}
	switch err := cmp.Or(o.Validate(), s.validate()); {
	case err != nil:
		r.Problems = append(r.Problems, err)
		return r
	case !playable:
		r.Problems = append(r.Problems, errors.New("explore: a scenario needs code that makes attempts, and a bubble if it takes no clock"))
		return r
	}
	c := newSearch(s, o)
	if script = c.complete(script); len(script.Blocks) > 0 {
		c.company(script)
	} else {
		c.try(script)
		c.leave(script)
	}
	r.Played = c.played
	r.Results = o.results(s, playable, c.found)
	for i, x := range r.Results {
		if x.Status == Stale { // one scenario need not show every known fault
			r.Results[i].Status, r.Results[i].Reason = Passed, ""
		}
	}
	return r
}

func newSearch(s Subject, o Options) *search {
	s.watch, s.effort = o.Watch, new(effort)
	return &search{subject: s, options: o, found: make(map[string]*Failure), reached: newStates(s, o)}
}

// search is one Check.
type search struct {
	subject   Subject
	options   Options
	found     map[string]*Failure // by rule, the first
	reached   *states
	played    int
	over      bool     // the subject is not fit to be tried further
	deaf      bool     // the subject blocks when its context ends in a wait
	whole     bool     // scenarios are left as they were found
	alive     func()   // tells the watchdog that the search goes on
	until     string   // the rule that the search is for; "": all
	centuries int      // scenarios that ended with a wait beyond the horizon that is a fault
	asked     bool     // the subject has been asked for fields
	fields    []field  // what a policy may say and plain code has no word for, and the subject has
	unknown   []string // what the subject has no word for either
}

// all tries everything, what is quick and tells most first.
func (c *search) all() {
	if c.subject.delay != nil {
		c.delays()
		return
	}
	for _, s := range c.options.Scenarios {
		c.try(c.complete(s))
	}
	for _, part := range c.parts() {
		if !c.over && c.tells(part) {
			part.run()
		}
	}
	if c.until == "" && !c.whole {
		c.shrinkAll()
	}
}

// part is a part of a search.
type part struct {
	run   func()
	calls bool     // it shows whatever the trace of a call can
	drawn bool     // what it tries depends on the seed
	shows []string // what nothing else shows
}

// parts returns those of a search for what code that makes attempts breaks.
func (c *search) parts() []part {
	return []part{
		{run: func() { c.small(3, func(s *scripted.Script, _ int) { c.try(s) }) }, calls: true},
		{run: func() { c.small(2, c.cut) }, calls: true},
		{run: func() { c.small(2, c.edge) }, calls: true},
		{run: c.long, calls: true},
		{run: c.answered, calls: true},
		{run: c.withdrawn, calls: true},
		{run: c.left, calls: true},
		{run: c.varied, calls: true},
		{run: c.paired, calls: true},
		{run: c.shared, calls: true, shows: []string{"shared-state"}},
		{run: c.drawn, calls: true, drawn: true},
		{run: c.repeated, shows: []string{"nondeterministic"}},
		{run: c.jitter, drawn: true, shows: []string{"no-jitter", "biased-jitter", "herd", "repeated-jitter"}},
	}
}

// tells reports whether a part may show what the search is for.
func (c *search) tells(p part) bool {
	rule, one := verdict.Named(c.until)
	return !one || p.calls && (rule.Decidable() || rule.Name == "off-contract") || slices.Contains(p.shows, c.until)
}

// long tries what is longer than any small world.
func (c *search) long() {
	scripts := marathons(c.options.Policies)
	for _, p := range c.policies() {
		if retries(p, 2) && p.RetryAfter != retry.HintIgnored {
			scripts = append(scripts, oddHints(p)...)
		}
		if !c.lacks(verdict.Classes) {
			scripts = append(scripts, oddErrors(p)...)
		}
		if p.MaxElapsed > 0 {
			scripts = append(scripts, endlessHint(p))
		}
	}
	if c.subject.streams() {
		scripts = append(scripts, longAnswer(c.policies()[0]))
	}
	for _, s := range scripts {
		if !c.over {
			c.try(s)
		}
	}
}

// answered tries scenarios in which the caller's context ends at the instant of
// the answer, just after it was given.
func (c *search) answered() {
	if c.subject.streams() {
		return // a stream that has opened is no answer yet
	}
	for _, p := range c.policies() {
		for failures := range min(max(p.MaxAttempts, 1), 3) {
			s := &scripted.Script{Policy: &p, Turns: slices.Repeat([]scripted.Turn{{Answer: scripted.Transient{}}}, failures)}
			s.Turns = append(s.Turns, scripted.Turn{Answer: scripted.Stream{Items: []scripted.Item{scripted.Text("hi")}}, After: 5 * time.Millisecond})
			if c.over {
				return
			}
			_, ends := moments(c.play(c.subject, s))
			if len(ends) == failures+1 {
				s.Cancel = &ends[failures]
				c.try(s)
			}
		}
	}
}

// withdrawn tries scenarios in which the caller's context ends at the instant of
// a failure, just after it was given: with a wait of zero to come nothing but a
// look at the context keeps the next attempt from being made.
func (c *search) withdrawn() {
	hello := scripted.Turn{Answer: scripted.Stream{Items: []scripted.Item{scripted.Text("hi")}}}
	for _, p := range c.policies() {
		for failures := 1; failures < min(max(p.MaxAttempts, 1), 3); failures++ {
			for _, last := range []scripted.Answer{scripted.Transient{}, scripted.Transient{Hinted: true}} {
				turns := slices.Repeat([]scripted.Turn{{Answer: scripted.Transient{}}}, failures-1)
				s := &scripted.Script{Policy: &p, Turns: append(turns, scripted.Turn{Answer: last, After: 5 * time.Millisecond}, hello)}
				if c.over {
					return
				}
				if _, ends := moments(c.play(c.subject, s)); len(ends) > failures {
					s.Cancel = &ends[failures-1]
					c.try(s)
				}
			}
		}
	}
}

// left tries scenarios in which the caller does not read its stream to the end,
// or asks for little.
func (c *search) left() {
	if !c.subject.streams() {
		return
	}
	hello := scripted.Turn{Answer: scripted.Stream{Items: []scripted.Item{scripted.Text("Hel"), scripted.Text("lo")}}}
	for _, p := range c.policies() {
		for failures := range min(max(p.MaxAttempts, 1), 2) {
			turns := append(slices.Repeat([]scripted.Turn{{Answer: scripted.Transient{}}}, failures), hello)
			c.leave(&scripted.Script{Policy: &p, Turns: turns})
		}
	}
}

// leave tries a scenario with callers that close the stream unread, and after its
// first chunk, and with one whose request says no more than it must.
func (c *search) leave(s *scripted.Script) {
	if !c.subject.streams() {
		return
	}
	defer func() { c.subject.leaves, c.subject.bare = 0, false }()
	for c.subject.leaves = 1; c.subject.leaves <= 2 && !c.over; c.subject.leaves++ {
		c.try(s)
	}
	if c.subject.leaves, c.subject.bare = 0, true; !c.over {
		c.try(s)
	}
}

// complete returns a scenario with the policy that it leaves open.
func (c *search) complete(s *scripted.Script) *scripted.Script {
	if s.Policy != nil {
		return s
	}
	with := *s
	p := c.policies()[0]
	with.Policy = &p
	return &with
}

func (c *search) policies() []retry.Policy {
	if len(c.options.Policies) > 0 {
		return c.options.Policies
	}
	return policies()
}

func (c *search) lacks(f verdict.Feature) bool { return slices.Contains(c.options.Lacks, f) }

// small tries every script with up to that many failures under every policy,
// the shortest first, so that what is found first is small.
func (c *search) small(length int, try func(s *scripted.Script, failures int)) {
	for failures := range length + 1 {
		for _, p := range c.policies() {
			w := newWorld(p, c.subject.streams(), !c.lacks(verdict.Classes))
			for s := range w.scripts(failures) {
				if c.over {
					return
				}
				try(s, failures)
			}
		}
	}
}

// cut tries a script with the caller's context ending at every moment that
// matters, from the last of its failures to two attempts later: up to there it
// is a shorter script.
func (c *search) cut(s *scripted.Script, failures int) {
	starts, ends := moments(c.play(c.subject, s))
	n := min(len(starts), len(ends), failures+3)
	for cut := range cuts(s, starts[:n], ends[:n], max(failures-1, 0)) {
		if !c.over {
			c.try(cut)
		}
	}
}

// edge tries a script whose policy limits the time for all attempts with limits
// that one of its attempts just meets, and just does not.
func (c *search) edge(s *scripted.Script, failures int) {
	if s.Policy.MaxElapsed == 0 || len(c.options.Policies) > 0 {
		return
	}
	with := func(limit time.Duration) *scripted.Script {
		p, next := *s.Policy, *s
		p.MaxElapsed, next.Policy = limit, &p
		return &next
	}
	starts, _ := moments(c.play(c.subject, with(0)))
	for i, at := range starts[:min(len(starts), failures+2)] {
		if i > 0 && at > 1 && !c.over {
			c.try(with(at))
			c.try(with(at - 1))
		}
	}
}

// moments returns when the attempts of a run began and ended.
func moments(events trace.Trace) (starts, ends []time.Duration) {
	for _, a := range look(events).attempts {
		starts, ends = append(starts, a.start), append(ends, a.end)
	}
	return starts, ends
}

// try plays a scenario, judges it and keeps what is new.
func (c *search) try(s *scripted.Script) trace.Trace {
	if c.deaf && (s.Cancel != nil || s.TotalTimeout > 0) {
		return nil // each would take the second after which a call counts as stuck
	}
	events, findings := c.judge(s)
	c.played++
	c.reached.note(s, events)
	c.keep(s, events, findings)
	return events
}

// play plays a scenario that is not judged, but for code which gets stuck in it:
// that is the end of the search.
func (c *search) play(s Subject, script *scripted.Script) trace.Trace {
	events := s.Play(script, c.options.Run)
	if stalled(events) {
		if events = s.Play(script, c.options.Run); stalled(events) { // again: the machine may have been busy
			c.keep(script, events, verdict.Check(events, c.options.spec(*script.Policy)))
			c.over = true
		}
	}
	return events
}

// lacking reports whether there is something that the contract promises and the
// subject says that it lacks: the oracle would say the same in other words. What
// the policy itself brings about is none of that.
func lacking(findings verdict.Findings) bool {
	return slices.ContainsFunc(findings, func(f verdict.Finding) bool {
		return f.Level == verdict.Deviation && f.Rule.Area != "schedule"
	})
}

// stalled reports whether a call got stuck.
func stalled(events trace.Trace) bool {
	return slices.ContainsFunc(events, func(e trace.Event) bool { return e.Kind == trace.Stuck })
}

// judge plays a scenario and returns what is wrong with it: by the rules and,
// where they have no word for it, by the oracle.
func (c *search) judge(s *scripted.Script) (trace.Trace, verdict.Findings) {
	began := wall()
	events := c.subject.Play(s, c.options.Run)
	if stalled(events) {
		events = c.subject.Play(s, c.options.Run) // again: the machine may have been busy
	}
	if (c.subject.clockless || c.lacks(verdict.Deadline)) && coincide(events) {
		return events, nil
	}
	findings := verdict.Check(events, c.options.spec(*s.Policy))
	if _, ok := strays(s, events, wall().Sub(began)); ok {
		began = wall() // again: the machine may have been busy
		if f, ok := strays(s, c.subject.Play(s, c.options.Run), wall().Sub(began)); ok {
			return events, append(findings, f)
		}
	}
	if findings.Err() == nil && !lacking(findings) && len(s.Blocks) == 0 {
		if what := oracle(s, events); what != "" {
			rule, _ := verdict.Named("off-contract")
			findings = append(findings, verdict.Finding{Rule: rule, Call: 1, What: what})
		}
	}
	return events, findings
}

// coincide reports whether a retry began at the very instant at which its
// context ended. Which comes first is chance then, in a bubble or in code that
// does not look ahead to a deadline, and nothing can be held against it.
func coincide(events trace.Trace) bool {
	ended := make(map[time.Duration]bool)
	for _, e := range events {
		switch {
		case e.Kind == trace.Cancel:
			ended[e.At] = true
		case e.Kind == trace.Begin && e.Deadline != nil:
			ended[*e.Deadline] = true
		}
	}
	return len(ended) > 0 && slices.ContainsFunc(events, func(e trace.Event) bool {
		return e.Kind == trace.Attempt && e.Attempt > 1 && ended[e.At]
	})
}

// keep keeps the first finding of each rule, violations before deviations.
func (c *search) keep(s *scripted.Script, events trace.Trace, findings verdict.Findings) {
	for _, f := range findings {
		name := f.Rule.Name
		if f.Attempt > 0 && len(events) > 0 && events[len(events)-1].Kind == trace.Wait {
			if c.centuries++; c.centuries > 20 {
				c.over = true // what follows would only take long
			}
		}
		if was := c.found[name]; was != nil && was.Level <= f.Level {
			continue
		}
		c.found[name] = &Failure{Finding: f, Script: s, From: len(s.Turns), Trace: events, leaves: c.subject.leaves, bare: c.subject.bare}
		if name == "ignored-cancel" && stalled(events) {
			c.deaf = true
		}
		if name == "stuck" || name == "wrong-clock" || name == c.until && f.Level == verdict.Violation {
			c.over = true // what follows would only take long
		}
	}
}

// Shows reports whether a scenario, which has a policy, shows a violation of the
// rule of that name against a subject.
func Shows(s Subject, script *scripted.Script, o Options, rule string) bool {
	c := newSearch(s, o.withDefaults())
	if len(script.Blocks) > 1 {
		c.company(script)
	} else {
		c.try(script)
		c.leave(script)
	}
	f := c.found[rule]
	return f != nil && f.Level == verdict.Violation
}
