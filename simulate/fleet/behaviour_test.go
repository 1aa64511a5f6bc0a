package fleet

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/retry"
)

// steady is ten calls a second, on the tenth of each second, to a server that
// takes 50 ms for each: every number of a run can be worked out by hand. The
// first call is at 100 ms.
func steady(change func(*Scenario)) Scenario {
	sc := Scenario{
		Horizon: 10 * time.Second,
		Groups: []Group{{
			Name:     "web",
			Clients:  2,
			Arrivals: []Arrival{{Kind: Uniform, Steps: []Step{{Rate: 10 * PerSecond}, {At: 9 * time.Second}}}},
			Policy:   fixed(1),
		}},
		Server: Server{Workers: 1, Service: Fixed(50 * time.Millisecond), Queue: Unbounded},
	}
	if change != nil {
		change(&sc)
	}
	return sc
}

// perSecond lists a count of each second.
func perSecond(r *Result, count func(Interval) int64) string {
	var out []int64
	for _, i := range r.Series {
		out = append(out, count(i))
	}
	return fmt.Sprint(out)
}

func succeeded(i Interval) int64 { return i.Succeeded }

func TestWeatherAndChanges(t *testing.T) {
	const s = time.Second
	fault := func(f Fault) func(*Scenario) {
		return func(sc *Scenario) { sc.Faults = []Fault{f} }
	}
	change := func(c ...Change) func(*Scenario) {
		return func(sc *Scenario) { sc.Changes = c }
	}
	both := func(f ...func(*Scenario)) func(*Scenario) {
		return func(sc *Scenario) {
			for _, each := range f {
				each(sc)
			}
		}
	}
	noQueue := func(sc *Scenario) { sc.Server.Queue = 0 }
	for _, tt := range []struct {
		name   string
		change func(*Scenario)
		want   string // successes of each second
		also   func(*testing.T, *Result)
	}{
		{"nothing happens", nil, "[9 10 10 10 10 10 10 10 10 1]", func(t *testing.T, r *Result) {
			assert.Equal(t, int64(90), r.Total.Succeeded)
			assert.Equal(t, int64(90*50*time.Millisecond), r.Total.Busy)
			assert.Equal(t, r.Serving, Area{0, uint64(r.Total.Busy)})
		}},
		{"outage: what waited is served afterwards, 20 a second", fault(Fault{Kind: Outage, From: 2 * s, For: 2 * s}), "[9 10 0 0 19 20 11 10 10 1]", nil},
		{"outage without a queue", both(fault(Fault{Kind: Outage, From: 2 * s, For: 2 * s}), noQueue), "[9 10 0 0 10 10 10 10 10 1]", func(t *testing.T, r *Result) {
			assert.Equal(t, int64(20), r.Total.Refused)
		}},
		{"refusal", fault(Fault{Kind: Refusal, From: 2 * s, For: 2 * s}), "[9 10 0 0 10 10 10 10 10 1]", func(t *testing.T, r *Result) {
			assert.Equal(t, int64(20), r.Total.Exhausted)
		}},
		{"slow: 150 ms each", fault(Fault{Kind: Slow, From: 2 * s, For: 2 * s, Factor: 3 * Whole}), "[9 10 6 7 17 10 10 10 10 1]", nil},
		{"brownout: half a worker is none", fault(Fault{Kind: Brownout, From: 2 * s, For: 2 * s, Capacity: Whole / 2}), "[9 10 0 0 19 20 11 10 10 1]", nil},
		{"brownout of a rate: turns of an eighth of a second", both(fault(Fault{Kind: Brownout, From: 2 * s, For: s, Capacity: Whole / 2}), func(sc *Scenario) {
			sc.Server = Server{Rate: 16 * PerSecond, Queue: Unbounded}
		}), "", func(t *testing.T, r *Result) {
			assert.Equal(t, int64(7), r.Series[2].Served, "the eighth ends with the second")
		}},
		{"errors, all of one kind", both(fault(Fault{Kind: Errors, From: 2 * s, For: 2 * s, Permanent: Whole}), func(sc *Scenario) {
			sc.Groups[0].Policy = fixed(2)
		}), "[9 10 0 0 10 10 10 10 10 1]", func(t *testing.T, r *Result) {
			assert.Equal(t, int64(20), r.Total.Ended)
			assert.Equal(t, int64(20), r.Total.Permanent)
		}},
		{"scaled to nothing for a while", change(Change{Kind: Scale, At: 2 * s, For: 2 * s}), "[9 10 0 0 19 20 11 10 10 1]", nil},
		{"everything shed", change(Change{Kind: Shed, At: 2 * s, For: 2 * s, Share: Whole}), "[9 10 0 0 10 10 10 10 10 1]", nil},
		{"only what is less important is shed", change(Change{Kind: Shed, At: 2 * s, For: 2 * s, Share: Whole, Below: 1}), "[9 10 0 0 10 10 10 10 10 1]", nil},
		{"what is important is not", both(change(Change{Kind: Shed, At: 2 * s, For: 2 * s, Share: Whole, Below: 1}), func(sc *Scenario) {
			sc.Groups[0].Priority = 1
		}), "[9 10 10 10 10 10 10 10 10 1]", nil},
		{"the queue emptied", both(fault(Fault{Kind: Outage, From: 2 * s, For: 2 * s}), change(Change{Kind: EmptyQueue, At: 3950 * time.Millisecond})), "[9 10 0 0 10 10 10 10 10 1]", func(t *testing.T, r *Result) {
			assert.Equal(t, int64(20), r.Total.Refused)
		}},
		{"retries off for a while", both(fault(Fault{Kind: Refusal, From: 2 * s, For: 3 * s}), change(Change{Kind: RetriesOff, At: 3 * s, For: s}), func(sc *Scenario) {
			sc.Groups[0].Policy = fixed(2)
		}), "", func(t *testing.T, r *Result) {
			assert.Equal(t, "[0 0 10 0 10 0 0 0 0 0]", perSecond(r, func(i Interval) int64 { return i.Retries }))
		}},
		{"another policy for the others only", both(fault(Fault{Kind: Refusal, From: 2 * s, For: 3 * s}), change(Change{Kind: SetPolicy, At: 3 * s, Policy: fixed(4), Group: "web"})), "", func(t *testing.T, r *Result) {
			assert.Equal(t, "[0 0 0 30 30 0 0 0 0 0]", perSecond(r, func(i Interval) int64 { return i.Retries }))
		}},
		{"a budget", both(fault(Fault{Kind: Refusal, From: 2 * s, For: 3 * s}), change(Change{Kind: SetLimit, At: 3 * s, Limit: Limit{Budget: &retry.Budget{Capacity: 3 * retry.Token, Cost: retry.Token}}}), func(sc *Scenario) {
			sc.Groups[0].Policy = fixed(2)
		}), "", func(t *testing.T, r *Result) {
			assert.Equal(t, "[0 0 10 3 0 0 0 0 0 0]", perSecond(r, func(i Interval) int64 { return i.Retries }))
			assert.Equal(t, int64(17), r.Total.Denied)
		}},
		{"a budget of each client", both(fault(Fault{Kind: Refusal, From: 2 * s, For: 3 * s}), func(sc *Scenario) {
			sc.Groups[0].Policy = fixed(2)
			sc.Groups[0].Limit = Limit{Budget: &retry.Budget{Capacity: 3 * retry.Token, Cost: retry.Token}, Scope: PerClient}
		}), "", func(t *testing.T, r *Result) {
			assert.Equal(t, int64(6), r.Total.Retries, "two clients")
		}},
		{"a budget of each call", both(fault(Fault{Kind: Refusal, From: 2 * s, For: s}), func(sc *Scenario) {
			sc.Groups[0].Policy = fixed(9)
			sc.Groups[0].Limit = Limit{Budget: &retry.Budget{Capacity: 3 * retry.Token, Cost: retry.Token}, Scope: PerCall}
		}), "", func(t *testing.T, r *Result) {
			assert.Equal(t, int64(30), r.Total.Retries, "three of each of ten calls")
		}},
		{"a breaker refuses first attempts", both(fault(Fault{Kind: Refusal, From: 2 * s, For: s}), func(sc *Scenario) {
			sc.Groups[0].Limit = Limit{Breaker: &retry.Breaker{Failures: 3, OpenFor: 5 * s}}
		}), "[9 10 0 0 0 0 0 8 10 1]", func(t *testing.T, r *Result) {
			assert.Equal(t, int64(3), r.Total.Refused)
			assert.Equal(t, int64(49), r.Total.Unstarted, "those of 2.3 s to 7.1 s")
		}},
		{"a ramp admits all in the end", both(change(Change{Kind: Ramp, At: 2 * s, For: 4 * s}), noQueue), "", func(t *testing.T, r *Result) {
			assert.Less(t, r.Series[2].Succeeded, int64(5))
			assert.GreaterOrEqual(t, r.Series[5].Succeeded, r.Series[2].Succeeded)
			assert.Equal(t, int64(10), r.Series[7].Succeeded)
		}},
		{"a deadline ends the call, in an attempt", both(fault(Fault{Kind: Outage, From: 2 * s, For: 2 * s}), func(sc *Scenario) { sc.Groups[0].Deadline = s }), "", func(t *testing.T, r *Result) {
			assert.Positive(t, r.Total.Expired)
			assert.Equal(t, s, r.Groups[0].GaveUp.Max())
		}},
		{"and in front of a wait that it would not leave time for", both(fault(Fault{Kind: Refusal, From: 2 * s, For: s}), func(sc *Scenario) {
			sc.Groups[0].Deadline, sc.Groups[0].Policy = s, retry.Policy{MaxAttempts: 5, BaseDelay: s}
		}), "", func(t *testing.T, r *Result) {
			assert.Equal(t, int64(10), r.Total.Expired)
			assert.Zero(t, r.Groups[0].GaveUp.Max(), "at once")
		}},
		{"a wait that ends just before it is waited", both(fault(Fault{Kind: Refusal, From: 2 * s, For: s}), func(sc *Scenario) {
			sc.Groups[0].Deadline, sc.Groups[0].Policy = s+1, retry.Policy{MaxAttempts: 2, BaseDelay: s}
		}), "", func(t *testing.T, r *Result) {
			assert.Equal(t, int64(10), r.Total.Retries)
		}},
		{"the policy's own time limit", both(fault(Fault{Kind: Refusal, From: 2 * s, For: s}), func(sc *Scenario) {
			sc.Groups[0].Policy = retry.Policy{MaxAttempts: 9, BaseDelay: 100 * time.Millisecond, MaxElapsed: 350 * time.Millisecond}
		}), "", func(t *testing.T, r *Result) {
			assert.Equal(t, int64(7), r.Total.OutOfTime, "waits of 100 and 200 ms, and no third")
		}},
	} {
		r, err := Run(context.Background(), steady(tt.change), 1)
		require.NoError(t, err, tt.name)
		if tt.want != "" {
			assert.Equal(t, tt.want, perSecond(r, succeeded), tt.name)
		}
		if tt.also != nil {
			t.Run(tt.name, func(t *testing.T) { tt.also(t, r) })
		}
	}
}

// Who is late, and what becomes of the work.
func TestLateAnswers(t *testing.T) {
	sc := Scenario{
		Horizon: 10 * time.Second,
		Groups:  []Group{{Arrivals: []Arrival{{Kind: Burst, Size: 1}}, Policy: retry.Policy{MaxAttempts: 2, BaseDelay: 2 * time.Second, AttemptTimeout: time.Second}, TokensIn: Count{10, 10}}},
		Server:  Server{Service: Fixed(1500 * time.Millisecond)},
	}
	r, err := Run(context.Background(), sc, 1)
	require.NoError(t, err)
	assert.Equal(t, int64(2), r.Total.TimedOut)
	assert.Equal(t, int64(2), r.Total.ServedLate)
	assert.Equal(t, int64(1), r.Total.Exhausted)
	assert.Equal(t, int64(20), r.Total.TokensWasted)
	assert.Equal(t, 4*time.Second, r.LastEnd)
	sc.Groups[0].LateCounts = true
	r, err = Run(context.Background(), sc, 1)
	require.NoError(t, err)
	assert.Equal(t, int64(1), r.Total.Succeeded, "in the wait for the second")
	assert.Equal(t, int64(1), r.Total.Late)
	assert.Equal(t, 1500*time.Millisecond, r.LastEnd)
	assert.Equal(t, int64(1), r.Total.Attempts())
}

// The order of service: by priority, then by time or from the end.
func TestOrderOfService(t *testing.T) {
	order := func(lifo bool) (out []time.Duration) {
		sc := Scenario{Horizon: time.Minute, Server: Server{Workers: 1, Service: Fixed(time.Second), Queue: Unbounded, LIFO: lifo}}
		for k, priority := range []int{0, 5} {
			for j := range 2 {
				sc.Groups = append(sc.Groups, Group{Name: fmt.Sprint(priority, j), Priority: priority,
					Arrivals: []Arrival{{Kind: Burst, Size: 1, From: time.Duration(1 + 10*k + j)}}, Policy: fixed(1)})
			}
		}
		sc.Groups = append(sc.Groups, Group{Name: "first", Arrivals: []Arrival{{Kind: Burst, Size: 1}}, Policy: fixed(1)})
		r, err := Run(context.Background(), sc, 1)
		require.NoError(t, err)
		for _, g := range r.Groups {
			out = append(out, g.Latency.Max().Round(time.Second))
		}
		return out
	}
	const s = time.Second
	assert.Equal(t, []time.Duration{4 * s, 5 * s, 2 * s, 3 * s, s}, order(false))
	assert.Equal(t, []time.Duration{5 * s, 4 * s, 3 * s, 2 * s, s}, order(true))
}

// Expired work is dropped when its turn comes, not before.
func TestDropExpired(t *testing.T) {
	sc := Scenario{
		Horizon: time.Minute,
		Groups:  []Group{{Arrivals: []Arrival{{Kind: Burst, Size: 5}}, Policy: retry.Policy{AttemptTimeout: 2500 * time.Millisecond}}},
		Server:  Server{Workers: 1, Service: Fixed(time.Second), Queue: Unbounded, DropExpired: true},
	}
	r, err := Run(context.Background(), sc, 1)
	require.NoError(t, err)
	assert.Equal(t, int64(2), r.Total.Succeeded)
	assert.Equal(t, int64(1), r.Total.ServedLate, "it was in service when its client gave up")
	assert.Equal(t, int64(2), r.Total.Dropped)
	assert.Equal(t, int64(3), r.Total.Served)
}

// The limiters, on one attempt every 100 ms.
func TestLimiters(t *testing.T) {
	limited := func(l Limiter, change func(*Scenario)) *Result {
		sc := steady(change)
		sc.Server = Server{}
		sc.Limiters = []Limiter{l}
		r, err := Run(context.Background(), sc, 1)
		require.NoError(t, err)
		assert.Equal(t, []int64{r.Total.Limited}, r.Limiters)
		return r
	}
	const s = time.Second
	for _, tt := range []struct {
		name string
		l    Limiter
		want string
	}{
		{"bucket of 5, 5 a second", Limiter{Limit: 5, Window: s}, "[9 5 5 5 5 5 5 5 5 0]"},
		{"bucket of 1", Limiter{Limit: 5, Window: s, Burst: 1}, "[5 5 5 5 5 5 5 5 5 0]"},
		{"fixed window", Limiter{Kind: FixedWindow, Limit: 5, Window: s}, "[5 5 5 5 5 5 5 5 5 1]"},
		{"sliding window", Limiter{Kind: SlidingWindow, Limit: 5, Window: s}, "[5 5 5 5 5 5 5 5 5 0]"},
		{"sliding window that counts what it rejects", Limiter{Kind: SlidingWindow, Limit: 5, Window: s, CountRejected: true}, "[5 0 0 0 0 0 0 0 0 0]"},
		{"fixed window that counts what it rejects", Limiter{Kind: FixedWindow, Limit: 5, Window: s, CountRejected: true}, "[5 5 5 5 5 5 5 5 5 1]"},
		{"of each client", Limiter{Kind: FixedWindow, Limit: 4, Window: s, Key: ByClient}, "[8 8 8 8 8 8 8 8 8 1]"},
	} {
		assert.Equal(t, tt.want, perSecond(limited(tt.l, nil), succeeded), tt.name)
	}
	// Told how long, a client comes back when there is room.
	told := limited(Limiter{Kind: FixedWindow, Limit: 5, Window: s, Tell: true}, func(sc *Scenario) {
		sc.Groups[0].Policy = retry.Policy{MaxAttempts: 2, BaseDelay: time.Millisecond}
	})
	assert.Equal(t, "[5 5 5 5 5 5 5 5 5 5]", perSecond(told, succeeded))
	told = limited(Limiter{Limit: 5, Window: s, Burst: 1, Tell: true}, func(sc *Scenario) {
		sc.Groups[0].Policy = retry.Policy{MaxAttempts: retry.Unlimited}
		sc.Groups[0].Arrivals = []Arrival{{Kind: Burst, Size: 3}}
	})
	assert.Equal(t, 400*time.Millisecond, told.LastEnd)
	told = limited(Limiter{Kind: SlidingWindow, Limit: 2, Window: s, Tell: true}, func(sc *Scenario) {
		sc.Groups[0].Policy = retry.Policy{MaxAttempts: retry.Unlimited}
		sc.Groups[0].Arrivals = []Arrival{{Kind: Burst, Size: 3}}
	})
	assert.Equal(t, s, told.LastEnd)

	// Tokens: 60 at the door, 40 when it ends; or all 150 reserved at the door
	// and 50 given back.
	tokens := func(l Limiter) string {
		l.Tokens, l.Window = true, s
		return perSecond(limited(l, func(sc *Scenario) {
			sc.Groups[0].TokensIn, sc.Groups[0].TokensOut, sc.Groups[0].MaxTokens = Count{60, 60}, Count{40, 40}, 90
		}), succeeded)
	}
	assert.Equal(t, "[4 4 4 4 4 4 4 4 4 1]", tokens(Limiter{Kind: FixedWindow, Limit: 400}))
	assert.Equal(t, "[4 4 4 4 4 4 4 4 4 1]", tokens(Limiter{Kind: FixedWindow, Limit: 450, Reserve: true}))
	assert.Equal(t, "[2 2 2 2 2 2 2 2 2 1]", tokens(Limiter{Kind: FixedWindow, Limit: 349, Reserve: true}))
	assert.Equal(t, "[5 5 5 5 5 5 5 5 5 1]", tokens(Limiter{Kind: FixedWindow, Limit: 460}), "the fifth is let in by what it brings to the door")
}

// Profiles and bursts begin their calls when they say.
func TestArrivals(t *testing.T) {
	calls := func(a ...Arrival) string {
		sc := Scenario{Horizon: 10 * time.Second, Groups: []Group{{Clients: 3, Arrivals: a, Policy: fixed(1)}}}
		r, err := Run(context.Background(), sc, 1)
		require.NoError(t, err)
		return perSecond(r, func(i Interval) int64 { return i.Calls })
	}
	const s = time.Second
	// The area below the rate is 80 at the fifth second.
	assert.Equal(t, "[9 10 20 20 20 1 0 0 0 0]", calls(Arrival{Kind: Uniform, Steps: []Step{{Rate: 10 * PerSecond}, {At: 2 * s, Rate: 20 * PerSecond}, {At: 5 * s}}}))
	assert.Equal(t, "[0 0 0 1 0 1 0 0 0 0]", calls(Arrival{Kind: Uniform, Steps: []Step{{Rate: PerSecond / 4}, {At: 2 * s, Rate: PerSecond / 2}, {At: 5500 * time.Millisecond}}}), "half of the first one is due at the step, and it comes a second later")
	assert.Equal(t, "[0 3 0 0 3 0 0 3 0 0]", calls(Arrival{Kind: Burst, From: s, Every: 3 * s}))
	assert.Equal(t, "[7 0 0 0 0 0 0 0 0 0]", calls(Arrival{Kind: Burst, Size: 7}))
	assert.Equal(t, "[0 0 3 3 3 3 3 3 3 3]", calls(Arrival{Kind: Closed, From: s, Think: Fixed(s)}))
	assert.Equal(t, "[1 0 1 0 0 0 0 0 0 0]", calls(Arrival{Kind: Recorded, Log: []Record{{}, {At: 2 * s}}}))

	// A ramp from 0 to 1000 in ten seconds: the k-th second has 100·(k+1/2).
	section("Closed form: arrivals", "Poisson arrivals on a ramp from 0 to 1000 a second in ten seconds: the k-th second has 100 (k + 1/2) of them.")
	var third, last, all measured
	sc := Scenario{Horizon: 10 * s, Groups: []Group{{Policy: fixed(1), Arrivals: []Arrival{{Kind: Poisson, Steps: []Step{{Ramp: true}, {At: 10 * s, Rate: 1000 * PerSecond}}}}}}}
	play(t, sc, 40, func(r *Result) {
		third.add(float64(r.Series[2].Calls))
		last.add(float64(r.Series[9].Calls))
		all.add(float64(r.Total.Calls))
	})
	third.matches(t, 250, "calls of the third second")
	last.matches(t, 950, "calls of the last second")
	all.matches(t, 5000, "all calls")
}

// A client that is added moves nobody else's chance, and neither does a group.
func TestChanceIsEachOnesOwn(t *testing.T) {
	latencies := func(clients int, groups int) [][2]int64 {
		sc := Scenario{Horizon: 10 * time.Second, Server: Server{Service: Exponential(time.Second)}}
		for range groups {
			sc.Groups = append(sc.Groups, Group{Name: fmt.Sprint(len(sc.Groups)), Clients: clients, Policy: fixed(1), Arrivals: []Arrival{{Kind: Burst, Size: 20}}})
		}
		r, err := Run(context.Background(), sc, 1)
		require.NoError(t, err)
		var pairs [][2]int64
		for i, n := range r.Groups[0].Latency.all {
			pairs = append(pairs, [2]int64{int64(i), n})
		}
		return pairs
	}
	want := latencies(1, 1)
	assert.Equal(t, want, latencies(5, 1))
	assert.Equal(t, want, latencies(1, 3))
	assert.Greater(t, len(want), 10)
}

// The interval that an interrupted run ends in is there, and nothing after it.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	sc := speedModel(10_000, time.Hour)
	r, err := Run(ctx, sc, 1)
	require.NoError(t, err)
	assert.True(t, r.Interrupted)
	assert.Positive(t, r.Total.Calls)
	assert.Less(t, r.Horizon, sc.Horizon)
	assert.Len(t, r.Series, int(r.Horizon/time.Second)+1)
	assert.True(t, slices.IsSortedFunc(r.Series, func(a, b Interval) int { return int(a.Start - b.Start) }))
}

// Two tenants of one service: what keeps each of them down is said of each.
func TestBinding(t *testing.T) {
	sc := Scenario{
		Horizon: 10 * time.Second,
		Groups: []Group{
			{Name: "large", Policy: fixed(1), Arrivals: []Arrival{{Kind: Uniform, Steps: []Step{{Rate: 20 * PerSecond}}}}, TokensIn: Count{10, 10}},
			{Name: "long", Policy: fixed(1), Arrivals: []Arrival{{Kind: Uniform, Steps: []Step{{Rate: 2 * PerSecond}}}}, TokensIn: Count{1000, 1000}},
			{Name: "paced", Policy: fixed(1), Arrivals: []Arrival{{Kind: Uniform, Steps: []Step{{Rate: 20 * PerSecond}}}}, Pace: retry.Pace{Requests: retry.Rate{Limit: 1, Per: time.Second, Burst: 1}, QueueTimeout: time.Second}},
			{Name: "fine", Policy: fixed(1), Arrivals: []Arrival{{Kind: Burst, Size: 1}}},
		},
		Limiters: []Limiter{
			{Kind: FixedWindow, Limit: 10, Window: time.Second, Key: ByGroup},
			{Kind: FixedWindow, Limit: 1000, Window: time.Second, Key: ByGroup, Tokens: true},
		},
	}
	r, err := Run(context.Background(), sc, 1)
	require.NoError(t, err)
	var got []string
	for _, g := range r.Groups {
		by, number, n := g.Binding()
		got = append(got, fmt.Sprintf("%s: %s %d, %d", g.Name, by, number, n))
	}
	assert.Equal(t, []string{"large: limit 1, 99", "long: limit 2, 9", "paced: pace 0, 169", "fine:  0, 0"}, got)
}

// An outer layer remembers its own last wait: after one of up to 3 s it may
// wait for up to 9 s, which a layer that forgot would never do.
func TestOuterLayerRemembersItsWait(t *testing.T) {
	sc := Scenario{
		Horizon: time.Minute,
		Groups: []Group{{
			Arrivals: []Arrival{{Kind: Burst, Size: 500}}, Policy: fixed(2),
			Outer: []retry.Policy{{MaxAttempts: 3, BaseDelay: time.Second, Jitter: retry.JitterDecorrelated}},
		}},
		Server: Server{Failure: Whole},
	}
	r, err := Run(context.Background(), sc, 1)
	require.NoError(t, err)
	assert.Equal(t, int64(500*6), r.Total.Attempts())
	assert.Greater(t, r.Groups[0].GaveUp.Max(), 9*time.Second)
	assert.Less(t, r.Groups[0].GaveUp.Max(), 12*time.Second)
}

// The answer of an earlier call is no answer to this one.
func TestALateAnswerIsItsOwnCalls(t *testing.T) {
	sc := Scenario{
		Horizon: 4 * time.Second,
		Groups: []Group{{
			Arrivals:   []Arrival{{Kind: Closed, Think: Fixed(100 * time.Millisecond)}},
			Policy:     retry.Policy{MaxAttempts: 1, AttemptTimeout: time.Second},
			LateCounts: true,
		}},
		Server: Server{Service: Fixed(1500 * time.Millisecond)},
	}
	r, err := Run(context.Background(), sc, 1)
	require.NoError(t, err)
	assert.Zero(t, r.Total.Succeeded)
	assert.Equal(t, int64(3), r.Total.ServedLate)
}

// A probe of a half-open circuit that its call's deadline ends makes room for
// another.
func TestAnAbandonedProbe(t *testing.T) {
	sc := Scenario{
		Horizon: 20 * time.Second,
		Groups: []Group{{
			Arrivals: []Arrival{{Kind: Uniform, Steps: []Step{{Rate: 10 * PerSecond}}}},
			Policy:   fixed(1), Deadline: 500 * time.Millisecond,
			Limit: Limit{Breaker: &retry.Breaker{Failures: 1, OpenFor: 2 * time.Second}},
		}},
		Server: Server{Workers: 10, Service: Fixed(10 * time.Millisecond)},
		Faults: []Fault{{Kind: Refusal, For: time.Second}, {Kind: Outage, From: time.Second, For: 5 * time.Second}},
	}
	sc.Server.Queue = 1000
	sc.Server.DropExpired = true
	r, err := Run(context.Background(), sc, 1)
	require.NoError(t, err)
	assert.Equal(t, int64(1), r.Total.Refused)
	assert.Positive(t, r.Total.Expired, "probes in the outage")
	assert.Equal(t, int64(10), r.Series[10].Succeeded, "closed again")
}

// A refusal that tells how long is still one for asking too much, which some
// budgets price differently.
func TestAToldRefusalIsThrottling(t *testing.T) {
	for _, tell := range []bool{false, true} {
		sc := Scenario{
			Horizon: 10 * time.Second,
			Groups: []Group{{
				Arrivals: []Arrival{{Kind: Burst, Size: 2}},
				Policy:   retry.Policy{MaxAttempts: 3, BaseDelay: time.Second},
				Limit:    Limit{Budget: &retry.Budget{Capacity: 5 * retry.Token, Cost: 9 * retry.Token, ThrottleCost: retry.Token}},
			}},
			Limiters: []Limiter{{Kind: FixedWindow, Limit: 1, Window: time.Second, Tell: tell}},
		}
		r, err := Run(context.Background(), sc, 1)
		require.NoError(t, err)
		assert.Equal(t, int64(2), r.Total.Succeeded, tell)
	}
}

// An attempt ends with its own timeout, or with the call's deadline if that is
// sooner.
func TestTheSoonerOfTimeoutAndDeadline(t *testing.T) {
	sc := Scenario{
		Horizon: 10 * time.Second,
		Groups: []Group{{
			Arrivals: []Arrival{{Kind: Burst, Size: 1}}, Deadline: 1500 * time.Millisecond,
			Policy: retry.Policy{MaxAttempts: 9, AttemptTimeout: time.Second},
		}},
		Server: Server{Service: Fixed(time.Minute)},
	}
	r, err := Run(context.Background(), sc, 1)
	require.NoError(t, err)
	assert.Equal(t, int64(2), r.Total.Attempts())
	assert.Equal(t, int64(2), r.Total.TimedOut)
	assert.Equal(t, int64(1), r.Total.Expired)
	assert.Equal(t, 1500*time.Millisecond, r.LastEnd)
}

// Each request in service makes the next one slower.
func TestLoadDependentService(t *testing.T) {
	sc := Scenario{
		Horizon: 10 * time.Second,
		Groups:  []Group{{Arrivals: []Arrival{{Kind: Burst, Size: 3}}, Policy: fixed(1)}},
		Server:  Server{Service: Fixed(time.Second), PerConcurrent: 100 * time.Millisecond},
	}
	r, err := Run(context.Background(), sc, 1)
	require.NoError(t, err)
	assert.Equal(t, int64(3600*time.Millisecond), r.Total.Busy, "1.1, 1.2 and 1.3 s")
	assert.Equal(t, 1300*time.Millisecond, r.LastEnd)
}

// Retries that were off for a while come back as they were last set.
func TestRetriesComeBackAsTheyWere(t *testing.T) {
	sc := steady(func(sc *Scenario) {
		sc.Faults = []Fault{{Kind: Refusal, For: 10 * time.Second}}
		sc.Changes = []Change{
			{Kind: SetPolicy, At: time.Second, Policy: fixed(3)},
			{Kind: RetriesOff, At: 3 * time.Second, For: time.Second},
		}
	})
	r, err := Run(context.Background(), sc, 1)
	require.NoError(t, err)
	assert.Equal(t, "[0 20 20 0 20 20 20 20 20 2]", perSecond(r, func(i Interval) int64 { return i.Retries }))
}

// What waits is begun at the moment the outage ends, whether or not somebody
// comes then.
func TestTheEndOfAnOutage(t *testing.T) {
	sc := steady(func(sc *Scenario) {
		sc.Groups[0].Arrivals = []Arrival{{Kind: Burst, Size: 1, From: time.Second}}
		sc.Faults = []Fault{{Kind: Outage, For: 2 * time.Second}}
	})
	r, err := Run(context.Background(), sc, 1)
	require.NoError(t, err)
	assert.Equal(t, 2050*time.Millisecond, r.LastEnd)
}

// Clients of a closed loop do not think in step.
func TestClosedClientsHaveChancesOfTheirOwn(t *testing.T) {
	sc := Scenario{Horizon: 10 * time.Second, Groups: []Group{{Clients: 20, Policy: fixed(1), Arrivals: []Arrival{{Kind: Closed, Think: Exponential(time.Second)}}}}}
	r, err := Run(context.Background(), sc, 1)
	require.NoError(t, err)
	inStep := 0
	for _, i := range r.Series {
		if i.Calls%20 == 0 {
			inStep++
		}
	}
	assert.Less(t, inStep, len(r.Series)/2)
}

// Four clients in processes of two have two budgets.
func TestABudgetOfAProcess(t *testing.T) {
	sc := steady(func(sc *Scenario) {
		sc.Faults = []Fault{{Kind: Refusal, For: 10 * time.Second}}
		sc.Groups[0].Clients, sc.Groups[0].Policy = 4, fixed(2)
		sc.Groups[0].Limit = Limit{Budget: &retry.Budget{Capacity: 3 * retry.Token, Cost: retry.Token}, Scope: PerProcess, Process: 2}
	})
	r, err := Run(context.Background(), sc, 1)
	require.NoError(t, err)
	assert.Equal(t, int64(6), r.Total.Retries)
}

// What an attempt reserved at its pacer and did not use, others get.
func TestAPacerGetsTokensBack(t *testing.T) {
	sc := Scenario{
		Horizon: 100 * time.Second,
		Groups: []Group{{
			Arrivals: []Arrival{{Kind: Burst, Size: 100}}, Policy: fixed(1),
			Pace:     retry.Pace{Tokens: retry.Rate{Limit: 1000, Per: time.Second}, Concurrency: 1},
			TokensIn: Count{50, 50}, TokensOut: Count{50, 50}, MaxTokens: 950,
		}},
		Server: Server{Service: Fixed(10 * time.Millisecond)},
	}
	r, err := Run(context.Background(), sc, 1)
	require.NoError(t, err)
	assert.Equal(t, int64(100), r.Total.Succeeded)
	assert.InDelta(t, 10, r.LastEnd.Seconds(), .5, "100 tokens each, of 1000 a second")
}
