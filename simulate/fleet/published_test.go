package fleet

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/retry"
)

const ms = time.Millisecond

// occ is the model of contention: n clients want one write each.
func occ(n int, p retry.Policy) Scenario {
	return Scenario{
		Horizon:  time.Hour,
		Interval: time.Hour,
		Groups:   []Group{{Clients: n, Arrivals: []Arrival{{Kind: Burst}}, Policy: p}},
		Server:   Server{Contention: true, Hop: Normal(10*ms, 2*ms)},
	}
}

// occPolicies are those of the article. Its delay after the k-th failure is
// min(2000, 5·2^k) ms, so the base is 10 ms; the decorrelated one begins at 5.
var occPolicies = []struct {
	name   string
	policy retry.Policy
}{
	{"none", retry.Policy{MaxAttempts: retry.Unlimited}},
	{"exponential", retry.Policy{MaxAttempts: retry.Unlimited, BaseDelay: 10 * ms, MaxDelay: 2 * time.Second}},
	{"equal", retry.Policy{MaxAttempts: retry.Unlimited, BaseDelay: 10 * ms, MaxDelay: 2 * time.Second, Jitter: retry.JitterEqual}},
	{"full", retry.Policy{MaxAttempts: retry.Unlimited, BaseDelay: 10 * ms, MaxDelay: 2 * time.Second, Jitter: retry.JitterFull}},
	{"decorrelated", retry.Policy{MaxAttempts: retry.Unlimited, BaseDelay: 5 * ms, MaxDelay: 2 * time.Second, Jitter: retry.JitterDecorrelated}},
}

func TestPublishedContention(t *testing.T) {
	section("Contention: exponential backoff and jitter", "AWS Architecture Blog, \"Exponential Backoff And Jitter\" (2015): N clients write one row with optimistic concurrency. The expected figures are those of its simulator, run 1000 times each with the standard errors it gives; writes count as calls, reads do not. The model has no capacity, so \"none\" finishes first: never rank policies by this time alone.")
	type cell struct{ ms, msSE, calls, callsSE float64 }
	table := []struct {
		n     int
		cells []cell
	}{
		{1, []cell{{40, 0, 1, 0}, {40, 0, 1, 0}, {40, 0, 1, 0}, {40, 0, 1, 0}, {40, 0, 1, 0}}},
		{2, []cell{{82.1, .2, 3, 0}, {91.8, .2, 3, 0}, {89.2, .2, 3, 0}, {86.6, .2, 3, 0}, {92.2, .2, 3, 0}}},
		{5, []cell{{206.7, .3, 14.94, .01}, {353, .8, 14.92, .01}, {308, 1.1, 14.79, .02}, {250, 1.4, 14.27, .03}, {254, 1.7, 13.77, .03}}},
		{10, []cell{{379.9, 1.1, 50.9, .13}, {3484, 41, 50.8, .13}, {736, 6, 42.5, .08}, {464, 3.3, 38.9, .07}, {433, 2.8, 37.6, .08}}},
		{20, []cell{{600.7, 1.8, 152.1, .41}, {14380, 90, 149.6, .44}, {1646, 15, 108.1, .13}, {1014, 9, 100.1, .11}, {822, 6, 101.3, .15}}},
		{50, []cell{{1140.8, 1.4, 690.9, .56}, {36430, 100, 624.2, .91}, {4229, 18, 347.3, .18}, {2895, 18, 332.8, .15}, {2202, 16, 374.7, .41}}},
		{100, []cell{{2028.6, 1.3, 2421.9, .97}, {63500, 121, 1855.8, 1.9}, {6602, 20, 812.3, .25}, {4908, 16, 795.7, .22}, {4588, 22, 1002.5, .88}}},
	}
	for _, line := range table {
		for k, p := range occPolicies {
			var took, calls measured
			play(t, occ(line.n, p.policy), repeat(30, 1000), func(r *Result) {
				require.Equal(t, int64(line.n), r.Total.Succeeded)
				took.add(r.LastEnd.Seconds() * 1000)
				calls.add(float64(r.Total.Attempts()))
			})
			c := line.cells[k]
			if line.n <= 2 {
				assert.Zero(t, calls.se(), "always the same number of calls")
			}
			if line.n == 1 {
				assert.InEpsilon(t, 4, took.deviation(), .5, "the sum of four normals")
			}
			// The figures are rounded to the last digit shown.
			took.within(t, c.ms, 4*math.Hypot(took.se(), c.msSE)+half(c.ms), "N=%d %s: ms until all are done", line.n, p.name)
			calls.within(t, c.calls, 4*math.Hypot(calls.se(), c.callsSE)+.05, "N=%d %s: calls", line.n, p.name)
		}
	}
}

// half is half of the last digit that is shown of a time.
func half(x float64) float64 {
	if x < 1000 {
		return .5
	}
	return 5
}

// constantFailure is one client whose attempts fail with probability p.
func constantFailure(p float64, clients int, policy retry.Policy, limit Limit) Scenario {
	return Scenario{
		Horizon:  200 * time.Second,
		Interval: 200 * time.Second,
		Groups:   []Group{{Clients: clients, Arrivals: poisson(1000 * PerSecond), Policy: policy, Limit: limit}},
		Server:   Server{Failure: share(p)},
	}
}

func budget(b retry.Budget) Limit { return Limit{Budget: &b, Scope: PerClient} }

func TestPublishedBudgets(t *testing.T) {
	section("Retry budgets under a constant failure probability", "Attempts per call, and successes in per cent, of one client whose attempts fail with probability p: an independent implementation of each rule, 200 000 calls (M. Brooker, \"Fixing retries with token buckets and circuit breakers\", 2022; AWS SDKs before and since 2026; gRPC A6; Google SRE, \"Handling Overload\"). In the saturated branch the closed forms are 1+d for a deposit d per call, and 1/(1-d(1-p)) for one per success.")
	const T = retry.Token
	brooker := retry.PerCallBudget(5*T, T/10)
	brooker.Above = T
	ps := []float64{.05, .1, .2, .3, .5, .75, .9, 1}
	for _, tt := range []struct {
		name      string
		n         int
		limit     Limit
		throttled bool
		attempts  []float64
		success   []float64 // 0: not published
	}{
		{"fixed n=3", 3, Limit{}, false, []float64{1.052, 1.110, 1.239, 1.389, 1.748, 2.314, 2.711, 3}, []float64{99.99, 99.9, 99.2, 97.3, 87.5, 57.7, 27.1, 0}},
		{"per call .1, bucket 5, n=4", 4, budget(brooker), false, []float64{1.052, 1.093, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1}, []float64{0, 98.4, 88, 77.2, 55, 27.7, 11.1, 0}},
		{"per success .1, n=4", 4, budget(retry.PerSuccessBudget(5*T, T/10)), false, []float64{1.052, 1.092, 1.087, 1.075, 1.053, 1.026, 1.010, 1}, []float64{0, 98.2, 86.9, 75.4, 52.7, 25.6, 10.2, 0}},
		{"AWS before 2026", 3, budget(retry.AWSLegacyBudget()), false, []float64{1.053, 1.111, 1.240, 1.390, 1.253, 1.072, 1.023, 1.001}, []float64{0, 99.9, 99.2, 97.3, 62.8, 26.8, 10.3, 0}},
		{"AWS 2026, transient", 3, budget(retry.AWSBudget()), false, []float64{1.053, 1.111, 1.240, 1.168, 1.072, 1.024, 1.008, 1}, []float64{0, 99.9, 99.2, 81.8, 53.7, 25.5, 10, 0}},
		{"AWS 2026, throttling", 3, budget(retry.AWSBudget()), true, []float64{1.053, 1.110, 1.241, 1.390, 1.201, 1.067, 1.023, 1.001}, []float64{0, 99.9, 99.2, 97.3, 60.2, 26.6, 10.2, 0}},
		{"gRPC 10/0.1, n=4", 4, budget(retry.GRPCBudget(10*T, T/10)), false, []float64{1.052, 1.020, 1, 1, 1, 1, 1, 1}, []float64{99.95, 91.8, 80.1, 0, 0, 0, 0, 0}},
		{"10 % of the calls of 10 s, n=3", 3, budget(retry.RatioBudget(T/10, 10*time.Second)), false, []float64{1.054, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1}, []float64{0, 99, 88.1, 77.2, 55, 27.6, 10.9, 0}},
	} {
		for k, p := range ps {
			sc := constantFailure(p, 1, fixed(tt.n), tt.limit)
			if tt.throttled {
				sc.Server.Failure = 0
				sc.Faults = []Fault{{Kind: Errors, For: sc.Horizon, Throttled: share(p)}}
			}
			var attempts, success measured
			play(t, sc, repeat(1, 10), func(r *Result) {
				attempts.add(float64(r.Total.Attempts()) / float64(r.Total.Calls))
				success.add(100 * float64(r.Total.Succeeded) / float64(r.Total.Calls))
			})
			// The published figure is one such run, rounded to three digits. The
			// breaker-like gRPC budget at its threshold varies by more.
			spread := 4*math.Hypot(oneRun(p, tt.n), attempts.se()) + .001
			if tt.name[:4] == "gRPC" && p == .1 {
				spread = .01
			}
			attempts.within(t, tt.attempts[k], spread, "%s, p=%v: attempts", tt.name, p)
			if tt.success[k] > 0 {
				success.within(t, tt.success[k], 4*100*math.Sqrt(p*(1-p)/2e5)+.06+100*spread*(1-p), "%s, p=%v: successes %%", tt.name, p)
			}
		}
	}
}

// oneRun is the standard error of the mean number of attempts of 200 000 calls
// with at most n attempts each.
func oneRun(p float64, n int) float64 {
	var mean, square float64
	for k := 1; k <= n; k++ {
		prob := math.Pow(p, float64(k-1)) * (1 - p)
		if k == n {
			prob = math.Pow(p, float64(n-1))
		}
		mean += float64(k) * prob
		square += float64(k*k) * prob
	}
	return math.Sqrt(max(square-mean*mean, 0) / 2e5)
}

func TestPublishedFailureRates(t *testing.T) {
	section("Retries against a failure rate", "M. Brooker, \"Fixing retries with token buckets and circuit breakers\" (2022), whose figures are graphs; the numbers are those of its simulator: 100 clients, 1e5 calls, attempts per unique call and successes in per cent. Its circuit breaker makes no retries while a tenth of a client's last 100 attempts failed. How many attempts it looks at is not published: 100 fits all four rows.")
	const T = retry.Token
	adaptive := retry.PerCallBudget(5*T, T/10)
	adaptive.Above = T
	for _, tt := range []struct {
		p              float64
		load1, success float64
		load3, three   float64
		loadA, adapted float64
		loadB, broken  float64
	}{
		{.01, 1, 99, 1.010, 100, 1.010, 100, 1.010, 99.99},
		{.1, 1, 89.95, 1.111, 99.996, 1.094, 98.43, 1.034, 92.95},
		{.3, 1, 70.09, 1.421, 99.19, 1.104, 77.37, 1.000, 70.12},
		{.5, 1, 50.39, 1.873, 93.74, 1.104, 55.08, 1.000, 49.88},
	} {
		for _, policy := range []struct {
			name          string
			n             int
			limit         Limit
			load, success float64
		}{{"no retries", 1, Limit{}, tt.load1, tt.success}, {"3 retries", 4, Limit{}, tt.load3, tt.three}, {"adaptive 10 %", 4, budget(adaptive), tt.loadA, tt.adapted},
			{"breaker 10 %", 4, Limit{Rate: &retry.RateBreaker{Share: T / 10, Of: 100}, Scope: PerClient}, tt.loadB, tt.broken}} {
			sc := constantFailure(tt.p, 100, fixed(policy.n), policy.limit)
			sc.Horizon /= 2
			sc.Interval /= 2
			var load, success measured
			play(t, sc, repeat(1, 10), func(r *Result) {
				load.add(float64(r.Total.Attempts()) / float64(r.Total.Calls))
				success.add(100 * float64(r.Total.Succeeded) / float64(r.Total.Calls))
			})
			load.within(t, policy.load, 4*1.5*math.Hypot(oneRun(tt.p, policy.n), load.se())+.0015, "p=%v, %s: load", tt.p, policy.name)
			success.within(t, policy.success, 4*100*math.Sqrt(tt.p*(1-tt.p)/1e5)+.15, "p=%v, %s: successes %%", tt.p, policy.name)
		}
	}
}

// What backoff is for: it does not take load off in an open loop, where new
// calls come whatever happens. It does in a closed one, where a client that
// waits makes no new calls.
func TestPublishedWhatBackoffIsFor(t *testing.T) {
	section("What is backoff for?", "M. Brooker, \"What is backoff for?\" (2022). Open loop: backoff changes nothing about the load (published 1.873 and 1.878 at p=.5). Closed loop of 100 serial clients: the same amplification, fewer first tries. Expected of the latter is the closed form clients / (A·s + wait), where s is the time of an attempt, A the attempts of a call and wait the mean of its backoffs.")
	backoff := retry.Policy{MaxAttempts: 4, BaseDelay: 100 * ms}
	for _, p := range []float64{.5, .75} {
		amplification := (1 - math.Pow(p, 4)) / (1 - p)
		waits := .1*p + .2*p*p + .4*p*p*p
		for _, tt := range []struct {
			name   string
			policy retry.Policy
			wait   float64
		}{{"no backoff", fixed(4), 0}, {"backoff", backoff, waits}} {
			var openLoad, closedLoad, calls measured
			sc := constantFailure(p, 100, tt.policy, Limit{})
			// No call is cut off: the last ones have time to end.
			sc.Groups[0].Arrivals[0].Steps = append(sc.Groups[0].Arrivals[0].Steps, Step{At: sc.Horizon - time.Second})
			play(t, sc, repeat(4, 20), func(r *Result) {
				openLoad.add(float64(r.Total.Attempts()) / float64(r.Total.Calls))
			})
			openLoad.matches(t, amplification, "open loop, p=%v, %s: attempts per call", p, tt.name)
			sc.Groups[0].Arrivals = []Arrival{{Kind: Closed}}
			sc.Server.Service = Exponential(50 * ms)
			play(t, sc, repeat(4, 20), func(r *Result) {
				closedLoad.add(float64(r.Total.Attempts()) / float64(r.Total.Calls))
				calls.add(float64(r.Total.Calls) / r.Horizon.Seconds())
			})
			closedLoad.within(t, amplification, 4*closedLoad.se()+.005, "closed loop, p=%v, %s: attempts per call", p, tt.name)
			want := 100 / (amplification*.05 + tt.wait)
			calls.within(t, want, 4*calls.se()+want*.005, "closed loop, p=%v, %s: first tries per second", p, tt.name)
		}
	}
}

func TestPublishedCollapse(t *testing.T) {
	section("Congestive collapse", "M. Brooker's simple_collapse_sim: service takes 1 s and 10 ms for each concurrent request, clients wait 3 s and try three times; 40 calls a second, 80 for five seconds. Published: of 200 runs without backoff 143 collapse and 57 recover, none in between; with jittered backoff none collapses. The mean goodput hides that.")
	collapse := func(p retry.Policy) Scenario {
		p.AttemptTimeout = 3 * time.Second
		return Scenario{
			Horizon: 80 * time.Second,
			Groups: []Group{{Policy: p, Arrivals: []Arrival{{Kind: Poisson, Steps: []Step{
				{Rate: 40 * PerSecond}, {At: 20 * time.Second, Rate: 80 * PerSecond}, {At: 25 * time.Second, Rate: 40 * PerSecond},
			}}}}},
			Server: Server{Service: Fixed(time.Second), PerConcurrent: 10 * ms, Hop: Exponential(100 * ms)},
		}
	}
	var without, with measured
	between := 0
	tail := func(r *Result) (goodput float64) {
		for _, i := range r.Series[60:] {
			goodput += float64(i.Succeeded) / 20
		}
		return goodput
	}
	play(t, collapse(fixed(3)), repeat(80, 400), func(r *Result) {
		g := tail(r)
		collapsed := 0.
		if g < 4 {
			collapsed = 1
		} else if g < 34 {
			between++
		}
		without.add(collapsed)
	})
	without.comparable(t, 143./200, math.Sqrt(.715*.285/200), "no backoff: share of runs that collapse")
	assert.LessOrEqual(t, between, without.n/50, "runs end in one of two ways")
	play(t, collapse(retry.Policy{MaxAttempts: 3, BaseDelay: 20 * time.Second, Jitter: retry.JitterFull}), repeat(40, 200), func(r *Result) {
		collapsed := 0.
		if tail(r) < 34 {
			collapsed = 1
		}
		with.add(collapsed)
	})
	with.within(t, 0, 0, "jittered backoff, U(0, 20 s) first: share of runs that collapse")
}

// hotOS is the web application of the HotOS paper.
func hotOS(lambda Rate, p retry.Policy) Scenario {
	p.AttemptTimeout = time.Second
	return Scenario{
		Horizon: 600 * time.Second,
		Groups:  []Group{{Arrivals: poisson(lambda * PerSecond), Policy: p}},
		Server:  Server{Rate: 300 * PerSecond, Queue: Unbounded},
		Faults:  []Fault{{Kind: Outage, From: 20 * time.Second, For: 10 * time.Second}},
	}
}

func TestPublishedMetastability(t *testing.T) {
	section("Metastable failure", "N. Bronson et al., \"Metastable Failures in Distributed Systems\" (HotOS '21): 300 requests a second of capacity, a timeout of one second, one retry, an outage of ten seconds. The paper: at 280 calls a second the system then stays at 560 attempts and no goodput; it is stable below 150. The other rows are those of an independent simulation with one seed; the recovery law is (B - C·T)/(C - n·lambda), B the backlog when the outage ends.")
	once := fixed(2)
	goodput := func(r *Result) (good, attempts float64) {
		for _, i := range r.Series[560:590] {
			good += float64(i.Succeeded) / 30
			attempts += float64(i.Attempts()) / 30
		}
		return good, attempts
	}
	T := retry.Token
	perSuccess := hotOS(280, once)
	b := retry.PerSuccessBudget(10*T, T/10)
	perSuccess.Groups[0].Limit = Limit{Budget: &b}
	drop := hotOS(280, once)
	drop.Server.DropExpired = true
	lifo := hotOS(280, once)
	lifo.Server.LIFO = true
	jittered := once
	jittered.BaseDelay, jittered.Jitter = 2*time.Second, retry.JitterFull
	for _, tt := range []struct {
		name            string
		sc              Scenario
		good, attempts  float64
		recovery, slack float64 // seconds; recovery < 0: never
		oneSeed         float64 // 1: the figure is that of one run
	}{
		{"280/s, one retry", hotOS(280, once), 0, 560, -1, 0, 0},
		{"280/s, no retry", hotOS(280, fixed(1)), 280, 280, 125, 5, 0},
		{"280/s, 10 % budget per success", perSuccess, 280, 280, 131, 0, 1},
		{"280/s, expired work dropped", drop, 280, 280, 22, 0, 1},
		{"280/s, LIFO", lifo, 280, 280, 0, 1, 0},
		{"280/s, jittered backoff", hotOS(280, jittered), 0, 560, -1, 0, 0},
		{"140/s, one retry", hotOS(140, once), 140, 140, 118, 5, 0},
	} {
		var good, attempts, recovery measured
		play(t, tt.sc, repeat(6, 40), func(r *Result) {
			g, a := goodput(r)
			good.add(g)
			attempts.add(a)
			d, ok := r.Recovery()
			assert.Equal(t, tt.recovery >= 0, ok, "%s: recovered", tt.name)
			recovery.add(d.Seconds())
			assert.Equal(t, tt.recovery < 0, r.Collapsed, tt.name)
		})
		good.within(t, tt.good, 4*good.se()+.02*tt.good, "%s: goodput per second, nine minutes later", tt.name)
		attempts.within(t, tt.attempts, 4*attempts.se()+.02*tt.attempts, "%s: attempts per second", tt.name)
		if tt.recovery >= 0 {
			recovery.within(t, tt.recovery, 4*recovery.se()+tt.slack+2*tt.oneSeed*recovery.deviation(), "%s: recovery, s", tt.name)
		}
	}
	// The threshold is C/n.
	for _, tt := range []struct {
		lambda    Rate
		recovered bool
	}{{130, true}, {145, true}, {160, false}, {200, false}} {
		sc := hotOS(tt.lambda, once)
		sc.Horizon = 2000 * time.Second
		r, err := Run(context.Background(), sc, 1)
		require.NoError(t, err)
		assert.Equal(t, !tt.recovered, r.Collapsed, "%d/s", tt.lambda)
	}
}

func TestPublishedHysteresis(t *testing.T) {
	section("Hysteresis", "Load up and down in steps of 300 s: one worker with exponential service at 100 a second, a queue of 1000, a timeout of one second. With three attempts the goodput follows the load up to the capacity, and on the way down stays at nothing until the load is below a third of it; without retries, with a budget or LIFO there is no loop.")
	stairs := func(n int, change func(*Scenario)) Scenario {
		sc := Scenario{
			Interval: 10 * time.Second,
			Groups:   []Group{{Policy: retry.Policy{MaxAttempts: n, AttemptTimeout: time.Second}}},
			Server:   Server{Workers: 1, Service: Exponential(10 * ms), Queue: 1000},
		}
		var steps []Step
		for _, load := range []Rate{20, 30, 40, 60, 80, 95, 120, 95, 80, 60, 40, 30, 20} {
			steps = append(steps, Step{At: sc.Horizon, Rate: load * PerSecond})
			sc.Horizon += 300 * time.Second
		}
		sc.Groups[0].Arrivals = []Arrival{{Kind: Poisson, Steps: steps}}
		if change != nil {
			change(&sc)
		}
		return sc
	}
	T := retry.Token
	for _, tt := range []struct {
		name string
		sc   Scenario
		down [3]float64 // goodput at 80, 40 and 20 on the way down, as a share of the load
	}{
		{"3 attempts", stairs(3, nil), [3]float64{0, 0, 1}},
		{"3 attempts, jittered backoff", stairs(3, func(sc *Scenario) {
			sc.Groups[0].Policy.BaseDelay, sc.Groups[0].Policy.Jitter = time.Second, retry.JitterFull
		}), [3]float64{0, 0, 1}},
		{"1 attempt", stairs(1, nil), [3]float64{1, 1, 1}},
		{"3 attempts, 10 % budget", stairs(3, func(sc *Scenario) {
			b := retry.PerSuccessBudget(10*T, T/10)
			sc.Groups[0].Limit = Limit{Budget: &b}
		}), [3]float64{1, 1, 1}},
		{"3 attempts, LIFO", stairs(3, func(sc *Scenario) { sc.Server.LIFO = true }), [3]float64{1, 1, 1}},
	} {
		var up, at80, at40, at20 measured
		play(t, tt.sc, repeat(2, 8), func(r *Result) {
			goodput := func(step int) float64 { // of the second half of a step
				var calls, ok int64
				for _, i := range r.Series[step*30+15 : step*30+30] {
					calls += i.Calls
					ok += i.Succeeded
				}
				return float64(ok) / float64(calls)
			}
			up.add(goodput(3)) // 60/s
			at80.add(goodput(8))
			at40.add(goodput(10))
			at20.add(goodput(12))
		})
		up.within(t, 1, .03, "%s: goodput per call, 60/s going up", tt.name)
		at80.within(t, tt.down[0], .1, "%s: 80/s going down", tt.name)
		at40.within(t, tt.down[1], .1, "%s: 40/s going down", tt.name)
		at20.within(t, tt.down[2], .05, "%s: 20/s going down", tt.name)
	}
}

func TestPublishedLimiterLockUp(t *testing.T) {
	section("Rate limits that count what they reject", "600 requests a minute, a burst of 600 after ten minutes, full jitter of .5 s up to 8 s; goodput 30 to 50 minutes later. Published figures are means of 5 seeds. A limit is locked if attempts exceed it, n·lambda > L, and the trigger fills its window; where rejections are free nothing locks.")
	llm := func(lambda float64, n int, l Limiter) Scenario {
		l.Limit, l.Window = 600, time.Minute
		return Scenario{
			Horizon:  time.Hour,
			Interval: 10 * time.Second,
			Groups: []Group{{
				Policy: retry.Policy{MaxAttempts: n, BaseDelay: 500 * ms, MaxDelay: 8 * time.Second, Jitter: retry.JitterFull},
				Arrivals: []Arrival{
					{Kind: Poisson, Steps: []Step{{Rate: Rate(lambda * million)}}},
					{Kind: Burst, Size: 600, From: 10 * time.Minute},
				},
			}},
			Limiters: []Limiter{l},
		}
	}
	counting := Limiter{Kind: SlidingWindow, CountRejected: true}
	telling := counting
	telling.Tell = true
	for _, tt := range []struct {
		name   string
		l      Limiter
		n      int
		lambda float64
		want   float64
	}{
		{"token bucket", Limiter{}, 3, 5, 5}, {"token bucket", Limiter{}, 3, 9, 9}, {"token bucket", Limiter{}, 1, 9, 9},
		{"sliding window, rejections free", Limiter{Kind: SlidingWindow}, 3, 5, 5}, {"sliding window, rejections free", Limiter{Kind: SlidingWindow}, 3, 9, 9},
		{"fixed minute, rejections free", Limiter{Kind: FixedWindow}, 3, 5, 5}, {"fixed minute, rejections free", Limiter{Kind: FixedWindow}, 3, 9, 9},
		{"sliding window counting rejections", counting, 1, 5, 5}, {"sliding window counting rejections", counting, 1, 9, 8.9},
		{"sliding window counting rejections", counting, 3, 3, 3}, {"sliding window counting rejections", counting, 3, 3.3, 3.3},
		{"sliding window counting rejections", counting, 3, 5, 0}, {"sliding window counting rejections", counting, 3, 9, 0},
		{"the same, Retry-After honoured", telling, 3, 5, 0}, {"the same, Retry-After honoured", telling, 3, 9, 0},
	} {
		var goodput measured
		play(t, llm(tt.lambda, tt.n, tt.l), repeat(3, 5), func(r *Result) {
			var ok int64
			for _, i := range r.Series[240:360] {
				ok += i.Succeeded
			}
			goodput.add(float64(ok) / 1200)
		})
		goodput.within(t, tt.want, 4*goodput.se()+.02*tt.lambda, "%s, n=%d, %v/s: goodput per second", tt.name, tt.n, tt.lambda)
	}
}

func TestPublishedHerd(t *testing.T) {
	section("The herd after an outage", "20 000 clients fail at once; then the service takes 1000 requests a second (a token bucket of 100) and turns the rest away. Base .5 s, cap 32 s, 12 attempts. Peak is the most attempts in 100 ms, from .1 s on. Published figures are those of an independent simulation with one seed, whose capacity is described as 1000 a second and no further, so what depends on its burst is compared within half a point. For the fixed schedule it gives a peak of 58 803: three waves in one window of 100 ms, by the rounding of floating-point times; a window of 100 ms holds two.")
	type figures struct{ calls, peak, p50, gaveUp float64 }
	base := retry.Policy{MaxAttempts: 12, BaseDelay: 500 * ms, MaxDelay: 32 * time.Second}
	with := func(j retry.Jitter) retry.Policy { p := base; p.Jitter = j; return p }
	sdk := with(retry.JitterBetween(250, 0))
	sdk.MaxDelay = 8 * time.Second
	for _, tt := range []struct {
		name   string
		policy retry.Policy
		want   figures
	}{
		{"fixed 50 ms", retry.Policy{MaxAttempts: 12, Schedule: retry.Constant, BaseDelay: 50 * ms}, figures{11.8, 40_000, .2, 96.8}},
		{"exponential", base, figures{11.7, 19_900, 31.5, 94}},
		{"+-20 %", with(retry.JitterBetween(200, 200)), figures{6.2, 9985, 28, 0}},
		{"x[.75,1], cap 8 s", sdk, figures{7.2, 15_856, 22.1, 0}},
		{"equal", with(retry.JitterEqual), figures{5.9, 7943, 12.8, 0}},
		{"full", with(retry.JitterFull), figures{6, 5932, 9.9, 0}},
		{"decorrelated", with(retry.JitterDecorrelated), figures{5.2, 2541, 10.3, 0}},
	} {
		sc := Scenario{
			Horizon:  10 * time.Minute,
			Interval: 100 * ms,
			Groups:   []Group{{Clients: 20_000, Arrivals: []Arrival{{Kind: Burst}}, Policy: tt.policy}},
			Limiters: []Limiter{{Limit: 1000, Window: time.Second, Burst: 100}},
			Faults:   []Fault{{Kind: Refusal, For: ms}},
		}
		var calls, peak, p50, gaveUp measured
		play(t, sc, repeat(2, 10), func(r *Result) {
			calls.add(float64(r.Total.Attempts()) / 20_000)
			most := int64(0)
			for _, i := range r.Series[1:] {
				most = max(most, i.Attempts())
			}
			peak.add(float64(most))
			p50.add(r.Groups[0].Latency.Quantile(500_000).Seconds())
			gaveUp.add(float64(r.Total.GaveUp()) / 200)
		})
		calls.within(t, tt.want.calls, .05+.01*tt.want.calls+4*calls.se(), "%s: calls per client", tt.name)
		peak.within(t, tt.want.peak, .03*tt.want.peak+4*peak.se(), "%s: peak", tt.name)
		p50.within(t, tt.want.p50, .03*tt.want.p50+.06, "%s: median time to success, s", tt.name)
		gaveUp.within(t, tt.want.gaveUp, .5+4*gaveUp.se(), "%s: gave up, %%", tt.name)
	}
}
