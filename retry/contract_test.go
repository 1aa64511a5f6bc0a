package retry_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/retry"
)

// attemptTurn is what one attempt does: it takes a while and returns an error,
// nil for a success.
type attemptTurn struct {
	took time.Duration
	err  error
}

// outcome is everything that can be seen of a call from outside.
type outcome struct {
	Starts []time.Duration
	End    time.Duration
	Kind   string   // how it ended
	Log    []string // what the limit was asked and told
}

// contract plays a call by the rules C1 to C3, C5, C6, C10 and C13 of the
// package, one after the other and with no code in common.
func contract(p retry.Policy, turns []attemptTurn, allow int, cancel, deadline time.Duration) (o outcome) {
	now, number := time.Duration(0), 0
	class := retry.Permanent()
	end := func(kind string) outcome {
		o.End, o.Kind = now, kind
		return o
	}
	asks := func() bool {
		o.Log = append(o.Log, fmt.Sprintf("allow %d %v", number+1, class))
		allow--
		return allow >= 0
	}
	over := func() bool { return cancel > 0 && cancel <= now || deadline > 0 && deadline <= now }
	if !asks() {
		return end("refused before the first attempt")
	}
	for {
		turn := turns[number]
		number++
		o.Starts = append(o.Starts, now)
		stop := now + turn.took
		cut, timedOut := false, false
		if p.AttemptTimeout > 0 && stop >= now+p.AttemptTimeout {
			stop, cut, timedOut = now+p.AttemptTimeout, true, true
		}
		for _, t := range []time.Duration{cancel, deadline} {
			if t > 0 && t < stop {
				stop, cut, timedOut = t, true, false
			}
		}
		now = stop
		last := number >= max(p.MaxAttempts, 1)
		switch {
		case cut && timedOut:
			class = retry.Transient().TimedOut()
		case cut: // the context's error has no class
			class = retry.Permanent()
		case turn.err == nil:
			o.Log = append(o.Log, fmt.Sprintf("report %d true %v", number, class))
			return end("success")
		default:
			class = retry.Classify(turn.err)
		}
		if over() {
			o.Log = append(o.Log, fmt.Sprintf("abandon %d", number))
		} else {
			o.Log = append(o.Log, fmt.Sprintf("report %d false %v", number, class))
		}
		if last || !class.IsTransient() {
			return end(fmt.Sprintf("error of attempt %d", number))
		}
		wait := p.BaseDelay << (number - 1)
		if p.MaxDelay > 0 {
			wait = min(wait, p.MaxDelay)
		}
		if hint, ok := class.RetryAfter(); ok {
			wait = hint
		}
		switch {
		case over():
			return end("cancelled")
		case deadline > 0 && now+wait >= deadline:
			return end("cancelled")
		case p.MaxElapsed > 0 && now+wait > p.MaxElapsed:
			return end(fmt.Sprintf("error of attempt %d", number))
		case !asks():
			return end(fmt.Sprintf("error of attempt %d", number))
		case cancel > 0 && cancel < now+wait:
			now = cancel
			o.Log = append(o.Log, fmt.Sprintf("abandon %d", number+1))
			return end("cancelled")
		}
		now += wait
	}
}

// Any policy, script, limit and end of the context: the call does what the
// contract says, to the nanosecond, while others replace the policy.
func TestDoAgainstTheContract(t *testing.T) {
	seen := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		const unit = 10 * time.Millisecond
		units := func(label string, most int) time.Duration {
			return time.Duration(rapid.IntRange(0, most).Draw(t, label)) * unit
		}
		p := retry.Policy{
			MaxAttempts: rapid.SampledFrom([]int{6, 3, 2, 5, 1, 0, -1}).Draw(t, "attempts"), BaseDelay: units("base", 5) + unit, MaxDelay: units("cap", 12),
			AttemptTimeout: units("timeout", 6), MaxElapsed: units("elapsed", 40),
		}
		var turns []attemptTurn
		for i := range 7 {
			turn := attemptTurn{took: units("took", 7)}
			switch rapid.SampledFrom([]int{3, 2, 0, 3, 1, 2}).Draw(t, "what") {
			case 0:
			case 1:
				turn.err = permanent(fmt.Sprint("permanent ", i))
			case 2:
				turn.err = hinted(fmt.Sprint("hinted ", i), units("hint", 15))
			default:
				turn.err = transient(fmt.Sprint("transient ", i))
			}
			turns = append(turns, turn)
		}
		var cancel, deadline time.Duration // never at the instant of anything else
		switch rapid.IntRange(0, 2).Draw(t, "context") {
		case 0:
			cancel = units("cancel", 20) + 1
		case 1:
			deadline = units("deadline", 20) + 1
		}
		allow := rapid.SampledFrom([]int{9, 9, 0, 1, 2, 3}).Draw(t, "allowed")
		want := contract(p, turns, allow, cancel, deadline)

		clock := auto()
		ctx, stop := fakeclock.WithCancel(context.Background(), clock)
		defer stop()
		if cancel > 0 {
			clock.AfterFunc(cancel, stop)
		}
		if deadline > 0 {
			ctx, stop = fakeclock.WithTimeout(ctx, clock, deadline)
			defer stop()
		}
		l := &ledger{n: allow}
		r, err := retry.New(retry.Config{Policy: p, Clock: clock, Limit: l})
		require.NoError(t, err)
		var got outcome
		var h retry.History
		_, err = retry.Do(retry.WithObserver(ctx, &h), r, func(ctx context.Context) (int, error) {
			turn := turns[len(got.Starts)]
			got.Starts = append(got.Starts, clock.Elapsed())
			_ = r.SetPolicy(retry.Policy{MaxAttempts: 9, BaseDelay: time.Hour})
			if err := clock.SleepContext(ctx, turn.took); err != nil {
				return 0, err
			}
			return 0, turn.err
		})
		got.End, got.Log = clock.Elapsed(), l.log
		attempts := h.Attempts()
		var refused *retry.RefusedError
		var cancelled *retry.CancelledError
		switch {
		case err == nil:
			got.Kind = "success"
		case errors.As(err, &refused):
			got.Kind = "refused before the first attempt"
		case errors.As(err, &cancelled):
			got.Kind = "cancelled"
			require.ErrorIs(t, err, cancelled.Err)
			require.ErrorIs(t, err, attempts[len(attempts)-1].Err)
			require.Equal(t, len(attempts), cancelled.Attempts)
		case err == attempts[len(attempts)-1].Err:
			got.Kind = fmt.Sprintf("error of attempt %d", len(attempts))
		default:
			t.Fatalf("an error from nowhere: %v", err)
		}
		require.Equal(t, want, got)
		if cancel == 0 && deadline == 0 {
			require.Empty(t, clock.Leaks(), "timers left")
		}
		kind, _, _ := strings.Cut(got.Kind, " ")
		seen[kind]++
	})
	for _, kind := range []string{"success", "cancelled", "error", "refused"} {
		assert.Positive(t, seen[kind], "%s: %v", kind, seen)
	}
}
