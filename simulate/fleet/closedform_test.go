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

// play runs a scenario for some seeds and hands each result over.
func play(t *testing.T, sc Scenario, seeds int, each func(*Result)) {
	t.Helper()
	for seed := range seeds {
		r, err := Run(context.Background(), sc, uint64(seed+1))
		require.NoError(t, err)
		each(r)
	}
}

func poisson(rate Rate) []Arrival { return []Arrival{{Kind: Poisson, Steps: []Step{{Rate: rate}}}} }

// fixed is a policy of n attempts with no wait.
func fixed(n int) retry.Policy { return retry.Policy{MaxAttempts: n} }

func share(p float64) Share { return Share(math.Round(p * million)) }

// Truncated attempts: with n attempts and failures with probability p a call
// takes (1-p^n)/(1-p) attempts and succeeds with 1-p^n.
func TestTruncatedAttempts(t *testing.T) {
	section("Closed form: truncated attempts", "With at most n attempts that fail with probability p each, a call makes (1-p^n)/(1-p) of them and succeeds with probability 1-p^n.")
	for _, tt := range []struct {
		p       float64
		n       int
		attempt float64
		success float64
	}{
		{.1, 3, 1.11, .999}, {.5, 3, 1.75, .875}, {.5, 5, 1.9375, .96875}, {.9, 10, 6.513216, .651322}, {.01, 2, 1.01, .9999},
	} {
		sc := Scenario{
			Horizon: 100 * time.Second,
			Groups:  []Group{{Arrivals: poisson(500 * PerSecond), Policy: fixed(tt.n)}},
			Server:  Server{Failure: share(tt.p)},
		}
		var attempts, success measured
		play(t, sc, repeat(10, 100), func(r *Result) {
			attempts.add(float64(r.Total.Attempts()) / float64(r.Total.Calls))
			success.add(float64(r.Total.Succeeded) / float64(r.Total.Calls))
		})
		attempts.matches(t, tt.attempt, "p=%v n=%d attempts", tt.p, tt.n)
		success.matches(t, tt.success, "p=%v n=%d success", tt.p, tt.n)
	}
	sc := Scenario{Horizon: time.Second, Server: Server{Failure: Whole},
		Groups: []Group{{Arrivals: poisson(100 * PerSecond), Policy: fixed(7)}}}
	play(t, sc, 1, func(r *Result) {
		assert.Equal(t, 7*r.Total.Calls, r.Total.Attempts(), "p=1: exactly n")
		assert.Equal(t, r.Total.Calls, r.Total.Exhausted)
	})
}

// Layers multiply: k loops of n attempts around one another make up to n^k.
func TestLayers(t *testing.T) {
	section("Closed form: layers", "k retry loops of n attempts around one another make (1-p^(n^k))/(1-p) attempts, n^k of them when nothing works: 64 for 4^3 (Google SRE), 243 for 3^5 (Amazon Builders' Library).")
	outer := func(n, k int) (layers []retry.Policy) {
		for range k - 1 {
			layers = append(layers, fixed(n))
		}
		return layers
	}
	for _, tt := range []struct {
		n, k int
		p    float64
	}{{3, 3, .9}, {2, 2, .5}, {3, 2, .7}, {4, 3, 1}, {3, 5, 1}} {
		sc := Scenario{
			Horizon: 20 * time.Second,
			Groups:  []Group{{Arrivals: poisson(200 * PerSecond), Policy: fixed(tt.n), Outer: outer(tt.n, tt.k)}},
			Server:  Server{Failure: share(tt.p)},
		}
		leaves := math.Pow(float64(tt.n), float64(tt.k))
		want := leaves
		if tt.p < 1 {
			want = (1 - math.Pow(tt.p, leaves)) / (1 - tt.p)
		}
		var attempts measured
		play(t, sc, repeat(10, 100), func(r *Result) {
			attempts.add(float64(r.Total.Attempts()) / float64(r.Total.Calls))
			if tt.p == 1 {
				assert.Equal(t, int64(leaves)*r.Total.Calls, r.Total.Attempts())
			}
		})
		attempts.matches(t, want, "%d layers of %d, p=%v", tt.k, tt.n, tt.p)
	}
}

// queueing plays a queue for long enough that its beginning does not count.
func queueing(lambda float64, s Server, policy retry.Policy) Scenario {
	return Scenario{
		Horizon:  4_000 * time.Second,
		Interval: 4_000 * time.Second,
		Groups:   []Group{{Arrivals: poisson(Rate(lambda * million)), Policy: policy}},
		Server:   s,
	}
}

func TestQueueMM1(t *testing.T) {
	section("Closed form: M/M/1", "The mean number in the system is rho/(1-rho).")
	for _, rho := range []float64{.5, .8} {
		var l, p99 measured
		play(t, queueing(10*rho, Server{Workers: 1, Service: Exponential(100 * time.Millisecond), Queue: Unbounded}, fixed(1)), repeat(20, 100), func(r *Result) {
			l.add(float64(r.Waiting.Over(r.Horizon)+r.Serving.Over(r.Horizon)) / million)
			p99.add(r.Groups[0].Latency.Quantile(990_000).Seconds() * 10)
		})
		l.matches(t, rho/(1-rho), "M/M/1 rho=%v: L", rho)
		want := math.Log(100) / (1 - rho)
		t.Logf("M/M/1 rho=%v: p99 of the time, in service times: measured %.4f expected %.4f", rho, p99.mean(), want)
		// The histogram's buckets are a 64th wide, and report their upper end.
		assert.InDelta(t, want*(1+1./256), p99.mean(), 4*p99.se()+want/128)
	}
}

func TestQueueMM1K(t *testing.T) {
	section("Closed form: M/M/1/K", "The share turned away is (1-rho) rho^K / (1-rho^(K+1)), and 1/(K+1) for rho=1.")
	for _, tt := range []struct {
		rho, blocked, l float64
		k               int
	}{{.8, .023493, 2.966314, 10}, {1, .090909, 5, 10}, {1.2, .192586, 0, 10}, {.95, .000298, 0, 100}} {
		var blocked, l measured
		play(t, queueing(10*tt.rho, Server{Workers: 1, Service: Exponential(100 * time.Millisecond), Queue: tt.k - 1}, fixed(1)), repeat(20, 100), func(r *Result) {
			blocked.add(float64(r.Total.Refused) / float64(r.Total.Calls))
			l.add(float64(r.Waiting.Over(r.Horizon)+r.Serving.Over(r.Horizon)) / million)
		})
		blocked.matches(t, tt.blocked, "M/M/1/%d rho=%v: blocked", tt.k, tt.rho)
		if tt.l > 0 {
			l.matches(t, tt.l, "M/M/1/%d rho=%v: L", tt.k, tt.rho)
		}
	}
}

func TestQueueMMc(t *testing.T) {
	section("Closed form: M/M/c", "Erlang B for the share turned away without a queue; Erlang C for the wait with one.")
	for _, tt := range []struct {
		c        int
		a        float64
		blocked  float64 // Erlang B
		waits    float64 // Erlang C
		waitTime float64 // in service times, of all
	}{{4, 3.2, .228145, .596432, .745541}, {100, 95, 0, .506457, .101291}} {
		server := Server{Workers: tt.c, Service: Exponential(100 * time.Millisecond)}
		if tt.blocked > 0 {
			var blocked measured
			play(t, queueing(10*tt.a, server, fixed(1)), repeat(12, 60), func(r *Result) {
				blocked.add(float64(r.Total.Refused) / float64(r.Total.Calls))
			})
			blocked.matches(t, tt.blocked, "M/M/%d/%d: Erlang B", tt.c, tt.c)
		}
		server.Queue = Unbounded
		sc := queueing(10*tt.a, server, fixed(1))
		if tt.c == 100 {
			sc.Horizon, sc.Interval = sc.Horizon/4, sc.Interval/4
		}
		var wait measured
		play(t, sc, repeat(12, 60), func(r *Result) {
			// Little: the mean wait is the mean queue over the rate.
			wait.add(float64(r.Waiting.Over(r.Horizon)) / million / tt.a)
		})
		wait.matches(t, tt.waitTime, "M/M/%d: Wq in service times", tt.c)
		t.Logf("M/M/%d: Erlang C from it %.6f, expected %.6f", tt.c, wait.mean()*(float64(tt.c)-tt.a), tt.waits)
	}
}

// The retrial queue: a client that is turned away comes back after an
// exponential time, for ever. The wait is the server's Retry-After, so the
// production decision passes it on. It is the feedback loop of retries with an
// exact answer (Falin, Templeton, "Retrial Queues", 1997).
func TestRetrialQueue(t *testing.T) {
	section("Closed form: the retrial queue", "Who is turned away comes back after an exponential time with rate theta (of the service rate), for ever: in orbit are rho/(1-rho) (lambda/theta + rho), attempts per call 1 + theta E[orbit]/lambda (Falin, Templeton, \"Retrial Queues\", 1997). It is the feedback of retries with an exact answer.")
	ever := retry.Policy{MaxAttempts: retry.Unlimited}
	for _, tt := range []struct{ rho, theta, orbit, attempts float64 }{
		{.5, 1, 1, 3}, {.8, 1, 6.4, 9}, {.8, .1, 35.2, 5.4}, {.9, 10, 8.91, 100},
	} {
		back := Exponential(time.Duration(1e8 / tt.theta))
		var attempts, orbit measured
		sc := queueing(10*tt.rho, Server{Workers: 1, Service: Exponential(100 * time.Millisecond), Retry: &back}, ever)
		if tt.theta == 10 {
			sc.Horizon, sc.Interval = sc.Horizon/2, sc.Interval/2
		}
		play(t, sc, repeat(12, 60), func(r *Result) {
			attempts.add(float64(r.Total.Attempts()) / float64(r.Total.Calls))
			// In orbit is who is neither served nor gone: from Little's law, by
			// the time that calls take.
			orbit.add(float64(r.Total.Retries) / r.Horizon.Seconds() / (10 * tt.theta))
		})
		attempts.matches(t, tt.attempts, "M/M/1/1 retrial rho=%v theta=%v: attempts", tt.rho, tt.theta)
		orbit.matches(t, tt.orbit, "M/M/1/1 retrial rho=%v theta=%v: orbit", tt.rho, tt.theta)
	}
	back := Exponential(100 * time.Millisecond)
	var attempts measured
	play(t, queueing(32, Server{Workers: 4, Service: Exponential(100 * time.Millisecond), Retry: &back}, ever), repeat(12, 60), func(r *Result) {
		attempts.add(float64(r.Total.Attempts()) / float64(r.Total.Calls))
	})
	attempts.matches(t, 2.716570, "M/M/4/4 retrial a=3.2 theta=1: attempts")
}
