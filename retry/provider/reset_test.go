package provider_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/retrykit/retrykit/retry/provider"
)

func TestReset(t *testing.T) {
	one := func(name string, values ...string) http.Header { return http.Header{name: values} }
	tests := []struct {
		name     string
		provider provider.Provider
		header   http.Header
		want     time.Duration
	}{
		{"nothing", provider.OpenAI, nil, 0},
		{"RFC 3339", provider.Anthropic, one("Anthropic-Ratelimit-Tokens-Reset", "2000-01-01T00:00:00Z"), time.Minute},
		{"RFC 3339, small letters, an offset", provider.Anthropic, one("Anthropic-Ratelimit-Tokens-Reset", "2000-01-01t01:00:00.5+01:00"), time.Minute + time.Second/2},
		{"RFC 3339, this moment", provider.Anthropic, one("Anthropic-Ratelimit-Tokens-Reset", "1999-12-31T23:59:00Z"), 0},
		{"RFC 3339, far away", provider.Anthropic, one("Anthropic-Ratelimit-Tokens-Reset", "9999-12-31T23:59:59Z"), forever},
		{"RFC 3339, without a zone", provider.Anthropic, one("Anthropic-Ratelimit-Tokens-Reset", "2000-01-01T00:00:00"), 0},
		{"a duration", provider.OpenAI, one("X-Ratelimit-Reset-Tokens", "12ms"), 12 * time.Millisecond},
		{"a duration without a unit", provider.OpenAI, one("X-Ratelimit-Reset-Tokens", "12"), 0},
		{"a duration that is negative", provider.OpenAI, one("X-Ratelimit-Reset-Tokens", "-12ms"), 0},
		{"a duration beyond all", provider.OpenAI, one("X-Ratelimit-Reset-Tokens", "99999999h"), forever},
		{"seconds", provider.AzureOpenAI, one("X-Ratelimit-Reset-Tokens", "12"), 12 * time.Second},
		{"seconds, 0", provider.AzureOpenAI, one("X-Ratelimit-Reset-Tokens", "0"), 0},
		{"seconds, 1", provider.AzureOpenAI, one("X-Ratelimit-Reset-Tokens", "1"), time.Second},
		{"seconds, -1", provider.AzureOpenAI, one("X-Ratelimit-Reset-Tokens", "-1"), 0},
		{"Unix seconds", provider.Cohere, one("X-Ratelimit-Reset", "946684800"), time.Minute},
		{"Unix seconds, this moment", provider.Cohere, one("X-Ratelimit-Reset", "946684740"), 0},
		{"Unix seconds, a moment more", provider.Cohere, one("X-Ratelimit-Reset", "946684740.000000001"), 1},
		{"Unix seconds beyond 2262", provider.Cohere, one("X-Ratelimit-Reset", "9223372037"), forever},
		{"Unix seconds that are none", provider.Cohere, one("X-Ratelimit-Reset", "soon"), 0},
		{"two values", provider.OpenAI, one("X-Ratelimit-Reset-Tokens", "1s, 3s", "2s"), 3 * time.Second},
		{"something remains", provider.OpenAI, http.Header{"X-Ratelimit-Reset-Tokens": {"1s"}, "X-Ratelimit-Remaining-Tokens": {"1"}}, 0},
		{"nothing remains", provider.OpenAI, http.Header{"X-Ratelimit-Reset-Tokens": {"1s"}, "X-Ratelimit-Remaining-Tokens": {" 0 "}}, time.Second},
		{"the other's header", provider.Anthropic, one("X-Ratelimit-Reset-Tokens", "12ms"), 0},
		{"nobody's header", "", one("X-Ratelimit-Reset-Tokens", "12ms"), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := provider.Reset(tt.provider, tt.header, now)
			assert.Equal(t, tt.want, got)
			assert.Equal(t, tt.want > 0, ok)
		})
	}

	_, ok := provider.Reset(provider.Anthropic, one("Anthropic-Ratelimit-Tokens-Reset", "2000-01-01T00:00:00Z"), time.Time{})
	assert.False(t, ok, "no time to measure from")
	_, ok = provider.Reset(provider.Cohere, one("X-Ratelimit-Reset", "946684800"), time.Time{})
	assert.False(t, ok, "no time to measure from")
}

func TestAnyReset(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := http.Header{}
		for _, name := range []string{"Anthropic-Ratelimit-Tokens-Reset", "X-Ratelimit-Reset-Tokens", "X-Ratelimit-Reset", "X-Ratelimit-Remaining-Tokens", "Date"} {
			h[name] = rapid.SliceOfN(rapid.OneOf(rapid.String(), rapid.StringMatching(`[-+0-9.TZ:hms]{0,30}`)), 0, 2).Draw(t, name)
		}
		got, ok := provider.Reset(rapid.SampledFrom(providers).Draw(t, "provider"), h, time.Unix(rapid.Int64().Draw(t, "now"), 0))
		assert.GreaterOrEqual(t, got, time.Duration(0))
		assert.Equal(t, got > 0, ok)
	})
}
