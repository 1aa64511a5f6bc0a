package retry_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/retry"
)

// The circuit agrees with one that keeps every attempt and counts the last.
func TestRateCircuitAgainstAList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := retry.RateBreaker{
			Share: retry.Tokens(rapid.IntRange(1, 1000).Draw(t, "share")),
			Of:    rapid.SampledFrom([]int{1, 2, 3, 10, 63, 64, 65, 128, 200}).Draw(t, "of"),
		}
		c, err := retry.NewRateCircuit(b)
		require.NoError(t, err)
		var all []bool
		for range rapid.IntRange(0, 3*b.Of).Draw(t, "attempts") {
			last := all[max(len(all)-b.Of, 0):]
			failed := 0
			for _, f := range last {
				if f {
					failed++
				}
			}
			_, first := c.Allow(time.Time{}, 1, retry.Permanent())
			require.True(t, first, "a first attempt always goes")
			_, again := c.Allow(time.Time{}, 2, retry.Transient())
			require.Equal(t, 1000*failed < int(b.Share)*len(last), again, "%d of %d failed", failed, len(last))

			c.Abandon(time.Time{}, 0) // says nothing
			ok := rapid.Bool().Draw(t, "ok")
			class := rapid.SampledFrom([]retry.Classification{retry.Transient(), retry.Permanent()}).Draw(t, "class")
			c.Report(time.Time{}, 0, ok, class)
			all = append(all, !ok && class.IsTransient())
		}
	})
}

// A call beside others that all fail makes no retry, and makes them again once
// they are well.
func TestRateCircuitStopsRetries(t *testing.T) {
	c, err := retry.NewRateCircuit(retry.RateBreaker{Share: retry.Token / 2, Of: 4})
	require.NoError(t, err)
	r := newRetrier(t, retry.Config{Policy: retry.Policy{MaxAttempts: 3, BaseDelay: time.Second}, Clock: auto(), Limit: c})
	attempts := func(fails ...error) int {
		w := newWeather(auto(), fails...)
		_, _ = retry.Do(t.Context(), r, w.call)
		return len(w.starts)
	}
	down := []error{transient("503"), transient("503"), transient("503")}
	assert.Equal(t, 1, attempts(down...), "1 of 1 failed")
	assert.Equal(t, 1, attempts(), "1 of 2")
	assert.Equal(t, 1, attempts(), "1 of 3")
	assert.Equal(t, 1, attempts(down...), "2 of 4")
	assert.Equal(t, 1, attempts(), "2 of 4, the first of them forgotten")
	assert.Equal(t, 1, attempts())
	assert.Equal(t, 1, attempts())
	assert.Equal(t, 2, attempts(transient("503")), "1 of 4")
}

func ExampleRateCircuit() {
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	circuit, err := retry.NewRateCircuit(retry.RateBreaker{Share: retry.Token / 10, Of: 100})
	if err != nil {
		panic(err)
	}
	r, err := retry.New(retry.Config{Policy: retry.Policy{MaxAttempts: 4, BaseDelay: time.Second}, Clock: clock, Limit: circuit})
	if err != nil {
		panic(err)
	}
	call := func(failures int) {
		attempts := 0
		_, err := retry.Do(context.Background(), r, func(context.Context) (int, error) {
			if attempts++; attempts <= failures {
				return 0, &statusError{code: 503}
			}
			return 0, nil
		})
		fmt.Println(attempts, "attempts:", err)
	}
	for range 95 {
		_, _ = retry.Do(context.Background(), r, func(context.Context) (int, error) { return 0, nil })
	}
	call(3)
	call(3)
	call(3)
	call(3)
	// Output:
	// 4 attempts: <nil>
	// 4 attempts: <nil>
	// 4 attempts: <nil>
	// 1 attempts: status 503
}
