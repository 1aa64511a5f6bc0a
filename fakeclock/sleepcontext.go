package fakeclock

import (
	"context"
	"time"
)

// SleepContext is the function [SleepContext] on this clock, for code that may
// not import this package but can ask a clock whether it has the method.
func (c *Clock) SleepContext(ctx context.Context, d time.Duration) error {
	return SleepContext(ctx, c, d)
}
