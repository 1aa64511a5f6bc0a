package retry_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/retry"
)

// The shortest and the longest wait of each preset, as the catalogue has them.
func TestPresetsWaitAsTheirOriginals(t *testing.T) {
	const ms, s = time.Millisecond, time.Second
	type span struct{ low, high time.Duration } // high is what the wait stays below, or equals if there is no jitter
	tests := map[string]struct {
		attempts int
		elapsed  time.Duration
		waits    []span
	}{
		"default":       {3, 0, []span{{s, 1100 * ms}, {2 * s, 2200 * ms}}},
		"anthropic":     {3, 0, []span{{375 * ms, 500 * ms}, {750 * ms, s}, {1500 * ms, 2 * s}, {3 * s, 4 * s}, {6 * s, 8 * s}, {6 * s, 8 * s}}},
		"openai":        {3, 0, []span{{375 * ms, 500 * ms}, {750 * ms, s}, {1500 * ms, 2 * s}, {3 * s, 4 * s}, {6 * s, 8 * s}, {6 * s, 8 * s}}},
		"aws":           {3, 0, []span{{0, 50 * ms}, {0, 100 * ms}, {0, 200 * ms}, {0, 400 * ms}, {0, 800 * ms}, {0, 1600 * ms}, {0, 3200 * ms}, {0, 6400 * ms}, {0, 12800 * ms}, {0, 20 * s}, {0, 20 * s}}},
		"aws-legacy":    {3, 0, []span{{0, 2 * s}, {0, 4 * s}, {0, 8 * s}, {0, 16 * s}, {20 * s, 20 * s}, {20 * s, 20 * s}}},
		"azure":         {4, 0, []span{{640 * ms, 1040 * ms}, {1920 * ms, 3120 * ms}, {4480 * ms, 7280 * ms}}},
		"cenkalti":      {retry.Unlimited, 15 * time.Minute, []span{{250 * ms, 750 * ms}, {375 * ms, 1125 * ms}, {562500 * time.Microsecond, 1687500 * time.Microsecond}}},
		"envoy":         {2, 0, []span{{0, 25 * ms}, {0, 50 * ms}, {0, 100 * ms}, {0, 200 * ms}, {0, 250 * ms}, {0, 250 * ms}}},
		"gax":           {retry.Unlimited, 0, []span{{0, s}, {0, 2 * s}, {0, 4 * s}, {0, 8 * s}, {0, 16 * s}, {0, 30 * s}, {0, 30 * s}}},
		"grpc":          {4, 0, []span{{80 * ms, 120 * ms}, {160 * ms, 240 * ms}, {320 * ms, 480 * ms}, {640 * ms, 960 * ms}, {800 * ms, 1200 * ms}}},
		"stepfunctions": {4, 0, []span{{s, s}, {2 * s, 2 * s}, {4 * s, 4 * s}}},
		"temporal":      {retry.Unlimited, 0, []span{{s, s}, {2 * s, 2 * s}, {4 * s, 4 * s}, {8 * s, 8 * s}, {16 * s, 16 * s}, {32 * s, 32 * s}, {64 * s, 64 * s}, {100 * s, 100 * s}}},
	}
	presets := retry.Presets()
	require.Len(t, presets, len(tests))
	for _, preset := range presets {
		t.Run(preset.Name, func(t *testing.T) {
			tt, ok := tests[preset.Name]
			require.True(t, ok)
			p := preset.Policy
			require.NoError(t, p.Validate())
			require.NoError(t, preset.Budget.Validate())
			assert.NotEmpty(t, preset.Source)
			assert.Equal(t, tt.attempts, p.MaxAttempts)
			assert.Equal(t, tt.elapsed, p.MaxElapsed)
			p.MaxAttempts, p.MaxElapsed = retry.Unlimited, 0
			for i, want := range tt.waits {
				wait := func(word uint64) time.Duration {
					return p.Decide(retry.Failure{Attempt: i + 1, Class: retry.Transient()}, &words{word}).Wait
				}
				assert.Equal(t, want.low, wait(0), "shortest wait %d", i+1)
				high := want.high
				if want.low < want.high {
					high-- // the upper end is open
				}
				assert.Equal(t, high, wait(math.MaxUint64), "longest wait %d", i+1)
			}
		})
	}
}

func TestPresetsAreNamedInOrder(t *testing.T) {
	var names []string
	for _, p := range retry.Presets() {
		names = append(names, p.Name)
		byName, err := retry.ParsePolicy(p.Name)
		require.NoError(t, err)
		assert.Equal(t, p.Policy, byName)
		byText, err := retry.ParsePolicy(p.Policy.String())
		require.NoError(t, err)
		assert.Equal(t, p.Policy, byText, "the text form carries all of it")
	}
	assert.Equal(t, "default", names[0])
	assert.True(t, slices.IsSortedFunc(names[1:], strings.Compare))
}

func TestPresetsHaveTheBoundsOfTheirOriginals(t *testing.T) {
	const s = time.Second
	caps := map[string]time.Duration{
		"default": 30 * s, "anthropic": 8 * s, "aws": 20 * s, "aws-legacy": 20 * s, "azure": 60 * s, "cenkalti": 60 * s,
		"envoy": 250 * time.Millisecond, "gax": 30 * s, "grpc": s, "openai": 8 * s, "stepfunctions": 0, "temporal": 100 * s,
	}
	for _, preset := range retry.Presets() {
		assert.Equal(t, caps[preset.Name], preset.Policy.MaxDelay, preset.Name)
		if preset.Name == "grpc" { // maxTokens 10, tokenRatio 0.1
			assert.Equal(t, retry.Budget{Capacity: 10_000, PerSuccess: 100, PerFailure: 1000, Above: 5000}, preset.Budget)
		}
	}
}

func TestPresetsHeedARetryAfterAsTheirOriginals(t *testing.T) {
	const s = time.Second
	tests := []struct {
		preset string
		hint   time.Duration
		want   retry.Decision
	}{
		{"openai", 120 * s, retry.Decision{Reason: retry.RetryAfter, Wait: 120 * s}},
		{"openai", 121 * s, retry.Decision{Reason: retry.LongRetryAfter}},
		{"anthropic", time.Hour, retry.Decision{Reason: retry.RetryAfter, Wait: time.Hour}},
		{"azure", 60 * s, retry.Decision{Reason: retry.RetryAfter, Wait: 60 * s}},
		{"azure", 61 * s, retry.Decision{Reason: retry.LongRetryAfter}},
		{"grpc", 7 * s, retry.Decision{Reason: retry.RetryAfter, Wait: 7 * s}},
		{"aws", time.Hour, retry.Decision{Reason: retry.RetryAfter, Wait: 5 * s}}, // the backoff's word is 0
	}
	for _, tt := range tests {
		p, err := retry.ParsePolicy(tt.preset)
		require.NoError(t, err)
		got := p.Decide(retry.Failure{Attempt: 1, Class: retry.TransientAfter(tt.hint)}, &words{0})
		assert.Equal(t, tt.want, got, "%s: %v", tt.preset, tt.hint)
	}
}

func TestAThrottleDelayIsTheBaseAfterThrottling(t *testing.T) {
	p, err := retry.ParsePolicy("exp:base=50ms,throttle-base=1s,cap=3s,jitter=none,attempts=9")
	require.NoError(t, err)
	var got []time.Duration
	for attempt := 1; attempt <= 3; attempt++ {
		for _, class := range []retry.Classification{retry.Transient(), retry.Transient().Throttled()} {
			got = append(got, p.Decide(retry.Failure{Attempt: attempt, Class: class}, nil).Wait)
		}
	}
	const ms, s = time.Millisecond, time.Second
	assert.Equal(t, []time.Duration{50 * ms, s, 100 * ms, 2 * s, 200 * ms, 3 * s}, got)
}

func ExamplePresets() {
	for _, p := range retry.Presets() {
		if p.Name == "openai" {
			fmt.Println(p.Policy)
		}
	}
	// Output: exp:base=500ms,cap=8s,jitter=-25%+0%,attempts=3,max-retry-after=2m0s,long-retry-after=give-up
}
