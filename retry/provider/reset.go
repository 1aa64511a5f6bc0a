package provider

import (
	"math"
	"net/http"
	"strings"
	"time"
)

// resetHeaders say when a rate limit is whole again, and what is left of it
// until then.
var resetHeaders = []struct {
	provider         Provider
	reset, remaining string
	parse            func(value string, from time.Time) (time.Duration, error)
}{
	// RFC 3339, on every response, and at times a second in the past.
	{Anthropic, "Anthropic-Ratelimit-Requests-Reset", "Anthropic-Ratelimit-Requests-Remaining", parseTime},
	{Anthropic, "Anthropic-Ratelimit-Tokens-Reset", "Anthropic-Ratelimit-Tokens-Remaining", parseTime},
	{Anthropic, "Anthropic-Ratelimit-Input-Tokens-Reset", "Anthropic-Ratelimit-Input-Tokens-Remaining", parseTime},
	{Anthropic, "Anthropic-Ratelimit-Output-Tokens-Reset", "Anthropic-Ratelimit-Output-Tokens-Remaining", parseTime},
	// Durations, such as 6m0s.
	{OpenAI, "X-Ratelimit-Reset-Requests", "X-Ratelimit-Remaining-Requests", parseDuration},
	{OpenAI, "X-Ratelimit-Reset-Tokens", "X-Ratelimit-Remaining-Tokens", parseDuration},
	// Whole seconds; -1 and 0 mean that nothing is known.
	{AzureOpenAI, "X-Ratelimit-Reset-Requests", "X-Ratelimit-Remaining-Requests", parseSeconds},
	{AzureOpenAI, "X-Ratelimit-Reset-Tokens", "X-Ratelimit-Remaining-Tokens", parseSeconds},
	// Seconds since 1970, as Cohere's own clients read it.
	{Cohere, "X-Ratelimit-Reset", "X-Ratelimit-Remaining", parseUnix},
}

// Reset returns how long after now, the moment the header arrived, the rate
// limits that are used up will be whole again: the longest wait, if there are
// several. A limit of which something remains does not count. Moments are
// measured like the dates of [Readings].
//
// It is an upper bound and nobody's request: limits refill bit by bit. So it
// stands in only where a 429 has no Retry-After, and what says "now" or
// "before now" says nothing: ok is then false, and wait is never 0 with ok
// true. Reset headers are those of Anthropic (RFC 3339), OpenAI (durations),
// Azure OpenAI (seconds, where -1 and 0 mean unknown) and Cohere (Unix
// seconds).
func Reset(p Provider, h http.Header, now time.Time) (wait time.Duration, ok bool) {
	from := measuredFrom(h, now)
	for _, header := range resetHeaders {
		remaining := trim(h.Get(header.remaining))
		if header.provider != p || remaining != "" && remaining != "0" {
			continue
		}
		for _, line := range h[header.reset] {
			for value := range values(line) {
				if d, err := header.parse(value, from); err == nil {
					wait = max(wait, d)
				}
			}
		}
	}
	return wait, wait > 0
}

// parseTime reads a moment of RFC 3339.
func parseTime(value string, from time.Time) (time.Duration, error) {
	t, err := time.Parse(time.RFC3339, strings.ToUpper(value))
	if err != nil || from.IsZero() {
		return 0, refused(value, "not a moment that can be measured")
	}
	return max(t.Sub(from), 0), nil
}

// parseUnix reads seconds since 1970.
func parseUnix(value string, from time.Time) (time.Duration, error) {
	d, err := parseSeconds(value, from)
	if err != nil || from.IsZero() {
		return 0, refused(value, "not a moment that can be measured")
	}
	if d == math.MaxInt64 { // beyond 2262: how far beyond is lost
		return d, nil
	}
	return max(time.Unix(0, 0).Add(d).Sub(from), 0), nil
}
