package main

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/report"
	"github.com/retrykit/retrykit/cmd/retrysim/internal/tty"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/simulate"
	"github.com/retrykit/retrykit/simulate/fleet"
)

// phase is a stretch of a run.
type phase struct {
	fleet.Counts
	from, to time.Duration
	queue    int64 // the mean of those at the ends of the intervals
}

func (p phase) length() time.Duration { return p.to - p.from }

func (p phase) rate(n int64) float64 { return perSecond(n, p.length()) }

// part returns a/b, and 0 of nothing.
func part(a, b int64) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// between adds up the intervals that begin in [from, to).
func between(r *fleet.Result, from, to time.Duration) phase {
	p := phase{from: from, to: min(to, r.Horizon)}
	n := int64(0)
	for _, i := range r.Series {
		if i.Start >= from && i.Start < to {
			p.Add(i.Counts)
			p.queue += i.Queue
			n++
		}
	}
	if n > 0 {
		p.queue /= n
	}
	return p
}

// diagnosis says what a run suffers from.
type diagnosis struct {
	scenario fleet.Scenario
	run      *fleet.Result
	before   phase // the first fault; the whole run if there is none
	after    phase // the faults, until it recovered or the end
	faulty   bool
	capacity float64       // requests per second; 0: without bound
	attempts int           // that one call makes at most
	timeout  time.Duration // of an attempt, the longest; 0: none
	limit    bool          // the calls share one
	jitter   bool
}

func diagnose(sc fleet.Scenario, r *fleet.Result) diagnosis {
	d := diagnosis{scenario: sc, run: r, faulty: r.FaultsEnd >= 0, attempts: 1, limit: true, jitter: true}
	first := r.Horizon
	for _, f := range sc.Faults {
		first = min(first, f.From)
	}
	d.before = between(r, 0, first)
	end := r.Horizon
	if r.RecoveredAt > r.FaultsEnd {
		end = r.RecoveredAt
	}
	d.after = between(r, max(r.FaultsEnd, 0), end)
	d.capacity = float64(sc.Server.Capacity()) / float64(fleet.PerSecond)
	for _, g := range sc.Groups {
		d.attempts = max(d.attempts, multiplied(g))
		d.timeout = max(d.timeout, g.Policy.AttemptTimeout)
		d.limit = d.limit && g.Limit != (fleet.Limit{})
		d.jitter = d.jitter && g.Policy.Jitter != retry.JitterNone
	}
	return d
}

// multiplied returns how many attempts a call of the group makes at most,
// through all layers.
func multiplied(g fleet.Group) int {
	return simulate.Multiplied(append([]retry.Policy{g.Policy}, g.Outer...)...)
}

// held reports whether retries keep the fleet down: the faults are over, it is
// down for much longer than they lasted, and retries are a part of the load.
func (d diagnosis) held() bool {
	return d.down() && part(d.after.Retries, d.after.Attempts()) >= someRetries
}

// someRetries is the share of the load from which on retries matter.
const someRetries = .05

// down reports whether the overload outlived its cause.
func (d diagnosis) down() bool {
	if !d.faulty || d.run.Interrupted || d.run.FaultsEnd >= d.run.Horizon {
		return false
	}
	recovery, ok := d.run.Recovery()
	return !ok || recovery > 3*d.faultLength()
}

func (d diagnosis) faultLength() time.Duration {
	var longest time.Duration
	for _, f := range d.scenario.Faults {
		longest = max(longest, f.For)
	}
	return longest
}

// verdict says whether the fleet gets over it.
func (d diagnosis) verdict() report.Verdict {
	r := d.run
	good := tty.Percent(part(r.Total.Succeeded, r.Total.Calls)) + " of calls succeed"
	switch recovery, ok := r.Recovery(); {
	case r.Interrupted:
		return report.Verdict{Text: fmt.Sprintf("Interrupted at %v: until then %s.", tty.Short(r.Horizon), good)}
	case !d.faulty && r.Collapsed:
		return report.Verdict{Mark: report.Bad, Text: fmt.Sprintf("It collapses: %s.", good)}
	case !d.faulty:
		return report.Verdict{Text: fmt.Sprintf("No fault: %s, with %s.", good, perCall(r))}
	case r.FaultsEnd >= r.Horizon:
		return report.Verdict{Text: fmt.Sprintf("%s lasts until the end, so there is nothing to recover in: %s, with %s.", capitalized(d.theFault()), good, perCall(r))}
	case !ok:
		return report.Verdict{Mark: report.Bad, Text: fmt.Sprintf("Never recovers: %v after %s the server still gets %s attempts/s, and %s of calls succeed.%s",
			tty.Short(r.Horizon-r.FaultsEnd), d.theFault(), tty.Group(int64(d.after.rate(d.after.Attempts())+.5)),
			tty.Percent(part(d.after.Succeeded, d.after.Calls)), d.loop())}
	case d.held():
		return report.Verdict{Mark: report.Bad, Text: fmt.Sprintf("Recovers only %v after %s, which lasted %v; until then %s of calls succeed.%s",
			tty.Short(recovery), d.theFault(), d.faultLength(), tty.Percent(part(d.after.Succeeded, d.after.Calls)), d.loop())}
	case d.down():
		return report.Verdict{Mark: report.Good, Text: fmt.Sprintf("Recovers %v after %s, as long as its backlog takes: retries are %s of the load; %s.",
			tty.Short(recovery), d.theFault(), tty.Percent(part(d.after.Retries, d.after.Attempts())), good)}
	case recovery == 0:
		return report.Verdict{Mark: report.Good, Text: fmt.Sprintf("Recovers at once after %s; %s.", d.theFault(), good)}
	default:
		return report.Verdict{Mark: report.Good, Text: fmt.Sprintf("Recovers %v after %s; %s.", tty.Short(recovery), d.theFault(), good)}
	}
}

// theFault names what happened.
func (d diagnosis) theFault() string {
	if len(d.scenario.Faults) == 1 {
		return "the " + faultName(d.scenario.Faults[0].Kind)
	}
	return "the last fault"
}

// perCall says how many attempts a call made.
func perCall(r *fleet.Result) string {
	if n := decimals(part(r.Total.Attempts(), r.Total.Calls), 3); n != "1" {
		return n + " attempts per call"
	}
	return "one attempt per call"
}

func capitalized(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func faultName(k fleet.FaultKind) string {
	return map[fleet.FaultKind]string{
		fleet.Outage: "outage", fleet.Refusal: "refusals", fleet.Brownout: "brownout", fleet.Slow: "slowness", fleet.Errors: "errors",
	}[k]
}

// loop names what keeps the load up, with its two shares.
func (d diagnosis) loop() string {
	retries := part(d.after.Retries, d.after.Attempts())
	wasted := part(d.after.ServedLate+d.after.ServedFailed, d.after.Served)
	switch {
	case retries < someRetries:
		return " Not the retries keep it down: they are " + tty.Percent(retries) + " of the load."
	case wasted > .25:
		return fmt.Sprintf(" The loop: %s of the load is retries, and %s of the work is for nobody.", tty.Percent(retries), tty.Percent(wasted))
	case d.countsRejected():
		return fmt.Sprintf(" The loop: %s of the load is retries, and rejected requests count against the limit.", tty.Percent(retries))
	}
	return fmt.Sprintf(" The loop: %s of the load is retries.", tty.Percent(retries))
}

func (d diagnosis) countsRejected() bool {
	for _, l := range d.scenario.Limiters {
		if l.CountRejected {
			return true
		}
	}
	return false
}

// why explains the loop in the scenario's own numbers.
func (d diagnosis) why() []string {
	if !d.held() {
		return nil
	}
	var out []string
	if wait := d.queueWait(d.after.queue); d.timeout > 0 && wait > d.timeout && part(d.after.ServedLate, d.after.Served) > .25 {
		out = append(out, fmt.Sprintf("why: a request waits %v in a queue of %s, longer than the %v that its client does, so work already paid for is thrown away and asked for again.",
			tty.Short(wait), tty.Group(d.after.queue), d.timeout))
	}
	if d.jitter && part(d.after.Retries, d.after.Attempts()) >= someRetries {
		out = append(out, "Jitter spreads retries; it does not reduce them.")
	}
	return out
}

// queueWait returns how long it takes to serve so many.
func (d diagnosis) queueWait(n int64) time.Duration {
	if d.capacity == 0 {
		return 0
	}
	return time.Duration(float64(n) / d.capacity * 1e9)
}

// hints are the mistakes that the scenario shows.
func (d diagnosis) hints() []report.Hint {
	var out []report.Hint
	add := func(name, format string, args ...any) {
		out = append(out, report.Hint{Name: name, Text: fmt.Sprintf(format, args...)})
	}
	offered := d.before.rate(d.before.Calls)
	if c := d.capacity; c > 0 && d.attempts > 1 && !d.limit {
		low := 0.0
		if d.attempts < math.MaxInt32 {
			low = c / float64(d.attempts)
		}
		switch {
		case offered >= c:
			add("overloaded", "the load of %s/s is at or above the capacity of %s/s even without retries", decimals(offered, 0), decimals(c, 0))
		case offered > low:
			add("vulnerable-band", "the load of %s/s is inside the vulnerable band: above %s/s (capacity %s/s over %s) a long enough fault is kept up by retries", decimals(offered, 0), decimals(low, 0), decimals(c, 0), atMost(d.attempts))
		}
	}
	if d.attempts > 1 && !d.limit {
		add("no-budget", "no budget: in an outage each call costs up to %s (+budget=10%%)", atMost(d.attempts))
	}
	if d.attempts > 1 && !d.jitter {
		add("no-jitter", "no jitter: clients that failed together come back together (jitter=full)")
	}
	if wait := d.queueWait(int64(min(d.scenario.Server.Queue, math.MaxInt32))); d.timeout > 0 && wait > d.timeout {
		long := "an unbounded queue"
		if d.scenario.Server.Queue != fleet.Unbounded {
			long = fmt.Sprintf("the queue of %s takes %v to drain and", tty.Group(int64(d.scenario.Server.Queue)), tty.Short(wait))
		}
		add("queue-outlasts-timeout", "%s outlasts the attempt timeout of %v: what is at its end is served for nobody (queue=%s)", long, d.timeout, tty.Group(int64(d.capacity*d.timeout.Seconds()/2)))
	}
	for _, g := range d.scenario.Groups {
		if g.Deadline > 0 && g.Policy.AttemptTimeout >= g.Deadline && g.Policy.MaxAttempts > 1 {
			add("timeout-at-deadline", "the attempt timeout %v is not below the deadline %v: an attempt that times out leaves no time to retry", g.Policy.AttemptTimeout, g.Deadline)
			break
		}
	}
	for _, g := range d.scenario.Groups {
		if len(g.Outer) > 0 && multiplied(g) > max(g.Policy.MaxAttempts, 1) {
			add("stacked", "retries multiply: up to %s for one call; retry in one layer only", atMost(multiplied(g)))
			break
		}
	}
	if d.countsRejected() && d.attempts > 1 {
		add("counted-rejections", "rejected requests count against the limit: retries of them keep it exhausted")
	}
	return out
}

func atMost(n int) string {
	if n == retry.Unlimited {
		return "attempts without end"
	}
	return tty.Count(n, "attempt")
}

// remedy is a change and what came of it in a run with the same seed.
type remedy struct {
	what string // in words
	how  string // the change of the command line or of the scenario
	run  *fleet.Result
}

// remedies are the changes that are tried, the mildest first. Each changes one
// number.
func (d diagnosis) remedies() []struct {
	remedy
	change func(*fleet.Scenario)
} {
	type candidate = struct {
		remedy
		change func(*fleet.Scenario)
	}
	groups := func(change func(*fleet.Group)) func(*fleet.Scenario) {
		return func(sc *fleet.Scenario) {
			sc.Groups = append([]fleet.Group(nil), sc.Groups...)
			for i := range sc.Groups {
				change(&sc.Groups[i])
			}
		}
	}
	var out []candidate
	if d.attempts > 1 {
		budget := retry.PerSuccessBudget(10*retry.Token, retry.Token/10)
		out = append(out, candidate{remedy{what: "a retry budget of 10 %", how: "-p scenario+budget=10%"}, groups(func(g *fleet.Group) { g.Limit = fleet.Limit{Budget: &budget} })})
	}
	if n := int(d.capacity * d.timeout.Seconds() / 2); n > 0 && d.scenario.Server.Queue > n {
		out = append(out, candidate{remedy{what: fmt.Sprintf("a queue of %s", tty.Group(int64(n))), how: fmt.Sprintf("in the scenario: queue=%d", n)}, func(sc *fleet.Scenario) { sc.Server.Queue = n }})
	}
	if d.attempts > 1 {
		out = append(out, candidate{remedy{what: "no retries", how: "-p scenario,attempts=1"}, groups(func(g *fleet.Group) { g.Policy.MaxAttempts, g.Outer = 1, nil })})
	}
	return out
}

// maxRemedyEvents is how large a run may be for remedies to be tried.
const maxRemedyEvents = 30_000_000

// remedy tries one change after another and returns the one with which most
// calls succeed, of those that change the verdict. An earlier one is only
// beaten by half a percent of all calls.
func (d diagnosis) remedy(ctx context.Context) (best remedy, ok bool) {
	if !d.held() || d.run.Events > maxRemedyEvents {
		return remedy{}, false
	}
	for _, c := range d.remedies() {
		sc := d.scenario
		c.change(&sc)
		run, err := fleet.Run(ctx, sc, d.run.Seed)
		if err != nil || run.Interrupted || diagnose(sc, run).held() {
			continue
		}
		c.run = run
		if !ok || part(run.Total.Succeeded, run.Total.Calls) > part(best.run.Total.Succeeded, best.run.Total.Calls)+.005 {
			best, ok = c.remedy, true
		}
	}
	return best, ok
}

// sentence says what the change does.
func (m remedy) sentence(d diagnosis) string {
	recovery, _ := m.run.Recovery()
	after := "at once"
	if recovery > 0 {
		after = tty.Short(recovery).String() + " after " + d.theFault()
	}
	return fmt.Sprintf("try: %s. In a run with the same seed it recovers %s, and %s of calls succeed instead of %s (%s)", m.what, after,
		tty.Percent(part(m.run.Total.Succeeded, m.run.Total.Calls)), tty.Percent(part(d.run.Total.Succeeded, d.run.Total.Calls)), strings.TrimSpace(m.how))
}
