package propertytest

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/retrykit/retrykit/retry"
	"pgregory.net/rapid"
)

// Policies draws valid policies over the whole range of every field. Each
// leaves most features out, so that the others show.
func Policies() *rapid.Generator[retry.Policy] {
	return rapid.Custom(func(t *rapid.T) retry.Policy {
		p := retry.Policy{
			MaxAttempts: rapid.OneOf(rapid.IntRange(0, 6), rapid.Just(retry.Unlimited), rapid.Int()).Draw(t, "attempts"),
			Schedule:    rapid.SampledFrom([]retry.Schedule{retry.Exponential, retry.Constant, retry.Linear, retry.List}).Draw(t, "schedule"),
			MaxDelay:    Delays().Draw(t, "cap"),
			Jitter:      Jitters().Draw(t, "jitter"),
		}
		switch p.Schedule {
		case retry.Exponential:
			p.BaseDelay = Delays().Draw(t, "base")
			p.Multiplier = rapid.OneOf(
				rapid.SampledFrom([]float64{0, 1.5, 1.6, 2, 3, 10, 1, 1.000001, retry.MaxMultiplier}),
				rapid.Map(rapid.IntRange(1_000_000, 4_000_000), func(n int) float64 { return float64(n) / 1e6 }),
			).Draw(t, "multiplier")
		case retry.Constant:
			p.BaseDelay = Delays().Draw(t, "base")
		case retry.Linear:
			p.BaseDelay = Delays().Draw(t, "base")
			p.Step = Delays().Draw(t, "step")
		case retry.List:
			p.Delays = retry.MakeDelays(rapid.SliceOfN(Delays(), 1, 4).Draw(t, "delays")...)
		}
		if p.Schedule != retry.Exponential && p.Jitter == retry.JitterDecorrelated {
			p.Jitter = retry.JitterNone
		}
		if p.Schedule != retry.List && rapid.Bool().Draw(t, "tells throttling apart") {
			p.ThrottleDelay = Delays().Draw(t, "throttle-base")
		}
		if p.MaxDelay > 0 {
			p.Cap = rapid.SampledFrom([]retry.Cap{retry.CapBeforeJitter, retry.CapAfterJitter, retry.CapExact}).Draw(t, "capped")
		}
		if rapid.Bool().Draw(t, "heeds hints its own way") {
			p.RetryAfter = rapid.SampledFrom([]retry.HintRule{retry.HintReplaces, retry.HintOrBackoff, retry.HintIgnored}).Draw(t, "retry-after")
			if limit := Delays().Draw(t, "max-retry-after"); p.RetryAfter != retry.HintIgnored && limit > 0 {
				p.MaxRetryAfter = limit
				p.LongRetryAfter = rapid.SampledFrom([]retry.LongHint{retry.HintClamped, retry.HintDropped, retry.HintGivesUp, retry.HintWithin}).Draw(t, "long-retry-after")
				if p.LongRetryAfter == retry.HintWithin {
					p.RetryAfter = retry.HintReplaces
				}
			}
		}
		if rapid.Bool().Draw(t, "bounded") {
			p.AttemptTimeout = Delays().Draw(t, "timeout")
			p.MaxElapsed = Delays().Draw(t, "elapsed")
		}
		return p
	})
}

// Jitters draws kinds of jitter, the named ones and windows.
func Jitters() *rapid.Generator[retry.Jitter] {
	return rapid.OneOf(
		rapid.SampledFrom([]retry.Jitter{retry.JitterNone, retry.JitterAdditive, retry.JitterFull, retry.JitterEqual, retry.JitterDecorrelated}),
		rapid.Custom(func(t *rapid.T) retry.Jitter {
			return retry.JitterBetween(rapid.Uint16Range(0, 1000).Draw(t, "below"), rapid.Uint16Range(0, 1000).Draw(t, "above"))
		}),
	)
}

// Delays draws durations that are not negative: the magnitudes that people
// use as likely as the extremes.
func Delays() *rapid.Generator[time.Duration] {
	return rapid.OneOf(
		rapid.SampledFrom([]time.Duration{
			time.Second, 0, time.Millisecond, time.Minute, time.Hour,
			1, 9, 10, 99, math.MaxInt64 - 1, math.MaxInt64,
		}),
		rapid.Map(rapid.Int64Range(0, math.MaxInt64), func(ns int64) time.Duration { return time.Duration(ns) }),
	)
}

// Turns draws the turns of a script: at most max refusals, one statement each,
// and often an answer after them.
func Turns(max int) *rapid.Generator[[]string] {
	refusal := rapid.OneOf(
		rapid.Just("transient"),
		rapid.Map(rapid.IntRange(0, 5000), func(ms int) string { return fmt.Sprintf("transient:%d", ms) }),
		rapid.Just("permanent: no"),
	)
	return rapid.Custom(func(t *rapid.T) []string {
		turns := rapid.SliceOfN(refusal, 0, max).Draw(t, "refusals")
		if answer := rapid.SampledFrom([]string{`ok "hi"`, "ok", `ok "hi" transient`, ""}).Draw(t, "answer"); answer != "" {
			turns = append(turns, answer)
		}
		if len(turns) == 0 {
			turns = []string{"ok"}
		}
		return turns
	})
}

// Scripts draws the text of scripts made of [Turns] on one line each.
func Scripts(max int) *rapid.Generator[string] {
	return rapid.Map(Turns(max), func(turns []string) string { return strings.Join(turns, "\n") + "\n" })
}
