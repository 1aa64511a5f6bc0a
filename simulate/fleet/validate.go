package fleet

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/retrykit/retrykit/retry"
)

// The limits of a scenario.
const (
	maxIntervals = 1_000_000
	stepBytes    = 8 * 30 // of the series of the run or of a group
	maxGroups    = 255
	maxControls  = 10_000
	// maxMemory is the most that a run may need for its clients, its series and
	// its queue, in bytes.
	maxMemory = 4 << 30
	// clientBytes is what a client takes: its slot and its event.
	clientBytes = 48
)

// Part is a part of a scenario, for the place of a problem.
type Part string

const (
	PartScenario Part = "scenario"
	PartGroup    Part = "group"
	PartArrival  Part = "arrival"
	PartServer   Part = "server"
	PartLimiter  Part = "limiter"
	PartFault    Part = "fault"
	PartChange   Part = "change"
)

// Problem is what is wrong with a part of a scenario.
type Problem struct {
	Part  Part
	Index int    // of the group, limiter, fault or change, from 0
	Sub   int    // of the arrival in its group, from 0
	Field string // as a scenario file has it, such as "queue"; may be empty
	Text  string
}

// Error returns the place and the problem in one line.
func (p *Problem) Error() string {
	place := string(p.Part)
	switch p.Part {
	case PartGroup, PartLimiter, PartFault, PartChange:
		place += fmt.Sprintf(" %d", p.Index+1)
	case PartArrival:
		place = fmt.Sprintf("group %d: arrival %d", p.Index+1, p.Sub+1)
	}
	if p.Field != "" {
		place += ": " + p.Field
	}
	return "fleet: " + place + ": " + p.Text
}

// Validate returns every problem, joined; each is a [*Problem]. So is what asks
// for too much: 255 groups are allowed, 5,000 faults and changes, fewer than
// 1,000,000 intervals, and what takes 4 GiB of memory.
func (sc *Scenario) Validate() error {
	c := checker{sc: sc}
	c.scenario()
	for i := range sc.Groups {
		c.group(i)
	}
	c.server()
	for i := range sc.Limiters {
		c.limiter(i)
	}
	for i := range sc.Faults {
		c.fault(i)
	}
	for i := range sc.Changes {
		c.change(i)
	}
	if len(c.problems) == 0 {
		c.memory()
	}
	return errors.Join(c.problems...)
}

// priorities returns the priorities in use, the highest first.
func (sc *Scenario) priorities() []int {
	var out []int
	for i := range sc.Groups {
		out = append(out, sc.Groups[i].Priority)
	}
	slices.SortFunc(out, func(a, b int) int { return cmp.Compare(b, a) })
	return slices.Compact(out)
}

// checker collects problems.
type checker struct {
	sc       *Scenario
	problems []error
	part     Part
	index    int
	sub      int
}

func (c *checker) at(p Part, index, sub int) { c.part, c.index, c.sub = p, index, sub }

func (c *checker) fail(field, format string, args ...any) {
	c.problems = append(c.problems, &Problem{c.part, c.index, c.sub, field, fmt.Sprintf(format, args...)})
}

// want adds a problem unless it holds.
func (c *checker) want(ok bool, field, format string, args ...any) {
	if !ok {
		c.fail(field, format, args...)
	}
}

func (c *checker) dist(field string, d Dist) {
	if err := d.Validate(); err != nil {
		c.fail(field, "%v", err)
	}
}

func (c *checker) share(field string, s Share, most Share) {
	c.want(s >= 0 && s <= most, field, "%v is outside 0%% to %v", s, most)
}

// String returns the share as a percentage.
func (s Share) String() string {
	text := fmt.Sprintf("%d", s/10_000)
	if rest := max(s, -s) % 10_000; rest != 0 {
		text += fmt.Sprintf(".%04d", rest)
		for text[len(text)-1] == '0' {
			text = text[:len(text)-1]
		}
	}
	return text + "%"
}

func (c *checker) scenario() {
	c.at(PartScenario, 0, 0)
	sc := c.sc
	c.want(sc.Horizon > 0, "for", "is %v: say how long to simulate, such as 10m", sc.Horizon)
	c.want(sc.Interval >= 0, "every", "is negative: %v", sc.Interval)
	if interval := cmp.Or(sc.Interval, time.Second); interval > 0 {
		steps := int64(sc.Horizon / interval)
		c.want(steps < maxIntervals, "every", "%v in %v makes %d steps, %d are allowed", interval, sc.Horizon, steps, maxIntervals)
		series := float64(steps) * float64(len(sc.Groups)+1) * stepBytes
		c.want(series <= maxMemory, "every", "%v in %v makes %d steps of %d groups, which would take %s of memory, %s are allowed", interval, sc.Horizon, steps, len(sc.Groups), bytesText(series), bytesText(maxMemory))
	}
	c.want(len(sc.Groups) > 0, "clients", "there are none: nothing would happen")
	c.want(len(sc.Groups) <= maxGroups, "clients", "%d groups, %d are allowed", len(sc.Groups), maxGroups)
	c.want(2*(len(sc.Faults)+len(sc.Changes)) <= maxControls, "fault", "%d faults and changes, %d are allowed", len(sc.Faults)+len(sc.Changes), maxControls/2)
	sources := 0
	for i := range sc.Groups {
		sources += len(sc.Groups[i].Arrivals)
	}
	c.want(sources <= maxSources, "arrive", "%d arrivals, %d are allowed", sources, maxSources)
	c.want(sc.Prices.In >= 0 && sc.Prices.Out >= 0, "price", "is negative")
	c.share("recovery", sc.Recovery.Share, Whole)
	c.want(sc.Recovery.Window >= 0, "recovery", "window is negative: %v", sc.Recovery.Window)
}

func (c *checker) group(i int) {
	g := &c.sc.Groups[i]
	c.at(PartGroup, i, 0)
	c.want(g.Clients >= 0, "clients", "%d: want at least 1", g.Clients)
	c.want(len(g.Arrivals) > 0, "arrive", "nothing says when calls begin")
	c.policy("policy", g.Policy)
	for _, p := range g.Outer {
		c.policy("over", p)
		c.want(p.AttemptTimeout == 0, "over", "an outer policy has no attempt timeout in a simulation: bound the call with a deadline")
	}
	c.want(len(g.Outer) <= purposes-int(forHop3)-2, "over", "%d layers around, %d are allowed", len(g.Outer), purposes-int(forHop3)-2)
	c.want(g.Deadline >= 0, "deadline", "is negative: %v", g.Deadline)
	c.want(g.TokensIn.Low >= 0 && g.TokensIn.High >= g.TokensIn.Low, "tokens", "in=%d..%d is no range", g.TokensIn.Low, g.TokensIn.High)
	c.want(g.TokensOut.Low >= 0 && g.TokensOut.High >= g.TokensOut.Low, "tokens", "out=%d..%d is no range", g.TokensOut.Low, g.TokensOut.High)
	if err := g.Pace.Validate(); err != nil {
		c.fail("pace", "%v", err)
	}
	c.want(g.PaceBy <= PerClient, "pace", "a pace of a single call paces nothing: use client, process or fleet")
	c.want(g.PaceBy != PerProcess || g.PaceOf > 0, "pace", "how many clients has a process?")
	c.want(g.Pace == (retry.Pace{}) || !c.sc.Server.Contention, "pace", "a contended row has no pacing")
	c.want(g.MaxTokens >= 0, "tokens", "max=%d is negative", g.MaxTokens)
	c.limit("budget", g.Limit)
	for k := range g.Arrivals {
		c.at(PartArrival, i, k)
		c.arrival(&g.Arrivals[k])
	}
}

func (c *checker) policy(field string, p retry.Policy) {
	if err := p.Validate(); err != nil {
		c.fail(field, "%v", err)
	}
}

func (c *checker) limit(field string, l Limit) {
	set := 0
	var err error
	if l.Budget != nil {
		set++
		err = errors.Join(err, l.Budget.Validate())
	}
	if l.Breaker != nil {
		set++
		err = errors.Join(err, l.Breaker.Validate())
	}
	if l.Rate != nil {
		set++
		err = errors.Join(err, l.Rate.Validate())
	}
	if l.Throttle != nil {
		set++
		err = errors.Join(err, l.Throttle.Validate())
	}
	if err != nil {
		c.fail(field, "%v", err)
	}
	c.want(set <= 1, field, "one of budget, breaker and throttle, not several")
	c.want(set == 1 || l == (Limit{}), field, "a scope without a budget, breaker or throttle")
	c.want(l.Scope <= PerCall, field, "unknown scope %d", l.Scope)
	if l.Scope == PerProcess && l.Process < 1 {
		c.fail(field, "how many clients has a process?")
	}
}

func (c *checker) arrival(a *Arrival) {
	c.want(a.From >= 0, "from", "is negative: %v", a.From)
	c.want(a.From < c.sc.Horizon || c.sc.Horizon <= 0, "from", "%v is not before the horizon of %v", a.From, c.sc.Horizon)
	switch a.Kind {
	case Poisson, Uniform:
		c.profile(a)
	case Burst:
		c.want(a.Size >= 0, "n", "%d calls", a.Size)
		c.want(a.Every >= 0, "every", "is negative: %v", a.Every)
	case Closed:
		c.dist("think", a.Think)
		c.want(a.Think != Dist{} || c.takesTime(), "think", "a client that does not think, on a server that takes no time, calls without end at one moment")
	case Recorded, Sessions:
		c.recording(a)
	default:
		c.fail("", "unknown kind %d", a.Kind)
	}
}

// takesTime reports whether a request takes any time.
func (c *checker) takesTime() bool {
	s := &c.sc.Server
	return s.Service != Dist{} || s.Rate > 0 || s.Hop != Dist{} || s.PerConcurrent > 0
}

func (c *checker) profile(a *Arrival) {
	c.want(len(a.Steps) > 0, "rate", "there is none")
	var most Rate
	for k, s := range a.Steps {
		c.want(s.Rate >= 0, "rate", "is negative")
		c.want(s.At >= 0, "rate", "its time is negative: %v", s.At)
		c.want(k == 0 || s.At > a.Steps[k-1].At, "rate", "the step at %v does not come after the one at %v", s.At, a.Steps[max(k-1, 0)].At)
		c.want(s.Rate <= 1e9*PerSecond, "rate", "more than 1e9 per second: calls are nanoseconds apart at least")
		c.want(!s.Ramp || k+1 < len(a.Steps), "rate", "the ramp at %v leads nowhere: another step must follow", s.At)
		most = max(most, s.Rate)
	}
	c.want(most > 0 || len(a.Steps) == 0, "rate", "is 0: no call would ever begin")
}

func (c *checker) recording(a *Arrival) {
	c.want(len(a.Log) > 0, "recording", "is empty")
	for k, r := range a.Log {
		switch {
		case r.At < 0:
			c.fail("recording", "record %d begins before the recording: %v", k+1, r.At)
		case k > 0 && r.At < a.Log[k-1].At:
			c.fail("recording", "record %d at %v comes after one at %v: sort it by time", k+1, r.At, a.Log[k-1].At)
		case r.In < 0 || r.Out < 0 || r.Latency < 0:
			c.fail("recording", "record %d has a negative number", k+1)
		case r.Session < 0 || r.Session >= len(a.Log):
			c.fail("recording", "record %d has session %d: number them from 0", k+1, r.Session)
		default:
			continue
		}
		return
	}
}

func (c *checker) server() {
	s := &c.sc.Server
	c.at(PartServer, 0, 0)
	c.want(s.Workers >= 0, "workers", "%d: want at least 1", s.Workers)
	c.want(s.Rate >= 0 && s.Rate <= 1e9*PerSecond, "rate", "want more than 0 and at most 1e9 per second")
	c.want(s.Rate == 0 || s.Workers == 0, "rate", "a server has workers or a rate, not both")
	c.want(s.Queue >= 0, "queue", "%d: want 0 or more", s.Queue)
	c.want(s.PerConcurrent >= 0, "per-concurrent", "is negative: %v", s.PerConcurrent)
	c.want(s.PerConcurrent == 0 || s.Rate == 0, "per-concurrent", "goes with workers, not with a rate")
	c.dist("service", s.Service)
	c.dist("network", s.Hop)
	if s.Retry != nil {
		c.dist("retry-after", *s.Retry)
	}
	c.share("failure", s.Failure, Whole)
	if s.Contention {
		plain := Server{Hop: s.Hop, Contention: true}
		c.want(*s == plain && len(c.sc.Limiters) == 0, "contention", "a contended row has no workers, queue, limits or failures")
		c.want(s.Hop != Dist{}, "network", "a contended row needs a network, or every write would succeed")
	}
}

func (c *checker) limiter(i int) {
	l := &c.sc.Limiters[i]
	c.at(PartLimiter, i, 0)
	c.want(l.Kind <= SlidingWindow, "", "unknown kind %d", l.Kind)
	c.want(l.Limit > 0, "limit", "is %d: want at least 1", l.Limit)
	c.want(l.Window > 0, "window", "is %v", l.Window)
	c.want(l.Burst >= 0, "burst", "is negative: %d", l.Burst)
	c.want(l.Burst == 0 || l.Kind == TokenBucket, "burst", "only a token bucket has one")
	c.want(l.Key <= ByClient, "key", "unknown key %d", l.Key)
	c.want(!l.Reserve || l.Tokens, "reserve", "only a limit of tokens has something to reserve")
	if l.Window > 0 {
		c.want(max(l.Limit, l.Burst) < math.MaxInt64/4/int64(l.Window), "limit", "%d in %v is too large to count", l.Limit, l.Window)
	}
}

// within checks the time of a fault or a change.
func (c *checker) within(field string, from, length time.Duration) {
	c.want(from >= 0, field, "is negative: %v", from)
	c.want(length >= 0, "for", "is negative: %v", length)
	if c.sc.Horizon > 0 {
		c.want(from < c.sc.Horizon, field, "%v is not before the horizon of %v", from, c.sc.Horizon)
	}
}

func (c *checker) fault(i int) {
	f := &c.sc.Faults[i]
	c.at(PartFault, i, 0)
	c.within("from", f.From, f.For)
	c.want(f.For != 0, "for", "is 0: a fault takes some time")
	switch f.Kind {
	case Brownout:
		c.share("capacity", f.Capacity, Whole)
		c.want(c.sc.Server.Workers > 0 || c.sc.Server.Rate > 0 || f.Capacity == 0, "capacity", "the server has no workers and no rate, so its capacity is without bound")
	case Slow:
		c.want(f.Factor > 0 && f.Factor <= 1000*Whole, "factor", "want a factor above 0, and at most 1000")
	case Errors:
		c.share("transient", f.Transient, Whole)
		c.share("throttled", f.Throttled, Whole)
		c.share("permanent", f.Permanent, Whole)
		sum := f.Transient + f.Throttled + f.Permanent + c.sc.Server.Failure
		c.want(sum <= Whole, "errors", "the shares make %v, with the server's own failures", sum)
		c.want(f.Transient+f.Throttled+f.Permanent > 0, "errors", "no share is given")
	case Outage, Refusal:
	default:
		c.fail("", "unknown kind %d", f.Kind)
	}
}

func (c *checker) change(i int) {
	ch := &c.sc.Changes[i]
	c.at(PartChange, i, 0)
	c.within("at", ch.At, ch.For)
	if ch.Group != "" {
		known := slices.ContainsFunc(c.sc.Groups, func(g Group) bool { return g.Name == ch.Group })
		c.want(known, "group", "there are no clients %q", ch.Group)
	}
	switch ch.Kind {
	case SetPolicy:
		c.policy("policy", ch.Policy)
	case SetLimit:
		c.limit("budget", ch.Limit)
	case Shed:
		c.share("share", ch.Share, Whole)
	case Scale:
		c.want(ch.Share >= 0 && ch.Share <= 1000*Whole, "capacity", "want 0%% to 100000%%")
		c.want(c.sc.Server.Workers > 0 || c.sc.Server.Rate > 0, "capacity", "the server has no workers and no rate, so its capacity is without bound")
	case Ramp:
		c.share("from", ch.Share, Whole)
		c.want(ch.For > 0, "for", "a ramp takes some time")
	case RetriesOff, EmptyQueue:
	default:
		c.fail("", "unknown kind %d", ch.Kind)
	}
}

// memory refuses what would not fit.
func (c *checker) memory() {
	sc := c.sc
	clients, most, largest := 0.0, 0.0, 0
	for i := range sc.Groups {
		g := &sc.Groups[i]
		before := clients
		for _, a := range g.Arrivals {
			switch {
			case a.Kind == Closed, a.Kind == Burst && a.Size == 0:
				clients += float64(max(g.Clients, 1))
			case a.Kind == Burst:
				clients += float64(a.Size)
			}
		}
		if l := g.Limit; l.Scope == PerClient && l != (Limit{}) {
			clients += 5 * float64(max(g.Clients, 1)) // a bucket is five times a client
		}
		if clients-before > most {
			most, largest = clients-before, i
		}
	}
	c.at(PartGroup, largest, 0)
	if need := clients * clientBytes; need > maxMemory || clients > math.MaxUint32/2 {
		c.fail("clients", "%.0f clients at once would take %s of memory, %s are allowed", clients, bytesText(need), bytesText(maxMemory))
		return
	}
	if sc.Server.Queue == Unbounded {
		if need := c.queueBytes(); need > maxMemory {
			c.at(PartServer, 0, 0)
			c.fail("queue", "is unbounded, and the load is past the capacity: it could take %s of memory, %s are allowed (give it a bound)", bytesText(need), bytesText(maxMemory))
		}
	}
}

// queueBytes estimates the longest that an unbounded queue gets: all attempts
// of the open loops that the capacity does not take.
func (c *checker) queueBytes() float64 {
	sc := c.sc
	offered := 0.0
	for i := range sc.Groups {
		g := &sc.Groups[i]
		attempts := float64(min(max(g.Policy.MaxAttempts, 1), 100))
		if g.Policy.AttemptTimeout == 0 {
			attempts = 1 // nobody sends another while the first one waits
		}
		for _, p := range g.Outer {
			attempts *= float64(min(max(p.MaxAttempts, 1), 100))
		}
		for _, a := range g.Arrivals {
			most := Rate(0)
			for _, s := range a.Steps {
				most = max(most, s.Rate)
			}
			offered += float64(most) / million * attempts
		}
	}
	capacity := float64(sc.Server.Rate) / million
	if mean := sc.Server.Service.Mean().Seconds(); sc.Server.Workers > 0 && mean > 0 {
		capacity = float64(sc.Server.Workers) / mean
	} else if sc.Server.Rate == 0 {
		return 0 // no request waits
	}
	return max(offered-capacity, 0) * sc.Horizon.Seconds() * (8 + clientBytes)
}

func bytesText(n float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	k := 0
	for n >= 1024 && k < len(units)-1 {
		n /= 1024
		k++
	}
	return fmt.Sprintf("%.3g %s", n, units[k])
}
