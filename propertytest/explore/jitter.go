package explore

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
)

// alpha is the risk, in each question about chance, to accuse code that does as
// it says.
const alpha = 1e-9

// dkw returns the distance from the promised distribution that n independent
// values exceed with a probability of at most alpha, whatever n is: the
// inequality of Dvoretzky, Kiefer and Wolfowitz with Massart's constant.
func dkw(n int) float64 { return math.Sqrt(math.Log(2/alpha) / (2 * float64(n))) }

// measured is how many waits of each client are measured.
const measured = 10

// jitter measures the waits of many clients that fail at the same moment.
func (c *search) jitter() {
	if c.options.Clients < 0 {
		return
	}
	policies := c.options.Policies
	if len(policies) == 0 {
		policies = []retry.Policy{spreading()}
		defer c.spreads()
	}
	plain, hinted := scripted.Transient{}, scripted.Transient{Hinted: true, Wait: 20 * time.Second}
	for _, p := range policies {
		c.clients(p, plain)
		c.callers(p)
		switch {
		case p.RetryAfter != retry.HintReplaces || p.MaxRetryAfter != 0:
		case p.Jitter == retry.JitterAdditive:
			c.clients(p, hinted)
		case p.Jitter != retry.JitterNone:
			c.clientsAfter(p, c.options.Clients/4, hinted, plain)
		}
	}
}

// spreading is the policy whose jitter is measured where none is given: two
// waits below the cap and two at it.
func spreading() retry.Policy {
	return retry.Policy{MaxAttempts: 5, BaseDelay: time.Second, MaxDelay: 3 * time.Second, Jitter: retry.JitterAdditive}
}

// walking is a decorrelated walk that comes to its cap, and away from it.
func walking() retry.Policy {
	return retry.Policy{MaxAttempts: 6, BaseDelay: time.Second, MaxDelay: 4 * time.Second, Jitter: retry.JitterDecorrelated}
}

// clients lets clients fail with the same answer again and again and asks about
// their waits.
func (c *search) clients(p retry.Policy, a scripted.Answer) {
	c.clientsAfter(p, c.options.Clients, a, a)
}

// clientsAfter is clients for n of them, whose first failure is another.
func (c *search) clientsAfter(p retry.Policy, n int, first, a scripted.Answer) {
	k := min(p.MaxAttempts-1, measured)
	if k < 1 || first != a && k < 2 || c.over {
		return
	}
	s := &scripted.Script{Policy: &p, Seed: &c.options.Seed, Turns: []scripted.Turn{{Answer: a, Repeat: k}, {Answer: scripted.Stream{}}}}
	if first != a {
		s.Turns = slices.Insert(s.Turns, 0, scripted.Turn{Answer: first})
		s.Turns[1].Repeat--
	}
	waits := make([][]time.Duration, k) // by attempt, then by client
	for client := 0; client < n; client++ {
		events := c.play(c.subject.as(uint64(client)), s)
		if c.over {
			return
		}
		if client == 0 {
			n = c.subject.effort.affordable(n)
			c.played++
			c.keep(s, events, verdict.Check(events, c.options.spec(p)))
		}
		for i, wait := range gaps(events) {
			if i < k {
				waits[i] = append(waits[i], wait)
			}
		}
	}
	var all []spread
	for i, w := range waits {
		if len(w) < n {
			return // the rules say what is wrong
		}
		answer := a
		if i == 0 {
			answer = first
		}
		low, high, _ := window(p, i+1, answer, nil, low(p, i))
		all = append(all, spread{low, high, w})
	}
	c.spreadsOut(s, p, all)
}

// spreadsOut asks all there is to ask of the waits of many clients.
func (c *search) spreadsOut(s *scripted.Script, p retry.Policy, all []spread) {
	c.chances(s, p, all)
	c.independent(s, p, all)
	if p.Jitter == retry.JitterDecorrelated {
		c.walk(s, p, all)
	}
}

// callers lets two calls of each of fewer clients fail, and asks whether they draw
// their chance independently: the callers of one process are a herd too.
func (c *search) callers(p retry.Policy) {
	low, high := backoff(p, 1, 0)
	n, first := c.options.Clients/8, spread{low: low, high: high}
	if p.MaxAttempts < 2 || !first.even(p, 0) || c.over || c.strange() {
		return
	}
	call := scripted.Block{Turns: []scripted.Turn{{Answer: scripted.Transient{}}, {Answer: scripted.Stream{}}}}
	s := &scripted.Script{Policy: &p, Seed: &c.options.Seed, Blocks: []scripted.Block{call, call}}
	var differences, sums []float64
	var waits []time.Duration
	for client := 0; client < n; client++ {
		subject := c.subject.as(uint64(client))
		subject.counts = true
		events := c.play(subject, s)
		if client == 0 {
			n = subject.effort.affordable(n)
		}
		second := slices.IndexFunc(events, func(e trace.Event) bool { return e.Call == 2 })
		if second < 0 {
			return
		}
		one, two := gaps(events[:second]), gaps(events[second:])
		if len(one) != 1 || len(two) != 1 {
			return
		}
		waits = append(waits, one[0], two[0])
		a, b := first.place(one[0]), first.place(two[0])
		differences, sums = append(differences, fraction(a-b)), append(sums, fraction(a+b))
	}
	c.played++
	together := fmt.Sprintf("the first waits of two calls of %d clients are drawn together", n)
	c.alike(s, "herd", 1, together, "differences", differences)
	c.alike(s, "herd", 1, together, "sums", sums)
	c.twins(s, first, waits)
}

// twins keeps a finding if waits of different clients or calls are the same to the
// nanosecond where chance makes no two so: they come from one draw.
func (c *search) twins(s *scripted.Script, w spread, waits []time.Duration) {
	n := len(waits)
	if pairs := n * n / 2; w.high-w.low < 10*time.Duration(pairs) { // or else more than a tenth of a pair is due
		return
	}
	slices.Sort(waits)
	distinct := len(slices.Compact(waits))
	if same := n - distinct; same > 10 && !c.strange() {
		r, _ := verdict.Named("herd")
		c.keep(s, nil, verdict.Findings{{Rule: r, Attempt: 1, What: fmt.Sprintf("of the first waits of two calls of %d clients %d are the same as another's: they are drawn once for both", n/2, same)}})
	}
}

// strange reports whether the waits of many clients have been found to be at odds
// with their windows.
func (c *search) strange() bool {
	return c.found["no-jitter"] != nil || c.found["herd"] != nil || c.found["biased-jitter"] != nil
}

// alike keeps a finding if places, modulo 1, are not spread evenly.
func (c *search) alike(s *scripted.Script, rule string, attempt int, what, of string, u []float64) {
	slices.SortFunc(u, cmp.Compare[float64])
	if d := evenness(u); d > dkw(len(u)) {
		r, _ := verdict.Named(rule)
		c.keep(s, nil, verdict.Findings{{Rule: r, Attempt: attempt, What: fmt.Sprintf("%s: their %s lie %.3f from an even spread, and chance explains %.3f", what, of, d, dkw(len(u)))}})
	}
}

// low returns the wait before the i-th wait, from 0, where it does not depend on
// chance.
func low(p retry.Policy, i int) time.Duration {
	if i == 0 {
		return 0
	}
	d, _ := backoff(p, i, 0)
	return d
}

// as returns the subject as another client.
func (s Subject) as(client uint64) Subject {
	next := s
	if s.model != nil {
		next.model = func(e Env, m retry.CompletionModel) retry.CompletionModel { e.Client = client; return s.model(e, m) }
	}
	if s.do != nil {
		next.do = func(e Env) Do { e.Client = client; return s.do(e) }
	}
	return next
}

// gaps returns the times between each failure and the next attempt.
func gaps(events trace.Trace) (out []time.Duration) {
	seen := look(events).attempts
	for i := 1; i < len(seen); i++ {
		out = append(out, seen[i].start-seen[i-1].end)
	}
	return out
}

// spread is what all clients waited after an attempt, and between what bounds
// they should have.
type spread struct {
	low, high time.Duration
	waits     []time.Duration
}

// even reports whether the i-th waits, from 0, should lie evenly between their
// bounds.
func (s spread) even(p retry.Policy, i int) bool {
	return s.high-s.low >= time.Microsecond && (p.Jitter != retry.JitterDecorrelated || i == 0) &&
		(p.Cap != retry.CapAfterJitter || s.high < p.MaxDelay)
}

// place is where in its window a wait lies, from 0 to 1.
func (s spread) place(wait time.Duration) float64 {
	return float64(wait-s.low) / float64(s.high-s.low)
}

// moved reports whether waits in which all clients agree lie at different places
// of their windows: then chance moves them, the same chance for all.
func moved(all []spread) bool {
	var places []float64
	for _, s := range all {
		if slices.Min(s.waits) == slices.Max(s.waits) && s.high-s.low >= time.Microsecond {
			places = append(places, s.place(s.waits[0]))
		}
	}
	return len(places) > 1 && slices.Max(places)-slices.Min(places) > 1e-3
}

// chances asks whether the waits of all clients are spread over their windows.
func (c *search) chances(s *scripted.Script, p retry.Policy, all []spread) {
	together := moved(all)
	for i, w := range all {
		c.chance(s, p, i, w, together)
	}
}

// chance asks it of the i-th waits. moved says that waits in which all agree
// move.
func (c *search) chance(s *scripted.Script, p retry.Policy, i int, w spread, moved bool) {
	waits, low, high, n := w.waits, w.low, w.high, len(w.waits)
	say := func(rule string, level verdict.Level, format string, args ...any) {
		r, _ := verdict.Named(rule)
		f := verdict.Finding{Rule: r, Level: level, Attempt: i + 1, What: fmt.Sprintf("wait %d of %d clients that failed together: ", i+1, n) + fmt.Sprintf(format, args...)}
		c.keep(s, nil, verdict.Findings{f})
	}
	sorted := slices.Sorted(slices.Values(waits))
	if p.Jitter != retry.JitterDecorrelated || i == 0 {
		if least := sorted[0]; least < low {
			say("early-retry", verdict.Violation, "one is %v, and not %v at least", least, low)
		}
		if most := sorted[n-1]; most > high {
			say("over-wait", verdict.Violation, "one is %v, and not %v at most", most, high)
		}
	}
	distinct := len(slices.Compact(slices.Clone(sorted)))
	switch {
	case distinct == 1 && p.Jitter == retry.JitterNone:
		say("no-jitter", verdict.Deviation, "all are %v, as the policy says", waits[0])
	case high-low < time.Microsecond:
	case distinct == 1 && !moved && c.steady(s, p, waits[0]):
		say("no-jitter", verdict.Violation, "all are %v, where the policy spreads them over %v to %v", waits[0], low, high)
	case distinct == 1:
		say("herd", verdict.Violation, "all are %v, though other attempts wait otherwise: the clients draw the same chance", waits[0])
	case w.even(p, i):
		if value, times := commonest(sorted); times > 3 {
			say("biased-jitter", verdict.Violation, "%d are exactly %v, and there are %d different ones", times, value, distinct)
		} else if d := distance(sorted, low, high); d > dkw(n) {
			say("biased-jitter", verdict.Violation, "they lie %.3f from an even spread over %v to %v, and chance explains %.3f", d, low, high, dkw(n))
		}
	}
}

// steady reports whether a client waits as if there were no chance: the same
// scenario with another seed gives the same wait.
func (c *search) steady(s *scripted.Script, p retry.Policy, wait time.Duration) bool {
	for seed := uint64(101); seed < 104; seed++ {
		low, high := backoff(p, 1, 0)
		for _, w := range c.waitsOf(s, p, seed) {
			if wait >= low && wait <= high && w >= low && w <= high && w != wait {
				return false
			}
		}
	}
	return true
}

// waitsOf returns the waits of a client of its own, with a seed of its own.
func (c *search) waitsOf(s *scripted.Script, p retry.Policy, seed uint64) []time.Duration {
	if c.subject.delay == nil {
		other := *s
		other.Seed = &seed
		return gaps(c.play(c.subject.as(seed), &other))
	}
	f := c.subject.delay(Env{Policy: p, Seed: seed, Client: seed, Notify: func(int, error, time.Duration) {}, sources: new(atomic.Uint64)})
	return []time.Duration{f(1)}
}

// commonest returns the value that stands most often in a sorted list.
func commonest(sorted []time.Duration) (value time.Duration, times int) {
	run := 0
	for i, d := range sorted {
		if i == 0 || d != sorted[i-1] {
			run = 0
		}
		if run++; run > times {
			value, times = d, run
		}
	}
	return value, times
}

// distance returns how far sorted values are from the uniform distribution over
// [low, high]: the largest difference of the distribution functions.
func distance(sorted []time.Duration, low, high time.Duration) float64 {
	out := 0.0
	for i, d := range sorted {
		u := min(max(float64(d-low)/float64(high-low), 0), 1)
		out = max(out, math.Abs(u-float64(i)/float64(len(sorted))), math.Abs(float64(i+1)/float64(len(sorted))-u))
	}
	return out
}

// independent asks whether clients, and the waits of one client, draw anew: if
// they do, the differences and the sums of their places in the window, modulo 1,
// are spread evenly.
func (c *search) independent(s *scripted.Script, p retry.Policy, all []spread) {
	if c.strange() {
		return
	}
	for i, w := range all {
		if !w.even(p, i) {
			continue
		}
		var clients, pairs, attempts, mirrored []float64
		for j, wait := range w.waits {
			here := w.place(wait)
			if j%2 == 1 {
				other := w.place(w.waits[j-1])
				clients, pairs = append(clients, fraction(here-other)), append(pairs, fraction(here+other))
			}
			if i > 0 && all[i-1].even(p, i-1) {
				before := all[i-1].place(all[i-1].waits[j])
				attempts, mirrored = append(attempts, fraction(here-before)), append(mirrored, fraction(here+before))
			}
		}
		together := fmt.Sprintf("the waits of %d pairs of clients are drawn together", len(clients))
		c.alike(s, "herd", i+1, together, "differences", clients)
		c.alike(s, "herd", i+1, together, "sums", pairs)
		if len(attempts) > 0 {
			together = fmt.Sprintf("waits %d and %d of %d clients are drawn together", i, i+1, len(attempts))
			c.alike(s, "repeated-jitter", i+1, together, "differences", attempts)
			c.alike(s, "repeated-jitter", i+1, together, "sums", mirrored)
		}
	}
}

// walk asks whether each wait of a decorrelated walk is drawn between the base and
// three times the one before, and capped: apart where that was the cap. The waits
// after it that are below the cap lie evenly then, and as many are at the cap as
// the windows reach beyond it.
func (c *search) walk(s *scripted.Script, p retry.Policy, all []spread) {
	if c.strange() {
		return
	}
	for _, atCap := range []bool{false, true} {
		var places []float64
		n, capped, due := 0, 0, 0.0
		for i := 1; i < len(all); i++ {
			for j, wait := range all[i].waits {
				before := all[i-1].waits[j]
				low, high := p.BaseDelay, times3(max(before, p.BaseDelay))
				top := high
				if p.MaxDelay > 0 {
					top = min(high, p.MaxDelay)
				}
				if atCap != (p.MaxDelay > 0 && before >= p.MaxDelay) || top-low < time.Microsecond {
					continue
				}
				n++
				due += float64(high-top) / float64(high-low)
				if p.MaxDelay > 0 && wait >= p.MaxDelay {
					capped++
				} else {
					places = append(places, float64(wait-low)/float64(top-low))
				}
			}
		}
		c.walked(s, atCap, n, capped, due, places)
	}
}

// walked asks it of n waits, of which some are at the cap, where so many are due,
// and the others at these places of their windows.
func (c *search) walked(s *scripted.Script, atCap bool, n, capped int, due float64, places []float64) {
	r, _ := verdict.Named("biased-jitter")
	where := "below the cap"
	if atCap {
		where = "at the cap"
	}
	say := func(format string, args ...any) {
		c.keep(s, nil, verdict.Findings{{Rule: r, Attempt: 2, What: fmt.Sprintf("%d waits after one %s: ", n, where) + fmt.Sprintf(format, args...)}})
	}
	slices.SortFunc(places, cmp.Compare[float64])
	d, chance := evenness(places), among(len(places))
	switch off := math.Abs(float64(capped)-due) / float64(max(n, 1)); {
	case off > among(n):
		say("%d are at the cap, where %.0f are due, and chance explains %.0f more or less", capped, due, among(n)*float64(n))
	case d > chance:
		say("those below the cap lie %.3f from an even spread between the base and three times the wait before, and chance explains %.3f", d, chance)
	}
}

// among is dkw for n values that are there by chance: it holds for every n at once
// that there may be.
func among(n int) float64 {
	return math.Sqrt(math.Log(2*float64(max(n, 1))*measured*4/alpha) / (2 * float64(max(n, 1))))
}

func fraction(x float64) float64 { return x - math.Floor(x) }

// evenness returns how far sorted values are from the uniform distribution over
// [0, 1).
func evenness(sorted []float64) float64 {
	out := 0.0
	for i, u := range sorted {
		out = max(out, math.Abs(u-float64(i)/float64(len(sorted))), math.Abs(float64(i+1)/float64(len(sorted))-u))
	}
	return out
}
