package fakeclock_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/fakeclock"
)

// A wait that a context ended leaves no mark on the next one.
func TestRunWaitAfterAnInterruptedOne(t *testing.T) {
	err := fakeclock.Run(fakeclock.Config{Stall: time.Second}, func(clk *fakeclock.Clock) error {
		short, cancel := fakeclock.WithTimeout(context.Background(), clk, time.Second)
		defer cancel()
		assert.Equal(t, context.DeadlineExceeded, clk.SleepContext(short, time.Hour))
		timer := clk.NewTimer(time.Second)
		select {
		case <-timer.Chan():
		case <-context.Background().Done():
		}
		assert.Equal(t, 2*time.Second, clk.Elapsed())
		return nil
	})
	require.NoError(t, err)
}
