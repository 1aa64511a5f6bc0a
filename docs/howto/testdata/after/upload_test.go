package upload

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/retrykit/retrykit/fakeclock"
)

var errRefused = errors.New("refused")

// refusing returns a server that refuses so many times.
func refusing(times int) func(context.Context) error {
	return func(context.Context) error {
		if times--; times >= 0 {
			return errRefused
		}
		return nil
	}
}

func TestPut(t *testing.T) {
	waits := []time.Duration{0, 1 * time.Second, 3 * time.Second, 7 * time.Second, 15 * time.Second, 15 * time.Second}
	for refusals, want := range waits {
		clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto, TB: t})
		err := Put(t.Context(), clock, refusing(refusals))
		if (err != nil) != (refusals == 5) {
			t.Errorf("%d refusals: %v", refusals, err)
		}
		if took := clock.Elapsed(); took != want {
			t.Errorf("%d refusals: took %v, want %v", refusals, took, want)
		}
	}
}

func TestPutEndsWithItsContext(t *testing.T) {
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto, TB: t})
	ctx, cancel := fakeclock.WithTimeout(t.Context(), clock, 5*time.Second)
	defer cancel()
	err := Put(ctx, clock, refusing(5)) // refused at 0 s, 1 s and 3 s; the next attempt would be at 7 s
	if !errors.Is(err, context.DeadlineExceeded) || clock.Elapsed() != 5*time.Second {
		t.Errorf("%v after %v", err, clock.Elapsed())
	}
}
