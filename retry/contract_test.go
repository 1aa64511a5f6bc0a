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

// world is a policy, and all that happens to a call under it.
type world struct {
	policy           retry.Policy
	turns            []attemptTurn // of as many attempts as there can be
	allowed          int           // attempts, by the limit
	cancel, deadline time.Duration // of the context; 0: it has none
}

// drawWorld draws one in which the context never ends at the instant of
// anything else.
func drawWorld(t *rapid.T) (w world) {
	const unit = 10 * time.Millisecond
	units := func(label string, most int) time.Duration {
		return time.Duration(rapid.IntRange(0, most).Draw(t, label)) * unit
	}
	w.policy = retry.Policy{
		MaxAttempts: rapid.SampledFrom([]int{6, 3, 2, 5, 1, 0, -1}).Draw(t, "attempts"), BaseDelay: units("base", 5) + unit, MaxDelay: units("cap", 12),
		AttemptTimeout: units("timeout", 6), MaxElapsed: units("elapsed", 40),
	}
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
		w.turns = append(w.turns, turn)
	}
	switch rapid.IntRange(0, 2).Draw(t, "context") {
	case 0:
		w.cancel = units("cancel", 20) + 1
	case 1:
		w.deadline = units("deadline", 20) + 1
	}
	w.allowed = rapid.SampledFrom([]int{9, 9, 0, 1, 2, 3}).Draw(t, "allowed")
	return w
}

// contract plays a call by the rules C1 to C3, C5, C6, C10 and C13 of the
// package, one after the other and with no code in common. It is long because
// it is read beside them.
func (w world) contract() (o outcome) {
	p, turns, allow, cancel, deadline := w.policy, w.turns, w.allowed, w.cancel, w.deadline
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
		w := drawWorld(t)
		want := w.contract()

		clock := auto()
		ctx, stop := fakeclock.WithCancel(context.Background(), clock)
		defer stop()
		if w.cancel > 0 {
			clock.AfterFunc(w.cancel, stop)
		}
		if w.deadline > 0 {
			ctx, stop = fakeclock.WithTimeout(ctx, clock, w.deadline)
			defer stop()
		}
		l := &ledger{n: w.allowed}
		r, err := retry.New(retry.Config{Policy: w.policy, Clock: clock, Limit: l})
		require.NoError(t, err)
		var got outcome
		var h retry.History
		_, err = retry.Do(retry.WithObserver(ctx, &h), r, func(ctx context.Context) (int, error) {
			turn := w.turns[len(got.Starts)]
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
		if w.cancel == 0 && w.deadline == 0 {
			require.Empty(t, clock.Leaks(), "timers left")
		}
		kind, _, _ := strings.Cut(got.Kind, " ")
		seen[kind]++
	})
	if !testing.Short() { // twenty worlds need not hold every end
		assert.Len(t, seen, 4, "%v", seen)
	}
}
