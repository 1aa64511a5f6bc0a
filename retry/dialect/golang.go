package dialect

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/retrykit/retrykit/retry"
)

// Go returns the policy as a Go expression, formatted as gofmt would:
//
//	retry.Policy{
//		MaxAttempts: 3,
//		BaseDelay:   time.Second,
//	}
//
// Fields with their zero value are left out.
func Go(p retry.Policy) string {
	if p == (retry.Policy{}) {
		return "retry.Policy{}"
	}
	var fields [][2]string
	add := func(name, value string, zero bool) {
		if !zero {
			fields = append(fields, [2]string{name, value})
		}
	}
	attempts := fmt.Sprint(p.MaxAttempts)
	if p.MaxAttempts == retry.Unlimited {
		attempts = "retry.Unlimited"
	}
	add("MaxAttempts", attempts, p.MaxAttempts == 0)
	add("Schedule", "retry."+[]string{"Exponential", "Constant", "Linear", "List"}[p.Schedule], p.Schedule == 0)
	add("BaseDelay", goDuration(p.BaseDelay), p.BaseDelay == 0)
	add("ThrottleDelay", goDuration(p.ThrottleDelay), p.ThrottleDelay == 0)
	add("Multiplier", fmt.Sprint(p.Multiplier), p.Multiplier == 0)
	add("Step", goDuration(p.Step), p.Step == 0)
	add("Delays", goDelays(p.Delays), p.Delays == "")
	add("MaxDelay", goDuration(p.MaxDelay), p.MaxDelay == 0)
	add("Cap", "retry."+[]string{"CapBeforeJitter", "CapAfterJitter", "CapExact"}[p.Cap], p.Cap == 0)
	add("Jitter", goJitter(p.Jitter), p.Jitter == retry.JitterNone)
	add("RetryAfter", "retry."+[]string{"HintReplaces", "HintOrBackoff", "HintIgnored"}[p.RetryAfter], p.RetryAfter == 0)
	add("MaxRetryAfter", goDuration(p.MaxRetryAfter), p.MaxRetryAfter == 0)
	add("LongRetryAfter", "retry."+[]string{"HintClamped", "HintDropped", "HintGivesUp", "HintWithin"}[p.LongRetryAfter], p.LongRetryAfter == 0)
	add("AttemptTimeout", goDuration(p.AttemptTimeout), p.AttemptTimeout == 0)
	add("MaxElapsed", goDuration(p.MaxElapsed), p.MaxElapsed == 0)

	width := 0
	for _, f := range fields {
		width = max(width, len(f[0]))
	}
	var b strings.Builder
	b.WriteString("retry.Policy{\n")
	for _, f := range fields {
		fmt.Fprintf(&b, "\t%-*s %s,\n", width+1, f[0]+":", f[1])
	}
	b.WriteString("}")
	return b.String()
}

// goDuration writes a duration in its largest whole unit.
func goDuration(d time.Duration) string {
	if d == math.MaxInt64 {
		return "math.MaxInt64"
	}
	for _, u := range []struct {
		unit time.Duration
		name string
	}{
		{time.Hour, "time.Hour"}, {time.Minute, "time.Minute"}, {time.Second, "time.Second"},
		{time.Millisecond, "time.Millisecond"}, {time.Microsecond, "time.Microsecond"},
	} {
		switch {
		case d == u.unit:
			return u.name
		case d != 0 && d%u.unit == 0:
			return fmt.Sprintf("%d * %s", d/u.unit, u.name)
		}
	}
	return fmt.Sprintf("%d * time.Nanosecond", int64(d))
}

func goDelays(delays retry.Delays) string {
	var parts []string
	for _, d := range delays.List() {
		text := goDuration(d)
		if d == 0 {
			text = "0"
		}
		parts = append(parts, text)
	}
	if len(parts) > 1 { // gofmt closes products up among several arguments
		for i, text := range parts {
			parts[i] = strings.ReplaceAll(text, " * ", "*")
		}
	}
	return "retry.MakeDelays(" + strings.Join(parts, ", ") + ")"
}

func goJitter(j retry.Jitter) string {
	switch j {
	case retry.JitterAdditive:
		return "retry.JitterAdditive"
	case retry.JitterFull:
		return "retry.JitterFull"
	case retry.JitterEqual:
		return "retry.JitterEqual"
	case retry.JitterDecorrelated:
		return "retry.JitterDecorrelated"
	}
	return fmt.Sprintf("retry.JitterBetween(%d, %d)", uint32(j)&0xffff, uint32(j)>>16)
}
