package fleet

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/retrykit/retrykit/retry"
)

func drawTime(t *rapid.T, what string, most time.Duration) time.Duration {
	return time.Duration(rapid.Int64Range(0, int64(most/time.Millisecond)).Draw(t, what)) * time.Millisecond
}

func drawDist(t *rapid.T, what string) Dist {
	a, b := drawTime(t, what, time.Second)+1, drawTime(t, what, time.Second)
	return rapid.SampledFrom([]Dist{{}, Fixed(a), Exponential(a), Lognormal(a, a+b), Normal(a, b), Between(a, a+b)}).Draw(t, what)
}

func drawShare(t *rapid.T, what string) Share {
	return Share(rapid.SampledFrom([]int64{0, 1000, 100_000, 500_000, 900_000}).Draw(t, what))
}

func drawPolicy(t *rapid.T) retry.Policy {
	p := retry.Policy{
		MaxAttempts: rapid.SampledFrom([]int{0, 1, 2, 3, 5, 20}).Draw(t, "attempts"),
		BaseDelay:   drawTime(t, "base", time.Second),
		Jitter:      rapid.SampledFrom([]retry.Jitter{retry.JitterNone, retry.JitterFull, retry.JitterDecorrelated, retry.JitterAdditive}).Draw(t, "jitter"),
		MaxElapsed:  rapid.SampledFrom([]time.Duration{0, 0, time.Second, 5 * time.Second}).Draw(t, "elapsed"),
	}
	p.AttemptTimeout = rapid.SampledFrom([]time.Duration{0, 100 * time.Millisecond, time.Second}).Draw(t, "timeout")
	return p
}

func drawLimit(t *rapid.T) Limit {
	T := retry.Token
	var l Limit
	switch rapid.IntRange(0, 5).Draw(t, "limit") {
	case 0, 1:
		return l
	case 2:
		b := rapid.SampledFrom([]retry.Budget{retry.AWSBudget(), retry.GRPCBudget(10*T, T/10), retry.PerCallBudget(3*T, T/10), retry.RatioBudget(T/5, time.Second)}).Draw(t, "budget")
		l.Budget = &b
	case 3:
		l.Breaker = &retry.Breaker{Failures: 3, OpenFor: time.Second}
	case 4:
		l.Throttle = &retry.Throttle{Multiplier: 2 * T, Window: 5 * time.Second}
	case 5:
		l.Rate = &retry.RateBreaker{Share: T / 5, Of: 10}
	}
	l.Scope = Scope(rapid.IntRange(0, int(PerCall)).Draw(t, "scope"))
	l.Process = 2
	return l
}

// drawScenario draws a small scenario with everything in it.
func drawScenario(t *rapid.T) Scenario {
	sc := Scenario{Horizon: 20 * time.Second, Interval: rapid.SampledFrom([]time.Duration{0, 300 * time.Millisecond, time.Minute}).Draw(t, "interval")}
	for range rapid.IntRange(1, 3).Draw(t, "groups") {
		g := Group{
			Priority:   rapid.IntRange(0, 2).Draw(t, "priority"),
			Clients:    rapid.IntRange(1, 20).Draw(t, "clients"),
			Policy:     drawPolicy(t),
			Deadline:   rapid.SampledFrom([]time.Duration{0, 500 * time.Millisecond, 3 * time.Second}).Draw(t, "deadline"),
			Limit:      drawLimit(t),
			LateCounts: rapid.Bool().Draw(t, "late"),
			TokensIn:   Count{10, 20},
			TokensOut:  Count{0, 30},
			MaxTokens:  rapid.SampledFrom([]int64{0, 40}).Draw(t, "max tokens"),
		}
		if rapid.Bool().Draw(t, "paced") {
			g.Pace = retry.Pace{
				Requests:     retry.Rate{Limit: rapid.Int64Range(1, 50).Draw(t, "pace"), Per: time.Second},
				Concurrency:  rapid.IntRange(0, 3).Draw(t, "concurrency"),
				QueueTimeout: rapid.SampledFrom([]time.Duration{0, time.Second}).Draw(t, "queue timeout"),
			}
			g.PaceBy, g.PaceOf = Scope(rapid.IntRange(0, int(PerClient)).Draw(t, "pace by")), 3
		}
		for range rapid.IntRange(0, 2).Draw(t, "layers") {
			outer := drawPolicy(t)
			outer.AttemptTimeout = 0
			outer.MaxAttempts = min(outer.MaxAttempts, 3)
			g.Outer = append(g.Outer, outer)
		}
		g.Arrivals = rapid.SliceOfN(rapid.Custom(drawArrival), 1, 2).Draw(t, "arrivals")
		sc.Groups = append(sc.Groups, g)
	}
	sc.Server = Server{
		Workers: rapid.IntRange(0, 5).Draw(t, "workers"), Service: Exponential(drawTime(t, "service", 300*time.Millisecond) + time.Millisecond),
		Queue: rapid.SampledFrom([]int{0, 3, 100, Unbounded}).Draw(t, "queue"), LIFO: rapid.Bool().Draw(t, "lifo"),
		DropExpired: rapid.Bool().Draw(t, "drop"), Failure: drawShare(t, "failure"), Hop: drawDist(t, "hop"),
	}
	switch rapid.IntRange(0, 5).Draw(t, "kind of server") {
	case 0:
		sc.Server.Workers, sc.Server.Rate = 0, 20*PerSecond
	case 1:
		sc.Server.PerConcurrent = time.Millisecond
	case 2:
		hint := drawDist(t, "hint")
		sc.Server.Retry = &hint
	case 3:
		sc.Server = Server{Contention: true, Hop: Normal(10*time.Millisecond, time.Millisecond)}
		for i := range sc.Groups {
			sc.Groups[i].Pace = retry.Pace{}
		}
		return sc
	}
	for range rapid.IntRange(0, 2).Draw(t, "limiters") {
		sc.Limiters = append(sc.Limiters, Limiter{
			Kind: LimiterKind(rapid.IntRange(0, 2).Draw(t, "limiter")), Limit: rapid.Int64Range(1, 500).Draw(t, "rate"), Window: time.Second,
			Tokens: rapid.Bool().Draw(t, "tokens"), CountRejected: rapid.Bool().Draw(t, "count"), Key: Key(rapid.IntRange(0, 2).Draw(t, "key")), Tell: rapid.Bool().Draw(t, "tell"),
		})
	}
	for range rapid.IntRange(0, 2).Draw(t, "faults") {
		sc.Faults = append(sc.Faults, Fault{
			Kind: FaultKind(rapid.SampledFrom([]int{0, 1, 3, 4}).Draw(t, "fault")), From: drawTime(t, "from", 10*time.Second), For: drawTime(t, "for", 5*time.Second) + 1,
			Factor: 2 * Whole, Throttled: 100, Permanent: 200,
		})
	}
	for range rapid.IntRange(0, 3).Draw(t, "changes") {
		kinds := []ChangeKind{SetPolicy, SetLimit, RetriesOff, Shed, EmptyQueue, Ramp}
		sc.Changes = append(sc.Changes, Change{
			Kind: rapid.SampledFrom(kinds).Draw(t, "change"), At: drawTime(t, "at", 10*time.Second), For: drawTime(t, "for", 5*time.Second) + 1,
			Policy: drawPolicy(t), Limit: drawLimit(t), Share: drawShare(t, "share"),
		})
	}
	return sc
}

func drawArrival(t *rapid.T) Arrival {
	rate := Rate(rapid.IntRange(1, 30).Draw(t, "rate")) * PerSecond
	return rapid.SampledFrom([]Arrival{
		{Kind: Poisson, Steps: []Step{{Rate: rate}}},
		{Kind: Poisson, Steps: []Step{{Rate: rate, Ramp: true}, {At: 10 * time.Second, Rate: 2 * PerSecond}}},
		{Kind: Uniform, Steps: []Step{{Rate: rate}, {At: 5 * time.Second, Rate: 1}}},
		{Kind: Burst, Size: 30, From: time.Second},
		{Kind: Burst, Every: 3 * time.Second},
		{Kind: Closed, Think: Exponential(time.Second)},
		{Kind: Recorded, Log: []Record{{}, {At: 1, In: 5}, {At: time.Second, Out: 9}}},
		{Kind: Sessions, Log: []Record{{Session: 1}, {At: 1}, {At: time.Second, Session: 1, Latency: time.Millisecond}}},
	}).Draw(t, "arrival")
}

// Whatever the scenario: the simple queue gives the same result, and the
// numbers add up.
func TestAnyScenario(t *testing.T) {
	var retries, late, limited, dropped, unsent, denied int64
	rapid.Check(t, func(t *rapid.T) {
		sc := drawScenario(t)
		r, err := Run(context.Background(), sc, 3)
		require.NoError(t, err)
		twin, err := run(context.Background(), sc, 3, new(heapQueue))
		require.NoError(t, err)
		require.Equal(t, twin, r)
		addsUp(t, &sc, r)
		retries += r.Total.Retries
		late += r.Total.Late
		limited += r.Total.Limited
		dropped += r.Total.Dropped
		unsent += r.Total.Unsent
		denied += r.Total.Denied
	})
	for _, n := range []int64{retries, late, limited, dropped, unsent, denied} {
		assert.Positive(t, n, "the scenarios are vacuous")
	}
}

// addsUp checks what holds of every run.
func addsUp(t require.TestingT, sc *Scenario, r *Result) {
	c := r.Total
	open := c.Calls - c.Succeeded - c.GaveUp()
	require.GreaterOrEqual(t, open, int64(0), "more calls ended than began: %+v", c)
	ended := c.Succeeded - c.Late + c.Failed + c.Refused + c.Limited + c.Permanent + c.TimedOut + c.Unsent
	require.LessOrEqual(t, ended, c.Attempts(), "more attempts ended than began: %+v", c)
	require.LessOrEqual(t, c.Attempts()-ended, open+c.Late, "an attempt of a call that is over has not ended: %+v", c)
	require.LessOrEqual(t, c.Tries+c.Unstarted, c.Calls+c.Attempts())
	require.LessOrEqual(t, c.ServedLate+c.ServedFailed, 2*c.Served)
	var calls, successes, gaveUp int64
	var sum Counts
	for _, g := range r.Groups {
		calls += g.Calls
		successes += g.Latency.Count()
		gaveUp += g.GaveUp.Count()
		require.Equal(t, g.Succeeded, g.Latency.Count())
		require.Equal(t, g.Counts.GaveUp(), g.GaveUp.Count())
	}
	for _, i := range r.Series {
		sum.Add(i.Counts)
	}
	require.Equal(t, c, sum, "the series is the total")
	require.Equal(t, c.Calls, calls)
	last := r.Series[len(r.Series)-1]
	require.GreaterOrEqual(t, last.Queue, int64(0))
	require.GreaterOrEqual(t, last.Serving, int64(0))
	if w := sc.Server.Workers; w > 0 {
		require.LessOrEqual(t, last.Serving, int64(w))
	}
	if b := sc.Server.Queue; b != Unbounded {
		require.LessOrEqual(t, last.Queue, int64(b))
	}
	require.Equal(t, (sc.Horizon+max(r.Interval, 1)-1)/r.Interval, time.Duration(len(r.Series)))
}
