package retry_test

import (
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/retrykit/retrykit/propertytest"
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
		{"zero base waits nothing, ever", 0, 0, 5000, 0},
		{"zero cap is no cap", 1, 0, 40, 1 << 39},
		{"grows past the original's limit of 2^20", time.Microsecond, 0, 31, time.Microsecond << 30},
		{"largest power that fits", 1, 0, 63, 1 << 62},
		{"first that does not", 1, 0, 64, most},
		{"far beyond a word", 1, 0, 5000, most},
		{"saturates below the cap's reach", time.Hour, most - 1, 5000, most - 1},
		{"base just fits twice", most / 2, 0, 2, most - 1},
		{"base does not fit twice", most/2 + 1, 0, 2, most},
		{"cap below base caps at once", time.Minute, time.Second, 1, time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := retry.Policy{BaseDelay: tt.base, MaxDelay: tt.cap}
			assert.Equal(t, tt.want, p.Backoff(tt.attempt))
		})
	}
}

// The oracle multiplies in unbounded integers and shares no code with Backoff.
func TestBackoffAgainstBigIntegers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := propertytest.Policies().Draw(t, "policy")
		attempt := rapid.IntRange(1, 5000).Draw(t, "attempt")
		want := new(big.Int).Lsh(big.NewInt(int64(p.BaseDelay)), uint(attempt-1))
		if limit := big.NewInt(int64(p.MaxDelay)); p.MaxDelay > 0 && want.Cmp(limit) > 0 {
			want = limit
		}
		if limit := big.NewInt(math.MaxInt64); want.Cmp(limit) > 0 {
			want = limit
		}
		require.Equal(t, want.Int64(), int64(p.Backoff(attempt)))
	})
}

func TestValidateNamesTheField(t *testing.T) {
	tests := []struct {
		policy retry.Policy
		want   string // "" is valid
	}{
		{retry.Policy{}, ""},
		{retry.Default(), ""},
		{retry.Policy{MaxAttempts: -7}, ""},
		{retry.Policy{MaxAttempts: retry.Unlimited, BaseDelay: math.MaxInt64, MaxDelay: 1}, ""},
		{retry.Policy{BaseDelay: -1}, "retry: policy: BaseDelay is negative: -1ns (use 0 for no wait)"},
		{retry.Policy{MaxDelay: -time.Second}, "retry: policy: MaxDelay is negative: -1s (use 0 for no cap)"},
		{retry.Policy{AttemptTimeout: -1}, "retry: policy: AttemptTimeout is negative: -1ns (use 0 for no bound)"},
		{retry.Policy{Jitter: 99}, "retry: policy: Jitter is unknown: 99 (use JitterNone or JitterAdditive)"},
	}
	for _, tt := range tests {
		err := tt.policy.Validate()
		if tt.want == "" {
			assert.NoError(t, err, "%#v", tt.policy)
		} else {
			assert.EqualError(t, err, tt.want)
		}
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
		{"exp:timeout=none", retry.Default(), "exp:base=1s,cap=30s,jitter=additive,attempts=3"},
	}
	for _, tt := range tests {
		got, err := retry.ParsePolicy(tt.text)
		require.NoError(t, err, tt.text)
		assert.Equal(t, tt.want, got, tt.text)
		assert.Equal(t, tt.canonical, got.String(), tt.text)
	}
}

func TestParsePolicyErrors(t *testing.T) {
	tests := []struct{ text, word, want string }{
		{"", "", `retry: policy: unknown policy "" (known: exp, default, off)`},
		{"ex:base=1s", "ex", `retry: policy: unknown policy "ex" (known: exp, default, off)`},
		{"exp:", "", `retry: policy: unknown key "" (known: base, cap, jitter, attempts, timeout)`},
		{"exp:base=1s,", "", `retry: policy: unknown key "" (known: base, cap, jitter, attempts, timeout)`},
		{"exp:base=200ms,jiter=none", "jiter", `retry: policy: unknown key "jiter" (known: base, cap, jitter, attempts, timeout)`},
		{"exp:base=1s,base=2s", "base", `retry: policy: repeated key "base"`},
		{"exp:base=1", "1", `retry: policy: bad value for base "1" (known: a duration such as 200ms)`},
		{"exp:base=-1s", "-1s", `retry: policy: bad value for base "-1s" (known: a duration such as 200ms)`},
		{"exp:base=", "", `retry: policy: bad value for base "" (known: a duration such as 200ms)`},
		{"exp:base", "base", `retry: policy: no value for key "base"`},
		{"exp:bass", "bass", `retry: policy: unknown key "bass" (known: base, cap, jitter, attempts, timeout)`},
		{"exp:base=NaN", "NaN", `retry: policy: bad value for base "NaN" (known: a duration such as 200ms)`},
		{"exp:base=300y", "300y", `retry: policy: bad value for base "300y" (known: a duration such as 200ms)`},
		{"exp:base=9999999h", "9999999h", `retry: policy: bad value for base "9999999h" (known: a duration such as 200ms)`},
		{"exp:cap=-1s", "-1s", `retry: policy: bad value for cap "-1s" (known: a duration such as 30s, none)`},
		{"exp:timeout=soon", "soon", `retry: policy: bad value for timeout "soon" (known: a duration such as 10s, none)`},
		{"exp:jitter=wild", "wild", `retry: policy: bad value for jitter "wild" (known: none, additive)`},
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

func TestPolicyTextRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := propertytest.Policies().Draw(t, "policy")
		text, err := p.MarshalText()
		require.NoError(t, err)
		var q retry.Policy
		require.NoError(t, q.UnmarshalText(text))
		if p != (retry.Policy{}) {
			p.MaxAttempts = max(p.MaxAttempts, 1)
		}
		require.Equal(t, p, q)
		require.Equal(t, string(text), q.String())
	})
}

func TestUnmarshalTextLeavesThePolicyOnError(t *testing.T) {
	p := retry.Default()
	require.Error(t, p.UnmarshalText([]byte("exp:base=soon")))
	assert.Equal(t, retry.Default(), p)
	_, err := retry.Policy{BaseDelay: -1}.MarshalText()
	assert.Error(t, err)
}
