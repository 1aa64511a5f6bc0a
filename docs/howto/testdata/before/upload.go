// Package upload sends things that may have to be sent again.
package upload

import (
	"context"
	"time"
)

// Put sends at most five times, and waits one second, then two, four and eight.
func Put(ctx context.Context, send func(context.Context) error) error {
	wait := time.Second
	for attempt := 1; ; attempt++ {
		err := send(ctx)
		if err == nil || attempt == 5 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		wait *= 2
	}
}
