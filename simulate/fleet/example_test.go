package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/simulate/fleet"
)

// An outage of ten seconds that does not end, and one that does because retries
// are paid for.
func ExampleRun() {
	sc := fleet.Scenario{
		Horizon: 5 * time.Minute,
		Groups: []fleet.Group{{
			Name:     "web",
			Arrivals: []fleet.Arrival{{Kind: fleet.Poisson, Steps: []fleet.Step{{Rate: 280 * fleet.PerSecond}}}},
			Policy:   retry.Policy{MaxAttempts: 2, AttemptTimeout: time.Second},
		}},
		Server: fleet.Server{Rate: 300 * fleet.PerSecond, Queue: 1000},
		Faults: []fleet.Fault{{Kind: fleet.Outage, From: time.Minute, For: 10 * time.Second}},
	}
	budget := retry.PerSuccessBudget(10*retry.Token, retry.Token/10)
	for _, limit := range []fleet.Limit{{}, {Budget: &budget}} {
		sc.Groups[0].Limit = limit
		r, err := fleet.Run(context.Background(), sc, 1)
		if err != nil {
			fmt.Println(err)
			return
		}
		d, ok := r.Recovery()
		fmt.Println("recovered:", ok, d, "collapsed:", r.Collapsed)
	}
	// Output:
	// recovered: false 0s collapsed: true
	// recovered: true 38s collapsed: false
}

func ExampleProblem() {
	sc := fleet.Scenario{
		Horizon: time.Minute,
		Groups:  []fleet.Group{{Arrivals: []fleet.Arrival{{Kind: fleet.Burst}}}},
		Faults:  []fleet.Fault{{Kind: fleet.Outage, From: 2 * time.Minute, For: time.Second}},
	}
	err := sc.Validate()
	var p *fleet.Problem
	fmt.Println(errors.As(err, &p), p.Part, p.Field)
	fmt.Println(err)
	// Output:
	// true fault from
	// fleet: fault 1: from: 2m0s is not before the horizon of 1m0s
}

func ExampleHistogram() {
	var a, b fleet.Histogram
	for ms := range 100 {
		a.Add(time.Duration(ms) * time.Millisecond)
	}
	b.Add(3 * time.Second)
	a.Merge(&b)
	fmt.Println(a.Count(), a.Quantile(fleet.Whole/2).Round(time.Millisecond), a.Max())
	// Output: 101 50ms 3s
}

func ExampleDist() {
	for _, d := range []fleet.Dist{fleet.Fixed(time.Second), fleet.Exponential(time.Second), fleet.Lognormal(40*time.Millisecond, 300*time.Millisecond)} {
		fmt.Println(d, d.Mean().Round(time.Millisecond))
	}
	// Output:
	// 1s 1s
	// exp:1s 1s
	// lognormal:p50=40ms,p99=300ms 58ms
}

func ExampleShare() {
	fmt.Println(fleet.Whole/8, fleet.Ratio(1, 3))
	// Output: 12.5% 33.3333%
}

func ExampleServer_Capacity() {
	s := fleet.Server{Workers: 20, Service: fleet.Exponential(50 * time.Millisecond)}
	fmt.Println(s.Capacity() / fleet.PerSecond)
	// Output: 400
}

// A limit of a provider that counts what it rejects, and clients that do not
// know: three attempts each are more than it lets through, so after one burst
// it lets nothing through any more.
func ExampleLimiter() {
	sc := fleet.Scenario{
		Horizon: time.Hour,
		Groups: []fleet.Group{{
			Policy: retry.Policy{MaxAttempts: 3, BaseDelay: 500 * time.Millisecond, MaxDelay: 8 * time.Second, Jitter: retry.JitterFull},
			Arrivals: []fleet.Arrival{
				{Kind: fleet.Poisson, Steps: []fleet.Step{{Rate: 5 * fleet.PerSecond}}},
				{Kind: fleet.Burst, Size: 600, From: 10 * time.Minute},
			},
		}},
		Limiters: []fleet.Limiter{{Kind: fleet.SlidingWindow, Limit: 600, Window: time.Minute, CountRejected: true}},
	}
	r, err := fleet.Run(context.Background(), sc, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("collapsed:", r.Collapsed)
	// Output: collapsed: true
}

// What is done about an outage, and who is served first.
func ExampleChange() {
	calls := []fleet.Arrival{{Kind: fleet.Uniform, Steps: []fleet.Step{{Rate: 50 * fleet.PerSecond}}}}
	sc := fleet.Scenario{
		Horizon: time.Minute,
		Groups: []fleet.Group{
			{Name: "people", Priority: 1, Arrivals: calls},
			{Name: "batch", Arrivals: calls},
		},
		Server:  fleet.Server{Workers: 8, Service: fleet.Fixed(100 * time.Millisecond), Queue: 10},
		Changes: []fleet.Change{{Kind: fleet.Shed, At: 30 * time.Second, Share: fleet.Whole, Below: 1}},
	}
	r, err := fleet.Run(context.Background(), sc, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, g := range r.Groups {
		fmt.Println(g.Name, fleet.Ratio(g.Succeeded, g.Calls) >= fleet.Whole/2)
	}
	// Output:
	// people true
	// batch false
}

// Where the attempts of clients that share a budget ended, what their tokens
// cost, and a step of the series.
func ExampleGroupResult_Binding() {
	budget := retry.PerSuccessBudget(10*retry.Token, retry.Token/10)
	sc := fleet.Scenario{
		Horizon:  time.Minute,
		Interval: 10 * time.Second,
		Groups: []fleet.Group{{
			Arrivals:  []fleet.Arrival{{Kind: fleet.Poisson, Steps: []fleet.Step{{Rate: 100 * fleet.PerSecond}}}},
			Policy:    retry.Policy{MaxAttempts: 3, BaseDelay: time.Second},
			Limit:     fleet.Limit{Budget: &budget, Scope: fleet.PerClient},
			TokensIn:  fleet.Count{Low: 1000, High: 2000},
			TokensOut: fleet.Count{Low: 300, High: 300},
		}},
		Limiters: []fleet.Limiter{{Kind: fleet.TokenBucket, Limit: 50, Window: time.Second, Key: fleet.ByAll}},
		Prices:   fleet.Prices{In: 3_000_000, Out: 15_000_000},
		Recovery: fleet.Recovery{Share: fleet.Whole / 2, Window: time.Second},
	}
	r, err := fleet.Run(context.Background(), sc, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	bound, _, attempts := r.Groups[0].Binding()
	var all fleet.Counts
	for _, step := range r.Series {
		all.Add(step.Counts)
	}
	fmt.Println(bound, attempts, all.Succeeded, all.Cost/1e12)
	// Output:
	// limit 3303 3047 27
}

// The kind of a distribution can be asked for.
func ExampleDistKind() {
	d := fleet.Exponential(time.Second)
	fmt.Println(d.Kind == fleet.IsExponential)
	// Output:
	// true
}

// Replaying what a service has seen.
func ExampleRecord() {
	log := []fleet.Record{{At: 0, In: 100, Out: 10, Answered: true}, {At: time.Second, Session: 1, In: 100, Out: 10, Answered: true}}
	sc := fleet.Scenario{
		Horizon: 10 * time.Second,
		Groups:  []fleet.Group{{Policy: retry.Policy{MaxAttempts: 1}, Arrivals: []fleet.Arrival{{Kind: fleet.Recorded, Log: log}}}},
	}
	r, err := fleet.Run(context.Background(), sc, 1)
	fmt.Println(r.Total.Succeeded, err)
	// Output:
	// 2 <nil>
}

// A sum of products that no queue is too long for.
func ExampleArea() {
	var waiting fleet.Area // requests times nanoseconds
	waiting.Add(10, uint64(time.Minute))
	waiting.Add(20, uint64(time.Minute))
	fmt.Println(waiting.Over(2*time.Minute)/1e6, "requests wait on the average")
	// Output:
	// 15 requests wait on the average
}
