package bubble_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/fakeclock/bubble"
)

// After counts from the bubble's present, even if nothing on the clock was used
// since the bubble moved.
func TestAfterCatchesUp(t *testing.T) {
	bubble.Test(t, fakeclock.Config{}, func(t *testing.T, clk *fakeclock.Clock) {
		time.Sleep(5 * time.Second)
		start := time.Now()
		after := clk.After(time.Second)
		clk.Sleep(500 * time.Millisecond)
		assert.Equal(t, 500*time.Millisecond, time.Since(start))
		<-after
		assert.Equal(t, time.Second, time.Since(start))
	})
}
