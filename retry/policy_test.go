package retry_test

import (
	"encoding/json"
	"flag"
	"io"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/retry"
)

func TestDefaultIsTheSeedsConfig(t *testing.T) {
	assert.Equal(t, retry.Policy{
		MaxAttempts: 3,
		BaseDelay:   time.Second,
		MaxDelay:    30 * time.Second,
		Jitter:      retry.JitterAdditive,
	}, retry.Default())
}

func TestBackoffGrowsThenCaps(t *testing.T) {
	holds(t, "C6")
	p := retry.Policy{BaseDelay: 10 * time.Millisecond, MaxDelay: 40 * time.Millisecond}
	for attempt, want := range map[int]time.Duration{
		math.MinInt: 10 * time.Millisecond,
		0:           10 * time.Millisecond,
		1:           10 * time.Millisecond,
		2:           20 * time.Millisecond,
		3:           40 * time.Millisecond,
		4:           40 * time.Millisecond,
		math.MaxInt: 40 * time.Millisecond,
	} {
		assert.Equal(t, want, p.Backoff(attempt), "after attempt %d", attempt)
	}
}

func TestBackoffEdges(t *testing.T) {
	const most = time.Duration(math.MaxInt64)
	tests := []struct {
		name      string
		base, cap time.Duration
		attempt   int
		want      time.Duration
	}{
		{"C6: zero base waits nothing, ever", 0, 0, 5000, 0},
		{"C6: zero cap is no cap", 1, 0, 40, 1 << 39},
		{"C6: grows past the original's limit of 2^20", time.Microsecond, 0, 31, time.Microsecond << 30},
		{"C6: largest power that fits", 1, 0, 63, 1 << 62},
		{"C6: first that does not", 1, 0, 64, most},
		{"C6: far beyond a word", 1, 0, 5000, most},
		{"C6: saturates below the cap's reach", time.Hour, most - 1, 5000, most - 1},
		{"C6: base just fits twice", most / 2, 0, 2, most - 1},
		{"C6: base does not fit twice", most/2 + 1, 0, 2, most},
		{"C6: cap below base caps at once", time.Minute, time.Second, 1, time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := retry.Policy{BaseDelay: tt.base, MaxDelay: tt.cap}
			assert.Equal(t, tt.want, p.Backoff(tt.attempt))
		})
	}
}

func TestMultiplierEdges(t *testing.T) {
	tests := []struct {
		name       string
		base       time.Duration
		multiplier float64
		attempt    int
		want       time.Duration
	}{
		{"a millionth more, though the float is a little less", 1_000_000, 1.000001, 2, 1_000_001},
		{"the product needs more than a word", 1 << 62, 1.5, 2, 1<<62 + 1<<61},
		{"it saturates", 1 << 62, 1.5, 3, math.MaxInt64},
		{"where the high word is exactly a million", 18_446_744_073_709_552, retry.MaxMultiplier, 2, math.MaxInt64},
		{"zero stays zero, at any attempt and at once", 0, 1.5, math.MaxInt, 0},
		{"a half is lost, not remembered as nothing: 1, 1.5, 2.25", 1, 1.5, 3, 2},
		{"whole numbers that no binary fraction is", 1_000_000_000, 1.6, 10, 68_719_476_736},
		{"just below one", 1_000_000_000, 1.6, 11, 109_951_162_777}, // and 0.6
		{"the last attempt of all", 1, 1.000001, math.MaxInt, math.MaxInt64},
		{"growth of nothing", time.Second, 1, math.MaxInt, time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := retry.Policy{BaseDelay: tt.base, Multiplier: tt.multiplier}
			assert.Equal(t, tt.want, p.Backoff(tt.attempt))
		})
	}
}

func TestDelaysOfAList(t *testing.T) {
	d := retry.MakeDelays(time.Second, 0, 90*time.Second)
	assert.Equal(t, retry.Delays("1s/0s/1m30s"), d)
	assert.Equal(t, []time.Duration{time.Second, 0, 90 * time.Second}, d.List())
	assert.Nil(t, retry.Delays("soon").List())
	p := retry.Policy{Schedule: retry.List, Delays: d}
	var got []time.Duration
	for attempt := 1; attempt <= 5; attempt++ {
		got = append(got, p.Backoff(attempt))
	}
	assert.Equal(t, []time.Duration{time.Second, 0, 90 * time.Second, 90 * time.Second, 90 * time.Second}, got, "the last delay repeats")
}

func TestValidateNamesTheField(t *testing.T) {
	for _, p := range []retry.Policy{
		{},
		retry.Default(),
		{MaxAttempts: -7},
		{MaxAttempts: 1_000_000_000},
		{MaxAttempts: retry.Unlimited, BaseDelay: math.MaxInt64, MaxDelay: 1},
		{Multiplier: 1},
		{Multiplier: retry.MaxMultiplier},
		{Schedule: retry.Linear, Step: 1},
		{Schedule: retry.List, Delays: retry.MakeDelays(0)},
		{Jitter: retry.JitterBetween(1000, 1000)},
		{Jitter: retry.JitterDecorrelated},
		{Cap: retry.CapExact, MaxDelay: 1},
		{MaxRetryAfter: 1, LongRetryAfter: retry.HintWithin},
	} {
		assert.NoError(t, p.Validate(), "%#v", p)
	}
	tests := []struct {
		policy retry.Policy
		want   string
	}{
		{retry.Policy{BaseDelay: -1}, "BaseDelay is negative: -1ns (use 0 for no wait)"},
		{retry.Policy{ThrottleDelay: -1}, "ThrottleDelay is negative: -1ns (use 0 for BaseDelay)"},
		{retry.Policy{ThrottleDelay: 1, Schedule: retry.List, Delays: "1s"}, "ThrottleDelay is set, but the schedule is list"},
		{retry.Policy{Step: -1}, "Step is negative: -1ns (use 0 for BaseDelay)"},
		{retry.Policy{MaxDelay: -time.Second}, "MaxDelay is negative: -1s (use 0 for no cap)"},
		{retry.Policy{MaxRetryAfter: -1}, "MaxRetryAfter is negative: -1ns (use 0 for any)"},
		{retry.Policy{AttemptTimeout: -1}, "AttemptTimeout is negative: -1ns (use 0 for no bound)"},
		{retry.Policy{MaxElapsed: -1}, "MaxElapsed is negative: -1ns (use 0 for no bound)"},
		{retry.Policy{Schedule: 99}, "Schedule is unknown: 99"},
		{retry.Policy{Schedule: retry.List + 1}, "Schedule is unknown: 4"},
		{retry.Policy{Multiplier: math.NaN()}, "Multiplier is NaN, outside 1 to 1000 (use 0 for 2)"},
		{retry.Policy{Multiplier: math.Inf(1)}, "Multiplier is +Inf, outside 1 to 1000 (use 0 for 2)"},
		{retry.Policy{Multiplier: 0.5}, "Multiplier is 0.5, outside 1 to 1000 (use 0 for 2)"},
		{retry.Policy{Multiplier: 1000.1}, "Multiplier is 1000.1, outside 1 to 1000 (use 0 for 2)"},
		{retry.Policy{Multiplier: -2}, "Multiplier is -2, outside 1 to 1000 (use 0 for 2)"},
		{retry.Policy{Multiplier: 2, Schedule: retry.Linear}, "Multiplier is set, but the schedule is linear"},
		{retry.Policy{Step: 1}, "Step is set, but the schedule is exp"},
		{retry.Policy{Delays: "1s"}, "Delays is set, but the schedule is exp"},
		{retry.Policy{Schedule: retry.List, BaseDelay: 1, Delays: "1s"}, "BaseDelay is set, but the schedule is list (its delays are in Delays)"},
		{retry.Policy{Schedule: retry.List}, `Delays is "", not made by MakeDelays`},
		{retry.Policy{Schedule: retry.List, Delays: "1s/-1s"}, `Delays is "1s/-1s", not made by MakeDelays`},
		{retry.Policy{Schedule: retry.List, Delays: "1000ms"}, `Delays is "1000ms", not made by MakeDelays`},
		{retry.Policy{Cap: 99}, "Cap is unknown: 99"},
		{retry.Policy{Cap: retry.CapExact + 1}, "Cap is unknown: 3"},
		{retry.Policy{Cap: retry.CapExact}, "Cap is exact, but there is no MaxDelay"},
		{retry.Policy{Jitter: retry.JitterBetween(1001, 0)}, "Jitter is unknown: 1001"},
		{retry.Policy{Jitter: retry.JitterBetween(0, 1001)}, "Jitter is unknown: 65601536"},
		{retry.Policy{Jitter: retry.JitterBetween(65535, 65535)}, "Jitter is unknown: 65602537"},
		{retry.Policy{Jitter: retry.JitterDecorrelated, Schedule: retry.Constant}, "Jitter is decorrelated, which is a schedule of its own, but the schedule is const"},
		{retry.Policy{RetryAfter: 99}, "RetryAfter is unknown: 99"},
		{retry.Policy{RetryAfter: retry.HintIgnored + 1}, "RetryAfter is unknown: 3"},
		{retry.Policy{LongRetryAfter: 99}, "LongRetryAfter is unknown: 99"},
		{retry.Policy{LongRetryAfter: retry.HintWithin + 1}, "LongRetryAfter is unknown: 4"},
		{retry.Policy{LongRetryAfter: retry.HintGivesUp}, "LongRetryAfter is give-up, but there is no MaxRetryAfter"},
		{retry.Policy{RetryAfter: retry.HintOrBackoff, MaxRetryAfter: 1, LongRetryAfter: retry.HintWithin}, "LongRetryAfter is window, but RetryAfter is larger"},
		{retry.Policy{RetryAfter: retry.HintIgnored, MaxRetryAfter: 1}, "MaxRetryAfter is set, but a Retry-After is ignored"},
	}
	for _, tt := range tests {
		assert.EqualError(t, tt.policy.Validate(), "retry: policy: "+tt.want)
	}
}

func TestParsePolicy(t *testing.T) {
	ms := time.Millisecond
	tests := []struct {
		text      string
		want      retry.Policy
		canonical string
	}{
		{"off", retry.Policy{}, "off"},
		{"default", retry.Default(), "exp:base=1s,cap=30s,jitter=additive,attempts=3"},
		{"exp", retry.Default(), "exp:base=1s,cap=30s,jitter=additive,attempts=3"},
		{"exp:attempts=5", retry.Policy{MaxAttempts: 5, BaseDelay: time.Second, MaxDelay: 30 * time.Second, Jitter: retry.JitterAdditive},
			"exp:base=1s,cap=30s,jitter=additive,attempts=5"},
		{"exp:jitter=none,attempts=unlimited,cap=none,base=200ms", retry.Policy{MaxAttempts: retry.Unlimited, BaseDelay: 200 * ms},
			"exp:base=200ms,cap=none,jitter=none,attempts=unlimited"},
		{"exp:base=0s,cap=0s,jitter=none,attempts=1", retry.Policy{MaxAttempts: 1}, "exp:base=0s,cap=none,jitter=none,attempts=1"},
		{"exp:timeout=10s,attempts=2,jitter=none", retry.Policy{MaxAttempts: 2, BaseDelay: time.Second, MaxDelay: 30 * time.Second, AttemptTimeout: 10 * time.Second},
			"exp:base=1s,cap=30s,jitter=none,attempts=2,timeout=10s"},
		{"const:base=2s", retry.Policy{MaxAttempts: 3, Schedule: retry.Constant, BaseDelay: 2 * time.Second, Jitter: retry.JitterAdditive},
			"const:base=2s,cap=none,jitter=additive,attempts=3"},
		{"linear:base=1s,step=500ms,cap=5s,jitter=full", retry.Policy{MaxAttempts: 3, Schedule: retry.Linear, BaseDelay: time.Second, Step: 500 * ms, MaxDelay: 5 * time.Second, Jitter: retry.JitterFull},
			"linear:base=1s,step=500ms,cap=5s,jitter=full,attempts=3"},
		{"list:delays=1000ms/5s/1m,jitter=none,attempts=9", retry.Policy{MaxAttempts: 9, Schedule: retry.List, Delays: "1s/5s/1m0s"},
			"list:delays=1s/5s/1m0s,cap=none,jitter=none,attempts=9"},
		{"exp:base=500ms,factor=1.50,cap=60s,jitter=-50%+50.0%,elapsed=15m", retry.Policy{MaxAttempts: 3, BaseDelay: 500 * ms, Multiplier: 1.5, MaxDelay: time.Minute, Jitter: retry.JitterBetween(500, 500), MaxElapsed: 15 * time.Minute},
			"exp:base=500ms,factor=1.5,cap=1m0s,jitter=-50%+50%,attempts=3,elapsed=15m0s"},
		{"exp:jitter=-12.5%+0%", retry.Policy{MaxAttempts: 3, BaseDelay: time.Second, MaxDelay: 30 * time.Second, Jitter: retry.JitterBetween(125, 0)},
			"exp:base=1s,cap=30s,jitter=-12.5%+0%,attempts=3"},
		{"exp:jitter=-50%+0%", retry.Policy{MaxAttempts: 3, BaseDelay: time.Second, MaxDelay: 30 * time.Second, Jitter: retry.JitterEqual},
			"exp:base=1s,cap=30s,jitter=equal,attempts=3"},
		{"exp:retry-after=larger,max-retry-after=60s,long-retry-after=give-up,capped=exact,jitter=decorrelated",
			retry.Policy{MaxAttempts: 3, BaseDelay: time.Second, MaxDelay: 30 * time.Second, Cap: retry.CapExact, Jitter: retry.JitterDecorrelated,
				RetryAfter: retry.HintOrBackoff, MaxRetryAfter: time.Minute, LongRetryAfter: retry.HintGivesUp},
			"exp:base=1s,cap=30s,capped=exact,jitter=decorrelated,attempts=3,retry-after=larger,max-retry-after=1m0s,long-retry-after=give-up"},
		{"exp:timeout=none", retry.Default(), "exp:base=1s,cap=30s,jitter=additive,attempts=3"},
	}
	for _, tt := range tests {
		got, err := retry.ParsePolicy(tt.text)
		require.NoError(t, err, tt.text)
		assert.Equal(t, tt.want, got, tt.text)
		assert.Equal(t, tt.canonical, got.String(), tt.text)
	}
}

// What lies on a bound is valid, and so is what is the default anyway.
func TestParsePolicyOnItsBounds(t *testing.T) {
	for text, want := range map[string]retry.Policy{
		"exp:base=1s,cap=none,factor=1,jitter=none":             {MaxAttempts: 1, BaseDelay: time.Second, Multiplier: 1, Jitter: retry.JitterNone},
		"exp:base=1s,cap=none,factor=1000,jitter=none":          {MaxAttempts: 1, BaseDelay: time.Second, Multiplier: retry.MaxMultiplier, Jitter: retry.JitterNone},
		"exp:base=1s,cap=none,capped=before-jitter,jitter=none": {MaxAttempts: 1, BaseDelay: time.Second, Jitter: retry.JitterNone},
		"exp:base=1s,cap=none,jitter=-100%+100%":                {MaxAttempts: 1, BaseDelay: time.Second, Jitter: retry.JitterBetween(1000, 1000)},
	} {
		p, err := retry.ParsePolicy(text)
		require.NoError(t, err)
		p.MaxAttempts = 1
		assert.Equal(t, want, p)
	}
	_, err := retry.ParsePolicy("exp:base=1s,jitter=20%+20%")
	assert.Error(t, err, "no sign in front of the lower end")
}

func TestNamesOfWhatThereIsNot(t *testing.T) {
	assert.Equal(t, "unknown", (retry.CapExact + 1).String())
	assert.Equal(t, "unknown", retry.Cap(255).String())
}

func TestParsePolicyErrors(t *testing.T) {
	tests := []struct{ text, word, want string }{
		{"", "", `retry: policy: unknown policy "" (known: exp, const, linear, list, off, default, anthropic, aws, aws-legacy, azure, cenkalti, envoy, gax, grpc, openai, stepfunctions, temporal)`},
		{"ex:base=1s", "ex", `retry: policy: unknown policy "ex" (known: exp, const, linear, list, off, default, anthropic, aws, aws-legacy, azure, cenkalti, envoy, gax, grpc, openai, stepfunctions, temporal)`},
		{"exp:", "", `retry: policy: unknown key "" (known: base, throttle-base, factor, cap, capped, jitter, attempts, retry-after, max-retry-after, long-retry-after, timeout, elapsed)`},
		{"exp:base=1s,", "", `retry: policy: unknown key "" (known: base, throttle-base, factor, cap, capped, jitter, attempts, retry-after, max-retry-after, long-retry-after, timeout, elapsed)`},
		{"exp:base=200ms,jiter=none", "jiter", `retry: policy: unknown key "jiter" (known: base, throttle-base, factor, cap, capped, jitter, attempts, retry-after, max-retry-after, long-retry-after, timeout, elapsed)`},
		{"exp:base=1s,base=2s", "base", `retry: policy: repeated key "base"`},
		{"exp:base=1", "1", `retry: policy: bad value for base "1" (known: a duration such as 200ms)`},
		{"exp:base=-1s", "-1s", `retry: policy: bad value for base "-1s" (known: a duration such as 200ms)`},
		{"exp:base=", "", `retry: policy: bad value for base "" (known: a duration such as 200ms)`},
		{"exp:base", "base", `retry: policy: no value for key "base"`},
		{"exp:bass", "bass", `retry: policy: unknown key "bass" (known: base, throttle-base, factor, cap, capped, jitter, attempts, retry-after, max-retry-after, long-retry-after, timeout, elapsed)`},
		{"exp:base=NaN", "NaN", `retry: policy: bad value for base "NaN" (known: a duration such as 200ms)`},
		{"exp:base=300y", "300y", `retry: policy: bad value for base "300y" (known: a duration such as 200ms)`},
		{"exp:base=9999999h", "9999999h", `retry: policy: bad value for base "9999999h" (known: a duration such as 200ms)`},
		{"exp:cap=-1s", "-1s", `retry: policy: bad value for cap "-1s" (known: a duration such as 30s, none)`},
		{"exp:timeout=soon", "soon", `retry: policy: bad value for timeout "soon" (known: a duration such as 10s, none)`},
		{"exp:jitter=wild", "wild", `retry: policy: bad value for jitter "wild" (known: none, additive, full, equal, decorrelated, a window such as -20%+20%)`},
		{"exp:jitter=20%", "20%", `retry: policy: bad value for jitter "20%" (known: none, additive, full, equal, decorrelated, a window such as -20%+20%)`},
		{"exp:jitter=-20%+101%", "-20%+101%", `retry: policy: bad value for jitter "-20%+101%" (known: none, additive, full, equal, decorrelated, a window such as -20%+20%)`},
		{"exp:jitter=-2e1%+1%", "-2e1%+1%", `retry: policy: bad value for jitter "-2e1%+1%" (known: none, additive, full, equal, decorrelated, a window such as -20%+20%)`},
		{"exp:jitter=-1.25%+1%", "-1.25%+1%", `retry: policy: bad value for jitter "-1.25%+1%" (known: none, additive, full, equal, decorrelated, a window such as -20%+20%)`},
		{"exp:factor=0", "0", `retry: policy: bad value for factor "0" (known: a number from 1 to 1000)`},
		{"exp:factor=NaN", "NaN", `retry: policy: bad value for factor "NaN" (known: a number from 1 to 1000)`},
		{"exp:factor=1001", "1001", `retry: policy: bad value for factor "1001" (known: a number from 1 to 1000)`},
		{"const:factor=2", "factor", `retry: policy: unknown key "factor" (known: base, throttle-base, cap, capped, jitter, attempts, retry-after, max-retry-after, long-retry-after, timeout, elapsed)`},
		{"list:base=1s", "base", `retry: policy: unknown key "base" (known: delays, cap, capped, jitter, attempts, retry-after, max-retry-after, long-retry-after, timeout, elapsed)`},
		{"list:delays=", "", `retry: policy: bad value for delays "" (known: durations such as 1s/5s/30s)`},
		{"list:delays=1s//2s", "1s//2s", `retry: policy: bad value for delays "1s//2s" (known: durations such as 1s/5s/30s)`},
		{"list:attempts=2", "list:attempts=2", `retry: policy: Delays is "", not made by MakeDelays, in "list:attempts=2"`},
		{"exp:capped=exact,cap=none", "exp:capped=exact,cap=none", `retry: policy: Cap is exact, but there is no MaxDelay, in "exp:capped=exact,cap=none"`},
		{"exp:retry-after=obey", "obey", `retry: policy: bad value for retry-after "obey" (known: replace, larger, ignore)`},
		{"exp:attempts=0", "0", `retry: policy: bad value for attempts "0" (known: a whole number from 1, unlimited)`},
		{"exp:attempts=-1", "-1", `retry: policy: bad value for attempts "-1" (known: a whole number from 1, unlimited)`},
		{"exp:attempts=1e3", "1e3", `retry: policy: bad value for attempts "1e3" (known: a whole number from 1, unlimited)`},
		{"exp:attempts=99999999999999999999", "99999999999999999999", `retry: policy: bad value for attempts "99999999999999999999" (known: a whole number from 1, unlimited)`},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			p, err := retry.ParsePolicy(tt.text)
			assert.Equal(t, retry.Policy{}, p)
			var bad *retry.PolicyError
			require.ErrorAs(t, err, &bad)
			assert.EqualError(t, err, tt.want)
			assert.Equal(t, tt.text, bad.Text)
			assert.Equal(t, tt.word, bad.Text[bad.Offset:bad.Offset+len(bad.Word)], "the offset points at the word")
		})
	}
}

var _ flag.Value = (*retry.Policy)(nil)

func TestPolicyInJSONAndInFlags(t *testing.T) {
	type config struct{ Retry retry.Policy }
	text, err := json.Marshal(config{retry.Default()})
	require.NoError(t, err)
	assert.Equal(t, `{"Retry":"exp:base=1s,cap=30s,jitter=additive,attempts=3"}`, string(text))
	var back config
	require.NoError(t, json.Unmarshal(text, &back))
	assert.Equal(t, retry.Default(), back.Retry)
	assert.ErrorContains(t, json.Unmarshal([]byte(`{"Retry":"exp:base=soon"}`), &back), `bad value for base "soon"`)

	flags := flag.NewFlagSet("", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	p := retry.Default()
	flags.Var(&p, "retry", "the policy")
	require.NoError(t, flags.Parse([]string{"-retry", "off"}))
	assert.Equal(t, retry.Policy{}, p)
	assert.ErrorContains(t, flags.Parse([]string{"-retry", "on"}), "unknown policy")
	assert.Equal(t, retry.Policy{}, p)
}

func TestUnmarshalTextLeavesThePolicyOnError(t *testing.T) {
	p := retry.Default()
	require.Error(t, p.UnmarshalText([]byte("exp:base=soon")))
	assert.Equal(t, retry.Default(), p)
	_, err := retry.Policy{BaseDelay: -1}.MarshalText()
	assert.Error(t, err)
}
