package propertytest

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/retrykit/retrykit/retry"
	"pgregory.net/rapid"
)

// Policies draws valid policies over the whole range of every field.
func Policies() *rapid.Generator[retry.Policy] {
	return rapid.Custom(func(t *rapid.T) retry.Policy {
		return retry.Policy{
			MaxAttempts:    rapid.OneOf(rapid.IntRange(0, 6), rapid.Just(retry.Unlimited), rapid.Int()).Draw(t, "attempts"),
			BaseDelay:      Delays().Draw(t, "base"),
			MaxDelay:       Delays().Draw(t, "cap"),
			Jitter:         rapid.SampledFrom([]retry.Jitter{retry.JitterNone, retry.JitterAdditive}).Draw(t, "jitter"),
			AttemptTimeout: rapid.OneOf(rapid.Just(time.Duration(0)), Delays()).Draw(t, "timeout"),
		}
	})
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
