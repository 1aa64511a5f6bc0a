package upload

import (
	"context"
	"errors"
	"testing"
	"time"
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
		start := time.Now()
		err := Put(t.Context(), refusing(refusals))
		took := time.Since(start)
		if (err != nil) != (refusals == 5) {
			t.Errorf("%d refusals: %v", refusals, err)
		}
		if took < want || took > want+200*time.Millisecond { // flaky on a busy machine
			t.Errorf("%d refusals: took %v, want %v", refusals, took, want)
		}
	}
}
