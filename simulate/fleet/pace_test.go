package fleet

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/retrykit/retrykit/retry"
)

// A client that may have 4 requests under way is a queue with 4 workers, in
// front of a server that has more: Erlang's formula holds for it.
func TestConcurrencyIsAQueue(t *testing.T) {
	section("Closed form: client-side concurrency", "retry.Pacer with a concurrency of c in front of a server without bounds is an M/M/c queue: the mean wait by Erlang C.")
	var wait measured
	sc := queueing(32, Server{Service: Exponential(100 * time.Millisecond)}, fixed(1))
	sc.Groups[0].Pace = retry.Pace{Concurrency: 4}
	play(t, sc, repeat(12, 60), func(r *Result) {
		assert.Zero(t, r.Total.Unsent)
		wait.add(latencyMean(r) - .1)
	})
	wait.within(t, .745541*.1, 4*wait.se()+.1/64, "concurrency 4, a=3.2: wait, s")
}

// latencyMean is the mean time to success in seconds, to the histogram's width.
func latencyMean(r *Result) float64 {
	var sum float64
	for i, n := range r.Groups[0].Latency.all {
		sum += float64(n) * float64(upper(i)+max(upper(i-1), 0)) / 2
	}
	return sum / float64(r.Groups[0].Latency.Count()) / 1e9
}

func TestPace(t *testing.T) {
	base := Scenario{
		Horizon: 100 * time.Second,
		Groups:  []Group{{Clients: 4, Arrivals: []Arrival{{Kind: Burst, Size: 1000}}, Policy: fixed(3)}},
		Server:  Server{Service: Fixed(10 * time.Millisecond)},
	}
	with := func(p retry.Pace, by Scope) Scenario {
		sc := base
		sc.Groups = []Group{base.Groups[0]}
		sc.Groups[0].Pace, sc.Groups[0].PaceBy, sc.Groups[0].PaceOf = p, by, 2
		return sc
	}
	rate := retry.Pace{Requests: retry.Rate{Limit: 10, Per: time.Second, Burst: 1}}
	tests := map[string]struct {
		sc   Scenario
		last time.Duration // when the last call ended
	}{
		"none":    {base, 10 * time.Millisecond},
		"fleet":   {with(rate, PerFleet), 99_910 * time.Millisecond},
		"process": {with(rate, PerProcess), 49_910 * time.Millisecond},
		"client":  {with(rate, PerClient), 24_910 * time.Millisecond},
		"at most": {with(retry.Pace{Concurrency: 10}, PerFleet), time.Second},
	}
	for name, tt := range tests {
		play(t, tt.sc, 1, func(r *Result) {
			assert.Equal(t, int64(1000), r.Total.Succeeded, name)
			assert.Equal(t, tt.last, r.LastEnd, name)
		})
	}
	// Who waits for too long ends its call, and is no failure of the server.
	rate.QueueTimeout = 10 * time.Second
	play(t, with(rate, PerFleet), 1, func(r *Result) {
		assert.Equal(t, int64(101), r.Total.Succeeded)
		assert.Equal(t, int64(899), r.Total.Unsent)
		assert.Equal(t, int64(1000), r.Total.Attempts(), "no retries")
	})
	// So does a timeout in the queue: the attempt's time includes the wait.
	rate.QueueTimeout = 0
	sc := with(rate, PerFleet)
	sc.Groups[0].Policy.AttemptTimeout = 5 * time.Second
	play(t, sc, 1, func(r *Result) {
		assert.Equal(t, int64(51), r.Total.Succeeded) // one goes at the moment of its timeout, and is retried
		assert.Equal(t, int64(949), r.Total.Unsent)
	})
	// Tokens.
	sc = with(retry.Pace{Tokens: retry.Rate{Limit: 1000, Per: time.Second}}, PerFleet)
	sc.Groups[0].TokensIn, sc.Groups[0].TokensOut = Count{50, 50}, Count{50, 50}
	play(t, sc, 1, func(r *Result) {
		assert.Equal(t, int64(100_000), r.Total.TokensUsed)
		assert.Equal(t, 99*time.Second+10*time.Millisecond, r.LastEnd)
	})
}
