package propertytest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/retrykit/retrykit/propertytest"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
)

func TestGeneratedValuesAreValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		require.NoError(t, propertytest.Policies().Draw(t, "policy").Validate())
		require.GreaterOrEqual(t, propertytest.Delays().Draw(t, "delay"), time.Duration(0))
		_, err := scripted.Parse("script", propertytest.Scripts(4).Draw(t, "script"))
		require.NoError(t, err)
	})
}

// A generator that never draws what breaks code is worth nothing: each of
// these must come up in a thousand draws.
func TestGeneratorsAreNotVacuous(t *testing.T) {
	seen := make(map[string]int)
	note := func(name string, ok bool) {
		if ok {
			seen[name]++
		}
	}
	for i := range 1000 {
		p := propertytest.Policies().Example(i)
		note("one attempt", p.MaxAttempts == 1)
		note("few attempts", p.MaxAttempts > 1 && p.MaxAttempts < 7)
		note("no attempts", p.MaxAttempts <= 0)
		note("unlimited", p.MaxAttempts == retry.Unlimited)
		note("no base", p.BaseDelay == 0)
		note("no cap", p.MaxDelay == 0)
		note("cap below base", p.MaxDelay > 0 && p.MaxDelay < p.BaseDelay)
		note("jitter", p.Jitter != retry.JitterNone)
		note("timeout", p.AttemptTimeout > 0)
		for _, schedule := range []retry.Schedule{retry.Exponential, retry.Constant, retry.Linear, retry.List} {
			note(schedule.String(), p.Schedule == schedule)
		}
		note("decorrelated", p.Jitter == retry.JitterDecorrelated)
		note("cap after jitter", p.Cap == retry.CapAfterJitter)
		note("ignores hints", p.RetryAfter == retry.HintIgnored)
		note("gives up", p.LongRetryAfter == retry.HintGivesUp)
		script := propertytest.Scripts(4).Example(i)
		note("hint", strings.Contains(script, "transient:"))
		note("zero hint", strings.Contains(script, "transient:0"))
		note("permanent first", strings.HasPrefix(script, "permanent"))
		note("broken stream", strings.Contains(script, `"hi" transient`))
		note("no answer", !strings.Contains(script, "ok"))
	}
	for _, name := range []string{"one attempt", "few attempts", "no attempts", "unlimited", "no base", "no cap", "cap below base",
		"exp", "const", "linear", "list", "decorrelated", "cap after jitter", "ignores hints", "gives up", "jitter", "timeout", "hint", "zero hint", "permanent first", "broken stream", "no answer"} {
		assert.NotZero(t, seen[name], name)
	}
}

func TestScenariosCanBePlayed(t *testing.T) {
	drawn := propertytest.Cancelled(propertytest.Scenarios(propertytest.ShortPolicies()))
	rapid.Check(t, func(t *rapid.T) {
		s := drawn.Draw(t, "scenario")
		require.NoError(t, s.Policy.Validate())
		text := scripted.Format(s)
		again, err := scripted.Parse("scenario", text)
		require.NoError(t, err, text)
		require.Equal(t, text, scripted.Format(again))
	})
}

// Each of these must come up in a thousand scenarios.
func TestScenariosAreNotVacuous(t *testing.T) {
	seen := make(map[string]int)
	note := func(name string, ok bool) {
		if ok {
			seen[name]++
		} else {
			seen[name] += 0
		}
	}
	plain := propertytest.Scenarios(propertytest.ShortPolicies())
	cancelled := propertytest.Cancelled(plain)
	for i := range 1000 {
		s := plain.Example(i)
		p, text := *s.Policy, scripted.Format(s)
		note("unlimited", p.MaxAttempts == retry.Unlimited)
		note("one attempt", p.MaxAttempts <= 1)
		note("more refusals than attempts", len(s.Turns) > p.MaxAttempts && p.MaxAttempts > 1)
		note("no refusal", len(s.Turns) == 1)
		note("cap below base", p.MaxDelay > 0 && p.MaxDelay < p.BaseDelay)
		note("jitter", p.Jitter != retry.JitterNone)
		note("elapsed", p.MaxElapsed > 0)
		note("hang", strings.Contains(text, "hang"))
		note("reset", strings.Contains(text, "reset"))
		note("latency", strings.Contains(text, "after"))
		note("permanent", strings.Contains(text, "permanent"))
		note("breaks", strings.Contains(text, `"Hel" transient`))
		for _, turn := range s.Turns {
			if a, ok := turn.Answer.(scripted.Transient); ok && a.Hinted {
				note("hint on the backoff", a.Wait == p.Backoff(1))
				note("hint beside the backoff", a.Wait == p.Backoff(1)+time.Millisecond)
				note("no time asked for", a.Wait == 0)
				note("more than the cap", p.MaxDelay > 0 && a.Wait > p.MaxDelay)
			}
		}
		c := cancelled.Example(i)
		note("before the call", c.Cancel != nil && *c.Cancel == 0)
		note("cancel", c.Cancel != nil && *c.Cancel > 0)
		note("deadline", c.TotalTimeout > 0)
	}
	for name, n := range seen {
		assert.GreaterOrEqual(t, n, 5, name)
	}
}
