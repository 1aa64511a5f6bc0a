package propertytest_test

import (
	"context"
	"testing"

	"github.com/retrykit/retrykit/propertytest"
	"github.com/retrykit/retrykit/propertytest/explore"
)

// Code that waits at once for an answer and for the end of its context may take
// either where both are there: that is no fault, on a clock and without one.
func TestARaceBetweenAnAnswerAndTheContextIsNoFault(t *testing.T) {
	race := func(ctx context.Context, op func(context.Context) error, _ int) error {
		ended, answer := make(chan error), make(chan error, 1)
		go func() { ended <- op(ctx) }()
		go func() { answer <- <-ended }() // so that it is the slower one
		select {
		case err := <-answer:
			return err
		case <-ctx.Done():
			if err := <-answer; err != nil {
				return err
			}
			return ctx.Err()
		}
	}
	o := plain
	o.Checks = -1
	t.Run("on a clock", func(t *testing.T) { propertytest.Run(t, explore.Func(retrier{call: race}.do), o) })
	t.Run("without", func(t *testing.T) {
		propertytest.Run(t, explore.Clockless(retrier{call: race, wait: onPackageTime}.do), o)
	})
}
