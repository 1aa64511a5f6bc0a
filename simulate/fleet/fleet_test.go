package fleet

import (
	"context"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/retry"
)

// speedModel is the model of the speed figures: closed-loop clients that think
// for a minute, a token bucket at 90 % of their demand, full jitter, six
// attempts, histograms and a series of seconds.
func speedModel(clients int, horizon time.Duration) Scenario {
	return Scenario{
		Horizon: horizon,
		Groups: []Group{{
			Clients:  clients,
			Arrivals: []Arrival{{Kind: Closed, Think: Exponential(time.Minute)}},
			Policy:   retry.Policy{MaxAttempts: 6, BaseDelay: 500 * time.Millisecond, MaxDelay: 32 * time.Second, Jitter: retry.JitterFull},
		}},
		Server:   Server{Service: Exponential(50 * time.Millisecond)},
		Limiters: []Limiter{{Limit: int64(clients) * 9 / 10, Window: time.Minute, Burst: int64(clients) / 60}},
	}
}

// BenchmarkEvent is the price of an event of the whole model.
func BenchmarkEvent(b *testing.B) {
	for _, clients := range []int{1e3, 1e4, 1e5, 1e6} {
		b.Run(strconv.Itoa(clients), func(b *testing.B) {
			sc := speedModel(clients, time.Duration(4e6/clients+1)*15*time.Second)
			var events, bytes, allocs int64
			for b.Loop() {
				b.StopTimer()
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				s := newSim(&sc, 1, new(radixQueue))
				b.StartTimer()
				s.loop(context.Background())
				b.StopTimer()
				runtime.GC()
				runtime.ReadMemStats(&after)
				bytes = int64(after.HeapAlloc - before.HeapAlloc)
				allocs += int64(after.Mallocs - before.Mallocs)
				events += s.events
				runtime.KeepAlive(s)
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
			b.ReportMetric(float64(bytes)/float64(clients), "B/client")
			b.ReportMetric(float64(allocs)/float64(events), "allocs/event")
		})
	}
}

// The same scenario gives the same result with the simple queue, with another
// number of processors, and again.
func TestSameResult(t *testing.T) {
	for name, sc := range map[string]Scenario{
		"speed":                         speedModel(2000, 200*time.Second),
		"more clients than caches hold": speedModel(20_000, 40*time.Second),
	} {
		want, err := Run(context.Background(), sc, 7)
		require.NoError(t, err, name)
		require.Positive(t, want.Total.Retries)
		got, err := run(context.Background(), sc, 7, new(heapQueue))
		require.NoError(t, err)
		assert.Equal(t, want, got, name)
		before := runtime.GOMAXPROCS(1)
		got, err = Run(context.Background(), sc, 7)
		runtime.GOMAXPROCS(before)
		require.NoError(t, err)
		assert.Equal(t, want, got, name)
		other, err := Run(context.Background(), sc, 8)
		require.NoError(t, err)
		assert.NotEqual(t, want.Total, other.Total, "another seed is another run")
	}
}
